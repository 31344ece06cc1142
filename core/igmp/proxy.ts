// The membership database of an IGMP proxy (RFC 4605 4.1): what all downstream interfaces want, merged for the one upstream.
import type { Address, AddressFamily } from "../base/address.ts";
import type { Ipv4 } from "../base/ipv4.ts";
import { mergeFilters, NO_SOURCE, type SourceFilter, sameFilter, wantsNothing } from "./filter.ts";

/** A group, and what all downstream interfaces together want of it. */
export interface UpstreamChange<A extends Address = Ipv4> {
  readonly group: A;
  /** What the host part upstream shall want from now on; INCLUDE({}) leaves. */
  readonly filter: SourceFilter<A>;
}

/** Bounded by what the downstream interfaces hold, each of which has its own limit. */
export class MembershipDatabase<A extends Address = Ipv4> {
  readonly #family: AddressFamily<A>;
  /** Per group, what each downstream interface wants; nothing wanted, nothing kept. */
  readonly #groups = new Map<A, Map<string, SourceFilter<A>>>();

  constructor(family: AddressFamily<A>) {
    this.#family = family;
  }

  /** Takes the state of one downstream interface (timers removed); the upstream change it makes, if it makes one. */
  set(interfaceName: string, group: A, filter: SourceFilter<A>): UpstreamChange<A> | undefined {
    // RFC 4605 4: what is link-local never leaves its link.
    if (this.#family.isLinkLocalMulticast(group)) return undefined;
    const before = this.of(group);
    const filters = this.#groups.get(group) ?? new Map<string, SourceFilter<A>>();
    if (wantsNothing(filter)) filters.delete(interfaceName);
    else filters.set(interfaceName, filter);
    if (filters.size === 0) this.#groups.delete(group);
    else this.#groups.set(group, filters);
    const now = this.of(group);
    return sameFilter(before, now) ? undefined : { group, filter: now };
  }

  /** Whether this interface wants anything of the group. */
  isWanted(interfaceName: string, group: A): boolean {
    return this.#groups.get(group)?.has(interfaceName) === true;
  }

  /** What this interface wants of the group. */
  part(interfaceName: string, group: A): SourceFilter<A> {
    return this.#groups.get(group)?.get(interfaceName) ?? NO_SOURCE;
  }

  /** The merge for one group; INCLUDE({}) when nobody wants it. */
  of(group: A): SourceFilter<A> {
    const filters = [...(this.#groups.get(group)?.values() ?? [])];
    const [only = NO_SOURCE] = filters;
    return filters.length > 1 ? mergeFilters(filters) : only;
  }

  groups(): readonly UpstreamChange<A>[] {
    return [...this.#groups.keys()].map((group) => ({ group, filter: this.of(group) }));
  }
}
