// One question that is repeated until it is answered: when to send it next.
import { after, type Duration, type Instant, instant } from "../base/time.ts";
import { FIRST_REPEAT, repeatWait } from "../control/backoff.ts";
import type { Entropy } from "../ports/entropy.ts";

/** An unanswered question, repeated as `repeatWait` says. */
export class Ask {
  /** 16 octets, the same in every repeat: the server answers a repeat without doing the work twice. */
  readonly id: Uint8Array;
  readonly #entropy: Entropy;
  readonly #longest: Duration;
  #attempts = 0;
  #due: Instant;
  #sentAt = Number.NEGATIVE_INFINITY;

  /** `longest` is the limit of the wait between repeats. */
  constructor(now: Instant, entropy: Entropy, longest: Duration) {
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
    this.#due = after(now, repeatWait(this.#entropy, this.#attempts, this.#longest));
  }

  /** Not later than `at`: the broker is back, or the answer is needed then. An answer still gets its first while to come. */
  hasten(at: Instant): void {
    this.#due = instant(Math.min(this.#due, Math.max(at, this.#sentAt + FIRST_REPEAT)));
  }
}
