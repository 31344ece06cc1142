// Seeded chance for one history, and whether misfortune may still happen in it.
import { SeededEntropy } from "../../../hal/entropy/seeded.ts";

export class Chance extends SeededEntropy {
  /** True: nothing dies or is lost, and nobody starts anything new. */
  calm = false;

  pick<T>(from: readonly T[]): T {
    return from[Math.floor(this.below(from.length))] as T;
  }

  /** From 0 to just below 1; in calm always 1, which is beyond every misfortune. */
  misfortune(): number {
    return this.calm ? 1 : this.below(1);
  }
}
