// Groups that an interface gets whether or not anybody asks, as for a switch or a device that speaks no IGMP.
import type { Ipv4 } from "../base/ipv4.ts";
import { filterOf, NO_SOURCE, type SourceFilter } from "../igmp/filter.ts";

/** A group, from everybody or from these sources only. */
export interface StaticGroup {
  readonly group: Ipv4;
  readonly sources?: readonly Ipv4[];
}

/** What `groups` want of one of them; INCLUDE({}) of any other. */
export function staticFilter(groups: readonly StaticGroup[], group: Ipv4): SourceFilter {
  const one = groups.find((other) => other.group === group);
  if (one === undefined) return NO_SOURCE;
  return one.sources === undefined ? filterOf("exclude", []) : filterOf("include", one.sources);
}

/** The groups that either list names, each once. */
export const groupsOf = (one: readonly StaticGroup[], other: readonly StaticGroup[]): readonly Ipv4[] => [
  ...new Set([...one, ...other].map(({ group }) => group)),
];
