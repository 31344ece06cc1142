// Who asks on one link: we, or another router that may; by whose timers; and what is told of those who may not (RFC 3376 6.6.2, 7.3.1).
import { type Address, type AddressFamily, isUnspecified } from "../base/address.ts";
import type { Ipv4 } from "../base/ipv4.ts";
import type { Subnet } from "../base/subnet.ts";
import { after, type Instant } from "../base/time.ts";
import type { TrackedHost } from "./host-shares.ts";
import type { RouterInterfaceEffect as Effect, RouterInterfaceOptions, TrackingSource } from "./interface-events.ts";
import type { IgmpVersion, Query } from "./messages/query.ts";
import { type DueQuery, type OtherQuerier, Querier, type QuerierState } from "./querier.ts";
import { type HeardQuery, type QueryRefusal, refuseQuery } from "./query-guard.ts";
import { adoptTimes, type IgmpTimes, timesOf } from "./times.ts";

/** Throws RangeError for options that `checkTimes` faults. What a change of who asks means for groups and hosts is its owner's to see to. */
export class Election<A extends Address = Ipv4> {
  readonly #family: AddressFamily<A>;
  #options: RouterInterfaceOptions<A>;
  #ownTimes: IgmpTimes;
  #querier = new Querier<A>(undefined);
  #address: A | undefined;
  /** Who asked last as far as taps know: they tell where that is. */
  #asker: TrackedHost<A> | undefined;
  #isApart = false;
  #refused = 0;
  #mayWarnFrom: Instant | undefined;
  #mayTellRefusedFrom: Instant | undefined;

  constructor(options: RouterInterfaceOptions<A>, family: AddressFamily<A>) {
    this.#options = options;
    this.#family = family;
    this.#ownTimes = timesOf(options.times);
  }

  /** From now on; who asks stays. */
  configure(options: RouterInterfaceOptions<A>): void {
    this.#ownTimes = timesOf(options.times);
    this.#options = options;
  }

  /** The version of RFC 3376 7.3.1. */
  get version(): IgmpVersion {
    return this.#options.version ?? 3;
  }

  get state(): QuerierState<A> {
    return this.#querier.state;
  }

  /** Whether we ask. */
  get ours(): boolean {
    return this.#querier.ours;
  }

  /** Whether we ask hosts about what one of them leaves: as the querier, or because the querier does not hear them. */
  get asksLeavers(): boolean {
    return this.ours || (this.#isApart && this.#address !== undefined && this.mayAsk(this.#address));
  }

  /** Whether routers hear neither the hosts nor what we ask them. */
  setApart(isApart: boolean): void {
    this.#isApart = isApart;
  }

  /**
   * Of our queries. RFC 4541 2.1.1 (1): those of 0.0.0.0 make no router yield. Where another is known to ask they are for hosts alone,
   * some of which heed none from there; until then a router that has yet to be heard may be among those who hear them.
   */
  get source(): A {
    const own = this.#address ?? this.#family.unspecified;
    return this.#options.defers === true && this.#winner === undefined ? this.#family.unspecified : own;
  }

  /** Who asks, another by its address; undefined while nobody is known to. */
  get asking(): A | "ours" | undefined {
    return this.ours ? "ours" : this.#winner?.address;
  }

  get #winner(): OtherQuerier<A> | undefined {
    return this.state.kind === "non-querier" ? this.state.winner : undefined;
  }

  /** The timers in force, which are the querier's while another router asks. */
  get times(): IgmpTimes {
    return this.#winner?.times ?? this.#ownTimes;
  }

  /** Those that we ask by. */
  get ownTimes(): IgmpTimes {
    return this.#ownTimes;
  }

  /** Queries that did not count, since the start. */
  get refused(): number {
    return this.#refused;
  }

  /** Whether with this address we ask at once, as nobody may be before us. */
  asksFirst(address: A): boolean {
    return this.mayAsk(address) && this.#options.defers !== true;
  }

  /** Whether with this address we may ask at all. */
  mayAsk(address: A): boolean {
    return !isUnspecified(address) && (this.#options.mayQuery ?? true);
  }

  /** The link is there with this address: we ask until somebody with a lower one does. */
  compete(now: Instant, address: A): void {
    this.#address = address;
    this.#querier = new Querier<A>(this.mayAsk(address) ? address : undefined, this.#options.defers);
    this.#querier.start(now, this.#ownTimes);
  }

  /** If we ask, then as after a start. Answers whether we do. */
  startAgain(now: Instant): boolean {
    if (this.ours) this.#querier.start(now, this.#ownTimes);
    return this.ours;
  }

  /** The link is away: nobody asks. */
  silence(): void {
    this.#address = undefined;
    this.#querier = new Querier<A>(undefined);
  }

  /** Whether a port decides who may ask, which only frames tell: the packets of queries are then passed over. */
  isByFrame(source: TrackingSource): boolean {
    return this.#options.querierPorts !== undefined && source === "frames";
  }

  /** A tap tells where somebody is who asks; told on where it is the winner. */
  locate(host: TrackedHost<A>): readonly Effect<A>[] {
    this.#asker = host;
    return this.#querier.locate(host) ? [this.outcome()] : [];
  }

  /** The sender of a packet with all that taps know of it. */
  located(host: TrackedHost<A>): TrackedHost<A> {
    return host.port === "" && this.#asker?.address === host.address ? this.#asker : host;
  }

  /** A query that counts; `busy`: our last-member queries are under way. */
  heard(now: Instant, { from, query }: HeardQuery<A>, busy: boolean): void {
    // RFC 2236 section 3.
    this.#querier.heard(now, from, this.#timesIn(query), this.version === 2 && busy);
  }

  // 4.1.6, 4.1.7: an older query tells neither, so ours hold (erratum 4375).
  #timesIn({ robustness, queryInterval }: Query<A>): IgmpTimes {
    return adoptTimes(this.#options.times ?? {}, robustness, queryInterval, this.#options.maxQueryInterval);
  }

  /** Why a query does not count on a link with these subnets. */
  faultOf(heard: HeardQuery<A>, subnets: readonly Subnet<A>[] | undefined): QueryRefusal | undefined {
    const { queriers, querierPorts: ports } = this.#options;
    return refuseQuery(heard, { subnets, queriers, ports }, this.#family);
  }

  /** It does not: each is counted, and one an interval told. */
  refuse(now: Instant, reason: QueryRefusal, { address, mac, port }: TrackedHost<A>): readonly Effect<A>[] {
    this.#refused++;
    const counted: Effect<A> = { kind: "drop", reason };
    if (this.#mayTellRefusedFrom !== undefined && now < this.#mayTellRefusedFrom) return [counted];
    this.#mayTellRefusedFrom = after(now, this.#ownTimes.queryInterval);
    return [counted, { kind: "query-refused", reason, address, mac, port }];
  }

  /** 7.3.1: for an administrator to fix, whether the query counts or not. */
  warnOfOlder(now: Instant, { from, query: { version } }: HeardQuery<A>): readonly Effect<A>[] {
    if (version >= this.version || (this.#mayWarnFrom !== undefined && now < this.#mayWarnFrom)) return [];
    this.#mayWarnFrom = after(now, this.times.queryInterval);
    return [{ kind: "older-querier", version, address: from.address }];
  }

  /** Who asks now, to be told. */
  outcome(): Effect<A> {
    const { ours } = this;
    const winner = this.#winner;
    const address = ours ? this.#address : winner?.address;
    return { kind: "querier", ours, address, mac: winner?.mac ?? "", port: winner?.port ?? "" };
  }

  /** The general query that is due. */
  poll(now: Instant): DueQuery | undefined {
    return this.#querier.poll(now, this.#ownTimes);
  }

  nextDeadline(): Instant | undefined {
    return this.#querier.nextDeadline();
  }
}
