// One group of a host: the filter it wants, and what it still has to report of it (RFC 3376 5.1 and 5.2).
import type { Address } from "../../base/address.ts";
import type { Scheduled } from "../../base/deadline-heap.ts";
import type { Ipv4 } from "../../base/ipv4.ts";
import { earliest, type Instant } from "../../base/time.ts";
import { type FilterMode, NO_SOURCE, type SourceFilter, wantsNothing } from "../filter.ts";
import type { RecordType, ReportRecord } from "../messages/report.ts";

/** Beyond these, a complete record takes the place of single sources. */
const MAX_CHANGED = 1024;
const MAX_ASKED = 1024;

const CURRENT: Readonly<Record<FilterMode, RecordType>> = { include: "is-in", exclude: "is-ex" };
const CHANGED_TO: Readonly<Record<FilterMode, RecordType>> = { include: "to-in", exclude: "to-ex" };

interface Pending<A extends Address = Ipv4> {
  readonly at: Instant;
  /** undefined: asked about the whole group. */
  readonly sources: ReadonlySet<A> | undefined;
}

/** Created with INCLUDE({}): nothing wanted, nothing to report. */
export class HostGroup<A extends Address = Ipv4> implements Scheduled {
  readonly group: A;
  due: Instant | undefined;
  place = -1;
  filter: SourceFilter<A> = NO_SOURCE;
  /** 5.1: how often the filter mode change, and each source change, is still to be sent. */
  #modeLeft = 0;
  readonly #sourcesLeft = new Map<A, number>();
  #response: Pending<A> | undefined;

  constructor(group: A) {
    this.group = group;
  }

  /** Takes a new filter and notes what to say `times` times. */
  change(filter: SourceFilter<A>, times: number): void {
    const before = this.filter;
    this.filter = filter;
    if (before.mode !== filter.mode) this.announce(times);
    else for (const source of difference(before.sources, filter.sources)) this.#sourcesLeft.set(source, times);
    if (this.#sourcesLeft.size > MAX_CHANGED) this.announce(times);
  }

  /** Says the whole filter `times` times. */
  announce(times: number): void {
    this.#modeLeft = times;
    this.#sourcesLeft.clear();
  }

  get changePending(): boolean {
    return this.#modeLeft > 0 || this.#sourcesLeft.size > 0;
  }

  /** Nothing wanted and nothing left to say. */
  get isOver(): boolean {
    return wantsNothing(this.filter) && !this.changePending;
  }

  /** 5.1: the state change as it is to be told now; each call is one transmission. */
  changeRecords(): ReportRecord<A>[] {
    const changed = [...this.#sourcesLeft.keys()];
    for (const source of changed) this.#countDown(source);
    if (this.#modeLeft > 0) {
      this.#modeLeft--;
      return [this.#record(CHANGED_TO[this.filter.mode], this.filter.sources)];
    }
    const listed = new Set(this.filter.sources);
    const wanted = changed.filter((source) => listed.has(source) === (this.filter.mode === "include"));
    const unwanted = changed.filter((source) => !wanted.includes(source));
    // 5.1: a record without sources is left out.
    return [this.#record("allow", wanted), this.#record("block", unwanted)].filter(({ sources }) => sources.length > 0);
  }

  #countDown(source: A): void {
    const left = this.#sourcesLeft.get(source) ?? 0;
    if (left > 1) this.#sourcesLeft.set(source, left - 1);
    else this.#sourcesLeft.delete(source);
  }

  #record(type: RecordType, sources: readonly A[]): ReportRecord<A> {
    return { type, group: this.group, sources };
  }

  /** 5.2 rules 3 to 5: a specific query, to be answered at `at`; an answer that is due sooner stays due then. */
  ask(at: Instant, sources: readonly A[]): void {
    const pending = this.#response;
    const due = earliest([pending?.at, at]) ?? at;
    const whole = sources.length === 0 || (pending !== undefined && pending.sources === undefined);
    const asked = new Set([...(pending?.sources ?? []), ...sources]);
    this.#response = { at: due, sources: whole || asked.size > MAX_ASKED ? undefined : asked };
  }

  get responseAt(): Instant | undefined {
    return this.#response?.at;
  }

  /** 5.2: the answer to the specific queries, which are answered with it; none when nothing asked about is wanted. */
  responseRecords(): ReportRecord<A>[] {
    const asked = this.#response?.sources;
    this.#response = undefined;
    if (asked === undefined) return this.currentRecords();
    const listed = new Set(this.filter.sources);
    const wanted = [...asked].filter((source) => listed.has(source) === (this.filter.mode === "include"));
    return wanted.length === 0 ? [] : [this.#record("is-in", wanted)];
  }

  /** The whole state, as a General Query asks for it. */
  currentRecords(): ReportRecord<A>[] {
    return wantsNothing(this.filter) ? [] : [this.#record(CURRENT[this.filter.mode], this.filter.sources)];
  }

  /** 7.2.1: a change of the compatibility mode cancels what was pending. */
  cancel(): void {
    this.cancelChange();
    this.#response = undefined;
  }

  /** Nobody needs to be told what changed; what was asked is still answered. */
  cancelChange(): void {
    this.#modeLeft = 0;
    this.#sourcesLeft.clear();
  }
}

function difference<A extends Address>(a: readonly A[], b: readonly A[]): A[] {
  const inA = new Set(a);
  const inB = new Set(b);
  return [...a.filter((source) => !inB.has(source)), ...b.filter((source) => !inA.has(source))];
}
