// Chance that repeats: the same seed gives the same draws. For simulation only; never for keys.
import type { Entropy } from "../../core/ports/entropy.ts";

/** xorshift128 (Marsaglia 2003, "Xorshift RNGs" section 4) with the state spread from a 32-bit seed. */
export class SeededEntropy implements Entropy {
  // The state, each a word of 32 bits.
  #x: number;
  #y: number;
  #z: number;
  #w: number;

  constructor(seed: number) {
    [this.#x, this.#y, this.#z, this.#w] = spread(seed >>> 0);
  }

  bytes(length: number): Uint8Array {
    const drawn = new Uint8Array(length);
    for (let i = 0; i < length; i++) drawn[i] = this.#next() >>> 24;
    return drawn;
  }

  below(limit: number): number {
    return ((this.#next() * 2 ** 21 + (this.#next() >>> 11)) / 2 ** 53) * limit;
  }

  #next(): number {
    const t = this.#x ^ (this.#x << 11);
    this.#x = this.#y;
    this.#y = this.#z;
    this.#z = this.#w;
    this.#w = (this.#w ^ (this.#w >>> 19) ^ t ^ (t >>> 8)) >>> 0;
    return this.#w;
  }
}

/** Four words that are never all zero, from a linear congruential walk (Numerical Recipes' constants). */
function spread(seed: number): readonly [number, number, number, number] {
  let word = seed;
  const next = (): number => {
    word = (Math.imul(word, 1664525) + 1013904223) >>> 0;
    return (word ^ (word >>> 15)) >>> 0;
  };
  const [x, y, z, w] = [next(), next(), next(), next()];
  return [x, y, z, (x | y | z | w) === 0 ? 1 : w];
}
