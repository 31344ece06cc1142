// Whether a channel's packets come in and get out: what has stopped is an alarm, and its socket is opened anew until it works.
import { Backoff, type Chance, exactly, type Schedule } from "../base/backoff.ts";
import type { Machine } from "../base/machine.ts";
import { after, between, type Duration, type Instant, seconds } from "../base/time.ts";

/** Packets since the start. */
export interface Traffic {
  /** That the input gave. */
  readonly taken: number;
  /** That the kernel has taken. */
  readonly sent: number;
  readonly failed: number;
}

/** What has stopped. */
export type TrafficAlarm =
  /** For a second no fewer packets failed to be sent than were sent. */
  | "output-failing"
  /** Nothing came in for as long as the input may be silent. */
  | "input-silent";

/** In the order they are to be applied. */
export type TrafficEffect =
  | { readonly kind: "alarm"; readonly alarm: TrafficAlarm; readonly raised: boolean }
  /** What the socket was told of an interface may hold no longer, though nobody has said so. */
  | { readonly kind: "reopen"; readonly end: "input" | "output" };

/** What is watched. */
export interface TrafficWatchOptions {
  /** Read once a second. */
  readonly traffic: () => Traffic;
  /** How long the input may be silent; undefined: it is not watched. */
  readonly silence?: Duration | undefined;
}

const LOOK_EVERY = seconds(1);
/** What works every other second is no news each time. */
const OVER_AFTER = seconds(3);
/** A socket that still fails is opened again after 1 s, 2, 4 ... 30 s. */
const OUTPUT: Schedule = { first: seconds(1), ceiling: seconds(30), range: exactly, lasting: seconds(30) };
/** A group that is still silent is joined anew after 15 s, 30 ... 120 s: each is a leave and a join for the routers. */
const INPUT: Schedule = { first: seconds(15), ceiling: seconds(120), range: exactly, lasting: seconds(120) };

/** No events: it looks at the counters every second, so that no packet costs more than its count. */
export class TrafficWatch implements Machine<never, TrafficEffect> {
  readonly #options: TrafficWatchOptions;
  readonly #output: Watched;
  readonly #input: Watched;
  #before: Traffic;
  #heardAt: Instant;
  #nextLook: Instant;

  constructor(options: TrafficWatchOptions, chance: Chance, now: Instant) {
    this.#options = options;
    this.#output = new Watched("output", "output-failing", OUTPUT, chance);
    this.#input = new Watched("input", "input-silent", INPUT, chance);
    this.#before = options.traffic();
    this.#heardAt = now;
    this.#nextLook = after(now, LOOK_EVERY);
  }

  /** Since when the input has been silent, to a second. */
  silentFor(now: Instant): Duration {
    return between(this.#heardAt, now);
  }

  receive(): readonly TrafficEffect[] {
    return [];
  }

  poll(now: Instant): readonly TrafficEffect[] {
    if (now < this.#nextLook) return [];
    this.#nextLook = after(now, LOOK_EVERY);
    const before = this.#before;
    const traffic = this.#options.traffic();
    this.#before = traffic;
    return [...this.#sending(now, traffic, before), ...this.#hearing(now, traffic, before)];
  }

  nextDeadline(): Instant {
    return this.#nextLook;
  }

  /** A second without packets to send says nothing. */
  #sending(now: Instant, traffic: Traffic, before: Traffic): readonly TrafficEffect[] {
    const sent = traffic.sent - before.sent;
    const failed = traffic.failed - before.failed;
    if (failed > 0 && failed >= sent) return this.#output.fails(now);
    return sent > 0 ? this.#output.works(now) : [];
  }

  #hearing(now: Instant, traffic: Traffic, before: Traffic): readonly TrafficEffect[] {
    const { silence } = this.#options;
    if (traffic.taken > before.taken) {
      this.#heardAt = now;
      return this.#input.works(now);
    }
    return silence !== undefined && this.silentFor(now) >= silence ? this.#input.fails(now) : [];
  }
}

/** One end of a channel. */
class Watched {
  readonly #end: "input" | "output";
  readonly #alarm: TrafficAlarm;
  readonly #backoff: Backoff;
  readonly #chance: Chance;
  /** When it is opened anew; undefined while no alarm is raised. */
  #reopenAt: Instant | undefined;
  #worksSince: Instant | undefined;

  constructor(end: "input" | "output", alarm: TrafficAlarm, schedule: Schedule, chance: Chance) {
    this.#end = end;
    this.#alarm = alarm;
    this.#backoff = new Backoff(schedule);
    this.#chance = chance;
  }

  works(now: Instant): readonly TrafficEffect[] {
    if (this.#reopenAt === undefined) return [];
    this.#worksSince ??= now;
    if (between(this.#worksSince, now) < OVER_AFTER) return [];
    this.#reopenAt = undefined;
    this.#backoff.works(now);
    return [{ kind: "alarm", alarm: this.#alarm, raised: false }];
  }

  fails(now: Instant): readonly TrafficEffect[] {
    this.#worksSince = undefined;
    const dueAt = this.#reopenAt;
    if (dueAt !== undefined && now < dueAt) return [];
    this.#reopenAt = after(now, this.#backoff.failed(now, this.#chance));
    const reopen = { kind: "reopen", end: this.#end } as const;
    return dueAt === undefined ? [{ kind: "alarm", alarm: this.#alarm, raised: true }, reopen] : [reopen];
  }
}
