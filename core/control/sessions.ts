// Sessions of one identity: HPKE in Auth mode once, then AES-GCM under exported secrets, both ways.
// The public-key work is paid once per session; a recipient needs no stored state, only a cache, because every request carries `enc`.
// A replay is seen as long as the session is in that cache; after a restart it is opened once more, which is why requests are idempotent.
import { sameBytes, toHex } from "../base/bytes.ts";
import { ReplayWindow } from "../base/replay-window.ts";
import { after, type Duration, type Instant, milliseconds } from "../base/time.ts";
import type { Entropy } from "../ports/entropy.ts";
import type { KeyPair, Primitives } from "../ports/primitives.ts";
import {
  type AnswerHeader,
  answerHeader,
  type EnvelopeDrop,
  HINT_LENGTH,
  KEY_LENGTH,
  nonceOf,
  type RequestHeader,
  readHeader,
  requestHeader,
  SALT_LENGTH,
} from "./envelope.ts";
import { concatenate, exportSecret, type HpkeContext, setupAuthRecipient, setupAuthSender } from "./hpke.ts";
import type { Peer } from "./participant.ts";
import { Recent } from "./recent.ts";

const ascii = (text: string): Uint8Array => Uint8Array.from(text, (character) => character.charCodeAt(0));

const INFO = ascii("sealcast/1 session");
const REQUEST_KEY = ascii("request key");
const REQUEST_NONCE = ascii("request nonce");
const ANSWER_SECRET = ascii("answer secret");
const ANSWER_LABEL = ascii("answer key and nonce");
const GCM_KEY_LENGTH = 16;
const GCM_NONCE_LENGTH = 12;

/** How long a session lives and how many are remembered. */
export interface SessionLimits {
  /** A sender starts a new session after this long ... */
  readonly lifetime: Duration;
  /** ... or after this many messages. */
  readonly messages: number;
  /** Peers whom we have asked and whose answers we can still open. */
  readonly asked: number;
  /** Sessions of others whose keys and replay windows we keep. */
  readonly heard: number;
}

/** A day, 2^32 messages, and caches that fit a server of 65,536 devices. */
export const SESSION_LIMITS: SessionLimits = {
  lifetime: milliseconds(24 * 3_600_000),
  messages: 2 ** 32,
  asked: 4096,
  heard: 65_536,
};

interface Keys {
  readonly enc: Uint8Array;
  readonly requestKey: Uint8Array;
  readonly requestNonce: Uint8Array;
  readonly answerSecret: Uint8Array;
}

interface AskedSession extends Keys {
  readonly peer: Peer;
  readonly endsAt: Instant;
  /** Of the next request. */
  sequence: number;
}

interface HeardSession extends Keys {
  readonly window: ReplayWindow;
}

/** What an answer needs to know of its request. Holds a secret: never logged, never stored. */
export interface Origin {
  readonly enc: Uint8Array;
  readonly sequence: number;
  readonly answerSecret: Uint8Array;
}

/** An envelope that was authenticated; `text` is the message as CBOR, not looked at yet. */
export type Opened =
  | {
      readonly kind: "request";
      readonly senderId: string;
      /** Proved by the sender, 32 octets. */
      readonly senderKey: Uint8Array;
      readonly text: Uint8Array;
      readonly origin: Origin;
    }
  | { readonly kind: "answer"; readonly peer: Peer; readonly text: Uint8Array };

/** Both halves: sessions that this identity began and those that others began with it. */
export class Sessions {
  readonly #id: string;
  readonly #keys: KeyPair;
  readonly #primitives: Primitives;
  readonly #entropy: Entropy;
  readonly #limits: SessionLimits;
  readonly #hint: Uint8Array;
  /** By the peer's public key: a peer with a new key gets a new session. */
  readonly #current: Recent<string, AskedSession>;
  /** By enc, the ended ones too, so that a late answer still opens. */
  readonly #asked: Recent<string, AskedSession>;
  readonly #heard: Recent<string, HeardSession>;

  constructor(id: string, keys: KeyPair, primitives: Primitives, entropy: Entropy, limits = SESSION_LIMITS) {
    this.#id = id;
    this.#keys = keys;
    this.#primitives = primitives;
    this.#entropy = entropy;
    this.#limits = limits;
    this.#hint = hintOf(primitives, keys.publicKey);
    this.#current = new Recent(limits.asked);
    this.#asked = new Recent(2 * limits.asked);
    this.#heard = new Recent(limits.heard);
  }

  /** Sizes of the caches, for status. */
  get sizes(): { readonly asked: number; readonly heard: number; readonly forgotten: number } {
    return { asked: this.#asked.size, heard: this.#heard.size, forgotten: this.#heard.forgotten };
  }

  /** A request in its envelope. Throws RangeError when the peer's key is a point of small order, which no key pair has. */
  seal(now: Instant, to: Peer, text: Uint8Array): Uint8Array {
    const session = this.#sessionWith(now, to);
    const sequence = session.sequence++;
    const hint = hintOf(this.#primitives, to.publicKey);
    const header = requestHeader(hint, this.#keys.publicKey, session.enc, sequence, this.#id);
    const nonce = nonceOf(session.requestNonce, sequence);
    return concatenate(header, this.#primitives.gcmSeal(session.requestKey, nonce, header, text));
  }

  /** An answer in its envelope: each has its own salt, so that two servers never seal two texts under one nonce. */
  sealAnswer(origin: Origin, text: Uint8Array): Uint8Array {
    const salt = this.#entropy.bytes(SALT_LENGTH);
    const header = answerHeader(origin.enc, origin.sequence, salt);
    const { key, nonce } = this.#answerKeys(origin.answerSecret, salt);
    return concatenate(header, this.#primitives.gcmSeal(key, nonce, header, text));
  }

  /**
   * What came, authenticated, or why it is dropped. A request changes the caches only after its tag was right. `mayBegin` is asked
   * before the public-key work of a session that is not known.
   */
  open(envelope: Uint8Array, mayBegin = (): boolean => true): Opened | EnvelopeDrop {
    const header = readHeader(envelope);
    if (typeof header === "string") return header;
    return header.kind === "request"
      ? this.#openRequest(envelope, header, mayBegin)
      : this.#openAnswer(envelope, header);
  }

  #openRequest(envelope: Uint8Array, header: RequestHeader, mayBegin: () => boolean): Opened | EnvelopeDrop {
    if (!sameBytes(header.recipient, this.#hint)) return "envelope.recipient";
    const name = toHex(header.enc) + toHex(header.senderKey);
    const known = this.#heard.get(name);
    if (known === undefined && !mayBegin()) return "envelope.crowded";
    const session = known ?? this.#deriveHeard(header);
    if (session === undefined) return "envelope.forged";
    const nonce = nonceOf(session.requestNonce, header.sequence);
    const text = this.#openBox(session.requestKey, nonce, envelope, header.box);
    if (text === undefined) return "envelope.forged";
    if (session.window.check(header.sequence) !== "fresh") return "envelope.replayed";
    session.window.accept(header.sequence);
    this.#heard.set(name, session);
    const origin = { enc: session.enc, sequence: header.sequence, answerSecret: session.answerSecret };
    return { kind: "request", senderId: header.senderId, senderKey: header.senderKey.slice(), text, origin };
  }

  #openAnswer(envelope: Uint8Array, header: AnswerHeader): Opened | EnvelopeDrop {
    const session = this.#asked.get(toHex(header.enc));
    if (session === undefined || header.sequence >= session.sequence) return "envelope.session";
    const { key, nonce } = this.#answerKeys(session.answerSecret, header.salt);
    const text = this.#openBox(key, nonce, envelope, header.box);
    return text === undefined ? "envelope.forged" : { kind: "answer", peer: session.peer, text };
  }

  #openBox(key: Uint8Array, nonce: Uint8Array, envelope: Uint8Array, box: number): Uint8Array | undefined {
    return this.#primitives.gcmOpen(key, nonce, envelope.subarray(0, box), envelope.subarray(box));
  }

  #sessionWith(now: Instant, peer: Peer): AskedSession {
    const name = toHex(peer.publicKey);
    const current = this.#current.get(name);
    if (current !== undefined && now < current.endsAt && current.sequence < this.#limits.messages) return current;
    const session = { ...this.#deriveAsked(peer), peer, endsAt: after(now, this.#limits.lifetime), sequence: 0 };
    this.#current.set(name, session);
    this.#asked.set(toHex(session.enc), session);
    return session;
  }

  #deriveAsked(peer: Peer): Keys {
    const ephemeral = this.#entropy.bytes(KEY_LENGTH);
    const context = setupAuthSender(this.#primitives, ephemeral, this.#keys, peer.publicKey, INFO);
    if (context === undefined) throw new RangeError(`the public key of ${peer.id} is a point of small order`);
    return this.#export(context, context.enc);
  }

  #deriveHeard(header: RequestHeader): HeardSession | undefined {
    const context = setupAuthRecipient(this.#primitives, header.enc, this.#keys, header.senderKey, INFO);
    if (context === undefined) return undefined;
    return { ...this.#export(context, header.enc.slice()), window: new ReplayWindow() };
  }

  #export(context: HpkeContext, enc: Uint8Array): Keys {
    const secret = (label: Uint8Array, length: number) => exportSecret(this.#primitives, context, label, length);
    return {
      enc,
      requestKey: secret(REQUEST_KEY, GCM_KEY_LENGTH),
      requestNonce: secret(REQUEST_NONCE, GCM_NONCE_LENGTH),
      answerSecret: secret(ANSWER_SECRET, 32),
    };
  }

  #answerKeys(answerSecret: Uint8Array, salt: Uint8Array): { readonly key: Uint8Array; readonly nonce: Uint8Array } {
    const length = GCM_KEY_LENGTH + GCM_NONCE_LENGTH;
    const both = this.#primitives.hkdfExpand(answerSecret, concatenate(ANSWER_LABEL, salt), length);
    return { key: both.subarray(0, GCM_KEY_LENGTH), nonce: both.subarray(GCM_KEY_LENGTH) };
  }
}

const hintOf = (primitives: Primitives, publicKey: Uint8Array): Uint8Array =>
  primitives.sha256(publicKey).subarray(0, HINT_LENGTH);
