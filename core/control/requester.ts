// Requests that wait for their answer: sent over QoS 0, repeated until answered, never given up in silence.
import { sameBytes, toHex } from "../base/bytes.ts";
import { after, type Duration, earliest, type Instant, milliseconds, seconds } from "../base/time.ts";
import type { Entropy } from "../ports/entropy.ts";
import { repeatWait } from "./backoff.ts";
import { ANSWERS, type Message } from "./messages.ts";
import type { Peer } from "./participant.ts";

export interface Ask {
  readonly to: Peer;
  /** With an id of its own (`newRequestId`), the same in every repetition, so that the server can tell. */
  readonly message: Message;
  /** While one request with this key waits, further ones are not sent: one key request a channel, not one a packet. */
  readonly key?: string;
  /** Without it, asked for ever. */
  readonly deadline?: Instant;
}

export interface RequestExpired {
  readonly kind: "expired";
  /** "deadline": no answer came in time. "full": too many requests wait already, this one was never sent. */
  readonly reason: "deadline" | "full";
  readonly to: Peer;
  readonly message: Message;
  readonly key: string | undefined;
}

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
/** Who was told to come back is spread over at least this. */
const LEAST_BUSY_SPREAD = milliseconds(200);

/** 16 unpredictable octets. */
export const newRequestId = (entropy: Entropy): Uint8Array => entropy.bytes(REQUEST_ID_LENGTH);

interface Waiting extends Ask {
  attempts: number;
  next: Instant;
}

/** `ask` and `poll` return what to send; the owner passes every answer to `receive`. */
export class Requester {
  readonly #entropy: Entropy;
  readonly #limits: RequesterLimits;
  readonly #waiting = new Map<string, Waiting>();
  readonly #byKey = new Map<string, string>();
  /** Nothing is due before; may be early after a request was forgotten. */
  #due: Instant | undefined;

  constructor(entropy: Entropy, limits = REQUESTER_LIMITS) {
    this.#entropy = entropy;
    this.#limits = limits;
  }

  get outstanding(): number {
    return this.#waiting.size;
  }

  /** True while a request with this coalescing key waits. */
  isAsking(key: string): boolean {
    return this.#byKey.has(key);
  }

  /** Sends the request now, unless one with the same key or the same id already waits. */
  ask(now: Instant, ask: Ask): readonly RequesterEffect[] {
    const name = toHex(ask.message.id);
    if (this.#waiting.has(name) || (ask.key !== undefined && this.#byKey.has(ask.key))) return [];
    if (this.#waiting.size >= this.#limits.outstanding) return [expired(ask, "full")];
    const waiting = { ...ask, attempts: 1, next: after(now, this.#wait(1)) };
    this.#waiting.set(name, waiting);
    this.#due = earliest([this.#due, waiting.next, waiting.deadline]);
    if (ask.key !== undefined) this.#byKey.set(ask.key, name);
    return [{ kind: "send", to: ask.to, message: ask.message }];
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
      waiting.next = after(now, this.#afterBusy(answer.retryAfter));
      this.#due = earliest([this.#due, waiting.next]);
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
      } else if (waiting.next <= now) {
        waiting.attempts += 1;
        waiting.next = after(now, this.#wait(waiting.attempts));
        effects.push({ kind: "send", to: waiting.to, message: waiting.message });
      }
    }
    this.#due = this.#nextTurn(now);
    return effects;
  }

  /** Among very many something is always due: then they are looked at in turns, not once for each. */
  #nextTurn(now: Instant): Instant | undefined {
    let first: number | undefined;
    for (const { next, deadline } of this.#waiting.values())
      first = Math.min(first ?? next, next, deadline ?? Number.POSITIVE_INFINITY);
    if (first === undefined || this.#waiting.size < MANY) return first as Instant | undefined;
    return Math.max(first, after(now, TURN)) as Instant;
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
    for (const waiting of this.#waiting.values()) {
      waiting.attempts = 0;
      waiting.next = after(now, milliseconds(this.#entropy.below(HURRY_SPREAD)));
      this.#due = earliest([this.#due, waiting.next]);
    }
  }

  #forget(name: string, waiting: Waiting): void {
    this.#waiting.delete(name);
    if (waiting.key !== undefined) this.#byKey.delete(waiting.key);
  }

  #wait(attempts: number): Duration {
    return repeatWait(this.#entropy, attempts, this.#limits.slowest);
  }

  /** Not before the server said, and spread over half as much again, so that the crowd it sent away does not return at once. */
  #afterBusy(retryAfter: number): Duration {
    return milliseconds(retryAfter + this.#entropy.below(Math.max(LEAST_BUSY_SPREAD, retryAfter / 2)));
  }
}

const expired = (ask: Ask, reason: RequestExpired["reason"]): RequestExpired => ({
  kind: "expired",
  reason,
  to: ask.to,
  message: ask.message,
  key: ask.key,
});

function answers(request: Message, answer: Message): boolean {
  const allowed: readonly string[] | undefined = (ANSWERS as Partial<Record<string, readonly string[]>>)[request.type];
  return allowed?.includes(answer.type) ?? false;
}
