// Runs one machine: events in, effects applied in order, one alarm.

import type { Alarm, AlarmClock } from "./alarm.ts";
import type { Machine } from "./machine.ts";
import type { Instant } from "./time.ts";

/**
 * Feeds events to a machine, applies its effects in order and keeps one alarm armed from `nextDeadline`. An event fed while
 * effects are being applied waits until they are, so `apply` may feed this runner. What `apply` throws goes to the caller
 * of `feed` (or to the alarm); the events that still wait are then handled by the next call.
 */
export class Runner<Event, Effect> {
  readonly #clock: AlarmClock;
  readonly #machine: Machine<Event, Effect>;
  readonly #apply: (effect: Effect) => void;
  readonly #waiting: Event[] = [];
  #applying = false;
  #stopped = false;
  #alarm: { readonly at: Instant; readonly handle: Alarm } | undefined;

  constructor(clock: AlarmClock, machine: Machine<Event, Effect>, apply: (effect: Effect) => void) {
    this.#clock = clock;
    this.#machine = machine;
    this.#apply = apply;
  }

  /** Does what is already due and arms the first alarm; for machines that have work before their first event. */
  start(): void {
    this.#turn(() => this.#machine.poll(this.#clock.now()));
  }

  feed(event: Event): void {
    if (this.#stopped) return;
    this.#waiting.push(event);
    if (!this.#applying) this.#turn(() => []);
  }

  /** Cancels the alarm; from here on events are ignored. */
  stop(): void {
    this.#stopped = true;
    this.#waiting.length = 0;
    this.#alarm?.handle.cancel();
    this.#alarm = undefined;
  }

  #turn(first: () => readonly Effect[]): void {
    if (this.#stopped) return;
    this.#applying = true;
    try {
      this.#applyAll(first());
      this.#drain();
    } finally {
      this.#applying = false;
      this.#arm();
    }
  }

  #drain(): void {
    for (let event = this.#waiting.shift(); event !== undefined; event = this.#waiting.shift())
      this.#applyAll(this.#machine.receive(this.#clock.now(), event));
  }

  #applyAll(effects: readonly Effect[]): void {
    for (const effect of effects) this.#apply(effect);
  }

  #arm(): void {
    const at = this.#stopped ? undefined : this.#machine.nextDeadline();
    if (at === this.#alarm?.at) return;
    this.#alarm?.handle.cancel();
    this.#alarm = at === undefined ? undefined : { at, handle: this.#clock.alarm(at, () => this.#rang()) };
  }

  #rang(): void {
    this.#alarm = undefined;
    this.#turn(() => this.#machine.poll(this.#clock.now()));
  }
}
