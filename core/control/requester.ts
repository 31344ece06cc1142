// Requests that wait for their answer: sent over QoS 0, repeated until answered, never given up in silence.
import type { Schedule } from "../base/backoff.ts";
import { sameBytes, toHex } from "../base/bytes.ts";
import { after, type Duration, earliest, type Instant, instant, milliseconds, seconds } from "../base/time.ts";
import type { Entropy } from "../ports/entropy.ts";
import { ANSWERS, type Message } from "./messages.ts";
import { OpenQuestion, repeatsWithin } from "./open-question.ts";
import type { Peer } from "./participant.ts";

/** What is to be asked, and of whom. */
export interface OutgoingRequest {
  readonly to: Peer;
  /** With an id of its own (`newRequestId`), the same in every repetition, so that the server can tell. */
  readonly message: Message;
  /** While one request with this key waits, further ones are not sent: one key request a channel, not one a packet. */
  readonly key?: string;
  /** Without it, asked for ever. */
  readonly deadline?: Instant;
}

/** A request that is not asked any more, and has no answer. */
export interface RequestExpired {
  readonly kind: "expired";
  /** "deadline": no answer came in time. "full": too many requests wait already, this one was never sent. */
  readonly reason: "deadline" | "full";
  readonly to: Peer;
  readonly message: Message;
  readonly key: string | undefined;
}

/** What the owner has to do: send, or learn that a request has expired. */
export type RequesterEffect = { readonly kind: "send"; readonly to: Peer; readonly message: Message } | RequestExpired;

/** "busy" leaves the request waiting: it is asked again when the server said. */
export interface Matched {
  readonly kind: "answered" | "busy";
  readonly request: Message;
  readonly answer: Message;
  readonly key: string | undefined;
}

/** unknown: no request waits for it (a repeated answer, most often). unexpected: of a type, or from a peer, that cannot answer it. */
export type AnswerDrop = "answer.unknown" | "answer.unexpected";

/** What a requester may hold and how slowly it repeats. */
export interface RequesterLimits {
  /** Requests that may wait at once. */
  readonly outstanding: number;
  /** Upper limit of the wait between two repetitions. */
  readonly slowest: Duration;
}

const REQUESTER_LIMITS: RequesterLimits = { outstanding: 1024, slowest: seconds(30) };

const REQUEST_ID_LENGTH = 16;
/** When the broker is back, what waits is spread over this. */
const HURRY_SPREAD = milliseconds(600);
/** From this many waiting requests on ... */
const MANY = 256;
/** ... they are looked at no more often than this. */
const TURN = milliseconds(20);

/** 16 unpredictable octets. */
export const newRequestId = (entropy: Entropy): Uint8Array => entropy.bytes(REQUEST_ID_LENGTH);

interface Waiting extends OutgoingRequest {
  readonly open: OpenQuestion;
}

/** `ask` and `poll` return what to send; the owner passes every answer to `receive`. */
export class Requester {
  readonly #entropy: Entropy;
  readonly #limits: RequesterLimits;
  readonly #repeats: Schedule;
  readonly #waiting = new Map<string, Waiting>();
  readonly #byKey = new Map<string, string>();
  /** Nothing is due before; may be early after a request was forgotten. */
  #due: Instant | undefined;

  constructor(entropy: Entropy, limits = REQUESTER_LIMITS) {
    this.#entropy = entropy;
    this.#limits = limits;
    this.#repeats = repeatsWithin(limits.slowest);
  }

  get outstanding(): number {
    return this.#waiting.size;
  }

  /** True while a request with this coalescing key waits. */
  isAsking(key: string): boolean {
    return this.#byKey.has(key);
  }

  /** Sends the request now, unless one with the same key or the same id already waits. */
  ask(now: Instant, request: OutgoingRequest): readonly RequesterEffect[] {
    const { to, message, key, deadline } = request;
    const name = toHex(message.id);
    if (this.#waiting.has(name) || (key !== undefined && this.#byKey.has(key))) return [];
    if (this.#waiting.size >= this.#limits.outstanding) return [expired(request, "full")];
    const open = new OpenQuestion(message.id, now, this.#repeats);
    open.sent(now, this.#entropy);
    this.#waiting.set(name, { ...request, open });
    this.#due = earliest([this.#due, open.due, deadline]);
    if (key !== undefined) this.#byKey.set(key, name);
    return [{ kind: "send", to, message }];
  }

  /** The request that this answers. It waits no longer, unless the answer is "key.busy". */
  receive(now: Instant, from: Peer, answer: Message): Matched | AnswerDrop {
    const name = toHex(answer.id);
    const waiting = this.#waiting.get(name);
    if (waiting === undefined) return "answer.unknown";
    if (!sameBytes(from.publicKey, waiting.to.publicKey) || !answers(waiting.message, answer))
      return "answer.unexpected";
    const matched = { request: waiting.message, answer, key: waiting.key };
    if (answer.type === "key.busy") {
      waiting.open.busy(now, milliseconds(answer.retryAfter), this.#entropy);
      this.#due = earliest([this.#due, waiting.open.due]);
      return { kind: "busy", ...matched };
    }
    this.#forget(name, waiting);
    return { kind: "answered", ...matched };
  }

  /** Repeats what is due and reports what has passed its deadline. */
  poll(now: Instant): readonly RequesterEffect[] {
    if (this.#due === undefined || now < this.#due) return [];
    const effects: RequesterEffect[] = [];
    for (const [name, waiting] of this.#waiting) {
      if (waiting.deadline !== undefined && waiting.deadline <= now) {
        this.#forget(name, waiting);
        effects.push(expired(waiting, "deadline"));
      } else if (waiting.open.due <= now) {
        waiting.open.sent(now, this.#entropy);
        effects.push({ kind: "send", to: waiting.to, message: waiting.message });
      }
    }
    this.#due = this.#nextTurn(now);
    return effects;
  }

  /** Among very many something is always due: then they are looked at in turns, not once for each. */
  #nextTurn(now: Instant): Instant | undefined {
    let first: number | undefined;
    for (const { open, deadline } of this.#waiting.values())
      first = Math.min(first ?? open.due, open.due, deadline ?? Number.POSITIVE_INFINITY);
    if (first === undefined) return undefined;
    return instant(this.#waiting.size < MANY ? first : Math.max(first, after(now, TURN)));
  }

  nextDeadline(): Instant | undefined {
    return this.#due;
  }

  /** Forgets the request with this coalescing key; a late answer to it is "answer.unknown". False when none waits. */
  cancel(key: string): boolean {
    const name = this.#byKey.get(key);
    const waiting = name === undefined ? undefined : this.#waiting.get(name);
    if (name === undefined || waiting === undefined) return false;
    this.#forget(name, waiting);
    return true;
  }

  /** Everything that waits is due again at once: for the moment when the broker has come back. */
  hurry(now: Instant): void {
    for (const { open } of this.#waiting.values()) {
      open.restart(after(now, milliseconds(this.#entropy.below(HURRY_SPREAD))));
      this.#due = earliest([this.#due, open.due]);
    }
  }

  #forget(name: string, waiting: Waiting): void {
    this.#waiting.delete(name);
    if (waiting.key !== undefined) this.#byKey.delete(waiting.key);
  }
}

const expired = ({ to, message, key }: OutgoingRequest, reason: RequestExpired["reason"]): RequestExpired => ({
  kind: "expired",
  reason,
  to,
  message,
  key,
});

function answers(request: Message, answer: Message): boolean {
  const allowed: readonly string[] | undefined = (ANSWERS as Partial<Record<string, readonly string[]>>)[request.type];
  return allowed?.includes(answer.type) ?? false;
}
