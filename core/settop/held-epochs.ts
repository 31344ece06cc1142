// Which epochs a viewing holds: previous, current and next, and when an old one is erased.
import { after, type Duration, earliest, type Instant } from "../base/time.ts";
import { LIVE_EPOCHS } from "../stream/key-ring.ts";

export interface EpochChange {
  readonly installed: readonly number[];
  readonly dropped: readonly number[];
}

/** Numbers only: the keys themselves go straight to the data plane. */
export class HeldEpochs {
  /** Epoch to the moment it is erased; undefined while it is current or next. */
  readonly #held = new Map<number, Instant | undefined>();

  /** Rising. */
  get epochs(): readonly number[] {
    return [...this.#held.keys()].sort((a, b) => a - b);
  }

  has(epoch: number): boolean {
    return this.#held.has(epoch);
  }

  /** A grant is the key server's word: its epochs stay, and of the others as many of the newest as there is room for. */
  grant(granted: readonly number[]): EpochChange {
    const installed = granted.filter((epoch) => !this.#held.has(epoch));
    const others = this.epochs.filter((epoch) => !granted.includes(epoch));
    const dropped = others.slice(0, Math.max(0, others.length + granted.length - LIVE_EPOCHS));
    for (const epoch of dropped) this.#held.delete(epoch);
    for (const epoch of installed) this.#held.set(epoch, undefined);
    return { installed, dropped };
  }

  /** The stream has been heard under `epoch`: older ones live on for the overlap, for packets that were overtaken. */
  switchedTo(now: Instant, epoch: number, overlap: Duration): void {
    for (const [held, until] of this.#held)
      if (held < epoch && until === undefined) this.#held.set(held, after(now, overlap));
  }

  /** Takes out what is due to be erased. */
  expire(now: Instant): readonly number[] {
    const gone = this.epochs.filter((epoch) => (this.#held.get(epoch) ?? Number.POSITIVE_INFINITY) <= now);
    for (const epoch of gone) this.#held.delete(epoch);
    return gone;
  }

  clear(): void {
    this.#held.clear();
  }

  nextDeadline(): Instant | undefined {
    return earliest(this.#held.values());
  }
}
