// How fast what we want upstream may change: leaves that wait, and so many changes a second. What is wanted last always wins.
import type { Address } from "../base/address.ts";
import { Counters } from "../base/counters.ts";
import type { Ipv4 } from "../base/ipv4.ts";
import { after, between, type Duration, earliest, type Instant, milliseconds } from "../base/time.ts";
import { NO_SOURCE, type SourceFilter, sameFilter, wantsNothing } from "../igmp/filter.ts";
import type { UpstreamChange } from "../igmp/proxy.ts";

/** What fast zapping may cost upstream. */
export interface PaceOptions {
  /** A group that nobody wants any more is left after so long; default 0, at once. */
  readonly linger?: Duration;
  /** Changes told in a second, more than 0; as many may go at once after a rest. Default: no bound. */
  readonly changesPerSecond?: number;
}

/**
 * leave-lingered, leave-spared: a leave that waits, and one that was not needed because the group was wanted again. change-delayed,
 * change-merged: a change that waits for its turn, and one that was overtaken there by a later one.
 */
export type PaceCount =
  | "upstream.leave-lingered"
  | "upstream.leave-spared"
  | "upstream.change-delayed"
  | "upstream.change-merged";

/**
 * told: our host part asks for the group. lingering: it does, though nobody wants it any more. waiting: what is wanted of it waits for
 * its turn. unknown: nobody wants it.
 */
export type PaceStanding = "told" | "lingering" | "waiting" | "unknown";

/** One change, whatever fractions of milliseconds do to a sum. */
const WHOLE = 1 - 1e-6;

/** Bounded by the groups of the membership database. */
export class UpstreamPace<A extends Address = Ipv4> {
  readonly counts = new Counters<PaceCount>();
  #linger = milliseconds(0);
  #rate = Number.POSITIVE_INFINITY;
  /** What our host part was told. */
  readonly #told = new Map<A, SourceFilter<A>>();
  /** When each group is left; in order, as all linger equally long. */
  readonly #lingering = new Map<A, Instant>();
  /** In the order of their coming, those that begin or change and those that end. */
  readonly #wanted = new Map<A, SourceFilter<A>>();
  readonly #unwanted = new Set<A>();
  /** Changes that may go now, with their fractions, as of a moment. */
  #allowance = Number.POSITIVE_INFINITY;
  #allowanceAt: Instant | undefined;
  #leaveIsNext = false;

  constructor(options: PaceOptions = {}) {
    this.configure(options);
  }

  /** What already waits keeps its time. */
  configure({ linger, changesPerSecond }: PaceOptions): void {
    this.#linger = linger ?? milliseconds(0);
    this.#rate = changesPerSecond ?? Number.POSITIVE_INFINITY;
    this.#allowance = this.#burst;
  }

  get #burst(): number {
    return Math.max(1, this.#rate);
  }

  /** Takes what is wanted of a group from now on; what our host part is to be told now, of this group or another. */
  take(now: Instant, { group, filter }: UpstreamChange<A>): readonly UpstreamChange<A>[] {
    if (wantsNothing(filter)) this.#end(now, group);
    else this.#begin(group, filter);
    const changes = this.poll(now);
    if (this.#waits(group)) this.counts.count("upstream.change-delayed");
    return changes;
  }

  /** Our host part has left every group. */
  endAll(): void {
    for (const groups of [this.#told, this.#lingering, this.#wanted, this.#unwanted]) groups.clear();
  }

  /** Where a group stands. */
  standing(group: A): PaceStanding {
    if (this.#lingering.has(group)) return "lingering";
    if (this.#waits(group)) return "waiting";
    return this.#told.has(group) ? "told" : "unknown";
  }

  /** What is due. */
  poll(now: Instant): readonly UpstreamChange<A>[] {
    for (const [group, at] of this.#lingering) {
      if (at > now) break;
      this.#lingering.delete(group);
      this.#unwanted.add(group);
    }
    this.#earn(now);
    const changes: UpstreamChange<A>[] = [];
    while (this.#allowance >= WHOLE && this.#wanted.size + this.#unwanted.size > 0) {
      this.#allowance--;
      changes.push(this.#next());
    }
    return changes;
  }

  nextDeadline(): Instant | undefined {
    const [lingering] = this.#lingering.values();
    return earliest([lingering, this.#turn()]);
  }

  /** When the next change that waits may go. */
  #turn(): Instant | undefined {
    if (this.#allowanceAt === undefined || this.#wanted.size + this.#unwanted.size === 0) return undefined;
    return after(this.#allowanceAt, milliseconds((Math.max(0, 1 - this.#allowance) * 1000) / this.#rate));
  }

  #waits(group: A): boolean {
    return this.#wanted.has(group) || this.#unwanted.has(group);
  }

  #begin(group: A, filter: SourceFilter<A>): void {
    if (this.#lingering.delete(group)) this.counts.count("upstream.leave-spared");
    if (this.#waits(group)) this.counts.count("upstream.change-merged");
    this.#unwanted.delete(group);
    if (sameFilter(this.#told.get(group) ?? NO_SOURCE, filter)) this.#wanted.delete(group);
    else this.#wanted.set(group, filter);
  }

  #end(now: Instant, group: A): void {
    if (this.#wanted.delete(group)) this.counts.count("upstream.change-merged");
    if (!this.#told.has(group) || this.#lingering.has(group)) return;
    if (this.#linger === 0) {
      this.#unwanted.add(group);
      return;
    }
    this.counts.count("upstream.leave-lingered");
    this.#lingering.set(group, after(now, this.#linger));
  }

  #earn(now: Instant): void {
    const span = this.#allowanceAt === undefined ? 0 : between(this.#allowanceAt, now);
    // Infinity times 0 is no number.
    const earned = span > 0 ? (this.#rate * span) / 1000 : 0;
    this.#allowance = Math.min(this.#burst, this.#allowance + earned);
    this.#allowanceAt = now;
  }

  /** In turn: a viewer who zaps waits for a join, but leaves that never went would fill the line. */
  #next(): UpstreamChange<A> {
    const [begun] = this.#wanted;
    const [ended] = this.#unwanted;
    const leaves = ended !== undefined && (begun === undefined || this.#leaveIsNext);
    this.#leaveIsNext = !leaves;
    if (leaves) return this.#tell(ended, NO_SOURCE);
    if (begun === undefined) throw new RangeError("nothing waits");
    return this.#tell(...begun);
  }

  #tell(group: A, filter: SourceFilter<A>): UpstreamChange<A> {
    this.#wanted.delete(group);
    this.#unwanted.delete(group);
    if (wantsNothing(filter)) this.#told.delete(group);
    else this.#told.set(group, filter);
    return { group, filter };
  }
}
