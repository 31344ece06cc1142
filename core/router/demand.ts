// What the downstreams want of each group, by their members and by options, told upstream (RFC 4605 4.1) and to the forwarding cache.
import type { Address, AddressFamily } from "../base/address.ts";
import type { Ipv4 } from "../base/ipv4.ts";
import type { Instant } from "../base/time.ts";
import { NO_SOURCE, type SourceFilter, wantsNothing } from "../igmp/filter.ts";
import { MembershipDatabase, type UpstreamChange } from "../igmp/proxy.ts";
import type { Downstream } from "./downstream.ts";
import { fromHost } from "./effects.ts";
import type { ForwardingCache } from "./forwarding-cache.ts";
import type { Interfaces } from "./interfaces.ts";
import type { RouterEffect } from "./options.ts";
import type { Policy } from "./policy/policy.ts";
import { groupsOf, type StaticGroup } from "./static-groups.ts";
import type { Upstream } from "./upstream.ts";

/** In the database, behind the name of an interface: its static groups. No interface name has a blank. */
const STATIC = " static";

/** The merged state of one router. */
export class Demand<A extends Address = Ipv4> {
  readonly #database: MembershipDatabase<A>;
  readonly #interfaces: Interfaces<A>;
  readonly #policy: Pick<Policy<A>, "wants" | "wantsUp">;
  readonly #cache: ForwardingCache<A>;

  constructor(
    family: AddressFamily<A>,
    interfaces: Interfaces<A>,
    policy: Pick<Policy<A>, "wants" | "wantsUp">,
    cache: ForwardingCache<A>,
  ) {
    this.#database = new MembershipDatabase<A>(family);
    this.#interfaces = interfaces;
    this.#policy = policy;
    this.#cache = cache;
  }

  /** The groups of an upstream that somebody wants, with the sources. */
  of(upstream: Upstream<A>): readonly UpstreamChange<A>[] {
    return this.#database
      .groups()
      .filter(({ group }) => this.#interfaces.upstreamOf(group) === upstream && upstream.mayJoin(group));
  }

  /** What the members on an interface want of a group from now on. */
  set(now: Instant, name: string, group: A, filter: SourceFilter<A>): readonly RouterEffect<A>[] {
    return this.#set(now, name, "", group, filter);
  }

  /** The static groups of a downstream while it is up; `before`: those that it had. */
  setStatic(now: Instant, downstream: Downstream<A>, before: readonly StaticGroup<A>[]): readonly RouterEffect<A>[] {
    const { name, up, options } = downstream;
    return groupsOf(before, options.staticGroups ?? []).flatMap((group) =>
      this.#set(now, name, STATIC, group, up ? downstream.staticFilter(group) : NO_SOURCE),
    );
  }

  /** Tells everything upstream again: groups may have changed over to another one. */
  tellAll(now: Instant): readonly RouterEffect<A>[] {
    return this.#database.groups().flatMap((change) => this.#tell(now, change));
  }

  #set(
    now: Instant,
    name: string,
    part: "" | typeof STATIC,
    group: A,
    filter: SourceFilter<A>,
  ): readonly RouterEffect<A>[] {
    const change = this.#database.set(name + part, group, filter);
    const isWanted = this.#database.isWanted(name, group) || this.#database.isWanted(name + STATIC, group);
    this.#policy.wants(name, group, isWanted);
    return [...this.#cache.wants(now, group), ...(change === undefined ? [] : this.#tell(now, change))];
  }

  /** The merged state is what our host part upstream wants; of a group that comes from elsewhere, nothing. */
  #tell(now: Instant, change: UpstreamChange<A>): readonly RouterEffect<A>[] {
    const { group, filter } = change;
    const chosen = this.#interfaces.upstreamOf(group);
    this.#policy.wantsUp(group, wantsNothing(filter) ? undefined : this.#interfaces.uplinkOf(group));
    return [...this.#interfaces.upstreams.values()].flatMap((upstream) =>
      fromHost(upstream, upstream.want(now, upstream === chosen ? change : { group, filter: NO_SOURCE })),
    );
  }
}
