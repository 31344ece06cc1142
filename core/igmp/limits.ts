// How much is kept of one interface, by its options and their defaults.
import type { Address } from "../base/address.ts";
import type { TableLimits } from "./group-table.ts";
import type { HostLimits } from "./host-table.ts";
import type { RouterInterfaceOptions } from "./interface-events.ts";

const NONE = Number.POSITIVE_INFINITY;

const groupsOf = ({ maxGroups = 4096 }: RouterInterfaceOptions<Address>): number => maxGroups;

const sourcesPerGroup = ({ maxSourcesPerGroup = 256 }: RouterInterfaceOptions<Address>): number => maxSourcesPerGroup;

const sourcesOf = ({ maxSourcesPerInterface = 65_536 }: RouterInterfaceOptions<Address>): number =>
  maxSourcesPerInterface;

/** Groups and sources of the link as a whole. */
export const groupLimits = (options: RouterInterfaceOptions<Address>): TableLimits => ({
  groups: groupsOf(options),
  sourcesPerGroup: sourcesPerGroup(options),
  sources: sourcesOf(options),
});

/** The same of one bridge port. */
export const portLimits = (options: RouterInterfaceOptions<Address>): TableLimits => ({
  groups: Math.min(groupsOf(options), options.maxGroupsPerPort ?? NONE),
  sourcesPerGroup: sourcesPerGroup(options),
  sources: Math.min(sourcesOf(options), options.maxSourcesPerPort ?? NONE),
});

/** What hosts may have. */
export const hostLimits = <A extends Address>(options: RouterInterfaceOptions<A>): HostLimits<A> => ({
  memberships: options.maxHostMemberships ?? 100_000,
  sources: sourcesPerGroup(options),
  groupsPerHost: options.maxGroupsPerHost ?? NONE,
  groupsPerPort: options.maxGroupsPerPort ?? NONE,
  sourcesPerHost: options.maxSourcesPerHost ?? NONE,
  sourcesPerPort: options.maxSourcesPerPort ?? NONE,
  joinsPerSecond: options.joinsPerSecond ?? 100,
  newHostsPerMinute: options.newHostsPerMinute ?? 60,
  newHostsPerMinutePerPort: options.newHostsPerMinutePerPort ?? 30,
  joinsAtOnce: Math.min(groupsOf(options), options.maxGroupsPerHost ?? NONE),
  proxies: options.proxies ?? [],
});
