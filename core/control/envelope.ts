// The sealed envelope on the wire: layout, gate and nonces. Sessions (sessions.ts) put messages in and take them out.
//
//   request  0 version 1 | 1 kind 1 | 2 recipient 4 | 6 sender's key 32 | 38 enc 32 | 70 sequence 8 | 78 n 1 | 79 sender id n | box
//   answer   0 version 1 | 1 kind 1 | 2 request's enc 32 | 34 request's sequence 8 | 42 salt 16 | 58 box
//
// `recipient` is the head of SHA-256 of the recipient's key, so that a box for another key is told from a forged one. The box is
// AES-128-GCM with everything before it as associated data. An answer's salt is fresh, because several servers that share a key may
// answer the same request.
import { readUint32, writeUint32 } from "../base/bytes.ts";
import { isIdentifier } from "./messages.ts";

const VERSION = 1;
const KIND = 1;
const REQUEST = 1;
const ANSWER = 2;

const RECIPIENT = 2;
const SENDER_KEY = 6;
const REQUEST_ENC = 38;
const REQUEST_SEQUENCE = 70;
const ID_LENGTH = 78;
const ID = 79;

const ANSWER_ENC = 2;
const ANSWER_SEQUENCE = 34;
const SALT = 42;
const ANSWER_BOX = 58;

/** Octets of the recipient's hint, of X25519 keys and `enc`, and of an answer's salt. */
export const HINT_LENGTH = 4;
/** Octets of an X25519 public key and of HPKE's encapsulated key (RFC 9180 section 7.1). */
export const KEY_LENGTH = 32;
/** Octets of the salt that makes each answer's key its own. */
export const SALT_LENGTH = 16;
const TAG_LENGTH = 16;
const LONGEST_ID = 64;

/** The longest envelope that is looked at: a message of 16 KiB and the longest header and tag. */
export const ENVELOPE_LIMIT = 16 * 1024 + ID + LONGEST_ID + TAG_LENGTH;

/**
 * truncated, oversized, version, kind, sender (an id that cannot be), sequence (beyond 2^53): the layout.
 * recipient: sealed for another key. forged: the tag is wrong or a key is of small order. replayed: seen before, or too old to tell.
 * session: an answer to nothing we remember to have asked. crowded: its sender begins sessions too fast, and each costs public-key work.
 */
export type EnvelopeDrop =
  | "envelope.truncated"
  | "envelope.oversized"
  | "envelope.version"
  | "envelope.kind"
  | "envelope.sender"
  | "envelope.sequence"
  | "envelope.recipient"
  | "envelope.forged"
  | "envelope.replayed"
  | "envelope.session"
  | "envelope.crowded";

/** Where the box starts is the length of the header, which is the associated data. */
export interface RequestHeader {
  readonly kind: "request";
  readonly recipient: Uint8Array;
  readonly senderKey: Uint8Array;
  readonly enc: Uint8Array;
  readonly sequence: number;
  readonly senderId: string;
  readonly box: number;
}

/** The answer's side of the same gate. */
export interface AnswerHeader {
  readonly kind: "answer";
  readonly enc: Uint8Array;
  readonly sequence: number;
  readonly salt: Uint8Array;
  readonly box: number;
}

/** The gate: a header whose views lie inside `envelope`, or why there is none. Nothing is authenticated yet. */
export function readHeader(envelope: Uint8Array): RequestHeader | AnswerHeader | EnvelopeDrop {
  if (envelope.length > ENVELOPE_LIMIT) return "envelope.oversized";
  if (envelope.length < ANSWER_BOX + TAG_LENGTH) return "envelope.truncated";
  if (envelope[0] !== VERSION) return "envelope.version";
  if (envelope[KIND] === ANSWER) return readAnswerHeader(envelope);
  return envelope[KIND] === REQUEST ? readRequestHeader(envelope) : "envelope.kind";
}

function readRequestHeader(envelope: Uint8Array): RequestHeader | EnvelopeDrop {
  const idLength = envelope[ID_LENGTH] ?? 0;
  const box = ID + idLength;
  if (envelope.length < box + TAG_LENGTH) return "envelope.truncated";
  const senderId = idLength <= LONGEST_ID ? String.fromCharCode(...envelope.subarray(ID, box)) : "";
  if (!isIdentifier(senderId)) return "envelope.sender";
  const sequence = readSequence(envelope, REQUEST_SEQUENCE);
  if (sequence === undefined) return "envelope.sequence";
  return {
    kind: "request",
    recipient: envelope.subarray(RECIPIENT, RECIPIENT + HINT_LENGTH),
    senderKey: envelope.subarray(SENDER_KEY, SENDER_KEY + KEY_LENGTH),
    enc: envelope.subarray(REQUEST_ENC, REQUEST_ENC + KEY_LENGTH),
    sequence,
    senderId,
    box,
  };
}

function readAnswerHeader(envelope: Uint8Array): AnswerHeader | EnvelopeDrop {
  const sequence = readSequence(envelope, ANSWER_SEQUENCE);
  if (sequence === undefined) return "envelope.sequence";
  return {
    kind: "answer",
    enc: envelope.subarray(ANSWER_ENC, ANSWER_ENC + KEY_LENGTH),
    sequence,
    salt: envelope.subarray(SALT, SALT + SALT_LENGTH),
    box: ANSWER_BOX,
  };
}

/** The header of a request from `senderId` (1 to 64 ASCII characters), `bytes` of ID + id length. */
export function requestHeader(
  recipient: Uint8Array,
  senderKey: Uint8Array,
  enc: Uint8Array,
  sequence: number,
  senderId: string,
): Uint8Array {
  const header = new Uint8Array(ID + senderId.length);
  header[0] = VERSION;
  header[KIND] = REQUEST;
  header.set(recipient, RECIPIENT);
  header.set(senderKey, SENDER_KEY);
  header.set(enc, REQUEST_ENC);
  writeSequence(header, REQUEST_SEQUENCE, sequence);
  header[ID_LENGTH] = senderId.length;
  for (let i = 0; i < senderId.length; i++) header[ID + i] = senderId.charCodeAt(i);
  return header;
}

/** The header of an answer to the request that carried `enc` and `sequence`; `salt` is 16 fresh octets. */
export function answerHeader(enc: Uint8Array, sequence: number, salt: Uint8Array): Uint8Array {
  const header = new Uint8Array(ANSWER_BOX);
  header[0] = VERSION;
  header[KIND] = ANSWER;
  header.set(enc, ANSWER_ENC);
  writeSequence(header, ANSWER_SEQUENCE, sequence);
  header.set(salt, SALT);
  return header;
}

/** RFC 9180 section 5.2: the base nonce (12 octets) with the big-endian sequence number XORed onto its tail. */
export function nonceOf(baseNonce: Uint8Array, sequence: number): Uint8Array {
  const nonce = baseNonce.slice();
  const high = Math.floor(sequence / 2 ** 32);
  writeUint32(nonce, 4, (readUint32(nonce, 4) ^ high) >>> 0);
  writeUint32(nonce, 8, (readUint32(nonce, 8) ^ (sequence % 2 ** 32)) >>> 0);
  return nonce;
}

/** Numbers above 2^53 are never used by a sender, which starts a new session after 2^32 messages. */
function readSequence(bytes: Uint8Array, at: number): number | undefined {
  const high = readUint32(bytes, at);
  return high < 2 ** 21 ? high * 2 ** 32 + readUint32(bytes, at + 4) : undefined;
}

function writeSequence(bytes: Uint8Array, at: number, sequence: number): void {
  writeUint32(bytes, at, Math.floor(sequence / 2 ** 32));
  writeUint32(bytes, at + 4, sequence % 2 ** 32);
}
