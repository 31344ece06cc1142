// The machine's clocks: performance.now for instants, the calendar beside it.
import { performance } from "node:perf_hooks";
import type { Alarm } from "../../core/base/alarm.ts";
import { type Instant, instant, unixTime } from "../../core/base/time.ts";
import type { Clock } from "../../core/ports/clock.ts";

/** Node's timers wrap to 1 ms above 2^31-1 ms, so a longer wait is made of several. */
const LONGEST_TIMER = 2 ** 31 - 1;

const calendarOffset = (): number => Date.now() - performance.now();

/** Instants count from the start of the process; alarms are timers that keep it alive. */
export const systemClock: Clock = {
  now: () => instant(performance.now()),
  unix: (at) => unixTime(at + calendarOffset()),
  at: (time) => instant(time - calendarOffset()),
  alarm: (at, ring) => new SystemAlarm(at, ring),
};

class SystemAlarm implements Alarm {
  readonly #at: Instant;
  readonly #ring: () => void;
  #timer: NodeJS.Timeout;

  constructor(at: Instant, ring: () => void) {
    this.#at = at;
    this.#ring = ring;
    this.#timer = this.#arm();
  }

  cancel(): void {
    clearTimeout(this.#timer);
  }

  #arm(): NodeJS.Timeout {
    const wait = Math.max(0, this.#at - performance.now());
    return setTimeout(() => this.#elapsed(), Math.min(Math.ceil(wait), LONGEST_TIMER));
  }

  /** Timers may fire a fraction of a millisecond early; the port promises never. */
  #elapsed(): void {
    if (performance.now() < this.#at) this.#timer = this.#arm();
    else this.#ring();
  }
}
