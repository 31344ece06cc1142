// A question to everybody that is wanted at moments of others' choosing: at once, but not before the last one has been answered.
import { after, type Duration, earliest, type Instant } from "../base/time.ts";

/** What is wanted while it may not be asked is asked then, once. */
export class Invitation {
  #askAt: Instant | undefined;
  #mayAskFrom: Instant | undefined;

  /** Everybody is to be asked as soon as that may be. */
  want(now: Instant): void {
    const from = this.#mayAskFrom ?? now;
    this.#askAt = earliest([this.#askAt, from > now ? from : now]);
  }

  /** Whether everybody is to be asked now; answers come within `answered`. */
  isDue(now: Instant, answered: Duration): boolean {
    if (this.#askAt === undefined || this.#askAt > now) return false;
    this.#askAt = undefined;
    this.#mayAskFrom = after(now, answered);
    return true;
  }

  nextDeadline(): Instant | undefined {
    return this.#askAt;
  }
}
