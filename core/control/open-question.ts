// A question that is repeated until it is answered: everybody who asks over QoS 0 counts and waits by this one rule.
import { rangeAfter, type Schedule, type WaitRange, waitAfter } from "../base/backoff.ts";
import { after, type Duration, type Instant, instant, milliseconds, seconds } from "../base/time.ts";
import type { Entropy } from "../ports/entropy.ts";

/** The first repeat: an answer gets this long to come. */
const OPENING: WaitRange = { from: milliseconds(700), to: milliseconds(1300) };
/** Who was told to come back is spread over at least this. */
const LEAST_BUSY_SPREAD = milliseconds(200);

/**
 * First after 0.7 to 1.3 s, then within 2, 4, 8 ... s with full jitter, so that askers who began together drift apart; never sooner
 * than 0.2 s, nor later than `ceiling`.
 */
export const repeatsWithin = (ceiling: Duration): Schedule => ({
  first: seconds(1),
  ceiling,
  range: (span, failures) => (failures === 0 ? OPENING : { from: milliseconds(0), to: span }),
  least: milliseconds(200),
});

/** When to send it: `due` says it, `sent` counts it; what is sent is for the owner to know. */
export class OpenQuestion {
  /** 16 octets, the same in every repeat: the server answers a repeat without doing the work twice. */
  readonly id: Uint8Array;
  readonly #schedule: Schedule;
  #attempts = 0;
  #due: Instant;
  #sentAt = Number.NEGATIVE_INFINITY;

  /** To be sent at `due` for the first time. */
  constructor(id: Uint8Array, due: Instant, schedule: Schedule) {
    this.id = id;
    this.#due = due;
    this.#schedule = schedule;
  }

  /** When it is to be sent next. */
  get due(): Instant {
    return this.#due;
  }

  /** How often it has been sent since it was asked, or since `restart`. */
  get attempts(): number {
    return this.#attempts;
  }

  /** It is being sent now. */
  sent(now: Instant, entropy: Entropy): void {
    this.#due = after(now, waitAfter(this.#schedule, this.#attempts, entropy));
    this.#attempts += 1;
    this.#sentAt = now;
  }

  /** Not later than `at`: the answer is needed then. What was sent last still gets its first while to be answered. */
  hasten(at: Instant): void {
    const answered = this.#sentAt + rangeAfter(this.#schedule, 0).from;
    this.#due = instant(Math.min(this.#due, Math.max(at, answered)));
  }

  /** At `at`, and then as at first: what was sent before has reached nobody. */
  restart(at: Instant): void {
    this.#attempts = 0;
    this.#due = at;
  }

  /** Not before the server said, and spread over half as much again, so that the crowd it sent away does not return at once. */
  busy(now: Instant, retryAfter: Duration, entropy: Entropy): void {
    const spread = Math.max(LEAST_BUSY_SPREAD, retryAfter / 2);
    this.#due = after(now, milliseconds(retryAfter + entropy.below(spread)));
  }
}
