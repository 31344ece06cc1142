// How long an unanswered question waits before it is sent again: one rule for everybody who asks over QoS 0.
import { type Duration, milliseconds, seconds } from "../base/time.ts";
import type { Entropy } from "../ports/entropy.ts";

/** An answer gets at least this long after the first send. */
export const FIRST_REPEAT = milliseconds(700);
const FIRST_SPREAD = milliseconds(600);
/** No later repeat sooner than this, however the dice fall. */
const SOONEST = milliseconds(200);
/** Doubled before every repeat but the first. */
const FIRST_CEILING = seconds(1);

/** `first`, doubled so many `times`, never above `most`. */
export const doubled = (first: Duration, times: number, most: Duration): Duration =>
  milliseconds(Math.min(most, first * 2 ** Math.min(times, 20)));

/**
 * The wait after a question was sent for the `sent`th time (>= 1): first 0.7 to 1.3 s, then up to 2, 4, 8 ... s with full jitter,
 * so that askers who began together drift apart; never above `longest`, which is at least 1.3 s.
 */
export function repeatWait(entropy: Entropy, sent: number, longest: Duration): Duration {
  if (sent <= 1) return milliseconds(FIRST_REPEAT + entropy.below(FIRST_SPREAD));
  return milliseconds(Math.max(SOONEST, entropy.below(doubled(FIRST_CEILING, sent - 1, longest))));
}
