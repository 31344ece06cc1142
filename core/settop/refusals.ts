// How long a viewing that was refused its keys waits until it asks again.
import { doubled } from "../base/backoff.ts";
import { type Duration, milliseconds, minutes, seconds } from "../base/time.ts";
import type { Denial } from "../control/messages.ts";
import type { Entropy } from "../ports/entropy.ts";

const FIRST_DENIED_WAIT = seconds(30);
const LONGEST_DENIED_WAIT = minutes(10);
/** The stop of another viewing may free a place: look again soon ... */
const LIMIT_WAIT = seconds(1);
/** ... but not more often than this. */
const LIMIT_LOOKS = 3;
const FIRST_ENDED_WAIT = seconds(1);
const LONGEST_ENDED_WAIT = seconds(60);
const LEAST_BUSY = milliseconds(200);
const LONGEST_BUSY = seconds(60);

/** One per viewing: waits grow with the refusals in a row, until `granted`. */
export class Refusals {
  readonly #entropy: Entropy;
  /** Since the last grant. */
  #denials = 0;
  #ends = 0;

  constructor(entropy: Entropy) {
    this.#entropy = entropy;
  }

  /** Permitted: the waits begin anew. */
  granted(): void {
    this.#denials = 0;
    this.#ends = 0;
  }

  /** Asked again slowly, because a subscription may be bought. */
  denied(reason: Denial): Duration {
    const freeSoon = reason === "limit.concurrent" && this.#denials < LIMIT_LOOKS;
    const wait = freeSoon ? LIMIT_WAIT : doubled(FIRST_DENIED_WAIT, this.#denials, LONGEST_DENIED_WAIT);
    this.#denials++;
    return milliseconds(wait * (0.8 + this.#entropy.below(0.4)));
  }

  /** The reception was over: the first new one begins at once. */
  ended(): Duration {
    const wait = this.#ends === 0 ? milliseconds(0) : doubled(FIRST_ENDED_WAIT, this.#ends - 1, LONGEST_ENDED_WAIT);
    this.#ends++;
    return wait;
  }

  /** Not before `retryAfter` (ms), which is taken as 200 ms to 60 s, and up to a quarter later: not all devices at once. */
  busy(retryAfter: number): Duration {
    const wait = Math.min(LONGEST_BUSY, Math.max(LEAST_BUSY, retryAfter));
    return milliseconds(wait * (1 + this.#entropy.below(0.25)));
  }
}
