// The keys that a receiver can open packets with, by epoch. Which those are is not decided here: whoever drives the receiver says what
// comes in and what goes (at a set-top, core/settop/held-epochs.ts).
import type { Transform } from "./transform.ts";

/** Epochs that may be live at once: previous, current, next. */
export const LIVE_EPOCHS = 3;

interface Entry {
  readonly epoch: number;
  readonly transform: Transform;
}

/** Up to `LIVE_EPOCHS` epochs in slots, the oldest in slot 0. A key that leaves the ring is overwritten. */
export class KeyRing {
  readonly #entries: Entry[] = [];

  /** Slots in use. */
  get size(): number {
    return this.#entries.length;
  }

  /** undefined when the slot is empty. */
  epochAt(slot: number): number | undefined {
    return this.#entries[slot]?.epoch;
  }

  /** undefined when the slot is empty. */
  transformAt(slot: number): Transform | undefined {
    return this.#entries[slot]?.transform;
  }

  /** The slot of an epoch; -1 when it is not live. */
  slotOf(epoch: number): number {
    for (let slot = 0; slot < this.#entries.length; slot++) if (this.#entries[slot]?.epoch === epoch) return slot;
    return -1;
  }

  /** A known epoch's key is replaced. RangeError for a fourth epoch: another must have been retired before. */
  install(epoch: number, transform: Transform): void {
    this.retire(epoch);
    if (this.#entries.length === LIVE_EPOCHS) {
      transform.erase();
      throw new RangeError(`epoch ${epoch} would be one too many beside ${this.#entries.map((entry) => entry.epoch)}`);
    }
    this.#entries.push({ epoch, transform });
    this.#entries.sort((a, b) => a.epoch - b.epoch);
  }

  /** Erases an epoch's key; harmless when it is not live. */
  retire(epoch: number): void {
    const slot = this.slotOf(epoch);
    if (slot >= 0) for (const gone of this.#entries.splice(slot, 1)) gone.transform.erase();
  }

  /** Erases every key. */
  clear(): void {
    for (const entry of this.#entries.splice(0)) entry.transform.erase();
  }
}
