// The specific queries of one group that are under way: who is still to be asked about, and how often (RFC 3376 6.6.3).
import type { Ipv4 } from "../base/ipv4.ts";
import { after, type Instant } from "../base/time.ts";
import type { GroupRecord, QueryAction } from "./group-record.ts";
import type { IgmpTimes } from "./times.ts";

/** A group-specific query, or with sources a group-and-source-specific one: of any length, its sender splits it. */
export interface SpecificQuery {
  readonly sources: readonly Ipv4[];
  /** The S flag. */
  readonly suppress: boolean;
}

/** Last member queries of one group on an interface where we are the querier. */
export class LastMemberQueries {
  #groupLeft = 0;
  /** The group timer as the questions about the group left it. */
  #groupEnds: Instant | undefined;
  readonly #sourcesLeft = new Map<Ipv4, number>();
  #next: Instant | undefined;

  /** Takes the actions of a table row: lowers timers and answers the queries to send now. */
  ask(now: Instant, actions: readonly QueryAction[], record: GroupRecord, times: IgmpTimes): readonly SpecificQuery[] {
    let group = false;
    const sources: Ipv4[] = [];
    for (const action of actions) {
      if (action.kind === "group") group = this.#askGroup(now, record, times);
      else sources.push(...this.#askSources(now, action.sources, record, times));
    }
    return group || sources.length > 0 ? this.#transmit(now, group, sources, record, times) : [];
  }

  // A leave repeated while nobody has answered changes nothing: LMQC questions in all, not LMQC for every repetition.
  #askGroup(now: Instant, record: GroupRecord, times: IgmpTimes): boolean {
    if (this.#groupEnds !== undefined && record.groupTimer() === this.#groupEnds) return false;
    record.lowerGroup(now, times.lastMemberQueryTime);
    this.#groupEnds = record.groupTimer();
    this.#groupLeft = times.lastMemberQueryCount;
    return true;
  }

  // 6.6.3.2: only sources whose timer is larger than LMQT are asked about.
  #askSources(now: Instant, sources: readonly Ipv4[], record: GroupRecord, times: IgmpTimes): readonly Ipv4[] {
    const asked = record.lowerSources(now, sources, times.lastMemberQueryTime);
    for (const source of asked) this.#sourcesLeft.set(source, times.lastMemberQueryCount);
    return asked;
  }

  /** The repetitions that are due. */
  poll(now: Instant, record: GroupRecord, times: IgmpTimes): readonly SpecificQuery[] {
    if (this.#next === undefined || this.#next > now) return [];
    this.#next = undefined;
    return this.#transmit(now, this.#groupLeft > 0, [...this.#sourcesLeft.keys()], record, times);
  }

  #transmit(
    now: Instant,
    group: boolean,
    sources: readonly Ipv4[],
    record: GroupRecord,
    times: IgmpTimes,
  ): SpecificQuery[] {
    const queries = [
      ...(group ? [this.#groupQuery(now, record, times)] : []),
      ...this.#sourceQueries(now, sources, group, record, times),
    ];
    if (this.pending) this.#next ??= after(now, times.lastMemberQueryInterval);
    return queries;
  }

  // 6.6.3.1: S is set when a report has pulled the group timer back up.
  #groupQuery(now: Instant, record: GroupRecord, times: IgmpTimes): SpecificQuery {
    this.#groupLeft--;
    return { sources: [], suppress: isLonger(now, record.groupTimer(), times) };
  }

  // 6.6.3.2: two messages, S set for those pulled back; that one is left out when a group-specific query goes at the same time.
  #sourceQueries(
    now: Instant,
    sources: readonly Ipv4[],
    withGroup: boolean,
    record: GroupRecord,
    times: IgmpTimes,
  ): SpecificQuery[] {
    for (const source of sources) this.#countDown(source);
    const asked = sources.filter((source) => record.sourceTimer(source) !== undefined);
    const isPulledBack = (source: Ipv4): boolean => isLonger(now, record.sourceTimer(source), times);
    const longer = withGroup ? [] : asked.filter(isPulledBack);
    const shorter = asked.filter((source) => !isPulledBack(source));
    return [...queryAbout(longer, true), ...queryAbout(shorter, false)];
  }

  #countDown(source: Ipv4): void {
    const left = this.#sourcesLeft.get(source) ?? 0;
    if (left > 1) this.#sourcesLeft.set(source, left - 1);
    else this.#sourcesLeft.delete(source);
  }

  get pending(): boolean {
    return this.#groupLeft > 0 || this.#sourcesLeft.size > 0;
  }

  nextDeadline(): Instant | undefined {
    return this.#next;
  }

  /** Another router asks now. */
  cancel(): void {
    this.#groupLeft = 0;
    this.#groupEnds = undefined;
    this.#sourcesLeft.clear();
    this.#next = undefined;
  }
}

const isLonger = (now: Instant, timer: Instant | undefined, times: IgmpTimes): boolean =>
  timer !== undefined && timer > after(now, times.lastMemberQueryTime);

const queryAbout = (sources: readonly Ipv4[], suppress: boolean): SpecificQuery[] =>
  sources.length === 0 ? [] : [{ sources, suppress }];
