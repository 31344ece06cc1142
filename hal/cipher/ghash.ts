// GHASH (NIST SP 800-38D section 6.4) over octets in place: the tables are @noble/ciphers', laid flat so that a block costs 32 look-ups
// in 8 KB and no object. Like every table implementation it is not constant-time on a machine whose cache an attacker shares.
import { GHASH as NobleGhash } from "@noble/ciphers/_polyval.js";

/** Asks noble for windows of 4 bits: 32 tables of 16 entries of 4 words. */
const FOUR_BIT_HINT = 2048;
const TABLE_WORDS = 64;
const WORDS = 32 * TABLE_WORDS;

/** Reads what noble computed for the hash key; its fields are protected, so this is a subclass. */
class Tables extends NobleGhash {
  flat(): Int32Array {
    const flat = new Int32Array(4 * this.t.length);
    this.t.forEach(({ s0, s1, s2, s3 }, i) => {
      flat.set([s0, s1, s2, s3], 4 * i);
    });
    if (flat.length !== WORDS) throw new RangeError(`GHASH tables of ${flat.length} words, not ${WORDS}`);
    return flat;
  }
}

/** One hash key. `reset`, `update` for each of the padded parts, then `write`; then again for the next message. */
export class Ghash {
  readonly #tables: Int32Array;
  readonly #state = new Int32Array(4);

  /** `hashKey` is 16 octets: the cipher applied to a zero block (SP 800-38D section 7.1). */
  constructor(hashKey: Uint8Array) {
    const tables = new Tables(hashKey, FOUR_BIT_HINT);
    this.#tables = tables.flat();
    tables.destroy();
  }

  reset(): void {
    this.#state.fill(0);
  }

  /** Absorbs data[start, end), padded with zeros to a whole block. */
  update(data: Uint8Array, start: number, end: number): void {
    let at = start;
    for (; at + 16 <= end; at += 16) {
      this.#block(word(data, at), word(data, at + 4), word(data, at + 8), word(data, at + 12));
    }
    if (at < end) {
      this.#block(tail(data, at, end), tail(data, at + 4, end), tail(data, at + 8, end), tail(data, at + 12, end));
    }
  }

  /** The last block: the lengths of associated data and text, in octets below 2^28. */
  lengths(associated: number, text: number): void {
    this.#block(0, swap(associated * 8), 0, swap(text * 8));
  }

  /** Writes the 16 octets of the hash. */
  write(into: Uint8Array): void {
    for (let i = 0; i < 16; i++) into[i] = (this.#state[i >>> 2] ?? 0) >>> (8 * (i & 3));
  }

  erase(): void {
    this.#tables.fill(0);
    this.#state.fill(0);
  }

  /** Multiplies (state xor block) by the hash key: one look-up for each of its 32 half octets. */
  #block(w0: number, w1: number, w2: number, w3: number): void {
    const state = this.#state;
    const x0 = (state[0] ?? 0) ^ w0;
    const x1 = (state[1] ?? 0) ^ w1;
    const x2 = (state[2] ?? 0) ^ w2;
    const x3 = (state[3] ?? 0) ^ w3;
    state.fill(0);
    this.#word(x0, 0);
    this.#word(x1, 8 * TABLE_WORDS);
    this.#word(x2, 16 * TABLE_WORDS);
    this.#word(x3, 24 * TABLE_WORDS);
  }

  #word(x: number, base: number): void {
    const t = this.#tables;
    const state = this.#state;
    let o0 = state[0] ?? 0;
    let o1 = state[1] ?? 0;
    let o2 = state[2] ?? 0;
    let o3 = state[3] ?? 0;
    let table = base;
    for (let shift = 0; shift < 32; shift += 8) {
      const high = table + 4 * ((x >>> (shift + 4)) & 15);
      const low = table + TABLE_WORDS + 4 * ((x >>> shift) & 15);
      o0 ^= (t[high] as number) ^ (t[low] as number);
      o1 ^= (t[high + 1] as number) ^ (t[low + 1] as number);
      o2 ^= (t[high + 2] as number) ^ (t[low + 2] as number);
      o3 ^= (t[high + 3] as number) ^ (t[low + 3] as number);
      table += 2 * TABLE_WORDS;
    }
    state[0] = o0;
    state[1] = o1;
    state[2] = o2;
    state[3] = o3;
  }
}

/** Four octets as noble's tables take them, lowest first, whatever the machine's order and the data's alignment. */
const word = (d: Uint8Array, at: number): number =>
  (d[at] as number) | ((d[at + 1] as number) << 8) | ((d[at + 2] as number) << 16) | ((d[at + 3] as number) << 24);

function tail(data: Uint8Array, at: number, end: number): number {
  let value = 0;
  for (let i = 0; i < 4; i++) if (at + i < end) value |= (data[at + i] as number) << (8 * i);
  return value;
}

const swap = (n: number): number => ((n & 255) << 24) | ((n & 0xff00) << 8) | ((n >>> 8) & 0xff00) | (n >>> 24);
