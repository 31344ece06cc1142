// Chance that repeats, for every test: the seeded entropy of hal, and whole numbers from it.
import { SeededEntropy } from "../../hal/entropy/seeded.ts";

/** A whole number, uniform over [0, limit). */
export type Below = (limit: number) => number;

/** Draws of whole numbers; the same seed gives the same draws. */
export function seededBelow(seed: number): Below {
  const entropy = new SeededEntropy(seed);
  return (limit) => Math.floor(entropy.below(limit));
}
