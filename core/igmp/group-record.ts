// One group on one interface as the router keeps it: deadlines, from which the filter mode follows (RFC 3376 6.2 to 6.5).
import type { Address } from "../base/address.ts";
import type { Ipv4 } from "../base/ipv4.ts";
import { after, type Duration, earliest, type Instant, instant } from "../base/time.ts";
import { ANY_SOURCE, filterOf, NO_SOURCE, type SourceFilter } from "./filter.ts";
import type { RecordType } from "./messages/report.ts";

/** "Send Q(G)" and "Send Q(G,X)" of the table in 6.4. */
export type QueryAction<A extends Address = Ipv4> =
  | { readonly kind: "group" }
  | { readonly kind: "sources"; readonly sources: readonly A[] };

/** What a row of the table in 6.4 asks for, beside the new timers. */
export interface Outcome<A extends Address = Ipv4> {
  readonly actions: readonly QueryAction<A>[];
  /** Sources that found no room. */
  readonly refused: number;
}

/** A source timer at zero: in EXCLUDE mode the source is kept, and blocked. */
const STOPPED = instant(Number.NEGATIVE_INFINITY);

/** Every method first lets pass what is due at `now`. */
export class GroupRecord<A extends Address = Ipv4> {
  readonly #maxSources: number;
  /** What a call may come to: less than `#maxSources` where its table has no more room. */
  #mostNow = 0;
  /** The group timer, which runs in EXCLUDE mode only: its presence IS the mode. */
  #excludeUntil: Instant | undefined;
  readonly #sources = new Map<A, Instant>();
  #refused = 0;

  constructor(maxSources: number) {
    this.#maxSources = maxSources;
  }

  /** 6.5 and 6.2.2: expiry of the group timer switches to INCLUDE, a source's end blocks it in EXCLUDE and deletes it in INCLUDE. */
  settle(now: Instant): void {
    if (this.#excludeUntil !== undefined && this.#excludeUntil <= now) this.#excludeUntil = undefined;
    for (const [source, until] of this.#sources) {
      if (until > now) continue;
      if (this.#excludeUntil === undefined) this.#sources.delete(source);
      else this.#sources.set(source, STOPPED);
    }
  }

  /** Sources that are kept, whatever their timers. */
  get size(): number {
    return this.#sources.size;
  }

  #begin(now: Instant, room: number): void {
    this.settle(now);
    this.#refused = 0;
    this.#mostNow = Math.min(this.#maxSources, this.#sources.size + room);
  }

  /**
   * One row of the table in 6.4.1 or 6.4.2; `lifetime` is the Group Membership Interval.
   *
   * @param room for how many sources more there is room beyond this group
   */
  apply(
    now: Instant,
    type: RecordType,
    sources: readonly A[],
    lifetime: Duration,
    room: number = Number.POSITIVE_INFINITY,
  ): Outcome<A> {
    this.#begin(now, room);
    const named = sources.length === 0 ? sources : [...new Set(sources)];
    const until = after(now, lifetime);
    const actions =
      this.#excludeUntil === undefined
        ? this.#whileInclude(type, named, until)
        : this.#whileExclude(type, named, until, this.#excludeUntil);
    return { actions, refused: this.#refused };
  }

  #whileInclude(type: RecordType, b: readonly A[], until: Instant): QueryAction<A>[] {
    const a = [...this.#sources.keys()];
    switch (type) {
      case "is-in":
      case "allow":
        this.#start(b, until);
        return [];
      case "block":
        return queryAbout(both(a, b));
      case "to-in":
        this.#start(b, until);
        return queryAbout(minus(a, b));
      case "is-ex":
      case "to-ex":
        this.#keepOnly(b);
        this.#start(minus(b, a), STOPPED);
        this.#excludeUntil = until;
        return type === "to-ex" ? queryAbout(both(a, b)) : [];
    }
  }

  #whileExclude(type: RecordType, a: readonly A[], until: Instant, groupTimer: Instant): QueryAction<A>[] {
    const x = this.#running();
    const y = this.#stopped();
    const unknown = minus(a, [...x, ...y]);
    switch (type) {
      case "is-in":
      case "allow":
        this.#start(a, until);
        return [];
      case "block":
        this.#start(unknown, groupTimer);
        return queryAbout(minus(a, y));
      case "to-in":
        this.#start(a, until);
        return [...queryAbout(minus(x, a)), { kind: "group" }];
      case "is-ex":
        this.#keepOnly(a);
        this.#start(unknown, until);
        this.#excludeUntil = until;
        return [];
      case "to-ex":
        this.#keepOnly(a);
        this.#start(unknown, groupTimer);
        this.#excludeUntil = until;
        return queryAbout(minus(a, y));
    }
  }

  #start(sources: readonly A[], until: Instant): void {
    for (const source of sources) {
      if (this.#sources.has(source) || this.#sources.size < this.#mostNow) this.#sources.set(source, until);
      else this.#refused++;
    }
  }

  #keepOnly(sources: readonly A[]): void {
    if (this.#sources.size === 0) return;
    const kept = new Set(sources);
    for (const source of this.#sources.keys()) if (!kept.has(source)) this.#sources.delete(source);
  }

  #running(): A[] {
    return [...this.#sources].filter(([, until]) => until !== STOPPED).map(([source]) => source);
  }

  #stopped(): A[] {
    return [...this.#sources].filter(([, until]) => until === STOPPED).map(([source]) => source);
  }

  /**
   * Wants what it wanted and this filter too (3.2), for at least `span`; answers how many sources found no room. No row of 6.4: those
   * rows replace what one host said by what it says now, and here nobody has said anything.
   */
  assume(
    now: Instant,
    { mode, sources }: SourceFilter<A>,
    span: Duration,
    room: number = Number.POSITIVE_INFINITY,
  ): number {
    this.#begin(now, room);
    const until = after(now, span);
    if (mode === "include") this.#raise(sources, until);
    else this.#assumeAllBut(sources, until);
    return this.#refused;
  }

  #raise(sources: readonly A[], until: Instant): void {
    this.#start(
      sources.filter((source) => (this.#sources.get(source) ?? STOPPED) < until),
      until,
    );
  }

  #assumeAllBut(blocked: readonly A[], until: Instant): void {
    if (this.#excludeUntil === undefined) this.#start(minus(blocked, [...this.#sources.keys()]), STOPPED);
    else for (const source of minus(this.#stopped(), blocked)) this.#sources.delete(source);
    this.#excludeUntil = instant(Math.max(this.#excludeUntil ?? until, until));
  }

  /** Every timer that runs ends in `span`, also one that has ended while nobody could be heard. */
  confirm(now: Instant, span: Duration): void {
    const until = after(now, span);
    if (this.#excludeUntil !== undefined) this.#excludeUntil = until;
    for (const [source, timer] of this.#sources) if (timer !== STOPPED) this.#sources.set(source, until);
  }

  /** Lowers the group timer, never raises it (6.6.1, 6.6.3.1). */
  lowerGroup(now: Instant, wait: Duration): void {
    this.settle(now);
    if (this.#excludeUntil !== undefined) this.#excludeUntil = earliest([this.#excludeUntil, after(now, wait)]);
  }

  /** Lowers source timers; answers which were longer than `wait` (6.6.1, 6.6.3.2). */
  lowerSources(now: Instant, sources: readonly A[], wait: Duration): readonly A[] {
    this.settle(now);
    const bound = after(now, wait);
    const longer = sources.filter((source) => (this.#sources.get(source) ?? STOPPED) > bound);
    for (const source of longer) this.#sources.set(source, bound);
    return longer;
  }

  /** The group timer; undefined in INCLUDE mode. */
  groupTimer(): Instant | undefined {
    return this.#excludeUntil;
  }

  /** How many of these it does not keep. */
  unknown(sources: readonly A[]): number {
    return sources.filter((source) => !this.#sources.has(source)).length;
  }

  /** A running source timer; undefined for a blocked or unknown source. */
  sourceTimer(source: A): Instant | undefined {
    const until = this.#sources.get(source);
    return until === STOPPED ? undefined : until;
  }

  /** 6.3, and what RFC 4605 4.1 merges: INCLUDE with the sources wanted, EXCLUDE with those whose timer is zero. */
  filter(now: Instant): SourceFilter<A> {
    this.settle(now);
    if (this.#sources.size === 0) return this.#excludeUntil === undefined ? NO_SOURCE : ANY_SOURCE;
    return this.#excludeUntil === undefined
      ? filterOf("include", [...this.#sources.keys()])
      : filterOf("exclude", this.#stopped());
  }

  /** Sources in EXCLUDE mode that somebody includes (X of the table), or all in INCLUDE mode (A). */
  requested(now: Instant): readonly A[] {
    this.settle(now);
    return filterOf("include", this.#running()).sources;
  }

  nextDeadline(): Instant | undefined {
    let first = this.#excludeUntil;
    for (const until of this.#sources.values()) {
      if (until !== STOPPED && (first === undefined || until < first)) first = until;
    }
    return first;
  }
}

// Most reports name no source at all.
const minus = <A extends Address>(a: readonly A[], b: readonly A[]): readonly A[] => {
  if (a.length === 0 || b.length === 0) return a;
  const gone = new Set(b);
  return a.filter((source) => !gone.has(source));
};

const both = <A extends Address>(a: readonly A[], b: readonly A[]): readonly A[] => {
  if (a.length === 0 || b.length === 0) return [];
  const kept = new Set(b);
  return a.filter((source) => kept.has(source));
};

/** 6.4: a query about no source is not sent. */
const queryAbout = <A extends Address>(sources: readonly A[]): QueryAction<A>[] =>
  sources.length === 0 ? [] : [{ kind: "sources", sources }];
