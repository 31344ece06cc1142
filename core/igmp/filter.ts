// What somebody wants of a group: a filter mode and a source list (RFC 3376 section 2), and the merge of several (3.2).
import type { Ipv4 } from "../base/ipv4.ts";

/** RFC 3376 section 2: INCLUDE or EXCLUDE. */
export type FilterMode = "include" | "exclude";

/** Include: only these sources. Exclude: all but these. `sources` ascends without repetition; see `filterOf`. */
export interface SourceFilter {
  readonly mode: FilterMode;
  readonly sources: readonly Ipv4[];
}

/** INCLUDE({}): not a member. */
export const NO_SOURCE: SourceFilter = { mode: "include", sources: [] };
/** EXCLUDE({}): a member as in v1 and v2, any source. */
export const ANY_SOURCE: SourceFilter = { mode: "exclude", sources: [] };

/** The filter with these sources, in order and each once. Without any it is always the same object: most name none, and there are many. */
export function filterOf(mode: FilterMode, sources: readonly Ipv4[]): SourceFilter {
  if (sources.length === 0) return mode === "include" ? NO_SOURCE : ANY_SOURCE;
  return { mode, sources: [...new Set(sources)].sort((a, b) => a - b) };
}

/** INCLUDE({}), which is no membership. */
export const wantsNothing = (filter: SourceFilter): boolean => filter.mode === "include" && filter.sources.length === 0;

/** Whether traffic from `source` is wanted. */
export const admits = (filter: SourceFilter, source: Ipv4): boolean =>
  filter.sources.includes(source) === (filter.mode === "include");

/** Same mode and same sources. */
export function sameFilter(a: SourceFilter, b: SourceFilter): boolean {
  if (a === b) return true;
  return (
    a.mode === b.mode &&
    a.sources.length === b.sources.length &&
    a.sources.every((source, i) => source === b.sources[i])
  );
}

/** RFC 3376 3.2: any EXCLUDE makes EXCLUDE(intersection of the excluded less all included), else INCLUDE(union). */
export function mergeFilters(filters: Iterable<SourceFilter>): SourceFilter {
  const included = new Set<Ipv4>();
  let excluded: ReadonlySet<Ipv4> | undefined;
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

const common = (a: ReadonlySet<Ipv4>, b: readonly Ipv4[]): ReadonlySet<Ipv4> =>
  new Set(b.filter((source) => a.has(source)));
