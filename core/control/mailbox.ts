// One participant's end of the control plane: messages in, topics and sealed payloads out, and back.
import { sameBytes } from "../base/bytes.ts";
import { type Instant, seconds } from "../base/time.ts";
import type { Entropy } from "../ports/entropy.ts";
import type { KeyPair, Primitives } from "../ports/primitives.ts";
import { Allowance } from "./allowance.ts";
import { type BadMessage, decodeMessage, encodeMessage, isBadMessage, type MessageDrop } from "./codec.ts";
import type { EnvelopeDrop } from "./envelope.ts";
import type { Message } from "./messages.ts";
import type { Peer, Role } from "./participant.ts";
import type { TopicDrop } from "./route-table.ts";
import type { Route } from "./routes.ts";
import { type Opened, type Origin, SESSION_LIMITS, type SessionLimits, Sessions } from "./sessions.ts";
import { parseTopic, ROUTE_TABLE, shardOf, type Topic } from "./topics.ts";

/** Whose end of the control plane it is, and whom it knows there. */
export interface MailboxOptions {
  readonly role: Role;
  readonly id: string;
  /** X25519, 32 octets each. */
  readonly keys: KeyPair;
  /** Whom we know beforehand: their ids may be used with no other key, and only they may speak to us out of turn. */
  readonly peers: readonly Peer[];
  /** Shards of request topics, the same number everywhere; 1 unless the operator splits the load. */
  readonly shards?: number;
  readonly limits?: SessionLimits;
}

/** A participant needs one a day, and one after each of its restarts or ours. */
const SESSION_STARTS = { burst: 32, spacing: seconds(2) };

/** To be published at QoS 0, not retained: an MQTT topic and a sealed envelope of at most `ENVELOPE_LIMIT` octets. */
export interface Outgoing {
  readonly topic: string;
  readonly payload: Uint8Array;
}

/** A request as it came, to be handed back with its answer. Holds a secret: never logged, never stored. */
export interface Request {
  readonly from: Peer;
  readonly message: Message;
  readonly answerTopic: string;
  readonly origin: Origin;
}

/** A message that was authenticated and fits its schema. */
export interface Received {
  /** Who said it: the key is proved; whether that key may do what it asks is for the machine to decide. */
  readonly from: Peer;
  readonly message: Message;
  /** To answer it; undefined when this is itself an answer. */
  readonly request: Request | undefined;
}

/**
 * topic: not one that this participant hears. sender: the id in the envelope is not the id in the topic. impostor: a known id with
 * another key. stranger: a server's message from somebody we do not know.
 */
export type MailboxDrop =
  | TopicDrop
  | EnvelopeDrop
  | MessageDrop
  | "mailbox.topic"
  | "mailbox.sender"
  | "mailbox.impostor"
  | "mailbox.stranger";

/** What came and is dropped. */
export interface Refused {
  readonly drop: MailboxDrop;
  /** For the log; may be empty. */
  readonly detail: string;
}

/** Seals what its owner says to a peer, and opens what comes on topics that its role hears; knows no bus. */
export class Mailbox {
  readonly role: Role;
  readonly id: string;
  readonly #peers: ReadonlyMap<string, Peer>;
  readonly #shard: number;
  /** By the owner of the topic, which the broker has authenticated. */
  readonly #sessionStarts = new Allowance(SESSION_STARTS);
  readonly #sessions: Sessions;

  constructor(options: MailboxOptions, primitives: Primitives, entropy: Entropy) {
    this.role = options.role;
    this.id = options.id;
    this.#peers = new Map(options.peers.map((peer) => [peer.id, peer]));
    this.#shard = shardOf(options.id, options.shards ?? 1);
    this.#sessions = new Sessions(options.id, options.keys, primitives, entropy, options.limits ?? SESSION_LIMITS);
  }

  /** Sizes of the session caches, for status. */
  get sizes(): Sessions["sizes"] {
    return this.#sessions.sizes;
  }

  /** A request or report to a peer. Throws RangeError when our role never speaks to the peer's first. */
  seal(now: Instant, to: Peer, message: Message): Outgoing | BadMessage {
    const topic = this.#topicTo(to);
    const text = encodeMessage(message);
    return isBadMessage(text) ? text : { topic, payload: this.#sessions.seal(now, to, text) };
  }

  /** The answer to a request, under its id. A message that no receiver would take is named, not sealed. */
  answer(request: Request, message: Message): Outgoing | BadMessage {
    const text = encodeMessage(message);
    if (isBadMessage(text)) return text;
    return { topic: request.answerTopic, payload: this.#sessions.sealAnswer(request.origin, text) };
  }

  /** What came on one of our topics, or why it is dropped. */
  open(now: Instant, topic: string, payload: Uint8Array): Received | Refused {
    const where = parseTopic(topic);
    if (typeof where === "string") return refuse(where);
    const heard = heardOn(where);
    if (heard === undefined || !this.#hears(heard)) return refuse("mailbox.topic");
    const opened = this.#sessions.open(payload, () => this.#sessionStarts.take(now, heard.id));
    if (typeof opened === "string") return refuse(opened);
    const from = this.#speaker(heard, opened);
    if (typeof from === "string") return refuse(from);
    const message = decodeMessage(opened.text);
    if (isBadMessage(message)) return message;
    if (opened.kind === "answer") return { from, message, request: undefined };
    return { from, message, request: { from, message, answerTopic: heard.answerTopic, origin: opened.origin } };
  }

  /** Of the listener, where listeners have topics of their own; else ours. */
  #topicTo(to: Peer): string {
    const route = ROUTE_TABLE.opening(this.role, to.role);
    if (route === undefined) throw new RangeError(`a ${this.role} never asks a ${to.role}`);
    const { kind, owner } = route;
    return ROUTE_TABLE.format({ kind, shard: this.#shard, id: owner === "listener" ? to.id : this.id });
  }

  /** A topic of ours among several, or any topic of a kind that we serve. */
  #hears({ id, listeners, owner }: Heard): boolean {
    return listeners.includes(this.role) && (owner !== "listener" || id === this.id);
  }

  /** Authenticated by the session; here the id is held against the topic and against the peers we know. */
  #speaker({ id, owner, newcomers }: Heard, opened: Opened): Peer | MailboxDrop {
    const said = opened.kind === "request" ? opened.senderId : opened.peer.id;
    if (owner === "speaker" && said !== id) return "mailbox.sender";
    if (opened.kind === "answer") return opened.peer;
    const known = this.#peers.get(said);
    if (known !== undefined) return sameBytes(known.publicKey, opened.senderKey) ? known : "mailbox.impostor";
    return newcomers === undefined ? "mailbox.stranger" : { role: newcomers, id: said, publicKey: opened.senderKey };
  }
}

const refuse = (drop: MailboxDrop): Refused => ({ drop, detail: "" });

/** The route of a message that came, and whose topic it came on. */
interface Heard extends Pick<Route, "listeners" | "owner"> {
  readonly id: string;
  readonly newcomers: Role | undefined;
  readonly answerTopic: string;
}

/** Undefined for topics that carry no envelopes. */
function heardOn(topic: Topic): Heard | undefined {
  const { listeners, owner, sealed }: Route = ROUTE_TABLE.route(topic.kind);
  if (sealed === undefined || !("id" in topic)) return undefined;
  const { id } = topic;
  const answerTopic = ROUTE_TABLE.format({ kind: sealed.answers, shard: 0, id });
  return { id, listeners, owner, newcomers: sealed.newcomers, answerTopic };
}
