// What the two ways of changing keys (claims 3 and 7) have in common: the epoch in use, the next one, and the alarm.
import { Counters } from "../base/counters.ts";
import { after, type Duration, earliest, type Instant, milliseconds, seconds } from "../base/time.ts";
import type { EpochKey } from "../control/messages.ts";
import type { ChannelEffect, EpochAlarm } from "./events.ts";

/** Without any epoch for this long after the start there is an alarm. */
const START_PATIENCE = seconds(5);

interface Ready {
  readonly epoch: number;
  readonly at: Instant;
}

/** One per channel. Begins without an epoch; the first is prepared and switched to like any other. */
export class EpochClock {
  readonly #interval: Duration;
  readonly #started: Instant;
  /** How often each alarm was raised. */
  readonly alarms = new Counters<EpochAlarm>();
  switches = 0;
  #current: { readonly epoch: number; readonly since: Instant } | undefined;
  #ready: Ready | undefined;
  #alarm: EpochAlarm | undefined;

  /** `interval` in ms: how long a key is to be used. */
  constructor(interval: number, now: Instant) {
    this.#interval = milliseconds(interval);
    this.#started = now;
  }

  /** The epoch in use. */
  get epoch(): number | undefined {
    return this.#current?.epoch;
  }

  /** The acknowledged epoch that waits for its moment. */
  get ready(): Ready | undefined {
    return this.#ready;
  }

  /** The one that is raised. */
  get alarm(): EpochAlarm | undefined {
    return this.#alarm;
  }

  /** When the current epoch is to end: at the switch that is fixed, else when its interval is over; undefined before the first. */
  get plannedEnd(): Instant | undefined {
    if (this.#current === undefined) return undefined;
    return this.#ready?.at ?? after(this.#current.since, this.#interval);
  }

  /** An acknowledged epoch: the switch comes at `at`. Replaces one that was still waiting. */
  prepare(key: EpochKey, at: Instant): readonly ChannelEffect[] {
    this.#ready = { epoch: key.epoch, at };
    return [{ kind: "install", key }, ...this.lower()];
  }

  /** Forgets an epoch that is acknowledged but not in use: a device that lost its right may hold it. */
  abandon(): void {
    this.#ready = undefined;
  }

  /** Switches when the moment has come, and raises the alarm when it has passed without an acknowledged epoch. */
  due(now: Instant): readonly ChannelEffect[] {
    if (this.#ready !== undefined && this.#ready.at <= now) return this.#switch(now, this.#ready);
    const overdue = this.#overdueAt();
    return overdue !== undefined && overdue <= now ? this.raise(this.#current ? "overdue" : "no-epoch") : [];
  }

  nextDeadline(): Instant | undefined {
    return earliest([this.#ready?.at, this.#overdueAt()]);
  }

  /** Another alarm that is raised is over; the same one is not raised twice. */
  raise(alarm: EpochAlarm): readonly ChannelEffect[] {
    if (this.#alarm === alarm) return [];
    const over = this.lower();
    this.#alarm = alarm;
    this.alarms.count(alarm);
    return [...over, { kind: "alarm", alarm, raised: true }];
  }

  /** Whatever alarm is raised is over. */
  lower(): readonly ChannelEffect[] {
    if (this.#alarm === undefined) return [];
    const alarm = this.#alarm;
    this.#alarm = undefined;
    return [{ kind: "alarm", alarm, raised: false }];
  }

  #switch(now: Instant, { epoch }: Ready): readonly ChannelEffect[] {
    this.#current = { epoch, since: now };
    this.#ready = undefined;
    this.switches++;
    return [{ kind: "switch", epoch }];
  }

  #overdueAt(): Instant | undefined {
    if (this.#ready !== undefined || this.#alarm !== undefined) return undefined;
    if (this.#current === undefined) return after(this.#started, START_PATIENCE);
    return after(this.#current.since, this.#interval);
  }
}
