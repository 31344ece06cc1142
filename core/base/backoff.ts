// How long to wait before what has failed is tried again, or a question is asked again: growing waits, with chance in them so that
// many who failed together do not come back together. What varies from one use to the next is data.
import { between, type Duration, type Instant, milliseconds } from "./time.ts";

/** What a wait needs of core/ports/entropy.ts. */
export interface Chance {
  /** Uniform over [0, limit), a real number; limit > 0. */
  below(limit: number): number;
}

/** The wait is drawn evenly from [from, to); it is `from` where both are the same. */
export interface WaitRange {
  readonly from: Duration;
  readonly to: Duration;
}

/** When to try again: the waits after the first, second ... failure, and where they stop growing. */
export interface Schedule {
  /** The span before the first further attempt; doubled after each failure ... */
  readonly first: Duration;
  /** ... up to this. */
  readonly ceiling: Duration;
  /** What is waited for a span after so many failures (0 for the first wait). `exactly` where chance has no part in it. */
  readonly range: (span: Duration, failures: number) => WaitRange;
  /** No wait is shorter, whatever was drawn. */
  readonly least?: Duration;
  /** What held for longer than this, and than the last wait, was a success: the waits start anew. Without it, nothing is. */
  readonly lasting?: Duration;
}

/** A wait without chance in it. */
export const exactly = (span: Duration): WaitRange => ({ from: span, to: span });

/** `first`, doubled so many `times` (>= 0), never above `most`. */
export const doubled = (first: Duration, times: number, most: Duration): Duration =>
  milliseconds(Math.min(most, first * 2 ** times));

/** The range of the wait that follows `failures` earlier ones in a row, before `least`. */
export const rangeAfter = ({ first, ceiling, range }: Schedule, failures: number): WaitRange =>
  range(doubled(first, failures, ceiling), failures);

/** The wait that follows `failures` earlier ones in a row. Draws once, and not at all where chance has no part in it. */
export const waitAfter = (schedule: Schedule, failures: number, chance: Chance): Duration =>
  draw(rangeAfter(schedule, failures), schedule.least, chance);

function draw({ from, to }: WaitRange, least = milliseconds(0), chance: Chance): Duration {
  const drawn = to > from ? chance.below(to - from) : 0;
  return milliseconds(Math.max(least, from + drawn));
}

/** The failures of one thing that is tried again and again. */
export class Backoff {
  readonly #schedule: Schedule;
  #failures = 0;
  /** The longest that the last wait could have been. */
  #waitedFor = milliseconds(0);
  #worksSince: Instant | undefined;

  constructor(schedule: Schedule) {
    this.#schedule = schedule;
  }

  /** It works from now on. Whether that is a success shows when it ends: what works for a moment is one more failure. */
  works(now: Instant): void {
    this.#worksSince = now;
  }

  /** It did not work, or does no longer: how long to wait before the next attempt. */
  failed(now: Instant, chance: Chance): Duration {
    if (this.#hasLasted(now)) this.#failures = 0;
    this.#worksSince = undefined;
    const range = rangeAfter(this.#schedule, this.#failures++);
    this.#waitedFor = range.to;
    return draw(range, this.#schedule.least, chance);
  }

  #hasLasted(now: Instant): boolean {
    const { lasting } = this.#schedule;
    if (lasting === undefined || this.#worksSince === undefined) return false;
    return between(this.#worksSince, now) > Math.max(lasting, this.#waitedFor);
  }
}
