// Who asks the questions on a link (RFC 3376 6.6.2, RFC 2236 section 3): start-up, general queries, election, other querier present.
import { ANY, type Ipv4 } from "../base/ipv4.ts";
import { after, type Instant } from "../base/time.ts";
import type { IgmpTimes } from "./times.ts";

/** Each state carries its own deadline. */
export type QuerierState =
  /** Nobody is known to ask, and we may not. */
  | { readonly kind: "silent" }
  | { readonly kind: "querier"; readonly startupLeft: number; readonly next: Instant }
  | { readonly kind: "non-querier"; readonly address: Ipv4; readonly until: Instant };

/** Decides only who asks and when; what is asked is its owner's. */
export class Querier {
  /** Our address on the link; undefined when we only listen. */
  readonly #address: Ipv4 | undefined;
  #state: QuerierState = { kind: "silent" };

  /** An `address` of 0.0.0.0 cannot win an election, so it makes a listener. */
  constructor(address: Ipv4 | undefined) {
    this.#address = address === ANY ? undefined : address;
  }

  get state(): QuerierState {
    return this.#state;
  }

  get ours(): boolean {
    return this.#state.kind === "querier";
  }

  /** The link came up: we ask until somebody with a lower address does. */
  start(now: Instant, times: IgmpTimes): void {
    if (this.#address !== undefined) this.#state = { kind: "querier", startupLeft: times.startupQueryCount, next: now };
  }

  /** Another router's query. `busy` keeps a v2 querier from yielding while its last-member queries run (RFC 2236 section 3). */
  heard(now: Instant, from: Ipv4, times: IgmpTimes, busy: boolean): void {
    // A snooping switch without an address asks as 0.0.0.0 and takes no part in the election (RFC 4541 2.1.1).
    if (from === ANY) return;
    if (this.#state.kind === "querier" && (busy || from >= (this.#address ?? ANY))) return;
    // A third router above the one we yielded to has not won; below it, it has.
    if (this.#state.kind === "non-querier" && from > this.#state.address) return;
    this.#state = { kind: "non-querier", address: from, until: after(now, times.otherQuerierPresentInterval) };
  }

  /** How many general queries are due: 0 or 1. */
  poll(now: Instant, times: IgmpTimes): boolean {
    if (this.#state.kind === "non-querier" && this.#state.until <= now) this.#resume(now);
    if (this.#state.kind !== "querier" || this.#state.next > now) return false;
    const startupLeft = Math.max(0, this.#state.startupLeft - 1);
    const wait = startupLeft > 0 ? times.startupQueryInterval : times.queryInterval;
    this.#state = { kind: "querier", startupLeft, next: after(now, wait) };
    return true;
  }

  // 6.6.2: when the other querier is gone, ask at once, at the normal interval.
  #resume(now: Instant): void {
    this.#state = this.#address === undefined ? { kind: "silent" } : { kind: "querier", startupLeft: 0, next: now };
  }

  nextDeadline(): Instant | undefined {
    switch (this.#state.kind) {
      case "silent":
        return undefined;
      case "querier":
        return this.#state.next;
      case "non-querier":
        return this.#state.until;
    }
  }
}
