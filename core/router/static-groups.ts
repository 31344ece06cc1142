// Groups that an interface gets whether or not anybody asks, as for a switch or a device that speaks no IGMP.
import type { Address } from "../base/address.ts";
import type { Ipv4 } from "../base/ipv4.ts";
import { filterOf, mergeFilters, NO_SOURCE, type SourceFilter } from "../igmp/filter.ts";
import type { GroupView } from "../igmp/group-table.ts";
import type { PortView } from "../igmp/port-table.ts";

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

/** What the bridge's `ports` get: what is heard there, and the static groups, on those too that have said nothing. */
export function withStatic<A extends Address>(
  heard: readonly PortView<A>[],
  ports: readonly string[],
  statics: readonly StaticGroup<A>[],
): readonly PortView<A>[] {
  if (statics.length === 0) return heard;
  const silent = ports.filter((port) => !heard.some((one) => one.port === port));
  return [...heard, ...silent.map((port) => ({ port, router: false, groups: [] }))].map((view) =>
    ports.includes(view.port) ? { ...view, groups: merged(view.groups, statics) } : view,
  );
}

function merged<A extends Address>(
  heard: readonly GroupView<A>[],
  statics: readonly StaticGroup<A>[],
): readonly GroupView<A>[] {
  const unheard = statics.filter(({ group }) => !heard.some((one) => one.group === group));
  return [
    ...heard.map((one) => ({ ...one, filter: mergeFilters([one.filter, staticFilter(statics, one.group)]) })),
    ...unheard.map(({ group, sources = [] }) => ({
      group,
      filter: staticFilter(statics, group),
      requested: sources,
      mode: 3 as const,
      groupTimer: undefined,
    })),
  ];
}
