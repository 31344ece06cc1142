// The membership database of an IGMP proxy (RFC 4605 4.1): what all downstream interfaces want, merged for the one upstream.
import { type Ipv4, isLinkLocalMulticast } from "../base/ipv4.ts";
import { mergeFilters, NO_SOURCE, type SourceFilter, sameFilter, wantsNothing } from "./filter.ts";

/** A group, and what all downstream interfaces together want of it. */
export interface UpstreamChange {
  readonly group: Ipv4;
  /** What the host part upstream shall want from now on; INCLUDE({}) leaves. */
  readonly filter: SourceFilter;
}

/**
 * Whether a group is proxied at all: 224.0.0.0/24 never leaves its link (RFC 5771 section 4).
 */
const isProxied = (group: Ipv4): boolean => !isLinkLocalMulticast(group);

/** Bounded by what the downstream interfaces hold, each of which has its own limit. */
export class MembershipDatabase {
  /** Per group, what each downstream interface wants; nothing wanted, nothing kept. */
  readonly #groups = new Map<Ipv4, Map<string, SourceFilter>>();

  /** Takes the state of one downstream interface (timers removed); the upstream change it makes, if it makes one. */
  set(interfaceName: string, group: Ipv4, filter: SourceFilter): UpstreamChange | undefined {
    if (!isProxied(group)) return undefined;
    const before = this.of(group);
    const filters = this.#groups.get(group) ?? new Map<string, SourceFilter>();
    if (wantsNothing(filter)) filters.delete(interfaceName);
    else filters.set(interfaceName, filter);
    if (filters.size === 0) this.#groups.delete(group);
    else this.#groups.set(group, filters);
    const now = this.of(group);
    return sameFilter(before, now) ? undefined : { group, filter: now };
  }

  /** Whether this interface wants anything of the group. */
  isWanted(interfaceName: string, group: Ipv4): boolean {
    return this.#groups.get(group)?.has(interfaceName) === true;
  }

  /** The merge for one group; INCLUDE({}) when nobody wants it. */
  of(group: Ipv4): SourceFilter {
    const filters = [...(this.#groups.get(group)?.values() ?? [])];
    const [only = NO_SOURCE] = filters;
    return filters.length > 1 ? mergeFilters(filters) : only;
  }

  groups(): readonly UpstreamChange[] {
    return [...this.#groups.keys()].map((group) => ({ group, filter: this.of(group) }));
  }
}
