// One question that is repeated until it is answered: when to send it next.
import { after, type Instant, instant, milliseconds } from "../base/time.ts";
import type { Entropy } from "../ports/entropy.ts";

const FIRST_LEAST = 700;
const FIRST_SPREAD = 600;
const LEAST = 200;

/** An unanswered question. The first repeat comes after 0.7 to 1.3 s, later ones after a full-jitter exponential wait. */
export class Ask {
  /** 16 octets, the same in every repeat: the server answers a repeat without doing the work twice. */
  readonly id: Uint8Array;
  readonly #entropy: Entropy;
  readonly #longest: number;
  #attempts = 0;
  #due: Instant;
  #sentAt = Number.NEGATIVE_INFINITY;

  /** `longest` ms is the limit of the wait between repeats. */
  constructor(now: Instant, entropy: Entropy, longest: number) {
    this.id = entropy.bytes(16);
    this.#entropy = entropy;
    this.#longest = longest;
    this.#due = now;
  }

  get due(): Instant {
    return this.#due;
  }

  /** How often it has been sent. */
  get attempts(): number {
    return this.#attempts;
  }

  /** It is being sent now. */
  sent(now: Instant): void {
    this.#attempts++;
    this.#sentAt = now;
    const wait =
      this.#attempts === 1
        ? FIRST_LEAST + this.#entropy.below(FIRST_SPREAD)
        : LEAST + this.#entropy.below(Math.min(this.#longest, 1000 * 2 ** Math.min(this.#attempts, 20)));
    this.#due = after(now, milliseconds(wait));
  }

  /** Not later than `at`: the broker is back, or the answer is needed then. An answer still gets its first while to come. */
  hasten(at: Instant): void {
    this.#due = instant(Math.min(this.#due, Math.max(at, this.#sentAt + FIRST_LEAST)));
  }
}
