// Which sequence numbers of one session have been seen: the newest 1024, in the manner of RFC 4303 appendix A2.

/** Sequence numbers that may arrive out of order. */
export const REPLAY_WINDOW = 1024;

/** Sequence numbers are whole, 0 to 2^53 - 1. Ask `isFresh`, authenticate, then `mark`: a forgery moves nothing. */
export class ReplayWindow {
  readonly #seen = new Uint32Array(REPLAY_WINDOW / 32);
  /** The highest number marked; -1 before the first. */
  #highest = -1;

  isFresh(sequence: number): boolean {
    if (sequence > this.#highest) return true;
    if (sequence <= this.#highest - REPLAY_WINDOW) return false;
    return ((this.#seen[wordOf(sequence)] ?? 0) & bitOf(sequence)) === 0;
  }

  mark(sequence: number): void {
    if (sequence > this.#highest) this.#advance(sequence);
    const word = wordOf(sequence);
    this.#seen[word] = (this.#seen[word] ?? 0) | bitOf(sequence);
  }

  /** Forgets the numbers that fall out on the far side, so that their bits can serve the new ones. */
  #advance(sequence: number): void {
    const from = Math.max(this.#highest + 1, sequence - REPLAY_WINDOW + 1);
    for (let n = from; n <= sequence; n++) {
      const word = wordOf(n);
      this.#seen[word] = (this.#seen[word] ?? 0) & ~bitOf(n);
    }
    this.#highest = sequence;
  }
}

const wordOf = (sequence: number): number => Math.floor((sequence % REPLAY_WINDOW) / 32);
const bitOf = (sequence: number): number => 1 << (sequence % 32);
