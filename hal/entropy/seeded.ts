// Chance that repeats: the same seed gives the same draws. For simulation only; never for keys.
import type { Entropy } from "../../core/ports/entropy.ts";

/** xorshift128 (Marsaglia 2003, "Xorshift RNGs" section 4) with the state spread from a 32-bit seed. */
export class SeededEntropy implements Entropy {
  readonly #state: Uint32Array;

  constructor(seed: number) {
    this.#state = spread(seed >>> 0);
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
    const [x = 0, y = 0, z = 0, w = 0] = this.#state;
    const t = x ^ (x << 11);
    const drawn = (w ^ (w >>> 19) ^ t ^ (t >>> 8)) >>> 0;
    this.#state.set([y, z, w, drawn]);
    return drawn;
  }
}

/** Four words that are never all zero, from a linear congruential walk (Numerical Recipes' constants). */
function spread(seed: number): Uint32Array {
  const state = new Uint32Array(4);
  let word = seed;
  for (let i = 0; i < 4; i++) {
    word = (Math.imul(word, 1664525) + 1013904223) >>> 0;
    state[i] = word ^ (word >>> 15);
  }
  if (state.every((w) => w === 0)) state[3] = 1;
  return state;
}
