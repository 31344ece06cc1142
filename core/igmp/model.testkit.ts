// The router part of IGMPv3 a second time, as RFC 3376 says it: lists and timers, slow, and nothing of the product but its types.
// Readings where the RFC leaves room, or where we differ from it on purpose, are marked READING.
import type { Ipv4 } from "../base/ipv4.ts";
import type { Query } from "./messages/query.ts";
import type { RecordType } from "./messages/report.ts";

/** Milliseconds, as everything of time here. */
type Time = number;

export interface ModelSettings {
  readonly address: number;
  /** 7.3.1. */
  readonly version: 2 | 3;
  readonly robustness: number;
  readonly queryInterval: Time;
  readonly queryResponseInterval: Time;
  readonly lastMemberQueryInterval: Time;
  /** READING: the longest query interval that is taken over from another querier, unless ours is longer. */
  readonly maxQueryInterval?: Time;
}

/** A router below us that has asked, and what its last query told. */
interface OtherQuerier {
  readonly address: number;
  readonly until: Time;
  readonly robustness: number;
  readonly queryInterval: Time;
}

/** READING: so many are remembered, the lowest. */
const MOST_OTHERS = 8;

/** A query that the model sends; group 0 is a General Query. */
export interface ModelQuery {
  readonly at: Time;
  readonly group: number;
  readonly sources: readonly number[];
  readonly suppress: boolean;
}

/** A source record (6.2.3). In EXCLUDE mode a timer of 0 says that it has run out. */
interface Source {
  readonly address: number;
  timer: Time;
}

/** What is still to be sent: `left` more, the first at `at`. */
interface Retransmission {
  left: number;
  at: Time;
}

/** 6.2: (multicast address, group timer, filter-mode, source records), and the timers of 7.3.2 and 6.6.3. */
interface Group {
  readonly address: number;
  mode: "INCLUDE" | "EXCLUDE";
  groupTimer: Time;
  sources: Source[];
  v1HostTimer: Time;
  v2HostTimer: Time;
  groupQuery: Retransmission | undefined;
  /** What the last question about the group left on its timer. */
  asked: Time | undefined;
  sourceQueries: (Retransmission & { readonly address: number })[];
}

const NEVER = Number.POSITIVE_INFINITY;

const union = (a: readonly number[], b: readonly number[]): number[] => [...a, ...b.filter((one) => !a.includes(one))];
const intersection = (a: readonly number[], b: readonly number[]): number[] => a.filter((one) => b.includes(one));
const difference = (a: readonly number[], b: readonly number[]): number[] => a.filter((one) => !b.includes(one));

/** RFC 4604 section 2: the default. */
const isSourceSpecific = (address: number): boolean => address >>> 24 === 232;

export class RouterModel {
  readonly #settings: ModelSettings;
  readonly sent: ModelQuery[] = [];
  groups: Group[] = [];
  now: Time = 0;
  /**
   * Those below us whose Other Querier Present timer (8.5) runs, the lowest first. READING: each is waited for as long as it said itself,
   * and the times in force are those of the lowest; the RFC has one timer, and lets the last query decide.
   */
  #others: OtherQuerier[] = [];
  #startupLeft: number;
  #nextGeneral: Time = 0;

  constructor(settings: ModelSettings) {
    this.#settings = settings;
    this.#startupLeft = settings.robustness;
    this.advance(0);
  }

  get isQuerier(): boolean {
    return this.#others.length === 0;
  }

  /** Who asks while we do not. */
  get querier(): number | undefined {
    return this.#others[0]?.address;
  }
  get #robustness(): number {
    return this.#others[0]?.robustness ?? this.#settings.robustness;
  }
  get #queryInterval(): Time {
    return this.#others[0]?.queryInterval ?? this.#settings.queryInterval;
  }

  // 8.4, 8.5, 8.9, 8.10, 8.13, with the RV and QI in force.
  get #groupMembershipInterval(): Time {
    return this.#robustness * this.#queryInterval + this.#settings.queryResponseInterval;
  }
  get #lastMemberQueryCount(): number {
    return this.#robustness;
  }
  get #lastMemberQueryTime(): Time {
    return this.#lastMemberQueryCount * this.#settings.lastMemberQueryInterval;
  }

  /** Lets time pass, one timer after the other. */
  advance(to: Time): void {
    for (;;) {
      const next = this.#earliest();
      if (next > to) break;
      this.now = Math.max(this.now, next);
      this.#fire();
    }
    this.now = to;
  }

  #earliest(): Time {
    const timers = this.isQuerier ? [this.#nextGeneral] : this.#others.map(({ until }) => until);
    for (const group of this.groups) {
      if (group.mode === "EXCLUDE") timers.push(group.groupTimer);
      for (const source of group.sources) if (source.timer > 0) timers.push(source.timer);
      if (group.groupQuery !== undefined) timers.push(group.groupQuery.at);
      for (const pending of group.sourceQueries) timers.push(pending.at);
    }
    return Math.min(NEVER, ...timers);
  }

  #fire(): void {
    this.#querierTimers();
    for (const group of [...this.groups]) this.#expire(group);
    this.groups = this.groups.filter((group) => group.mode === "EXCLUDE" || group.sources.length > 0);
    for (const group of this.groups) this.#transmit(group);
  }

  // 6.6.2: when the Other Querier Present timer expires, we are the querier and ask.
  #querierTimers(): void {
    const wasQuerier = this.isQuerier;
    this.#others = this.#others.filter(({ until }) => until > this.now);
    if (!wasQuerier && this.isQuerier) {
      this.#startupLeft = 0;
      this.#nextGeneral = this.now;
    }
    if (!this.isQuerier || this.#nextGeneral > this.now) return;
    this.sent.push({ at: this.now, group: 0, sources: [], suppress: false });
    // 8.6, 8.7: [Startup Query Count] of them, a quarter of the interval apart.
    this.#startupLeft = Math.max(0, this.#startupLeft - 1);
    this.#nextGeneral = this.now + (this.#startupLeft > 0 ? this.#queryInterval / 4 : this.#queryInterval);
  }

  // 6.3, 6.5.
  #expire(group: Group): void {
    for (const source of group.sources) if (source.timer <= this.now) source.timer = 0;
    if (group.mode === "EXCLUDE" && group.groupTimer <= this.now) group.mode = "INCLUDE";
    if (group.mode === "INCLUDE") group.sources = group.sources.filter(({ timer }) => timer > 0);
  }

  // 6.6.3: what is due, in at most three messages.
  #transmit(group: Group): void {
    const limit = this.now + this.#lastMemberQueryTime;
    const withGroup = group.groupQuery !== undefined && group.groupQuery.at <= this.now;
    if (withGroup) {
      // A version 2 query has no S flag.
      const suppress = this.#settings.version === 3 && group.mode === "EXCLUDE" && group.groupTimer > limit;
      this.sent.push({ at: this.now, group: group.address, sources: [], suppress });
    }
    const due = group.sourceQueries.filter(({ at }) => at <= this.now);
    const timed = group.sources.filter(({ address, timer }) => timer > 0 && due.some((one) => one.address === address));
    const longer = timed.filter(({ timer }) => timer > limit).map(({ address }) => address);
    const shorter = timed.filter(({ timer }) => timer <= limit).map(({ address }) => address);
    // "If a group specific query is scheduled to be transmitted at the same time ... may be suppressed."
    if (longer.length > 0 && !withGroup)
      this.sent.push({ at: this.now, group: group.address, sources: longer, suppress: true });
    if (shorter.length > 0) this.sent.push({ at: this.now, group: group.address, sources: shorter, suppress: false });
    if (withGroup && group.groupQuery !== undefined) group.groupQuery = this.#repeated(group.groupQuery);
    // READING: "every [Last Member Query Interval]" counts from when a source was asked about, for each by itself.
    group.sourceQueries = group.sourceQueries.flatMap((one) => {
      if (one.at > this.now) return [one];
      const again = this.#repeated(one);
      return again === undefined ? [] : [{ ...again, address: one.address }];
    });
  }

  #repeated({ left }: Retransmission): Retransmission | undefined {
    return left > 1 ? { left: left - 1, at: this.now + this.#settings.lastMemberQueryInterval } : undefined;
  }

  /** 7.3.2: IS_EX({}), and the group is in that version's mode for [Older Host Present Interval]. */
  olderReport(version: 1 | 2, address: number): void {
    // RFC 4604 2.2.4: neither for a source-specific group.
    if (isSourceSpecific(address)) return;
    const group = this.#group(address);
    const until = this.now + this.#groupMembershipInterval;
    if (version === 1) group.v1HostTimer = until;
    else group.v2HostTimer = until;
    this.#row(group, "is-ex", []);
  }

  /** 7.3.2: TO_IN({}); of the querier alone, and for a group with members (RFC 2236 section 3). */
  leave(address: number): void {
    const group = this.groups.find((one) => one.address === address);
    if (isSourceSpecific(address) || !this.isQuerier || group === undefined || this.mode(group) === 1) return;
    this.#row(group, "to-in", []);
  }

  record(type: RecordType, address: number, sources: readonly number[]): void {
    if (isSourceSpecific(address) && (type === "is-ex" || type === "to-ex")) return;
    const group = this.#group(address);
    const mode = this.mode(group);
    // 7.3.2: BLOCK is ignored in v2 and v1 mode, TO_IN in v1 mode, and of TO_EX the list.
    const isIgnored = (mode < 3 && type === "block") || (mode === 1 && type === "to-in");
    if (!isIgnored) this.#row(group, type, mode < 3 && type === "to-ex" ? [] : sources);
    this.groups = this.groups.filter((one) => one.mode === "EXCLUDE" || one.sources.length > 0);
  }

  /** 7.3.2: the Group Compatibility Mode, and not above 7.3.1's. */
  mode(group: Group): 1 | 2 | 3 {
    if (group.v1HostTimer > this.now) return 1;
    return group.v2HostTimer > this.now ? 2 : this.#settings.version;
  }

  #group(address: number): Group {
    const known = this.groups.find((one) => one.address === address);
    if (known !== undefined) return known;
    const group: Group = {
      address,
      mode: "INCLUDE",
      groupTimer: 0,
      sources: [],
      v1HostTimer: 0,
      v2HostTimer: 0,
      groupQuery: undefined,
      asked: undefined,
      sourceQueries: [],
    };
    this.groups.push(group);
    return group;
  }

  #row(group: Group, type: RecordType, list: readonly number[]): void {
    const B = union([], list);
    if (group.mode === "INCLUDE") this.#whileInclude(group, type, B);
    else this.#whileExclude(group, type, B);
  }

  // 6.4.1 and 6.4.2, INCLUDE (A).
  #whileInclude(group: Group, type: RecordType, B: readonly number[]): void {
    const GMI = this.now + this.#groupMembershipInterval;
    const A = group.sources.map(({ address }) => address);
    switch (type) {
      case "is-in":
      case "allow":
        this.#set(group, B, GMI);
        break;
      case "is-ex":
      case "to-ex":
        group.mode = "EXCLUDE";
        this.#delete(group, difference(A, B));
        this.#set(group, difference(B, A), 0);
        if (type === "to-ex") this.#send(group, intersection(A, B), false);
        group.groupTimer = GMI;
        break;
      case "block":
        this.#send(group, intersection(A, B), false);
        break;
      case "to-in":
        this.#set(group, B, GMI);
        this.#send(group, difference(A, B), false);
        break;
    }
  }

  // 6.4.1 and 6.4.2, EXCLUDE (X,Y).
  #whileExclude(group: Group, type: RecordType, A: readonly number[]): void {
    const GMI = this.now + this.#groupMembershipInterval;
    const X = group.sources.filter(({ timer }) => timer > 0).map(({ address }) => address);
    const Y = group.sources.filter(({ timer }) => timer === 0).map(({ address }) => address);
    const AXY = difference(difference(A, X), Y);
    switch (type) {
      case "is-in":
      case "allow":
        this.#set(group, A, GMI);
        break;
      case "is-ex":
        this.#set(group, AXY, GMI);
        this.#delete(group, difference(X, A));
        this.#delete(group, difference(Y, A));
        group.groupTimer = GMI;
        break;
      case "to-ex":
        this.#set(group, AXY, group.groupTimer);
        this.#delete(group, difference(X, A));
        this.#delete(group, difference(Y, A));
        this.#send(group, difference(A, Y), false);
        group.groupTimer = GMI;
        break;
      case "block":
        this.#set(group, AXY, group.groupTimer);
        this.#send(group, difference(A, Y), false);
        break;
      case "to-in":
        this.#set(group, A, GMI);
        this.#send(group, difference(X, A), true);
        break;
    }
  }

  #set(group: Group, addresses: readonly number[], timer: Time): void {
    for (const address of addresses) {
      const known = group.sources.find((source) => source.address === address);
      if (known === undefined) group.sources.push({ address, timer });
      else known.timer = timer;
    }
  }

  #delete(group: Group, addresses: readonly number[]): void {
    group.sources = group.sources.filter(({ address }) => !addresses.includes(address));
  }

  // 6.6.3.1 and 6.6.3.2: Send Q(G,X), and Q(G) too where `andGroup`.
  #send(group: Group, X: readonly number[], andGroup: boolean): void {
    if (!this.isQuerier) return;
    const limit = this.now + this.#lastMemberQueryTime;
    const fresh = { left: this.#lastMemberQueryCount, at: this.now };
    // READING: a leave repeated while the answer is awaited does not begin the questions again.
    if (andGroup && group.groupTimer !== group.asked) {
      group.groupTimer = Math.min(group.groupTimer, limit);
      group.asked = group.groupTimer;
      group.groupQuery = { ...fresh };
    }
    // 7.3.1: a version 2 querier cannot ask about sources.
    const asked = this.#settings.version === 3 ? group.sources.filter(({ address }) => X.includes(address)) : [];
    for (const source of asked.filter(({ timer }) => timer > limit)) {
      source.timer = limit;
      group.sourceQueries = group.sourceQueries.filter(({ address }) => address !== source.address);
      group.sourceQueries.push({ ...fresh, address: source.address });
    }
    this.#transmit(group);
  }

  query(from: number, query: Query): void {
    // RFC 4541 2.1.1.
    if (from === 0) return;
    this.#elect(from, query);
    const group = this.groups.find(({ address }) => address === query.group);
    if (group === undefined || query.suppress || query.version === 1) return;
    // RFC 2236 section 3. READING: of a v3 query the longer of its own time and [Last Member Query Time] (6.6.1).
    const own = query.maxResponse * this.#lastMemberQueryCount;
    const limit = this.now + (query.version === 3 ? Math.max(own, this.#lastMemberQueryTime) : own);
    if (query.sources.length === 0) group.groupTimer = Math.min(group.groupTimer, limit);
    for (const source of group.sources)
      if (query.sources.includes(source.address as Ipv4)) source.timer = Math.min(source.timer, limit);
  }

  // 6.6.2. RFC 2236 section 3: a version 2 querier stays one while its questions run.
  #elect(from: number, { version, robustness, queryInterval }: Query): void {
    const isBusy = this.#settings.version === 2 && this.groups.some(({ groupQuery }) => groupQuery !== undefined);
    if (from >= this.#settings.address || (this.isQuerier && isBusy)) return;
    if (this.isQuerier)
      for (const group of this.groups) {
        group.groupQuery = undefined;
        group.asked = undefined;
        group.sourceQueries = [];
      }
    // 4.1.6, 4.1.7; an older query tells neither.
    const { maxQueryInterval = NEVER, queryResponseInterval, ...own } = this.#settings;
    const told = version === 3 && queryInterval > 0;
    const interval = told ? Math.min(queryInterval, Math.max(maxQueryInterval, own.queryInterval)) : own.queryInterval;
    const times = {
      robustness: version === 3 && robustness > 0 ? robustness : own.robustness,
      queryInterval: interval,
    };
    // 8.5.
    const until = this.now + times.robustness * times.queryInterval + queryResponseInterval / 2;
    const others = [...this.#others.filter(({ address }) => address !== from), { address: from, until, ...times }];
    this.#others = others.sort((a, b) => a.address - b.address).slice(0, MOST_OTHERS);
  }
}
