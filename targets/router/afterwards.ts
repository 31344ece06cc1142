// What nobody waits for is done when the packets that are there have been heard, in order.

/** So much may wait; more would be memory that a flood decides upon. */
const MOST = 1024;

/** Effects that wait for their turn. */
export class Afterwards<Effect> {
  readonly #later: (work: () => void) => void;
  readonly #apply: (effect: Effect) => void;
  readonly #isPressing: (effect: Effect) => boolean;
  #waiting: Effect[] = [];

  /**
   * @param later runs its work once, at the end of the turn or at once
   * @param isPressing what comes before the rest that waits
   */
  constructor(
    later: (work: () => void) => void,
    apply: (effect: Effect) => void,
    isPressing: (effect: Effect) => boolean,
  ) {
    this.#later = later;
    this.#apply = apply;
    this.#isPressing = isPressing;
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
    for (const effect of due) if (this.#isPressing(effect)) this.#apply(effect);
    for (const effect of due) if (!this.#isPressing(effect)) this.#apply(effect);
  }
}
