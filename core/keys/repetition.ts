// When something is said again that must have an effect: an offer, a demand.
import { after, type Duration, type Instant, milliseconds } from "../base/time.ts";
import type { Entropy } from "../ports/entropy.ts";

export const FIRST_REPEAT: Duration = milliseconds(700);
export const SLOWEST_REPEAT: Duration = milliseconds(5_000);
const SPREAD = 600;

export interface Repeated {
  /** The same in every repetition. */
  readonly id: Uint8Array;
  readonly next: Instant;
  readonly attempts: number;
}

/** Said now, after `attempts` times before: each wait twice the last, up to the slowest. */
export function repeated(now: Instant, id: Uint8Array, attempts: number, entropy: Entropy): Repeated {
  const wait = Math.min(SLOWEST_REPEAT, FIRST_REPEAT * 2 ** Math.min(attempts, 8));
  return { id, attempts: attempts + 1, next: after(now, milliseconds(wait + entropy.below(SPREAD))) };
}
