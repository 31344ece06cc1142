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
import { type Opened, type Origin, SESSION_LIMITS, type SessionLimits, Sessions } from "./sessions.ts";
import { formatTopic, parseTopic, shardOf, type Topic, type TopicDrop } from "./topics.ts";

export interface LinkOptions {
  readonly role: Role;
  readonly id: string;
  /** X25519. */
  readonly keys: KeyPair;
  /** Whom we know beforehand: their ids may be used with no other key, and only they may speak to us out of turn. */
  readonly peers: readonly Peer[];
  /** Shards of request topics, the same number everywhere; 1 unless the operator splits the load. */
  readonly shards?: number;
  readonly limits?: SessionLimits;
}

/** A participant needs one a day, and one after each of its restarts or ours. */
const SESSION_STARTS = { burst: 32, spacing: seconds(2) };

export interface Outgoing {
  readonly topic: string;
  readonly payload: Uint8Array;
}

/** A request as it came, to be handed back with its answer. Holds a secret: never logged, never stored. */
export interface Request {
  readonly from: Peer;
  readonly message: Message;
  readonly answerTopic: Topic;
  readonly origin: Origin;
}

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
export type LinkDrop =
  | TopicDrop
  | EnvelopeDrop
  | MessageDrop
  | "link.topic"
  | "link.sender"
  | "link.impostor"
  | "link.stranger";

export interface Refused {
  readonly drop: LinkDrop;
  /** For the log; may be empty. */
  readonly detail: string;
}

export class Link {
  readonly role: Role;
  readonly id: string;
  readonly #peers: ReadonlyMap<string, Peer>;
  readonly #shard: number;
  /** By the owner of the topic, which the broker has authenticated. */
  readonly #sessionStarts = new Allowance(SESSION_STARTS);
  readonly #sessions: Sessions;

  constructor(options: LinkOptions, primitives: Primitives, entropy: Entropy) {
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
    const topic = formatTopic(this.#topicTo(to));
    const text = encodeMessage(message);
    return isBadMessage(text) ? text : { topic, payload: this.#sessions.seal(now, to, text) };
  }

  answer(request: Request, message: Message): Outgoing | BadMessage {
    const text = encodeMessage(message);
    if (isBadMessage(text)) return text;
    return { topic: formatTopic(request.answerTopic), payload: this.#sessions.sealAnswer(request.origin, text) };
  }

  /** What came on one of our topics, or why it is dropped. */
  open(now: Instant, topic: string, payload: Uint8Array): Received | Refused {
    const where = parseTopic(topic);
    if (typeof where === "string") return refuse(where);
    const route = routeOf(where);
    if (route === undefined || !this.#hears(where, route)) return refuse("link.topic");
    const opened = this.#sessions.open(payload, () => this.#sessionStarts.take(now, route.id));
    if (typeof opened === "string") return refuse(opened);
    const from = this.#speaker(route, opened);
    if (typeof from === "string") return refuse(from);
    const message = decodeMessage(opened.text);
    if (isBadMessage(message)) return message;
    if (opened.kind === "answer") return { from, message, request: undefined };
    return { from, message, request: { from, message, answerTopic: route.answers, origin: opened.origin } };
  }

  #topicTo(to: Peer): Topic {
    switch (`${this.role} ${to.role}`) {
      case "settop keyserver":
      case "reception keyserver":
        return { kind: "keys.req", shard: this.#shard, id: this.id };
      case "headend keyserver":
        return { kind: "headend.up", id: this.id };
      case "keyserver headend":
        return { kind: "headend.down", id: to.id };
      case "keyserver reception":
        return { kind: "reception.req", shard: this.#shard, id: this.id };
      case "router reception":
        return { kind: "router.membership", id: this.id };
      default:
        throw new RangeError(`a ${this.role} never asks a ${to.role}`);
    }
  }

  #hears(topic: Topic, route: Route): boolean {
    if (!route.heardBy.includes(this.role)) return false;
    return route.speakers !== undefined || ("id" in topic && topic.id === this.id);
  }

  /** Authenticated by the session; here the id is held against the topic and against the peers we know. */
  #speaker(route: Route, opened: Opened): Peer | LinkDrop {
    const id = opened.kind === "request" ? opened.senderId : opened.peer.id;
    if (route.speakers !== undefined && id !== route.id) return "link.sender";
    if (opened.kind === "answer") return opened.peer;
    const known = this.#peers.get(id);
    if (known !== undefined) return sameBytes(known.publicKey, opened.senderKey) ? known : "link.impostor";
    if (route.speakers === undefined || route.speakers === "keyserver") return "link.stranger";
    return { role: route.speakers, id, publicKey: opened.senderKey };
  }
}

const refuse = (drop: LinkDrop): Refused => ({ drop, detail: "" });

interface Route {
  readonly id: string;
  readonly heardBy: readonly Role[];
  /** The role of whoever owns the topic and speaks on it; undefined when the topic's owner listens and servers speak. */
  readonly speakers: Role | undefined;
  readonly answers: Topic;
}

/** Who speaks and who listens on a topic, and where an answer goes; undefined for topics that carry no envelopes. */
function routeOf(topic: Topic): Route | undefined {
  switch (topic.kind) {
    case "keys.req":
      return toServer(topic.id, "keyserver", "settop", "keys.res");
    case "headend.up":
      return toServer(topic.id, "keyserver", "headend", "headend.down");
    case "reception.req":
      return toServer(topic.id, "reception", "keyserver", "reception.res");
    case "router.membership":
      return toServer(topic.id, "reception", "router", "router.res");
    case "keys.res":
      return fromServer(topic.id, ["settop", "reception"], { kind: "keys.req", shard: 0, id: topic.id });
    case "headend.down":
      return fromServer(topic.id, ["headend"], { kind: "headend.up", id: topic.id });
    case "reception.res":
      return fromServer(topic.id, ["keyserver"], { kind: "reception.req", shard: 0, id: topic.id });
    case "router.res":
      return fromServer(topic.id, ["router"], { kind: "router.membership", id: topic.id });
    case "notice":
    case "status":
      return undefined;
  }
}

const toServer = (
  id: string,
  server: Role,
  speakers: Role,
  answers: "keys.res" | "headend.down" | "reception.res" | "router.res",
): Route => ({ id, heardBy: [server], speakers, answers: { kind: answers, id } });

const fromServer = (id: string, heardBy: readonly Role[], answers: Topic): Route => ({
  id,
  heardBy,
  speakers: undefined,
  answers,
});
