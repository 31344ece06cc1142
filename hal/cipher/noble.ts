// Port Ciphers on @noble/ciphers: pure JavaScript, in place, the key schedule kept. GCM is composed from its CTR (SP 800-38D 6.5) and
// GHASH tables. For machines whose Node has no OpenSSL cipher at hand; HMAC comes from node:crypto, noble's ciphers have no hashes.
import { unsafe } from "@noble/ciphers/aes.js";
import type { Ciphers, CtrCipher, GcmCipher } from "../../core/ports/cipher.ts";
import { Ghash } from "./ghash.ts";
import { checkKey } from "./key-length.ts";
import { NodeHmac } from "./node.ts";

const TAG = 16;
const BLOCK = 16;

/** An AES key schedule; `apply` for each counter mode, in place where the data is aligned and through a copy where not. */
class Schedule {
  readonly #words: Uint32Array;
  readonly counter = new Uint8Array(BLOCK);

  constructor(key: Uint8Array) {
    checkKey(key);
    this.#words = unsafe.expandKeyLE(key);
  }

  /** XORs the keystream from `counter` on: only its last 32 bits count up (GCM). */
  gctr(data: Uint8Array): void {
    const aligned = aligned32(data);
    unsafe.ctr32(this.#words, false, this.counter, aligned, aligned);
    if (aligned !== data) data.set(aligned);
  }

  /** The same with a counter of 128 bits (RFC 3711 4.1.1, SP 800-38A). */
  ctr(data: Uint8Array): void {
    const aligned = aligned32(data);
    unsafe.ctrCounter(this.#words, this.counter, aligned, aligned);
    if (aligned !== data) data.set(aligned);
  }

  erase(): void {
    this.#words.fill(0);
    this.counter.fill(0);
  }
}

/** noble works on 32-bit words: data that starts elsewhere is copied. */
const aligned32 = (data: Uint8Array): Uint8Array => (data.byteOffset % 4 === 0 ? data : data.slice());

class NobleGcm implements GcmCipher {
  readonly #aes: Schedule;
  readonly #ghash: Ghash;
  readonly #mask = new Uint8Array(BLOCK);
  readonly #tag = new Uint8Array(TAG);

  constructor(key: Uint8Array) {
    this.#aes = new Schedule(key);
    const hashKey = new Uint8Array(BLOCK);
    this.#aes.gctr(hashKey);
    this.#ghash = new Ghash(hashKey);
    hashKey.fill(0);
  }

  seal(iv: Uint8Array, packet: Uint8Array, aadEnd: number, textEnd: number): void {
    this.#begin(iv);
    this.#aes.gctr(packet.subarray(aadEnd, textEnd));
    this.#computeTag(packet, aadEnd, textEnd);
    packet.set(this.#tag, textEnd);
  }

  open(iv: Uint8Array, packet: Uint8Array, aadEnd: number, textEnd: number): boolean {
    this.#begin(iv);
    this.#computeTag(packet, aadEnd, textEnd);
    let differences = 0;
    for (let i = 0; i < TAG; i++) differences |= (this.#tag[i] ?? 0) ^ (packet[textEnd + i] ?? 0);
    if (differences !== 0) return false;
    this.#aes.gctr(packet.subarray(aadEnd, textEnd));
    return true;
  }

  erase(): void {
    this.#aes.erase();
    this.#ghash.erase();
    this.#mask.fill(0);
    this.#tag.fill(0);
  }

  /** SP 800-38D 7.1: J0 = IV | 0^31 | 1 masks the tag, the text's keystream starts at J0 + 1. */
  #begin(iv: Uint8Array): void {
    const { counter } = this.#aes;
    counter.fill(0);
    counter.set(iv);
    counter[BLOCK - 1] = 1;
    this.#mask.fill(0);
    this.#aes.gctr(this.#mask);
  }

  #computeTag(packet: Uint8Array, aadEnd: number, textEnd: number): void {
    this.#ghash.reset();
    this.#ghash.update(packet, 0, aadEnd);
    this.#ghash.update(packet, aadEnd, textEnd);
    this.#ghash.lengths(aadEnd, textEnd - aadEnd);
    this.#ghash.write(this.#tag);
    for (let i = 0; i < TAG; i++) this.#tag[i] = (this.#tag[i] ?? 0) ^ (this.#mask[i] ?? 0);
  }
}

class NobleCtr implements CtrCipher {
  readonly #aes: Schedule;

  constructor(key: Uint8Array) {
    this.#aes = new Schedule(key);
  }

  apply(iv: Uint8Array, packet: Uint8Array, start: number, end: number): void {
    this.#aes.counter.set(iv);
    this.#aes.ctr(packet.subarray(start, end));
  }

  erase(): void {
    this.#aes.erase();
  }
}

/** Runs everywhere; several times slower than node's (see `npm run bench decrypt`). */
export const nobleCiphers: Ciphers = {
  gcm: (key) => new NobleGcm(key),
  ctr: (key) => new NobleCtr(key),
  hmacSha1: (key) => new NodeHmac(key),
};
