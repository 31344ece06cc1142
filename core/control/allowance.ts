// How often somebody may do what costs us more than it costs him: a burst at once, then one at a time.
import type { Duration, Instant } from "../base/time.ts";
import { Recent } from "./recent.ts";

/** A bucket: `burst` >= 1 tokens, filled by one every `spacing`. */
export interface Rate {
  /** This many at once ... */
  readonly burst: number;
  /** ... and one more after each such span. */
  readonly spacing: Duration;
}

/** Names that are remembered; one that was forgotten has its whole burst again. */
const NAMES = 65_536;

/** One bucket for each name; the 65,536 names used last are remembered. */
export class Allowance {
  readonly #rate: Rate;
  /** When all that a name has taken is paid off. */
  readonly #paid = new Recent<string, number>(NAMES);

  constructor(rate: Rate) {
    this.#rate = rate;
  }

  /** Takes one; false when there is none left, and then nothing is taken. */
  take(now: Instant, name: string): boolean {
    const { burst, spacing } = this.#rate;
    const from = Math.max(now, this.#paid.get(name) ?? 0);
    if (from - now > (burst - 1) * spacing) return false;
    this.#paid.set(name, from + spacing);
    return true;
  }
}
