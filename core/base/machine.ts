// The shape of every control-plane part: events in, effects out, time as an argument.
import type { Instant } from "./time.ts";

/**
 * A state machine without I/O. The runner calls `receive` for each event and `poll` when `nextDeadline` has come, applies the
 * effects in order, and arms one alarm from `nextDeadline`.
 */
export interface Machine<Event, Effect> {
  receive(now: Instant, event: Event): readonly Effect[];
  /** Does everything that is due at `now`; harmless when called early. */
  poll(now: Instant): readonly Effect[];
  /** When `poll` has work next; undefined when only an event can bring some. */
  nextDeadline(): Instant | undefined;
}
