// The live epochs of a channel at a receiver: previous, current, next, and never more.
import type { Transform } from "./transform.ts";

/** Live epochs at once. */
export const LIVE_EPOCHS = 3;

interface Entry {
  readonly epoch: number;
  readonly transform: Transform;
}

/** Holds up to three epochs, oldest first. What leaves the ring is erased. */
export class KeyRing {
  readonly #entries: Entry[] = [];

  get size(): number {
    return this.#entries.length;
  }

  /** The epoch of a slot, 0 the oldest; undefined when the slot is empty. */
  epochAt(slot: number): number | undefined {
    return this.#entries[slot]?.epoch;
  }

  transformAt(slot: number): Transform | undefined {
    return this.#entries[slot]?.transform;
  }

  /** The slot of an epoch; -1 when it is not live. */
  slotOf(epoch: number): number {
    for (let slot = 0; slot < this.#entries.length; slot++) if (this.#entries[slot]?.epoch === epoch) return slot;
    return -1;
  }

  /** A known epoch is replaced; a fourth pushes out the oldest, which may be the new one itself. */
  install(epoch: number, transform: Transform): void {
    this.retire(epoch);
    this.#entries.push({ epoch, transform });
    this.#entries.sort((a, b) => a.epoch - b.epoch);
    if (this.#entries.length > LIVE_EPOCHS) this.#entries.shift()?.transform.erase();
  }

  /** Erases an epoch's key; harmless when it is not live. */
  retire(epoch: number): void {
    const slot = this.slotOf(epoch);
    if (slot >= 0) for (const gone of this.#entries.splice(slot, 1)) gone.transform.erase();
  }

  /** Erases what is older than `epoch`. */
  retireBefore(epoch: number): void {
    while ((this.#entries[0]?.epoch ?? epoch) < epoch) this.#entries.shift()?.transform.erase();
  }

  clear(): void {
    for (const entry of this.#entries.splice(0)) entry.transform.erase();
  }
}
