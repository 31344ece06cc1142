// What the routes of a predecessor say about who receives, until hosts say it themselves.
import type { Address } from "../base/address.ts";
import { inSubnet, type Subnet } from "../base/subnet.ts";
import { type Duration, milliseconds } from "../base/time.ts";
import { filterOf, type SourceFilter } from "../igmp/filter.ts";
import type { IgmpTimes } from "../igmp/times.ts";
import type { MulticastRoute } from "../ports/forwarding.ts";

/** RFC 3376 8.6 and 8.7: how long after a start every startup query has been asked, and answered. */
export const assumedSpan = ({ startupQueryCount, startupQueryInterval, queryResponseInterval }: IgmpTimes): Duration =>
  milliseconds((startupQueryCount - 1) * startupQueryInterval + queryResponseInterval);

/**
 * What the interface `name` is taken to want of a group, from all routes of that group: of the sources known exactly those that it
 * gets, of others whatever may come, but nothing of a source-specific group (RFC 4604). INCLUDE({}) when it gets none.
 */
export function assumedFilter<A extends Address>(
  name: string,
  group: A,
  routes: readonly MulticastRoute<A>[],
  sourceSpecific: readonly Subnet<A>[],
): SourceFilter<A> {
  const delivered = routes.filter(({ outbound }) => outbound.includes(name));
  if (delivered.length === 0 || sourceSpecific.some((subnet) => inSubnet(subnet, group)))
    return filterOf("include", sourcesOf(delivered));
  // What comes from the interface itself says nothing about what it wants.
  return filterOf("exclude", sourcesOf(routes.filter((route) => route.inbound !== name && !delivered.includes(route))));
}

const sourcesOf = <A extends Address>(routes: readonly MulticastRoute<A>[]): readonly A[] =>
  routes.map(({ source }) => source);
