// Stops (83) that are not acknowledged (86) yet: repeated until they are, across power cuts by way of the journal.
import { sameBytes, toHex } from "../base/bytes.ts";
import { between, earliest, type Instant, minutes, type UnixTime } from "../base/time.ts";
import { LONGEST_SPAN, type MessageOf } from "../control/messages.ts";
import { OpenQuestion, repeatsWithin } from "../control/open-question.ts";
import { newRequestId } from "../control/requester.ts";
import type { Calendar } from "../ports/clock.ts";
import type { Entropy } from "../ports/entropy.ts";
import type { JournalEntry } from "../ports/journal.ts";

type Stop = MessageOf<"stop">;

/** Above this the oldest is forgotten; the reception server will close it as lapsed. */
export const PENDING_STOPS_LIMIT = 64;
const REPEATS = repeatsWithin(minutes(1));

interface PendingStop {
  readonly reception: Uint8Array;
  readonly channel: string;
  readonly cause: Stop["cause"];
  readonly ended: { readonly at: Instant; readonly unix: UnixTime } | undefined;
  readonly question: OpenQuestion;
}

/** One stop that waits, as `status` shows it. */
export interface StopStatus {
  readonly channel: string;
  /** Hexadecimal. */
  readonly reception: string;
  readonly cause: Stop["cause"];
  readonly attempts: number;
}

/** At most PENDING_STOPS_LIMIT wait; each is in the journal until its acknowledgement has come. */
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
    return this.#pending.map(({ reception, channel, cause, question }) => ({
      channel,
      reception: toHex(reception),
      cause,
      attempts: question.attempts,
    }));
  }

  /** A reception has ended now. Returns the channels of stops that had to be forgotten. */
  add(now: Instant, reception: Uint8Array, channel: string): readonly string[] {
    const ended = { at: now, unix: this.#calendar.unix(now) };
    return this.#push({ reception, channel, cause: "stopped", ended, question: this.#question(now) });
  }

  /** A reception that the journal had when the device started: it ended in a power cut, or its stop was never acknowledged. */
  restore(now: Instant, { reception, channel, ended }: JournalEntry): readonly string[] {
    const when = ended === undefined ? undefined : { at: this.#calendar.at(ended), unix: ended };
    return this.#push({ reception, channel, cause: "power-lost", ended: when, question: this.#question(now) });
  }

  /** 86. False when no stop of this reception waits. */
  acknowledged(reception: Uint8Array): boolean {
    const index = this.#pending.findIndex((stop) => sameBytes(stop.reception, reception));
    if (index < 0) return false;
    this.#pending.splice(index, 1);
    return true;
  }

  due(now: Instant): readonly Stop[] {
    const due = this.#pending.filter(({ question }) => question.due <= now);
    for (const { question } of due) question.sent(now, this.#entropy);
    return due.map((stop) => toMessage(now, stop));
  }

  reconnected(now: Instant): void {
    for (const { question } of this.#pending) question.hasten(now);
  }

  nextDeadline(): Instant | undefined {
    return earliest(this.#pending.map(({ question }) => question.due));
  }

  #question(now: Instant): OpenQuestion {
    return new OpenQuestion(newRequestId(this.#entropy), now, REPEATS);
  }

  #push(stop: PendingStop): readonly string[] {
    this.#pending.push(stop);
    return this.#pending.splice(0, Math.max(0, this.#pending.length - PENDING_STOPS_LIMIT)).map((old) => old.channel);
  }
}

/** The span is counted anew for each repeat. A device without a calendar at start cannot tell: then it is left out. */
function toMessage(now: Instant, { reception, channel, cause, ended, question }: PendingStop): Stop {
  const ago = ended === undefined ? -1 : Math.round(between(ended.at, now));
  const endedAgo = ago < 0 || ago > LONGEST_SPAN ? {} : { endedAgo: ago };
  return { type: "stop", id: question.id, channel, reception, cause, ...endedAgo };
}
