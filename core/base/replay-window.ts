// Which numbers have been accepted: a bitmap of the newest 1024 that slides with the highest (RFC 3711 section 3.3.2, RFC 4303
// appendix A2). For packets of a stream and for messages of a session.

/** How many indices below the highest can still be told apart; RFC 3711 asks for at least 64. */
export const WINDOW = 1024;

/** Indices are integers >= 0, below 2^53. Ask `check`, authenticate, then `accept`: a forgery moves nothing. */
export class ReplayWindow {
  /** Bit i % WINDOW says whether index i was accepted, for the WINDOW indices that end with the highest. */
  readonly #seen = new Uint32Array(WINDOW / 32);
  #highest = -1;

  /** The highest accepted index; -1 before the first. */
  get highest(): number {
    return this.#highest;
  }

  /** Judges an index and changes nothing. */
  check(index: number): "fresh" | "replayed" | "too-old" {
    if (index > this.#highest) return "fresh";
    if (index <= this.#highest - WINDOW) return "too-old";
    const bit = index % WINDOW;
    return ((this.#seen[bit >>> 5] ?? 0) >>> (bit & 31)) & 1 ? "replayed" : "fresh";
  }

  /** Records an index whose packet has authenticated and that `check` called fresh. */
  accept(index: number): void {
    if (index > this.#highest) this.#slide(index);
    const bit = index % WINDOW;
    this.#seen[bit >>> 5] = (this.#seen[bit >>> 5] ?? 0) | (1 << (bit & 31));
  }

  /** The stream begins again below: `index` will be the highest. What was accepted before is no longer known here. */
  restart(index: number): void {
    this.#seen.fill(0);
    this.#highest = index - 1;
  }

  /** Another window that has accepted the same. */
  copy(): ReplayWindow {
    const copy = new ReplayWindow();
    copy.#seen.set(this.#seen);
    copy.#highest = this.#highest;
    return copy;
  }

  #slide(index: number): void {
    const skipped = index - this.#highest - 1;
    if (skipped >= WINDOW) this.#seen.fill(0);
    else for (let i = 1; i <= skipped; i++) this.#clear((this.#highest + i) % WINDOW);
    this.#clear(index % WINDOW);
    this.#highest = index;
  }

  #clear(bit: number): void {
    this.#seen[bit >>> 5] = (this.#seen[bit >>> 5] ?? 0) & ~(1 << (bit & 31));
  }
}
