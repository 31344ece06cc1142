// Questions that a sign of trouble causes keep a growing gap: signs are unauthenticated, and anybody on the LAN can send them.
import { doubled } from "../base/backoff.ts";
import { after, between, type Duration, type Instant, instant, seconds } from "../base/time.ts";

const FIRST_GAP = seconds(1);
const LONGEST_GAP = seconds(60);
/** Without a sign for this long the gaps begin anew. */
const FORGIVEN_AFTER = seconds(120);

/**
 * The gap between such questions of one viewing: doubled with each that did not help, 60 s at most. What shortens it nobody can forge: a
 * packet that opens under the epoch that was asked for, or two minutes of peace.
 */
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
    const peace = this.#last !== undefined && between(this.#last, at) >= FORGIVEN_AFTER;
    this.#last = at;
    this.#times = peace ? 1 : this.#times + 1;
    this.#epoch = epoch;
  }

  /** The stream is clear under `epoch`: if that was asked for, it helped. A position that was asked for may never have been wrong. */
  clear(epoch: number): void {
    if (this.#epoch >= 0 && epoch >= this.#epoch) this.#times = 0;
  }
}
