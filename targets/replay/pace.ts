// A capture's own time on a clock: as recorded, or so many times as fast.
import type { Alarm, AlarmClock } from "../../core/base/alarm.ts";
import { after, type Instant, milliseconds } from "../../core/base/time.ts";
import { LONGEST_GAP } from "../../core/capture/replay.ts";

/** Waits until it is time for a moment of the capture. */
export class Pace {
  readonly #clock: AlarmClock;
  readonly #speed: number;
  /** A moment of the capture, and when that was here. */
  #begin: { readonly captured: number; readonly here: Instant } | undefined;
  #last = 0;
  #waiting: { readonly alarm: Alarm; readonly go: () => void } | undefined;
  #stopped = false;

  /** `speed` 1 is as recorded, 2 twice as fast; above 0. */
  constructor(clock: AlarmClock, speed: number) {
    this.#clock = clock;
    this.#speed = speed;
  }

  /** In milliseconds of the capture's clock; a gap of days, or a step back, is not waited for. */
  until(captured: number): Promise<void> {
    const gap = captured - this.#last;
    if (this.#begin === undefined || gap < 0 || gap > LONGEST_GAP) this.#begin = { captured, here: this.#clock.now() };
    this.#last = captured;
    const due = after(this.#begin.here, milliseconds((captured - this.#begin.captured) / this.#speed));
    return due <= this.#clock.now() || this.#stopped ? Promise.resolve() : this.#ring(due);
  }

  #ring(due: Instant): Promise<void> {
    return new Promise((go) => {
      this.#waiting = { alarm: this.#clock.alarm(due, go), go };
    });
  }

  /** Nothing is waited for any more. */
  stop(): void {
    this.#stopped = true;
    this.#waiting?.alarm.cancel();
    this.#waiting?.go();
  }
}
