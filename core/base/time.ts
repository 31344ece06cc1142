// Time as types. An Instant is monotonic and private to one process; UnixTime crosses processes and goes to disk.

declare const instantBrand: unique symbol;
declare const durationBrand: unique symbol;
declare const unixBrand: unique symbol;

/** Milliseconds (fractions allowed) on this process's monotonic clock. Never sent, never stored. */
export type Instant = number & { readonly [instantBrand]: true };

/** A span in milliseconds, >= 0 unless a function says otherwise. */
export type Duration = number & { readonly [durationBrand]: true };

/** Milliseconds since 1970-01-01T00:00:00Z, as the machine's calendar clock tells it. */
export type UnixTime = number & { readonly [unixBrand]: true };

/** A moment from a clock's number of milliseconds. */
export const instant = (ms: number): Instant => ms as Instant;
/** A span of `ms` milliseconds. */
export const milliseconds = (ms: number): Duration => ms as Duration;
/** A span of `s` seconds. */
export const seconds = (s: number): Duration => (s * 1000) as Duration;
/** A span of `m` minutes. */
export const minutes = (m: number): Duration => (m * 60_000) as Duration;
/** A moment from milliseconds since 1970-01-01T00:00:00Z. */
export const unixTime = (ms: number): UnixTime => ms as UnixTime;

/** To the nearest millisecond: what is stored or sent has no fractions, which a clock may give. */
export const wholeUnixTime = (ms: number): UnixTime => Math.round(ms) as UnixTime;

/** The moment `wait` after `from`. */
export const after = (from: Instant, wait: Duration): Instant => (from + wait) as Instant;

/** From `from` to `to`; negative when `to` is the earlier one. */
export const between = (from: Instant, to: Instant): Duration => (to - from) as Duration;

/** What is left until `deadline`, never negative. */
export const remaining = (now: Instant, deadline: Instant): Duration => Math.max(0, deadline - now) as Duration;

/** Whether the deadline is now or was before; undefined is none. */
export const isPast = (now: Instant, deadline: Instant | undefined): boolean =>
  deadline !== undefined && deadline <= now;

/** The earliest of the given instants; undefined when there is none. */
export function earliest(instants: readonly (Instant | undefined)[]): Instant | undefined {
  let first: Instant | undefined;
  // By index: this is asked before and after every packet, and an iterator is an object for each step.
  for (let i = 0; i < instants.length; i++) {
    const at = instants[i];
    if (at !== undefined && (first === undefined || at < first)) first = at;
  }
  return first;
}
