// What one epoch does to a packet: encrypt and tag, or check and decrypt, in place. One implementation a family of suites.
import { writeUint32 } from "../base/bytes.ts";
import type { Ciphers, CtrCipher, GcmCipher, Hmac } from "../ports/cipher.ts";
import { deriveSessionKeys, type SessionKeys } from "./key-derivation.ts";
import { rolloverOf, sequenceOfIndex } from "./packet-index.ts";
import type { Suite } from "./suites.ts";

/** Bound to one key and one SSRC. `index` is the packet index, 0 to 2^48 - 1; `tagAt` is where the suite has its tag. */
export interface Transform {
  /**
   * Encrypts packet[headerEnd, textEnd) and writes the tag at packet[tagAt...]. The header has its SSRC and sequence number. `tagOctets`:
   * so many of the tag, where the suite allows to shorten it; all of it unless told otherwise.
   */
  seal(packet: Uint8Array, headerEnd: number, textEnd: number, tagAt: number, index: number, tagOctets?: number): void;
  /** Checks the tag and decrypts packet[headerEnd, textEnd). False when it is wrong: then the packet is as it was. */
  open(
    packet: Uint8Array,
    headerEnd: number,
    textEnd: number,
    tagAt: number,
    index: number,
    tagOctets?: number,
  ): boolean;
  /** Overwrites the key material; the transform must not be used afterwards. */
  erase(): void;
}

/** Throws RangeError when the master key or salt has not the suite's length. */
export function makeTransform(
  ciphers: Ciphers,
  suite: Suite,
  ssrc: number,
  masterKey: Uint8Array,
  masterSalt: Uint8Array,
): Transform {
  const keys = deriveSessionKeys(ciphers, suite, masterKey, masterSalt);
  const transform =
    suite === "AES_CM_128_HMAC_SHA1_80" ? new CmHmac(ciphers, ssrc, keys) : new AeadGcm(ciphers, ssrc, keys);
  keys.encryption.fill(0);
  keys.authentication.fill(0);
  keys.salt.fill(0);
  return transform;
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
  /** 8.1: (00 00 | SSRC | ROC | SEQ) xor salt; here with ROC and SEQ still zero. */
  readonly #base = new Uint8Array(12);
  readonly #iv = new Uint8Array(12);

  constructor(ciphers: Ciphers, ssrc: number, keys: SessionKeys) {
    this.#cipher = ciphers.gcm(keys.encryption);
    this.#base.set(keys.salt);
    xorUint32(this.#base, 2, ssrc);
    this.#iv.set(this.#base);
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
  /** 4.1.1: (salt * 2^16) xor (SSRC * 2^64) xor (index * 2^16); here with the index still zero. */
  readonly #base = new Uint8Array(16);
  readonly #iv = new Uint8Array(16);
  readonly #roc = new Uint8Array(4);
  readonly #tag = new Uint8Array(TAG_80);

  constructor(ciphers: Ciphers, ssrc: number, keys: SessionKeys) {
    this.#cipher = ciphers.ctr(keys.encryption);
    this.#hmac = ciphers.hmacSha1(keys.authentication);
    this.#base.set(keys.salt);
    xorUint32(this.#base, 4, ssrc);
    this.#iv.set(this.#base);
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
