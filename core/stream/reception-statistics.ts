// What arrived of a stream and what did not, counted over extended sequence numbers (RFC 3550 section 6.4.1 and A.3).
import { HALF_TURN } from "./packet-index.ts";

/** Packets since the beginning. All but `undecryptable` are counted after they have authenticated. */
export interface StatisticsSnapshot {
  /** Packets that authenticated, each counted once. */
  readonly received: number;
  /** Indices that were passed over and have not come since. */
  readonly lost: number;
  /** Packets whose index had already been accepted. */
  readonly duplicated: number;
  /** Packets accepted below the highest index. */
  readonly reordered: number;
  /** Packets with our SSRC that no live key opened: unknown epoch, wrong tag, too old, or no position yet. */
  readonly undecryptable: number;
  /** Jumps of 2^15 packets and more, and back: an outage or a new start of the sender, not counted as loss. */
  readonly resynchronised: number;
}

/** One per receiver; the caller tells each packet once. */
export class ReceptionStatistics {
  #received = 0;
  #lost = 0;
  #reordered = 0;
  #resynchronised = 0;
  #first = -1;
  duplicated = 0;
  undecryptable = 0;

  /** An authenticated packet; `highest` is the highest index before it, -1 for the first. */
  accepted(index: number, highest: number): void {
    this.#received++;
    if (highest < 0) this.#first = index;
    else if (index > highest) this.#advance(index, index - highest - 1);
    else this.#late(index);
  }

  /** Indices that were passed over and have not come since. */
  get lost(): number {
    return this.#lost;
  }

  /** A leap was none of the stream's, or was one after all: so many indices more were passed over, or less. */
  returned(lost: number): void {
    this.#lost = Math.max(0, this.#lost + lost);
  }

  /** The sender has started anew at an earlier index. */
  restarted(index: number): void {
    this.#received++;
    this.#resynchronised++;
    this.#first = index;
  }

  /** As they are now. */
  snapshot(): StatisticsSnapshot {
    return {
      received: this.#received,
      lost: this.#lost,
      duplicated: this.duplicated,
      reordered: this.#reordered,
      undecryptable: this.undecryptable,
      resynchronised: this.#resynchronised,
    };
  }

  #advance(index: number, skipped: number): void {
    if (skipped < HALF_TURN) {
      this.#lost += skipped;
      return;
    }
    this.#resynchronised++;
    this.#first = index;
  }

  /** A late packet fills a gap that was counted as loss, unless it is older than the first packet or than a jump. */
  #late(index: number): void {
    this.#reordered++;
    if (index > this.#first) this.#lost--;
  }
}
