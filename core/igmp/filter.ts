// What somebody wants of a group: a filter mode and a source list (RFC 3376 section 2), and the merge of several (3.2).
import { type Address, ascending } from "../base/address.ts";
import type { Ipv4 } from "../base/ipv4.ts";

/** RFC 3376 section 2: INCLUDE or EXCLUDE. */
export type FilterMode = "include" | "exclude";

/** Include: only these sources. Exclude: all but these. `sources` ascends without repetition; see `filterOf`. */
export interface SourceFilter<A extends Address = Ipv4> {
  readonly mode: FilterMode;
  readonly sources: readonly A[];
}

/** INCLUDE({}): not a member. */
export const NO_SOURCE: SourceFilter<never> = { mode: "include", sources: [] };
/** EXCLUDE({}): a member as in v1 and v2, any source. */
export const ANY_SOURCE: SourceFilter<never> = { mode: "exclude", sources: [] };

/** The filter with these sources, in order and each once. Without any it is always the same object: most name none, and there are many. */
export function filterOf<A extends Address>(mode: FilterMode, sources: readonly A[]): SourceFilter<A> {
  if (sources.length === 0) return mode === "include" ? NO_SOURCE : ANY_SOURCE;
  return { mode, sources: [...new Set(sources)].sort(ascending) };
}

/** INCLUDE({}), which is no membership. */
export const wantsNothing = (filter: SourceFilter<Address>): boolean =>
  filter.mode === "include" && filter.sources.length === 0;

/** Whether traffic from `source` is wanted. */
export const admits = <A extends Address>(filter: SourceFilter<A>, source: A): boolean =>
  filter.sources.includes(source) === (filter.mode === "include");

/** Same mode and same sources. */
export function sameFilter<A extends Address>(a: SourceFilter<A>, b: SourceFilter<A>): boolean {
  if (a === b) return true;
  return (
    a.mode === b.mode &&
    a.sources.length === b.sources.length &&
    a.sources.every((source, i) => source === b.sources[i])
  );
}

/** RFC 3376 3.2: any EXCLUDE makes EXCLUDE(intersection of the excluded less all included), else INCLUDE(union). */
export function mergeFilters<A extends Address>(filters: Iterable<SourceFilter<A>>): SourceFilter<A> {
  const included = new Set<A>();
  let excluded: ReadonlySet<A> | undefined;
  for (const { mode, sources } of filters) {
    if (mode === "include") for (const source of sources) included.add(source);
    else excluded = excluded === undefined ? new Set(sources) : common(excluded, sources);
  }
  if (excluded === undefined) return filterOf("include", [...included]);
  return filterOf(
    "exclude",
    [...excluded].filter((source) => !included.has(source)),
  );
}

const common = <A extends Address>(a: ReadonlySet<A>, b: readonly A[]): ReadonlySet<A> =>
  new Set(b.filter((source) => a.has(source)));
