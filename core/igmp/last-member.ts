// The specific queries of one group that are under way: who is still to be asked about, and how often (RFC 3376 6.6.3).
import type { Address } from "../base/address.ts";
import type { Ipv4 } from "../base/ipv4.ts";
import { after, earliest, type Instant } from "../base/time.ts";
import type { GroupRecord, QueryAction } from "./group-record.ts";
import type { IgmpTimes } from "./times.ts";

/** A group-specific query, or with sources a group-and-source-specific one: of any length, its sender splits it. */
export interface SpecificQuery<A extends Address = Ipv4> {
  readonly sources: readonly A[];
  /** The S flag. */
  readonly suppress: boolean;
}

/** What is still to be repeated: every LMQI from the moment it was first asked. */
interface Question {
  readonly left: number;
  readonly next: Instant;
}

/** Last member queries of one group on an interface where we are the querier. */
export class LastMemberQueries<A extends Address = Ipv4> {
  #group: Question | undefined;
  /** The group timer as the questions about the group left it. */
  #groupEnds: Instant | undefined;
  readonly #sources = new Map<A, Question>();
  #next: Instant | undefined;

  /** Takes the actions of a table row: lowers timers and answers the queries to send now. */
  ask(
    now: Instant,
    actions: readonly QueryAction<A>[],
    record: GroupRecord<A>,
    times: IgmpTimes,
  ): readonly SpecificQuery<A>[] {
    for (const action of actions) {
      if (action.kind === "group") this.#askGroup(now, record, times);
      else this.#askSources(now, action.sources, record, times);
    }
    return actions.length === 0 ? [] : this.#transmit(now, record, times);
  }

  // A leave repeated while nobody has answered changes nothing: LMQC questions in all, not LMQC for every repetition.
  #askGroup(now: Instant, record: GroupRecord<A>, times: IgmpTimes): void {
    if (this.#groupEnds !== undefined && record.groupTimer() === this.#groupEnds) return;
    record.lowerGroup(now, times.lastMemberQueryTime);
    this.#groupEnds = record.groupTimer();
    this.#group = { left: times.lastMemberQueryCount, next: now };
  }

  // 6.6.3.2: only sources whose timer is larger than LMQT are asked about.
  #askSources(now: Instant, sources: readonly A[], record: GroupRecord<A>, times: IgmpTimes): void {
    for (const source of record.lowerSources(now, sources, times.lastMemberQueryTime))
      this.#sources.set(source, { left: times.lastMemberQueryCount, next: now });
  }

  /** The repetitions that are due. */
  poll(now: Instant, record: GroupRecord<A>, times: IgmpTimes): readonly SpecificQuery<A>[] {
    return this.#next === undefined || this.#next > now ? [] : this.#transmit(now, record, times);
  }

  #transmit(now: Instant, record: GroupRecord<A>, times: IgmpTimes): SpecificQuery<A>[] {
    const group = this.#groupQuery(now, record, times);
    const queries = [...group, ...this.#sourceQueries(now, group.length > 0, record, times)];
    this.#next = earliest([this.#group?.next, ...[...this.#sources.values()].map(({ next }) => next)]);
    return queries;
  }

  // 6.6.3.1: S is set when a report has pulled the group timer back up.
  #groupQuery(now: Instant, record: GroupRecord<A>, times: IgmpTimes): SpecificQuery<A>[] {
    if (this.#group === undefined || this.#group.next > now) return [];
    this.#group = repeated(now, this.#group, times);
    return [{ sources: [], suppress: isLonger(now, record.groupTimer(), times) }];
  }

  // 6.6.3.2: two messages, S set for those pulled back; that one is left out when a group-specific query goes at the same time.
  #sourceQueries(now: Instant, withGroup: boolean, record: GroupRecord<A>, times: IgmpTimes): SpecificQuery<A>[] {
    const asked = this.#dueSources(now, times).filter((source) => record.sourceTimer(source) !== undefined);
    const isPulledBack = (source: A): boolean => isLonger(now, record.sourceTimer(source), times);
    const longer = withGroup ? [] : asked.filter(isPulledBack);
    const shorter = asked.filter((source) => !isPulledBack(source));
    return [...queryAbout(longer, true), ...queryAbout(shorter, false)];
  }

  #dueSources(now: Instant, times: IgmpTimes): A[] {
    const due = [...this.#sources].filter(([, { next }]) => next <= now);
    for (const [source, question] of due) {
      const left = repeated(now, question, times);
      if (left === undefined) this.#sources.delete(source);
      else this.#sources.set(source, left);
    }
    return due.map(([source]) => source);
  }

  get pending(): boolean {
    return this.#group !== undefined || this.#sources.size > 0;
  }

  nextDeadline(): Instant | undefined {
    return this.#next;
  }

  /** Another router asks now. */
  cancel(): void {
    this.#group = undefined;
    this.#groupEnds = undefined;
    this.#sources.clear();
    this.#next = undefined;
  }
}

const repeated = (now: Instant, { left }: Question, times: IgmpTimes): Question | undefined =>
  left > 1 ? { left: left - 1, next: after(now, times.lastMemberQueryInterval) } : undefined;

const isLonger = (now: Instant, timer: Instant | undefined, times: IgmpTimes): boolean =>
  timer !== undefined && timer > after(now, times.lastMemberQueryTime);

const queryAbout = <A extends Address>(sources: readonly A[], suppress: boolean): SpecificQuery<A>[] =>
  sources.length === 0 ? [] : [{ sources, suppress }];
