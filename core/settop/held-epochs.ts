// Which epochs a set-top holds of a stream, and until when: the one place that knows. The data plane has the keys themselves and is told
// what to install and what to erase; status and questions are read from here.
import { after, type Duration, earliest, type Instant } from "../base/time.ts";
import { LIVE_EPOCHS } from "../stream/key-ring.ts";

/** What a grant changes. */
export interface EpochChange {
  /** Not held before, rising: their keys go to the data plane. */
  readonly installed: readonly number[];
  /** No longer held, rising: their keys are to be erased, before others are installed. */
  readonly dropped: readonly number[];
}

/** Previous, current and next: never more than `LIVE_EPOCHS`. Numbers only, each a uint32. */
export class HeldEpochs {
  /** Epoch to the moment it is erased; undefined while it is current or next. */
  readonly #held = new Map<number, Instant | undefined>();

  /** Rising. */
  get epochs(): readonly number[] {
    return [...this.#held.keys()].sort((a, b) => a - b);
  }

  /** Whether it is held, to be erased soon or not. */
  has(epoch: number): boolean {
    return this.#held.has(epoch);
  }

  /**
   * The epochs of a grant (rising, at most `LIVE_EPOCHS`) are held from now on, and of the others as many of the newest as there is
   * room for.
   */
  grant(granted: readonly number[]): EpochChange {
    const installed = granted.filter((epoch) => !this.#held.has(epoch));
    const others = this.epochs.filter((epoch) => !granted.includes(epoch));
    const dropped = others.slice(0, Math.max(0, others.length + granted.length - LIVE_EPOCHS));
    for (const epoch of dropped) this.#held.delete(epoch);
    for (const epoch of installed) this.#held.set(epoch, undefined);
    return { installed, dropped };
  }

  /**
   * The stream is under `epoch`: older ones live on for the overlap, for packets that were overtaken; it and later ones stay, although the
   * stream seemed to be under a later one before.
   */
  switchedTo(now: Instant, epoch: number, overlap: Duration): void {
    for (const [held, until] of this.#held)
      if (held >= epoch) this.#held.set(held, undefined);
      else if (until === undefined) this.#held.set(held, after(now, overlap));
  }

  /** The sender counts its packets anew under `epoch`: what older keys have opened could be sent again and opened again. */
  beganAnew(now: Instant, epoch: number): void {
    for (const held of this.#held.keys()) if (held < epoch) this.#held.set(held, now);
  }

  /** Takes out what is due to be erased; rising. */
  expire(now: Instant): readonly number[] {
    const gone = this.epochs.filter((epoch) => (this.#held.get(epoch) ?? Number.POSITIVE_INFINITY) <= now);
    for (const epoch of gone) this.#held.delete(epoch);
    return gone;
  }

  /** When `expire` has work; undefined while it has none. */
  nextDeadline(): Instant | undefined {
    return earliest([...this.#held.values()]);
  }
}
