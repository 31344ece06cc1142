// Hybrid Public Key Encryption (RFC 9180) in mode_auth, DHKEM(X25519, HKDF-SHA256), HKDF-SHA256, AES-128-GCM.
// Our own code because the machines are synchronous and the libraries are not; checked against the RFC's vectors and @hpke/core.
import { writeUint16 } from "../base/bytes.ts";
import type { KeyPair, Primitives } from "../ports/primitives.ts";

const MODE_AUTH = 2;
const KEM_ID = 0x0020;
const KDF_ID = 0x0001;
const AEAD_ID = 0x0001;
const KEY_LENGTH = 16;
const NONCE_LENGTH = 12;
const SECRET_LENGTH = 32;

const NOTHING = new Uint8Array(0);

const ascii = (text: string): Uint8Array => Uint8Array.from(text, (character) => character.charCodeAt(0));

/** One new array. */
export function concatenate(...parts: readonly Uint8Array[]): Uint8Array {
  let length = 0;
  for (const part of parts) length += part.length;
  const whole = new Uint8Array(length);
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}

function uint16(value: number): Uint8Array {
  const bytes = new Uint8Array(2);
  writeUint16(bytes, 0, value);
  return bytes;
}

const VERSION_LABEL = ascii("HPKE-v1");
/** Section 4.1. */
const KEM_SUITE = concatenate(ascii("KEM"), uint16(KEM_ID));
/** Section 5.1. */
const HPKE_SUITE = concatenate(ascii("HPKE"), uint16(KEM_ID), uint16(KDF_ID), uint16(AEAD_ID));

/** What sender and recipient share after set-up (section 5.1): octets of key 16, base nonce 12, exporter secret 32. */
export interface HpkeContext {
  readonly key: Uint8Array;
  readonly baseNonce: Uint8Array;
  readonly exporterSecret: Uint8Array;
}

/** The sender's context, with the encapsulated key that the recipient needs (32 octets). */
export interface HpkeSender extends HpkeContext {
  /** The encapsulated key, 32 octets, that the recipient needs. */
  readonly enc: Uint8Array;
}

/** SetupAuthS (section 5.1.3) with an ephemeral private key of 32 fresh octets; undefined when a public key is of small order. */
export function setupAuthSender(
  primitives: Primitives,
  ephemeralPrivate: Uint8Array,
  sender: KeyPair,
  recipientPublic: Uint8Array,
  info: Uint8Array,
): HpkeSender | undefined {
  const first = primitives.x25519(ephemeralPrivate, recipientPublic);
  const second = primitives.x25519(sender.privateKey, recipientPublic);
  if (first === undefined || second === undefined) return undefined;
  const enc = primitives.x25519Public(ephemeralPrivate);
  const shared = sharedSecret(primitives, [first, second], [enc, recipientPublic, sender.publicKey]);
  return { ...keySchedule(primitives, shared, info), enc };
}

/** SetupAuthR (section 5.1.3); undefined when `enc` or the sender's public key is of small order. */
export function setupAuthRecipient(
  primitives: Primitives,
  enc: Uint8Array,
  recipient: KeyPair,
  senderPublic: Uint8Array,
  info: Uint8Array,
): HpkeContext | undefined {
  const first = primitives.x25519(recipient.privateKey, enc);
  const second = primitives.x25519(recipient.privateKey, senderPublic);
  if (first === undefined || second === undefined) return undefined;
  const shared = sharedSecret(primitives, [first, second], [enc, recipient.publicKey, senderPublic]);
  return keySchedule(primitives, shared, info);
}

/** Context.Export (section 5.3). */
export const exportSecret = (p: Primitives, context: HpkeContext, label: Uint8Array, length: number): Uint8Array =>
  labeledExpand(p, HPKE_SUITE, context.exporterSecret, "sec", label, length);

/** ExtractAndExpand of section 4.1. */
function sharedSecret(p: Primitives, dh: readonly Uint8Array[], kemContext: readonly Uint8Array[]): Uint8Array {
  const pseudoRandom = labeledExtract(p, KEM_SUITE, NOTHING, "eae_prk", concatenate(...dh));
  return labeledExpand(p, KEM_SUITE, pseudoRandom, "shared_secret", concatenate(...kemContext), SECRET_LENGTH);
}

/** KeySchedule of section 5.1 without a pre-shared key. */
function keySchedule(p: Primitives, shared: Uint8Array, info: Uint8Array): HpkeContext {
  const pskIdHash = labeledExtract(p, HPKE_SUITE, NOTHING, "psk_id_hash", NOTHING);
  const infoHash = labeledExtract(p, HPKE_SUITE, NOTHING, "info_hash", info);
  const context = concatenate(Uint8Array.of(MODE_AUTH), pskIdHash, infoHash);
  const secret = labeledExtract(p, HPKE_SUITE, shared, "secret", NOTHING);
  return {
    key: labeledExpand(p, HPKE_SUITE, secret, "key", context, KEY_LENGTH),
    baseNonce: labeledExpand(p, HPKE_SUITE, secret, "base_nonce", context, NONCE_LENGTH),
    exporterSecret: labeledExpand(p, HPKE_SUITE, secret, "exp", context, SECRET_LENGTH),
  };
}

/** Section 4. */
const labeledExtract = (p: Primitives, suite: Uint8Array, salt: Uint8Array, label: string, key: Uint8Array) =>
  p.hkdfExtract(salt, concatenate(VERSION_LABEL, suite, ascii(label), key));

/** Section 4. */
const labeledExpand = (
  p: Primitives,
  suite: Uint8Array,
  pseudoRandom: Uint8Array,
  label: string,
  info: Uint8Array,
  length: number,
) => p.hkdfExpand(pseudoRandom, concatenate(uint16(length), VERSION_LABEL, suite, ascii(label), info), length);
