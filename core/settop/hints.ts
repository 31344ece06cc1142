// Questions that a sign of trouble causes keep a growing gap: signs are unauthenticated, and anybody on the LAN can send them.
import { doubled } from "../base/backoff.ts";
import { after, type Duration, type Instant, instant, seconds } from "../base/time.ts";

const FIRST_GAP = seconds(1);
const LONGEST_GAP = seconds(60);

/** The gap between such questions of one viewing: 1 s after the first, doubled with each that did not help, 60 s at most. */
export class Hints {
  /** The last question that a sign caused. */
  #last: Instant | undefined;
  /** So many in a row did not help. */
  #times = 0;
  /** What the last one asked for; -1 when it was for no epoch. */
  #epoch = -1;

  /** From the last such question to the next, at least. */
  get gap(): Duration {
    return doubled(FIRST_GAP, this.#times, LONGEST_GAP);
  }

  /** The first moment at which a sign that is heard now may cause a question. */
  soonest(now: Instant): Instant {
    return this.#last === undefined ? now : instant(Math.max(now, after(this.#last, this.gap)));
  }

  /** A question is planned for `at`. */
  asking(at: Instant, epoch: number): void {
    this.#last = at;
    this.#times++;
    this.#epoch = epoch;
  }

  /** The stream is clear under `epoch`: if that was asked for, it helped. */
  clear(epoch: number): void {
    if (epoch >= this.#epoch) this.#times = 0;
  }
}
