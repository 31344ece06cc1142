import type { Instant, UnixTime } from "../base/time.ts";

export interface Alarm {
  /** Safe to call twice, and after it has rung. */
  cancel(): void;
}

/** The machine's time. Drivers: system, simulated. */
export interface Clock {
  /** Monotonic: never steps back, whatever happens to the calendar. */
  now(): Instant;
  /** The calendar's reading for a moment of the monotonic clock; follows steps of the calendar. */
  unix(at: Instant): UnixTime;
  /** The inverse of `unix`, for deadlines that were stored. */
  at(time: UnixTime): Instant;
  /** Calls `ring` once, not before `at`, and never from inside this call. */
  alarm(at: Instant, ring: () => void): Alarm;
}

/** What a machine may know of the clock. */
export type Calendar = Pick<Clock, "unix" | "at">;
