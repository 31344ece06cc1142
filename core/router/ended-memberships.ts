// The memberships that ended last on one interface: a viewer who calls because the picture stopped has left the host table already.
import type { Address } from "../base/address.ts";
import type { Ipv4 } from "../base/ipv4.ts";
import type { Instant } from "../base/time.ts";
import type { TrackedHost } from "../igmp/host-shares.ts";
import type { HostMembership, LeaveCause } from "../igmp/host-table.ts";

/** One that is over. */
export interface EndedMembership<A extends Address = Ipv4> {
  readonly host: TrackedHost<A>;
  readonly group: A;
  readonly since: Instant;
  readonly at: Instant;
  readonly cause: LeaveCause;
}

/** How many are remembered. */
const MOST = 256;

/** The last 256, in a ring. */
export class EndedMemberships<A extends Address = Ipv4> {
  readonly #ring: EndedMembership<A>[] = [];
  #next = 0;

  /** Notes one more. */
  note(at: Instant, { host, group, since }: HostMembership<A>, cause: LeaveCause): void {
    this.#ring[this.#next] = { host, group, since, at, cause };
    this.#next = (this.#next + 1) % MOST;
  }

  /** The one that ended last comes first. */
  recent(): readonly EndedMembership<A>[] {
    return [...this.#ring.slice(this.#next), ...this.#ring.slice(0, this.#next)].reverse();
  }
}
