// Joins that were refused, gathered before they become evidence: a host that floods leaves a number, not a record for each packet.
import type { MembershipCount } from "../control/messages.ts";
import { type Counted, CountTable, refusalCount, withoutPlace } from "./evidence-counts.ts";

/** Hosts with a group and reason that are told apart in one gathering; all others are told by reason. */
const MOST = 32;

/** A join that policy or a limit did not honour; `reason` as the router's drops are named, `at` in Unix ms. */
export interface RefusedJoin extends Counted {
  readonly reason: string;
  readonly at: number;
}

/** What has been refused since the last `take`. */
export class RefusedJoins {
  #table = new CountTable();

  add({ at, ...who }: RefusedJoin): void {
    const count = refusalCount(who, at);
    this.#table.add(this.#table.size < MOST || this.#table.has(who) ? count : withoutPlace(count));
  }

  take(): readonly MembershipCount[] {
    const counts = this.#table.all();
    this.#table = new CountTable();
    return counts;
  }
}
