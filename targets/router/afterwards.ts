// What nobody waits for is done when the packets that are there have been heard, in order.

/** So much may wait; more would be memory that a flood decides upon. */
const MOST = 1024;

/** Effects that wait for their turn. */
export class Afterwards<Effect> {
  readonly #later: (work: () => void) => void;
  readonly #apply: (effect: Effect) => void;
  #waiting: Effect[] = [];

  /** @param later runs its work once, at the end of the turn or at once */
  constructor(later: (work: () => void) => void, apply: (effect: Effect) => void) {
    this.#later = later;
    this.#apply = apply;
  }

  add(effect: Effect): void {
    this.#waiting.push(effect);
    if (this.#waiting.length === 1) this.#later(() => this.finish());
    else if (this.#waiting.length >= MOST) this.finish();
  }

  /** Does all that waits, now. */
  finish(): void {
    const due = this.#waiting;
    this.#waiting = [];
    for (const effect of due) this.#apply(effect);
  }
}
