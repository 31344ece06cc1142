// When a host repeats its reports unasked, because nobody asks: many access networks send no query and forget all the same.
import { after, type Duration, type Instant, milliseconds, seconds } from "../../base/time.ts";
import type { Entropy } from "../../ports/entropy.ts";

/**
 * "auto": every 20 s, as networks were seen to forget after 30 s to 5 minutes. "off": as RFC 3376 has it, only when asked. Else the time
 * between two repeats, more than 0.
 */
export type RefreshPolicy = "auto" | "off" | Duration;

const AUTOMATIC: Duration = seconds(20);
/** Of the interval: routers that started together shall not report in step for ever. */
const JITTER = 1 / 10;

/** The time between two repeats; undefined: never. */
const intervalOf = (policy: RefreshPolicy): Duration | undefined =>
  policy === "off" ? undefined : policy === "auto" ? AUTOMATIC : policy;

/** Runs while the link is up; a query makes it wait until the next one is overdue. */
export class RefreshTimer {
  readonly interval: Duration | undefined;
  readonly #entropy: Entropy;
  #at: Instant | undefined;

  constructor(policy: RefreshPolicy, entropy: Entropy) {
    this.interval = intervalOf(policy);
    this.#entropy = entropy;
  }

  /** When to repeat next; undefined while the link is down, and always when it is off. */
  get at(): Instant | undefined {
    return this.#at;
  }

  /** Everything has just been said: the next repeat is an interval away, or later where it was. */
  said(now: Instant): void {
    const next = this.#next(now);
    if (next !== undefined && (this.#at === undefined || this.#at < next)) this.#at = next;
  }

  /** Somebody asked everybody, and asks again within `span`: who is asked need not repeat. */
  asked(now: Instant, span: Duration): void {
    if (this.interval !== undefined) this.#at = after(now, milliseconds(Math.max(span, this.interval)));
  }

  stop(): void {
    this.#at = undefined;
  }

  /** Whether it is time; if so, the next repeat is an interval away. */
  poll(now: Instant): boolean {
    if (this.#at === undefined || now < this.#at) return false;
    this.#at = this.#next(now);
    return true;
  }

  #next(now: Instant): Instant | undefined {
    if (this.interval === undefined) return undefined;
    return after(now, milliseconds(this.interval - this.#entropy.below(this.interval * JITTER)));
  }
}
