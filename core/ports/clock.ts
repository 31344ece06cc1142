import type { AlarmClock } from "../base/alarm.ts";
import type { Instant, UnixTime } from "../base/time.ts";

/** The machine's time. Drivers: system, simulated. */
export interface Clock extends AlarmClock {
  /** The calendar's reading for a moment of the monotonic clock; follows steps of the calendar. */
  unix(at: Instant): UnixTime;
  /** The inverse of `unix`, for deadlines that were stored. */
  at(time: UnixTime): Instant;
}

/** What a machine may know of the clock. */
export type Calendar = Pick<Clock, "unix" | "at">;
