// All groups of one interface: reports go through the compatibility modes (RFC 3376 7.3.2) into the records, and changes come out.
import type { Address, AddressFamily } from "../base/address.ts";
import { DeadlineHeap, type Scheduled } from "../base/deadline-heap.ts";
import type { Ipv4 } from "../base/ipv4.ts";
import { inSubnet, type Subnet } from "../base/subnet.ts";
import { after, type Duration, earliest, type Instant, milliseconds } from "../base/time.ts";
import { NO_SOURCE, type SourceFilter, sameFilter, wantsNothing } from "./filter.ts";
import { GroupRecord, type QueryAction } from "./group-record.ts";
import type { Room } from "./host-shares.ts";
import { LastMemberQueries, type SpecificQuery } from "./last-member.ts";
import { type HostStatement, joins } from "./messages/host-statement.ts";
import type { IgmpVersion, Query } from "./messages/query.ts";
import { isExclude, type RecordType, type ReportRecord } from "./messages/report.ts";
import type { IgmpTimes } from "./times.ts";

/** Why a statement, or a part of one, has no effect (RFC 3376 6.4, 7.3.2; RFC 4604 2.2.4). */
export type GroupDrop =
  | "igmp.too-many-groups"
  | "igmp.too-many-sources"
  | "igmp.all-systems"
  | "igmp.record-group"
  | "igmp.ssm-older-version"
  | "igmp.ssm-exclude"
  | "igmp.leave-not-querier"
  | "igmp.leave-no-group"
  | "igmp.v1-mode"
  | "igmp.block-older-mode";

/** What a call brings about: a new filter of the link, a query to send, or something dropped. */
export type GroupChange<A extends Address = Ipv4> =
  | { readonly kind: "membership"; readonly group: A; readonly filter: SourceFilter<A> }
  | { readonly kind: "query"; readonly group: A; readonly query: SpecificQuery<A> }
  | { readonly kind: "drop"; readonly reason: GroupDrop };

/** What the interface is at the moment of a call. */
export interface TableContext<A extends Address = Ipv4> {
  /** The configured version. */
  readonly version: IgmpVersion;
  readonly times: IgmpTimes;
  /** Whether we are the querier: only then do leaves ask and queries go out (6.6.1). */
  readonly querier: boolean;
  /** The groups of RFC 4604 section 2. */
  readonly sourceSpecific: readonly Subnet<A>[];
  readonly family: AddressFamily<A>;
}

/** How much is kept; what is beyond is dropped by name. */
export interface TableLimits {
  readonly groups: number;
  readonly sourcesPerGroup: number;
  /** Of all groups together; absent: no limit but that of each group. */
  readonly sources?: number;
}

/** One group as status shows it. */
export interface GroupView<A extends Address = Ipv4> {
  readonly group: A;
  readonly filter: SourceFilter<A>;
  /** Sources that are asked for by name (A in INCLUDE, X in EXCLUDE mode). */
  readonly requested: readonly A[];
  /** 7.3.2: the Group Compatibility Mode. */
  readonly mode: IgmpVersion;
  readonly groupTimer: Instant | undefined;
}

interface Entry<A extends Address = Ipv4> extends Scheduled {
  readonly group: A;
  readonly record: GroupRecord<A>;
  /** Made with the first question: most groups are never asked about. */
  asking: LastMemberQueries<A> | undefined;
  /** The last filter reported. */
  reported: SourceFilter<A>;
  v1Until: Instant | undefined;
  v2Until: Instant | undefined;
  /** Sources kept, as they were counted last. */
  counted: number;
}

const drop = (reason: GroupDrop): GroupChange<never> => ({ kind: "drop", reason });

/** Every call returns what it changed, in order. */
export class GroupTable<A extends Address = Ipv4> {
  #limits: TableLimits;
  readonly #groups = new Map<A, Entry<A>>();
  /** Each group under its first deadline, or an earlier one where that has moved away. */
  readonly #deadlines = new DeadlineHeap<Entry<A>>();
  /** With last-member queries under way. */
  readonly #asking = new Set<Entry<A>>();
  /** Sources of all groups, as they were when each changed last. */
  #sources = 0;

  constructor(limits: TableLimits) {
    this.#limits = limits;
  }

  /** New limits for what is new; no group goes. */
  limit(limits: TableLimits): void {
    this.#limits = limits;
  }

  /** What a host says of one group. */
  hear(now: Instant, statement: HostStatement<A>, context: TableContext<A>): readonly GroupChange<A>[] {
    switch (statement.message) {
      case "v1Report":
        return this.#v1v2Report(now, statement.group, 1, context);
      case "v2Report":
        return this.#v1v2Report(now, statement.group, 2, context);
      case "leave":
        return this.#leave(now, statement.group, context);
      case "v3Report":
        return this.#record(now, statement, context);
    }
  }

  /** A v1 or v2 report: IS_EX({}), and the group speaks that version for a while (7.3.2). */
  #v1v2Report(now: Instant, group: A, version: 1 | 2, context: TableContext<A>): readonly GroupChange<A>[] {
    const refused = refusal({ type: "is-ex", group }, version, context);
    if (refused !== undefined) return [drop(refused)];
    const entry = this.#entry(group);
    if (entry === undefined) return [drop("igmp.too-many-groups")];
    const until = after(now, context.times.olderHostPresentInterval);
    if (version === 1) entry.v1Until = until;
    else entry.v2Until = until;
    return this.#apply(now, entry, "is-ex", [], context);
  }

  /** Places for groups. */
  get room(): Room {
    const { groups: total } = this.#limits;
    return { free: Math.max(0, total - this.#groups.size), total };
  }

  /** Whether the group has a place. */
  has(group: A): boolean {
    return this.#groups.has(group);
  }

  /** Places for sources of all groups together. */
  get sourceRoom(): Room {
    const { sources: total = Number.POSITIVE_INFINITY } = this.#limits;
    return { free: Math.max(0, total - this.#sources), total };
  }

  /** Whether a statement asks for sources by name that are not kept yet. */
  wouldAddSources({ type, group, sources }: ReportRecord<A>): boolean {
    if (sources.length === 0 || isExclude(type) || type === "block") return false;
    return (this.#groups.get(group)?.record.unknown(sources) ?? sources.length) > 0;
  }

  /** Whether a statement would take one of them. */
  wouldAdd(record: ReportRecord<A>): boolean {
    return !this.#groups.has(record.group) && joins(record);
  }

  /** Leave Group: TO_IN({}) (7.3.2), heeded by the querier only and only for a group with members (RFC 2236 section 3). */
  #leave(now: Instant, group: A, context: TableContext<A>): readonly GroupChange<A>[] {
    const refused = refusal({ type: "to-in", group }, 2, context);
    if (refused !== undefined) return [drop(refused)];
    if (!context.querier) return [drop("igmp.leave-not-querier")];
    const entry = this.#groups.get(group);
    if (entry === undefined) return [drop("igmp.leave-no-group")];
    if (modeOf(now, entry, context.version) === 1) return [drop("igmp.v1-mode")];
    return this.#apply(now, entry, "to-in", [], context);
  }

  /** One record of a v3 report, each on its own (RFC 4604: SSM and ASM may be mixed in one report). */
  #record(
    now: Instant,
    { type, group, sources }: ReportRecord<A>,
    context: TableContext<A>,
  ): readonly GroupChange<A>[] {
    const refused = refusal({ type, group }, 3, context);
    if (refused !== undefined) return [drop(refused)];
    const known = this.#groups.get(group);
    // INCLUDE({}) stays what it is, and needs no record, unless something joins.
    if (known === undefined && !joins({ type, sources })) return [];
    const entry = known ?? this.#entry(group);
    if (entry === undefined) return [drop("igmp.too-many-groups")];
    return this.#inMode(now, entry, type, sources, context);
  }

  /** A membership that no host has reported: it dies after `span` unless one does. */
  assume(
    now: Instant,
    { group, filter, span }: { readonly group: A; readonly filter: SourceFilter<A>; readonly span: Duration },
    context: TableContext<A>,
  ): readonly GroupChange<A>[] {
    const refused = refusal({ type: filter.mode === "exclude" ? "is-ex" : "is-in", group }, 3, context);
    if (refused !== undefined) return [drop(refused)];
    if (wantsNothing(filter)) return [];
    const entry = this.#entry(group);
    if (entry === undefined) return [drop("igmp.too-many-groups")];
    const cut = entry.record.assume(now, filter, span, this.sourceRoom.free);
    return [...Array.from({ length: cut }, () => drop("igmp.too-many-sources")), ...this.#report(now, entry)];
  }

  // 7.3.2: what a group in v2 or v1 mode ignores of v3 reports.
  #inMode(
    now: Instant,
    entry: Entry<A>,
    type: RecordType,
    sources: readonly A[],
    context: TableContext<A>,
  ): GroupChange<A>[] {
    const mode = modeOf(now, entry, context.version);
    if (mode < 3 && type === "block") return [drop("igmp.block-older-mode")];
    if (mode === 1 && type === "to-in") return [drop("igmp.v1-mode")];
    return this.#apply(now, entry, type, mode < 3 && type === "to-ex" ? [] : sources, context);
  }

  #apply(
    now: Instant,
    entry: Entry<A>,
    type: RecordType,
    sources: readonly A[],
    context: TableContext<A>,
  ): GroupChange<A>[] {
    const { groupMembershipInterval } = context.times;
    const outcome = entry.record.apply(now, type, sources, groupMembershipInterval, this.sourceRoom.free);
    const refused = Array.from({ length: outcome.refused }, () => drop("igmp.too-many-sources"));
    const actions = outcome.actions.filter(({ kind }) => mayAsk(kind, context));
    const queries = actions.length === 0 ? [] : this.#ask(now, entry, actions, context.times);
    return [...refused, ...queries.map((query) => asQuery(entry, query)), ...this.#report(now, entry)];
  }

  #ask(
    now: Instant,
    entry: Entry<A>,
    actions: readonly QueryAction<A>[],
    times: IgmpTimes,
  ): readonly SpecificQuery<A>[] {
    entry.asking ??= new LastMemberQueries<A>();
    return entry.asking.ask(now, actions, entry.record, times);
  }

  /** A specific query of another router lowers our timers, unless its S flag says not to (6.6.1). */
  heardQuery(now: Instant, query: Query<A>, { times }: TableContext<A>): readonly GroupChange<A>[] {
    const entry = this.#groups.get(query.group);
    if (entry === undefined || query.suppress) return [];
    const wait = lowerTo(query, times);
    if (query.sources.length === 0) entry.record.lowerGroup(now, wait);
    else entry.record.lowerSources(now, query.sources, wait);
    return this.#report(now, entry);
  }

  /** Nobody was heard for a while: every membership has `span` from now, whatever was left of it. No question is under way. */
  confirm(now: Instant, span: Duration): void {
    for (const entry of this.#groups.values()) {
      entry.asking?.cancel();
      entry.record.confirm(now, span);
      this.#schedule(entry);
    }
  }

  /**
   * The options are others: of groups that have become source-specific only what is asked for by name stays, and no question about a
   * whole one is under way (RFC 4604).
   */
  settle(now: Instant, context: TableContext<A>): readonly GroupChange<A>[] {
    const strangers = [...this.#groups.values()].filter(
      ({ group, record }) => record.groupTimer() !== undefined && isSourceSpecific(group, context),
    );
    return strangers.flatMap((entry) => {
      entry.asking?.cancel();
      entry.v1Until = undefined;
      entry.v2Until = undefined;
      entry.record.lowerGroup(now, milliseconds(0));
      return this.#report(now, entry);
    });
  }

  /** Ends a group without asking: proof is the caller's. */
  end(group: A): readonly GroupChange<A>[] {
    const entry = this.#groups.get(group);
    if (entry === undefined) return [];
    this.#forget(entry);
    return wantsNothing(entry.reported) ? [] : [{ kind: "membership", group, filter: NO_SOURCE }];
  }

  /** Ends everything: the interface is down. */
  clear(): readonly GroupChange<A>[] {
    return [...this.#groups.keys()].flatMap((group) => this.end(group));
  }

  /** Another router is the querier now. */
  stopAsking(): void {
    for (const { asking } of this.#groups.values()) asking?.cancel();
    this.#asking.clear();
  }

  /** Whether last-member queries are under way. */
  get asking(): boolean {
    return this.#asking.size > 0;
  }

  poll(now: Instant, { times }: TableContext<A>): readonly GroupChange<A>[] {
    const changes: GroupChange<A>[] = [];
    for (let entry = this.#deadlines.takeDue(now); entry !== undefined; entry = this.#deadlines.takeDue(now)) {
      if (isDue(now, entry)) changes.push(...this.#repeat(now, entry, times));
      changes.push(...this.#report(now, entry));
    }
    return changes;
  }

  #repeat(now: Instant, entry: Entry<A>, times: IgmpTimes): GroupChange<A>[] {
    // Late: nobody has answered and the time is over, so there is nothing to ask about.
    if (wantsNothing(entry.record.filter(now))) return [];
    return (entry.asking?.poll(now, entry.record, times) ?? []).map((query) => asQuery(entry, query));
  }

  nextDeadline(): Instant | undefined {
    return this.#deadlines.next();
  }

  /** Tells a filter that changed, forgets a group that nobody wants, and notes the next deadline. */
  #report(now: Instant, entry: Entry<A>): GroupChange<A>[] {
    const filter = entry.record.filter(now);
    const changed = !sameFilter(filter, entry.reported);
    entry.reported = filter;
    this.#count(entry, entry.record.size);
    if (wantsNothing(filter)) this.#forget(entry);
    else this.#schedule(entry);
    return changed ? [{ kind: "membership", group: entry.group, filter }] : [];
  }

  #schedule(entry: Entry<A>): void {
    this.#deadlines.schedule(entry, earliest([entry.record.nextDeadline(), entry.asking?.nextDeadline()]));
    if (entry.asking?.pending) this.#asking.add(entry);
    else this.#asking.delete(entry);
  }

  #count(entry: Entry<A>, sources: number): void {
    this.#sources += sources - entry.counted;
    entry.counted = sources;
  }

  #forget(entry: Entry<A>): void {
    this.#count(entry, 0);
    this.#groups.delete(entry.group);
    this.#deadlines.schedule(entry, undefined);
    this.#asking.delete(entry);
  }

  #entry(group: A): Entry<A> | undefined {
    const known = this.#groups.get(group);
    if (known !== undefined || this.#groups.size >= this.#limits.groups) return known;
    const entry: Entry<A> = {
      due: undefined,
      place: -1,
      group,
      record: new GroupRecord<A>(this.#limits.sourcesPerGroup),
      asking: undefined,
      reported: NO_SOURCE,
      v1Until: undefined,
      v2Until: undefined,
      counted: 0,
    };
    this.#groups.set(group, entry);
    return entry;
  }

  filter(now: Instant, group: A): SourceFilter<A> {
    return this.#groups.get(group)?.record.filter(now) ?? NO_SOURCE;
  }

  /** 7.3.2; the configured version for a group that is not there. */
  mode(now: Instant, group: A, version: IgmpVersion): IgmpVersion {
    const entry = this.#groups.get(group);
    return entry === undefined ? version : modeOf(now, entry, version);
  }

  view(now: Instant, version: IgmpVersion): readonly GroupView<A>[] {
    return [...this.#groups.values()].map((entry) => ({
      group: entry.group,
      filter: entry.record.filter(now),
      requested: entry.record.requested(now),
      mode: modeOf(now, entry, version),
      groupTimer: entry.record.groupTimer(),
    }));
  }
}

/**
 * RFC 2236 section 3: the Max Response Time of the message counts. RFC 3376 6.6.1 says our own Last Member Query Time; where the message
 * gives hosts longer to answer, they have it.
 */
function lowerTo({ version, maxResponse }: Pick<Query, "version" | "maxResponse">, times: IgmpTimes): Duration {
  const answered = milliseconds(maxResponse * times.lastMemberQueryCount);
  return version === 3 ? milliseconds(Math.max(answered, times.lastMemberQueryTime)) : answered;
}

/** Whether the group is received from sources that are asked for by name, and never from all (RFC 4604). */
export const isSourceSpecific = <A extends Address>(
  group: A,
  { sourceSpecific }: Pick<TableContext<A>, "sourceSpecific">,
): boolean => sourceSpecific.some((subnet) => inSubnet(subnet, group));

/** Why nothing is kept of a statement that came in a message of `version`; undefined when it counts. */
export function refusal<A extends Address>(
  { type, group }: Pick<ReportRecord<A>, "type" | "group">,
  version: IgmpVersion,
  context: Pick<TableContext<A>, "sourceSpecific" | "family">,
): GroupDrop | undefined {
  const { family } = context;
  if (!family.isMulticast(group)) return "igmp.record-group";
  // RFC 3376 6: nothing is ever reported for 224.0.0.1.
  if (group === family.allNodes) return "igmp.all-systems";
  if (!isSourceSpecific(group, context)) return undefined;
  if (version < 3) return "igmp.ssm-older-version";
  // RFC 4604 2.2.4: EXCLUDE has no meaning for a source-specific group.
  return isExclude(type) ? "igmp.ssm-exclude" : undefined;
}

/** 7.3.2: the oldest version that a host of the group was heard with, and never newer than the one configured. */
function modeOf(now: Instant, entry: Pick<Entry, "v1Until" | "v2Until">, version: IgmpVersion): IgmpVersion {
  const heard = isAfter(entry.v1Until, now) ? 1 : isAfter(entry.v2Until, now) ? 2 : 3;
  return heard < version ? heard : version;
}

const isAfter = (until: Instant | undefined, now: Instant): boolean => until !== undefined && until > now;

const isDue = (now: Instant, { asking }: Entry<Address>): boolean =>
  (asking?.nextDeadline() ?? Number.POSITIVE_INFINITY) <= now;

// A v1 querier cannot ask about a group, a v2 querier not about sources (7.3.1).
const mayAsk = (kind: "group" | "sources", { querier, version }: Pick<TableContext, "querier" | "version">): boolean =>
  querier && version >= (kind === "group" ? 2 : 3);

const asQuery = <A extends Address>(entry: Entry<A>, query: SpecificQuery<A>): GroupChange<A> => ({
  kind: "query",
  group: entry.group,
  query,
});
