// The life of one router interface on its link: whether it is there, who asks on it, and what we ask (RFC 3376 6.6.2, 7.3.1, 8).
//
// Theory of operation. A link is up, down, or flapping. Up, we compete for asking (election.ts): the first questions follow at once, the
// first with a short time to answer. A link that goes away flaps first: what its members had is kept as it was, and time stands still for
// it, until the grace is over. Back in time, it asks at once, and whoever was a member has until the answers to the start-up queries are
// in; where another router asks, or we may not, that takes a group membership interval. Until `confirming` it is therefore not known who
// is there. Whoever takes the election over in that time asks in its own, and members have its interval.
//
// We send two kinds of queries: general ones, when the election says so (`poll`), and specific ones, which leaves bring about
// (`ask`). Of those that we hear, the guard (query-guard.ts) lets count only what a router of this link may ask, in front of the hosts
// that it asks. What counts goes into the election; which timers it lowers is the members' affair (memberships.ts).
//
// Nothing here knows of members: what a change of the link or of who asks means for them is between the two, in router-interface.ts.

import { type Address, isUnspecified } from "../base/address.ts";
import type { Ipv4 } from "../base/ipv4.ts";
import { after, type Duration, type Instant } from "../base/time.ts";
import { Election } from "./election.ts";
import type { GroupChange, TableContext } from "./group-table.ts";
import type { TrackedHost } from "./host-shares.ts";
import type {
  RouterInterfaceEffect as Effect,
  InterfaceDrop,
  LinkFacts,
  RouterInterfaceOptions,
  TrackingSource,
} from "./interface-events.ts";
import type { IgmpPacket } from "./messages/packet.ts";
import type { Query } from "./messages/query.ts";
import type { QuerierState } from "./querier.ts";
import type { HeardQuery, QueryRefusal } from "./query-guard.ts";
import type { IgmpTimes } from "./times.ts";
import type { MembershipWire } from "./wire.ts";

interface LinkUp<A extends Address = Ipv4> extends LinkFacts<A> {
  readonly kind: "up";
  readonly address: A;
  /** Until then, members of before a flap, or assumed ones, may still have to confirm themselves. */
  readonly confirming: Instant | undefined;
}

type LinkState<A extends Address = Ipv4> =
  | LinkUp<A>
  /** Away since then. Members are kept as they were, time stands still for them, until the grace is over. */
  | { readonly kind: "flapping"; readonly since: Instant; readonly until: Instant }
  | { readonly kind: "down" };

/** A link that is there, as it is told. */
export interface LinkNow<A extends Address = Ipv4> extends LinkFacts<A> {
  readonly address: A;
}

/**
 * What it is that is told of a link that is there: nothing that anybody must hear of; that we ask from another address; that it came,
 * and whoever was a member before has `span` to say so again.
 */
export type LinkNews =
  | { readonly kind: "facts" }
  | { readonly kind: "address" }
  | { readonly kind: "up"; readonly span: Duration };

/** A query that we heard: what is to be told of it, and whether it counts, so that it may lower timers (6.6.1). */
export interface HeardOutcome<A extends Address = Ipv4> {
  readonly effects: readonly Effect<A>[];
  readonly counts: boolean;
}

/** Throws RangeError for options that `checkTimes` faults. */
export class Link<A extends Address = Ipv4> {
  readonly #wire: MembershipWire<A>;
  #options: RouterInterfaceOptions<A>;
  readonly #election: Election<A>;
  #state: LinkState<A> = { kind: "down" };

  constructor(wire: MembershipWire<A>, options: RouterInterfaceOptions<A>) {
    this.#wire = wire;
    this.#options = options;
    this.#election = new Election<A>(options, wire.family);
  }

  /** Other options, from now on; who asks stays. */
  configure(options: RouterInterfaceOptions<A>): void {
    this.#options = options;
    this.#election.configure(options);
  }

  /** The link is there, or something of it is another now. */
  up(now: Instant, { address, addresses, mtu }: LinkNow<A>): LinkNews {
    const facts = { kind: "up", address, ...(addresses && { addresses }), ...(mtu && { mtu }) } as const;
    const before = this.#state;
    if (before.kind === "up") {
      this.#state = { ...facts, confirming: before.confirming };
      return { kind: address === before.address ? "facts" : "address" };
    }
    const { startupTime, groupMembershipInterval } = this.#election.ownTimes;
    const span = this.#election.asksFirst(address) ? startupTime : groupMembershipInterval;
    this.#state = { ...facts, confirming: before.kind === "flapping" ? after(now, span) : undefined };
    return { kind: "up", span };
  }

  /** Who has the lowest address asks: we, until somebody else does. Answers the first question. */
  compete(now: Instant): readonly Effect<A>[] {
    if (this.#state.kind !== "up") return [];
    this.#election.compete(now, this.#state.address);
    return this.poll(now);
  }

  /** The link is away, and may be back; answers whether anything is kept for that. */
  goAway(now: Instant): boolean {
    const until = after(now, this.#options.flapGrace ?? this.times.groupMembershipInterval);
    if (until <= now) return false;
    this.#state = { kind: "flapping", since: now, until };
    this.#election.silence();
    return true;
  }

  /** Nothing is kept any more. */
  end(): void {
    this.#state = { kind: "down" };
    this.#election.silence();
  }

  /** Members are assumed: until `until` they may have to confirm themselves. */
  expect(until: Instant): void {
    if (this.#state.kind !== "up") return;
    const { confirming = until } = this.#state;
    this.#state = { ...this.#state, confirming: confirming > until ? confirming : until };
  }

  /** Whether members have yet to confirm themselves. */
  isConfirming(now: Instant): boolean {
    return this.#state.kind === "up" && this.#state.confirming !== undefined && this.#state.confirming > now;
  }

  get isUp(): boolean {
    return this.#state.kind === "up";
  }

  /** Since when it is away, with its members kept. */
  get awaySince(): Instant | undefined {
    return this.#state.kind === "flapping" ? this.#state.since : undefined;
  }

  /** The gate (interface-gate.ts), which is shut while the link is away. */
  admit(bytes: Uint8Array, vouched: boolean): IgmpPacket | InterfaceDrop {
    return this.#state.kind === "up" ? this.#wire.admit(bytes, vouched, this.#state, this.#options) : "igmp.down";
  }

  /** What statements of hosts are taken by now. */
  get context(): TableContext<A> {
    const { sourceSpecific = this.#wire.sourceSpecific } = this.#options;
    return {
      version: this.#election.version,
      times: this.times,
      querier: this.asksLeavers,
      sourceSpecific,
      family: this.#wire.family,
    };
  }

  /** The timers in force, which are the querier's while another router asks. */
  get times(): IgmpTimes {
    return this.#election.times;
  }

  /** Whether we ask. */
  get ours(): boolean {
    return this.#election.ours;
  }

  /** Whether we ask hosts about what one of them leaves: as the querier, or because the querier does not hear them. */
  get asksLeavers(): boolean {
    return this.#election.asksLeavers;
  }

  /** Whether we may ask everybody. RFC 4541 2.1.1 (4): in another's stead only in the newest version, as an older takes the network with it. */
  get asksAll(): boolean {
    return this.ours || (this.asksLeavers && this.#election.version === 3);
  }

  /** Whether routers hear neither the hosts nor what we ask them. */
  setApart(isApart: boolean): void {
    this.#election.setApart(isApart);
  }

  /** Who asks, another by its address; undefined while nobody is known to. */
  get asking(): A | "ours" | undefined {
    return this.#election.asking;
  }

  /** Who asks now, to be told. */
  outcome(): Effect<A> {
    return this.#election.outcome();
  }

  get querier(): QuerierState<A> {
    return this.#election.state;
  }

  /** Queries that did not count, since the start. */
  get refusedQueries(): number {
    return this.#election.refused;
  }

  /** If we ask, then as after a start. Another querier hears of the change itself, or asks when it is time, unless the hosts are apart. */
  askAll(now: Instant): readonly Effect<A>[] {
    if (this.#election.startAgain(now)) return this.poll(now);
    return this.asksAll ? [this.askAllNow()] : [];
  }

  /** The general query that is due. Another querier may be gone, so that we ask. */
  poll(now: Instant): readonly Effect<A>[] {
    const due = this.#election.poll(now);
    if (due === undefined) return [];
    const { startupResponse, queryResponseInterval } = this.times;
    return [
      this.#send(this.#wire.family.unspecified, due === "start" ? startupResponse : queryResponseInterval, [], false),
    ];
  }

  /** The end of the grace while the link is away, else the next of the election. */
  nextDeadline(): Instant | undefined {
    return this.#state.kind === "flapping" ? this.#state.until : this.#election.nextDeadline();
  }

  /** Everybody is asked beside the turn, and answers as soon as after a start. */
  askAllNow(): Effect<A> {
    return this.#send(this.#wire.family.unspecified, this.times.startupResponse, [], false);
  }

  /** The question as the packets that the link's MTU needs (4.1.8). */
  ask({ group, query: { sources, suppress } }: Extract<GroupChange<A>, { kind: "query" }>): readonly Effect<A>[] {
    const mtu = this.#state.kind === "up" ? this.#state.mtu : undefined;
    return this.#wire
      .splitQuery(sources, mtu)
      .map((part) => this.#send(group, this.times.lastMemberQueryInterval, part, suppress));
  }

  #send(group: A, maxResponse: Duration, sources: readonly A[], suppress: boolean): Effect<A> {
    const { robustness, queryInterval } = this.times;
    const query: Query<A> = {
      version: this.#election.version,
      group,
      sources,
      suppress,
      maxResponse,
      robustness,
      queryInterval,
    };
    return { kind: "send", packet: this.#wire.query(this.#election.source, query) };
  }

  /** Whether a port decides who may ask, which only frames tell: the packets of queries are then passed over. */
  isByFrame(source: TrackingSource): boolean {
    return this.#election.isByFrame(source);
  }

  /** The sender of a query's packet with all that taps know of it. */
  located(host: TrackedHost<A>): TrackedHost<A> {
    return this.#election.located(host);
  }

  /** A tap tells where somebody is who asks; told on where it is the winner. */
  locate(host: TrackedHost<A>): readonly Effect<A>[] {
    return this.#election.locate(host);
  }

  /** A query came in; `busy`: our last-member queries are under way. */
  hear(now: Instant, heard: HeardQuery<A>, busy: boolean): HeardOutcome<A> {
    const { from } = heard;
    const older = this.#election.warnOfOlder(now, heard);
    // RFC 4541 2.1.1: a switch without an address is no router, whoever it asks about.
    if (isUnspecified(from.address)) return { effects: older, counts: false };
    const reason = this.#faultOf(heard);
    if (reason !== undefined)
      return { effects: [...older, ...this.#election.refuse(now, reason, from)], counts: false };
    this.#election.heard(now, heard, busy);
    return { effects: older, counts: true };
  }

  /** Whether a query is one of a router that may ask here, heard by those whom it asks. */
  heeds(heard: HeardQuery<A>): boolean {
    return !isUnspecified(heard.from.address) && this.#faultOf(heard) === undefined;
  }

  #faultOf(heard: HeardQuery<A>): QueryRefusal | undefined {
    return this.#election.faultOf(heard, this.#state.kind === "up" ? this.#state.addresses : undefined);
  }
}
