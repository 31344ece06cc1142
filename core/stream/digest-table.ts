// The digests that a sender has signed, the newest of them: what a packet is looked up in. Its memory is fixed.
import { readUint32 } from "../base/bytes.ts";
import { DIGEST } from "./manifest.ts";

/** Digests are SHA-256's, so the first octets of one tell it from every other; all are compared. */
export class DigestTable {
  readonly #capacity: number;
  readonly #octets: Uint8Array;
  /** By the first 53 bits, its place; the newest where two begin alike. */
  readonly #places = new Map<number, number>();
  #next = 0;

  /** `capacity` >= 1: beyond it the oldest is forgotten. */
  constructor(capacity: number) {
    this.#capacity = capacity;
    this.#octets = new Uint8Array(capacity * DIGEST);
  }

  get size(): number {
    return this.#places.size;
  }

  /** Takes the one at digests[at, at + DIGEST). */
  add(digests: Uint8Array, at: number): void {
    const place = this.#next;
    const start = place * DIGEST;
    const old = prefixOf(this.#octets, start);
    if (this.#places.get(old) === place) this.#places.delete(old);
    this.#octets.set(digests.subarray(at, at + DIGEST), start);
    this.#places.set(prefixOf(digests, at), place);
    this.#next = (place + 1) % this.#capacity;
  }

  has(digest: Uint8Array): boolean {
    const place = this.#places.get(prefixOf(digest, 0));
    if (place === undefined) return false;
    const start = place * DIGEST;
    for (let i = 0; i < DIGEST; i++) if (this.#octets[start + i] !== digest[i]) return false;
    return true;
  }

  clear(): void {
    this.#places.clear();
  }
}

const prefixOf = (digests: Uint8Array, at: number): number =>
  readUint32(digests, at) * 0x20_0000 + (readUint32(digests, at + 4) >>> 11);
