// Stops (83) that are not acknowledged (86) yet: repeated until they are, across power cuts by way of the journal.
import { sameBytes, toHex } from "../base/bytes.ts";
import { between, earliest, type Instant, minutes, type UnixTime } from "../base/time.ts";
import { LONGEST_SPAN, type MessageOf } from "../control/messages.ts";
import type { Calendar } from "../ports/clock.ts";
import type { Entropy } from "../ports/entropy.ts";
import type { JournalEntry } from "../ports/journal.ts";
import { Ask } from "./ask.ts";

type Stop = MessageOf<"stop">;

/** Above this the oldest is forgotten; the reception server will close it as lapsed. */
export const PENDING_STOPS_LIMIT = 64;
const LONGEST_REPEAT = minutes(1);

interface PendingStop {
  readonly reception: Uint8Array;
  readonly channel: string;
  readonly cause: Stop["cause"];
  readonly ended: { readonly at: Instant; readonly unix: UnixTime } | undefined;
  readonly ask: Ask;
}

export interface StopStatus {
  readonly channel: string;
  /** Hexadecimal. */
  readonly reception: string;
  readonly cause: Stop["cause"];
  readonly attempts: number;
}

export class PendingStops {
  readonly #entropy: Entropy;
  readonly #calendar: Calendar;
  readonly #pending: PendingStop[] = [];

  constructor(entropy: Entropy, calendar: Calendar) {
    this.#entropy = entropy;
    this.#calendar = calendar;
  }

  get size(): number {
    return this.#pending.length;
  }

  get entries(): readonly JournalEntry[] {
    return this.#pending.map(({ reception, channel, ended }) =>
      ended === undefined ? { reception, channel } : { reception, channel, ended: ended.unix },
    );
  }

  get status(): readonly StopStatus[] {
    return this.#pending.map(({ reception, channel, cause, ask }) => ({
      channel,
      reception: toHex(reception),
      cause,
      attempts: ask.attempts,
    }));
  }

  /** A reception has ended now. Returns the channels of stops that had to be forgotten. */
  add(now: Instant, reception: Uint8Array, channel: string): readonly string[] {
    const ended = { at: now, unix: this.#calendar.unix(now) };
    return this.#push({ reception, channel, cause: "stopped", ended, ask: this.#ask(now) });
  }

  /** A reception that the journal had when the device started: it ended in a power cut, or its stop was never acknowledged. */
  restore(now: Instant, { reception, channel, ended }: JournalEntry): readonly string[] {
    const when = ended === undefined ? undefined : { at: this.#calendar.at(ended), unix: ended };
    return this.#push({ reception, channel, cause: "power-lost", ended: when, ask: this.#ask(now) });
  }

  /** 86. False when no stop of this reception waits. */
  acknowledged(reception: Uint8Array): boolean {
    const index = this.#pending.findIndex((stop) => sameBytes(stop.reception, reception));
    if (index < 0) return false;
    this.#pending.splice(index, 1);
    return true;
  }

  due(now: Instant): readonly Stop[] {
    const due = this.#pending.filter(({ ask }) => ask.due <= now);
    for (const { ask } of due) ask.sent(now);
    return due.map((stop) => toMessage(now, stop));
  }

  reconnected(now: Instant): void {
    for (const { ask } of this.#pending) ask.hasten(now);
  }

  nextDeadline(): Instant | undefined {
    return earliest(this.#pending.map(({ ask }) => ask.due));
  }

  #ask(now: Instant): Ask {
    return new Ask(now, this.#entropy, LONGEST_REPEAT);
  }

  #push(stop: PendingStop): readonly string[] {
    this.#pending.push(stop);
    return this.#pending.splice(0, Math.max(0, this.#pending.length - PENDING_STOPS_LIMIT)).map((old) => old.channel);
  }
}

/** The span is counted anew for each repeat. A device without a calendar at start cannot tell: then it is left out. */
function toMessage(now: Instant, { reception, channel, cause, ended, ask }: PendingStop): Stop {
  const ago = ended === undefined ? -1 : Math.round(between(ended.at, now));
  const endedAgo = ago < 0 || ago > LONGEST_SPAN ? {} : { endedAgo: ago };
  return { type: "stop", id: ask.id, channel, reception, cause, ...endedAgo };
}
