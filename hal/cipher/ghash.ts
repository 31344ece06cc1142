// GHASH (NIST SP 800-38D section 6.4) over octets in place: the tables are @noble/ciphers', laid flat so that a block costs 32 look-ups
// in 8 KB and no object. Like every table implementation it is not constant-time on a machine whose cache an attacker shares.
import { GHASH as NobleGhash } from "@noble/ciphers/_polyval.js";
import { writeUint32 } from "../../core/base/bytes.ts";

/** Asks noble for windows of 4 bits: 32 tables of 16 entries of 4 words. */
const FOUR_BIT_HINT = 2048;
const TABLE_WORDS = 64;
const WORDS = 32 * TABLE_WORDS;
const BLOCK = 16;

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
  readonly #input = new Int32Array(4);
  readonly #last = new Uint8Array(BLOCK);

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
    const whole = end - ((end - start) % BLOCK);
    absorb(this.#tables, this.#state, this.#input, data, start, whole);
    if (whole === end) return;
    this.#last.fill(0);
    this.#last.set(data.subarray(whole, end));
    absorb(this.#tables, this.#state, this.#input, this.#last, 0, BLOCK);
  }

  /** The last block: the lengths of associated data and text, in octets below 2^28. */
  lengths(associated: number, text: number): void {
    this.#last.fill(0);
    writeUint32(this.#last, 4, associated * 8);
    writeUint32(this.#last, 12, text * 8);
    absorb(this.#tables, this.#state, this.#input, this.#last, 0, BLOCK);
  }

  /** Writes the 16 octets of the hash. */
  write(into: Uint8Array): void {
    for (let i = 0; i < 16; i++) into[i] = (this.#state[i >>> 2] ?? 0) >>> (8 * (i & 3));
  }

  erase(): void {
    this.#tables.fill(0);
    this.#state.fill(0);
  }
}

/**
 * Multiplies (state xor block) by the hash key, block after block of data[start, end): one look-up for each half octet. One function
 * with its sums in locals: it runs for every packet, and is twice as fast as one that calls another for each word.
 */
function absorb(
  t: Int32Array,
  state: Int32Array,
  input: Int32Array,
  data: Uint8Array,
  start: number,
  end: number,
): void {
  let [s0, s1, s2, s3] = state as unknown as [number, number, number, number];
  for (let at = start; at < end; at += BLOCK) {
    input[0] = s0 ^ word(data, at);
    input[1] = s1 ^ word(data, at + 4);
    input[2] = s2 ^ word(data, at + 8);
    input[3] = s3 ^ word(data, at + 12);
    s0 = s1 = s2 = s3 = 0;
    let table = 0;
    for (let i = 0; i < 4; i++) {
      let x = input[i] as number;
      for (let octet = 0; octet < 4; octet++) {
        const high = table + ((x >>> 2) & 60);
        const low = table + TABLE_WORDS + ((x << 2) & 60);
        s0 ^= (t[high] as number) ^ (t[low] as number);
        s1 ^= (t[high + 1] as number) ^ (t[low + 1] as number);
        s2 ^= (t[high + 2] as number) ^ (t[low + 2] as number);
        s3 ^= (t[high + 3] as number) ^ (t[low + 3] as number);
        x >>>= 8;
        table += 2 * TABLE_WORDS;
      }
    }
  }
  state[0] = s0;
  state[1] = s1;
  state[2] = s2;
  state[3] = s3;
}

/** Four octets as noble's tables take them, lowest first, whatever the machine's order and the data's alignment. */
const word = (d: Uint8Array, at: number): number =>
  (d[at] as number) | ((d[at + 1] as number) << 8) | ((d[at + 2] as number) << 16) | ((d[at + 3] as number) << 24);
