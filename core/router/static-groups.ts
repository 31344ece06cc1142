// Groups that an interface gets whether or not anybody asks, as for a switch or a device that speaks no IGMP.
import type { Address } from "../base/address.ts";
import type { Ipv4 } from "../base/ipv4.ts";
import { filterOf, NO_SOURCE, type SourceFilter } from "../igmp/filter.ts";

/** A group, from everybody or from these sources only. */
export interface StaticGroup<A extends Address = Ipv4> {
  readonly group: A;
  readonly sources?: readonly A[];
}

/** What `groups` want of one of them; INCLUDE({}) of any other. */
export function staticFilter<A extends Address>(groups: readonly StaticGroup<A>[], group: A): SourceFilter<A> {
  const one = groups.find((other) => other.group === group);
  if (one === undefined) return NO_SOURCE;
  return one.sources === undefined ? filterOf("exclude", []) : filterOf("include", one.sources);
}

/** The groups that either list names, each once. */
export const groupsOf = <A extends Address>(
  one: readonly StaticGroup<A>[],
  other: readonly StaticGroup<A>[],
): readonly A[] => [...new Set([...one, ...other].map(({ group }) => group))];
