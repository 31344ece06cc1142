// Port Ciphers on node:crypto (OpenSSL). It makes a context a packet and an array a result, which is copied back into the packet.
import { createCipheriv, createDecipheriv, createHmac, createSecretKey, type KeyObject } from "node:crypto";
import type { Ciphers, CtrCipher, GcmCipher, Hmac } from "../../core/ports/cipher.ts";
import { checkKey } from "./key-length.ts";

/** A KeyObject saves a third of the time of raw octets. Its memory is OpenSSL's, which overwrites it when it is freed. */
const ERASED = createSecretKey(new Uint8Array(16));

const TAG = 16;
const TAG_OPTIONS = { authTagLength: TAG } as const;

class NodeGcm implements GcmCipher {
  readonly #algorithm: "aes-128-gcm" | "aes-256-gcm";
  #key: KeyObject;

  constructor(key: Uint8Array) {
    this.#algorithm = checkKey(key) === 16 ? "aes-128-gcm" : "aes-256-gcm";
    this.#key = createSecretKey(key);
  }

  seal(iv: Uint8Array, packet: Uint8Array, aadEnd: number, textEnd: number): void {
    const cipher = createCipheriv(this.#algorithm, this.#key, iv, TAG_OPTIONS);
    cipher.setAAD(packet.subarray(0, aadEnd));
    packet.set(cipher.update(packet.subarray(aadEnd, textEnd)), aadEnd);
    cipher.final();
    packet.set(cipher.getAuthTag(), textEnd);
  }

  open(iv: Uint8Array, packet: Uint8Array, aadEnd: number, textEnd: number): boolean {
    const decipher = createDecipheriv(this.#algorithm, this.#key, iv, TAG_OPTIONS);
    decipher.setAAD(packet.subarray(0, aadEnd));
    const text = decipher.update(packet.subarray(aadEnd, textEnd));
    decipher.setAuthTag(packet.subarray(textEnd, textEnd + TAG));
    if (!authentic(decipher)) return false;
    packet.set(text, aadEnd);
    return true;
  }

  erase(): void {
    this.#key = ERASED;
  }
}

/** node:crypto tells a wrong tag by throwing from `final`, and throws there for nothing else in GCM. */
function authentic(decipher: { final(): Uint8Array }): boolean {
  try {
    decipher.final();
    return true;
  } catch {
    return false;
  }
}

class NodeCtr implements CtrCipher {
  readonly #algorithm: "aes-128-ctr" | "aes-256-ctr";
  #key: KeyObject;

  constructor(key: Uint8Array) {
    this.#algorithm = checkKey(key) === 16 ? "aes-128-ctr" : "aes-256-ctr";
    this.#key = createSecretKey(key);
  }

  apply(iv: Uint8Array, packet: Uint8Array, start: number, end: number): void {
    packet.set(createCipheriv(this.#algorithm, this.#key, iv).update(packet.subarray(start, end)), start);
  }

  erase(): void {
    this.#key = ERASED;
  }
}

/** HMAC-SHA1 (RFC 2104); the noble driver uses it too, because @noble/ciphers has no hash functions. */
export class NodeHmac implements Hmac {
  #key: KeyObject;

  constructor(key: Uint8Array) {
    this.#key = createSecretKey(key);
  }

  sign(data: Uint8Array, end: number, suffix: Uint8Array, into: Uint8Array, at: number, length: number): void {
    const mac = createHmac("sha1", this.#key).update(data.subarray(0, end)).update(suffix).digest();
    for (let i = 0; i < length; i++) into[at + i] = mac[i] ?? 0;
  }

  erase(): void {
    this.#key = ERASED;
  }
}

/** The usual choice where OpenSSL is there. */
export const nodeCiphers: Ciphers = {
  gcm: (key) => new NodeGcm(key),
  ctr: (key) => new NodeCtr(key),
  hmacSha1: (key) => new NodeHmac(key),
};
