// What one epoch does to a packet: encrypt and tag, or check and decrypt, in place. One implementation a family of suites.
import { writeUint32 } from "../base/bytes.ts";
import type { Ciphers, CtrCipher, GcmCipher, Hmac, PacketCipher, PacketKeys } from "../ports/cipher.ts";
import { deriveSessionKeys, type SessionKeys } from "./key-derivation.ts";
import { rolloverOf, sequenceOfIndex } from "./packet-index.ts";
import type { Suite } from "./suites.ts";

/** Bound to one key and one SSRC; `tagAt` is where the suite has its tag. */
export type Transform = PacketCipher;

/** Throws RangeError when the master key or salt has not the suite's length. */
export function makeTransform(
  ciphers: Ciphers,
  suite: Suite,
  ssrc: number,
  masterKey: Uint8Array,
  masterSalt: Uint8Array,
): Transform {
  const session = deriveSessionKeys(ciphers, suite, masterKey, masterSalt);
  const keys = packetKeys(session, ssrc);
  const transform = transformOf(ciphers, keys);
  for (const octets of [session.encryption, session.authentication, session.salt, keys.vector]) octets.fill(0);
  return transform;
}

/** A packet in one call where the driver has that, else made of its ciphers. The keys are copied. */
export function transformOf(ciphers: Ciphers, keys: PacketKeys): Transform {
  if (ciphers.packets !== undefined) return ciphers.packets(keys);
  return keys.authentication.length === 0 ? new AeadGcm(ciphers, keys) : new CmHmac(ciphers, keys);
}

const GCM_VECTOR = 12;
const CM_VECTOR = 16;

/**
 * The vector of index 0: in AES-GCM (00 00 | SSRC | ROC | SEQ) xor salt (RFC 7714 8.1), in AES-CM (salt * 2^16) xor (SSRC * 2^64) xor
 * (index * 2^16) (RFC 3711 4.1.1).
 */
function packetKeys({ encryption, authentication, salt }: SessionKeys, ssrc: number): PacketKeys {
  const isGcm = authentication.length === 0;
  const vector = new Uint8Array(isGcm ? GCM_VECTOR : CM_VECTOR);
  vector.set(salt);
  xorUint32(vector, isGcm ? 2 : 4, ssrc);
  return { encryption, authentication, vector };
}

/** XORs value, big-endian, onto the four octets at `at`: session salt and packet fields meet in the IV. */
function xorUint32(into: Uint8Array, at: number, value: number): void {
  into[at] = (into[at] ?? 0) ^ (value >>> 24);
  into[at + 1] = (into[at + 1] ?? 0) ^ ((value >>> 16) & 255);
  into[at + 2] = (into[at + 2] ?? 0) ^ ((value >>> 8) & 255);
  into[at + 3] = (into[at + 3] ?? 0) ^ (value & 255);
}

const octet = (from: Uint8Array, at: number): number => from[at] ?? 0;

/** ROC and SEQ follow each other in both IVs; base[at...] is the salt there. */
function writeIndex(iv: Uint8Array, at: number, base: Uint8Array, roc: number, sequence: number): void {
  iv[at] = octet(base, at) ^ (roc >>> 24);
  iv[at + 1] = octet(base, at + 1) ^ ((roc >>> 16) & 255);
  iv[at + 2] = octet(base, at + 2) ^ ((roc >>> 8) & 255);
  iv[at + 3] = octet(base, at + 3) ^ (roc & 255);
  iv[at + 4] = octet(base, at + 4) ^ (sequence >>> 8);
  iv[at + 5] = octet(base, at + 5) ^ (sequence & 255);
}

/** AEAD_AES_128_GCM and AEAD_AES_256_GCM (RFC 7714): the header is associated data, the tag follows the text. */
class AeadGcm implements Transform {
  readonly #cipher: GcmCipher;
  readonly #base: Uint8Array;
  readonly #iv: Uint8Array;

  constructor(ciphers: Ciphers, { encryption, vector }: PacketKeys) {
    this.#cipher = ciphers.gcm(encryption);
    this.#base = vector.slice();
    this.#iv = vector.slice();
  }

  seal(packet: Uint8Array, headerEnd: number, textEnd: number, _tagAt: number, index: number): void {
    writeIndex(this.#iv, 6, this.#base, rolloverOf(index), sequenceOfIndex(index));
    this.#cipher.seal(this.#iv, packet, headerEnd, textEnd);
  }

  open(packet: Uint8Array, headerEnd: number, textEnd: number, _tagAt: number, index: number): boolean {
    writeIndex(this.#iv, 6, this.#base, rolloverOf(index), sequenceOfIndex(index));
    return this.#cipher.open(this.#iv, packet, headerEnd, textEnd);
  }

  erase(): void {
    this.#base.fill(0);
    this.#iv.fill(0);
    this.#cipher.erase();
  }
}

const TAG_80 = 10;

/** AES_CM_128_HMAC_SHA1_80 (RFC 3711 sections 4.1.1 and 4.2): the MAC covers header, ciphertext and ROC, not the MKI. */
class CmHmac implements Transform {
  readonly #cipher: CtrCipher;
  readonly #hmac: Hmac;
  readonly #base: Uint8Array;
  readonly #iv: Uint8Array;
  readonly #roc = new Uint8Array(4);
  readonly #tag = new Uint8Array(TAG_80);

  constructor(ciphers: Ciphers, { encryption, authentication, vector }: PacketKeys) {
    this.#cipher = ciphers.ctr(encryption);
    this.#hmac = ciphers.hmacSha1(authentication);
    this.#base = vector.slice();
    this.#iv = vector.slice();
  }

  seal(
    packet: Uint8Array,
    headerEnd: number,
    textEnd: number,
    tagAt: number,
    index: number,
    tagOctets: number = TAG_80,
  ): void {
    this.#crypt(packet, headerEnd, textEnd, index);
    writeUint32(this.#roc, 0, rolloverOf(index));
    this.#hmac.sign(packet, textEnd, this.#roc, packet, tagAt, tagOctets);
  }

  open(
    packet: Uint8Array,
    headerEnd: number,
    textEnd: number,
    tagAt: number,
    index: number,
    tagOctets: number = TAG_80,
  ): boolean {
    writeUint32(this.#roc, 0, rolloverOf(index));
    this.#hmac.sign(packet, textEnd, this.#roc, this.#tag, 0, TAG_80);
    let differences = 0;
    for (let i = 0; i < tagOctets; i++) differences |= octet(this.#tag, i) ^ octet(packet, tagAt + i);
    if (differences !== 0) return false;
    this.#crypt(packet, headerEnd, textEnd, index);
    return true;
  }

  erase(): void {
    this.#base.fill(0);
    this.#iv.fill(0);
    this.#cipher.erase();
    this.#hmac.erase();
  }

  #crypt(packet: Uint8Array, headerEnd: number, textEnd: number, index: number): void {
    writeIndex(this.#iv, 8, this.#base, rolloverOf(index), sequenceOfIndex(index));
    this.#cipher.apply(this.#iv, packet, headerEnd, textEnd);
  }
}
