// On which interfaces a stream leaves (RFC 4605 4.2): upstream what comes from below, and down where it is subscribed.
import type { Address, AddressFamily } from "../base/address.ts";
import type { Ipv4 } from "../base/ipv4.ts";
import type { Instant } from "../base/time.ts";
import type { PathLack } from "./delivery-path.ts";
import type { Downstream } from "./downstream.ts";
import type { Arrival } from "./ingress.ts";
import type { Interfaces } from "./interfaces.ts";
import type { Policy } from "./policy/policy.ts";

/** Names of interfaces. */
export interface Exits {
  /** Where it leaves: the upstream first, and never where it comes in. */
  readonly outbound: readonly string[];
  /** Where it would leave too if any host asked for the group: only a limit of number could refuse it to one of them alone. */
  readonly ready: readonly string[];
}

/** Of a stream that comes from nowhere. */
export const NOWHERE: Exits = { outbound: [], ready: [] };

/** By the interfaces, their members and the policy as they are at each moment. */
export class Egress<A extends Address = Ipv4> {
  readonly #family: AddressFamily<A>;
  readonly #interfaces: Interfaces<A>;
  readonly #policy: Pick<Policy<A>, "mayDeliver" | "admitsAll">;

  constructor(
    family: AddressFamily<A>,
    interfaces: Interfaces<A>,
    policy: Pick<Policy<A>, "mayDeliver" | "admitsAll">,
  ) {
    this.#family = family;
    this.#interfaces = interfaces;
    this.#policy = policy;
  }

  of(now: Instant, stream: Arrival<A>): Exits {
    const { group, inbound } = stream;
    const { downstreams, upstreams } = this.#interfaces;
    const origin = upstreams.get(inbound);
    if (this.#family.isLinkLocalMulticast(group) || origin?.mayJoin(group) === false) return NOWHERE;
    const upstream = origin === undefined ? this.#interfaces.upstreamOf(group) : undefined;
    const outbound = upstream?.up === true && upstream.maySend(group) ? [upstream.name] : [];
    const ready: string[] = [];
    for (const one of downstreams.values()) {
      const lack = this.#lackBelow(now, one, stream);
      if (lack === undefined) outbound.push(one.name);
      else if (lack === "not-wanted" && this.#takesAll(one, group)) ready.push(one.name);
    }
    return { outbound, ready };
  }

  #takesAll(downstream: Downstream<A>, group: A): boolean {
    return downstream.hearsAll(group) && this.#policy.admitsAll(downstream.name, group);
  }

  /** Why the stream does not leave on a downstream; undefined where it does. */
  lack(now: Instant, downstream: Downstream<A>, stream: Arrival<A>): PathLack | undefined {
    const isStopped = this.#interfaces.upstreams.get(stream.inbound)?.mayJoin(stream.group) === false;
    return isStopped ? "boundary" : this.#lackBelow(now, downstream, stream);
  }

  #lackBelow(now: Instant, downstream: Downstream<A>, { source, group, inbound }: Arrival<A>): PathLack | undefined {
    const { name } = downstream;
    if (name === inbound) return "inbound";
    if (!downstream.isForwarder) return "not-forwarder";
    if (downstream.isStatic(group, source)) return undefined;
    if (!this.#policy.mayDeliver(name, group, source)) return "denied";
    return downstream.machine.forwards(now, group, source) ? undefined : "not-wanted";
  }
}
