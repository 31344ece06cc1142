// What the runner of a machine needs of a clock: the time now, and to be woken later.
import type { Instant } from "./time.ts";

/** A call that is still to come. */
export interface Alarm {
  /** Safe to call twice, and after it has rung. */
  cancel(): void;
}

/** The clock as a machine's runner uses it; every driver of port Clock is one. */
export interface AlarmClock {
  /** Monotonic: never steps back, whatever happens to the calendar. */
  now(): Instant;
  /** Calls `ring` once, not before `at`, and never from inside this call. */
  alarm(at: Instant, ring: () => void): Alarm;
}
