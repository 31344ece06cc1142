// Explicit host tracking (RFC 3376 A.2): who on this interface is a member of what, since when, and which message showed it.
import { type Address, isUnspecified } from "../base/address.ts";
import { DeadlineHeap, type Scheduled } from "../base/deadline-heap.ts";
import type { Ipv4 } from "../base/ipv4.ts";
import { after, between, type Duration, earliest, type Instant } from "../base/time.ts";
import { filterOf, NO_SOURCE, type SourceFilter, sameFilter, wantsNothing } from "./filter.ts";
import {
  type Holding,
  type HostShare,
  HostShares,
  hasRoom,
  isShort,
  mayBring,
  type Room,
  type ShareDrop,
  type ShareLimits,
  type TrackedHost,
} from "./host-shares.ts";
import { type HostMessage, type HostStatement, versionOf } from "./messages/host-statement.ts";
import { isExclude } from "./messages/report.ts";
import {
  isNewHostDrop,
  Newcomers,
  type NewcomersQuestion,
  type NewHostDrop,
  type NewHostLimits,
  type WaitingHost,
} from "./newcomers.ts";
import { isSamePlace, type Station, Stations, stationKey } from "./stations.ts";

/**
 * full: no room for another (host, group), so what this host does leaves no evidence. too-many-sources: the list was cut. refused: a
 * frame whose packet was not honoured, or did not come. Else the same by packets.
 */
export type HostDrop = "tracking.full" | "tracking.too-many-sources" | "tracking.refused" | ShareDrop | NewHostDrop;

/**
 * left: it said so. expired: not heard for a group membership interval, or the group ended. moved: heard on another port.
 * down: the interface went. revoked: it may no longer be one.
 */
export type LeaveCause = "left" | "expired" | "moved" | "down" | "revoked";

/** One host in one group. */
export interface HostMembership<A extends Address = Ipv4> {
  readonly host: TrackedHost<A>;
  readonly group: A;
  readonly filter: SourceFilter<A>;
  readonly since: Instant;
  readonly lastSeen: Instant;
  /** The message that showed it last. */
  readonly message: HostMessage;
  /**
   * A v3 host speaks for itself. A v1 or v2 host is silent when it hears another report the group, and may be one of several
   * (RFC 2236 section 3).
   */
  readonly exact: boolean;
}

/** What a statement, or silence, changes. */
export type HostChange<A extends Address = Ipv4> =
  | { readonly kind: "host-joined"; readonly membership: HostMembership<A> }
  | { readonly kind: "host-left"; readonly membership: HostMembership<A>; readonly cause: LeaveCause }
  | { readonly kind: "drop"; readonly reason: HostDrop; readonly host: TrackedHost<A>; readonly group: A };

/** A HostMembership as it is kept: there may be a hundred thousand. `due` is when it expires. */
interface Tracked<A extends Address = Ipv4> extends Scheduled {
  readonly station: Station<A>;
  readonly who: TrackedHost<A>;
  readonly share: HostShare<A>;
  readonly group: A;
  filter: SourceFilter<A>;
  readonly since: Instant;
  lastSeen: Instant;
  message: HostMessage;
}

/** How much is kept of one interface. */
export interface HostLimits<A extends Address = Ipv4> extends ShareLimits<A>, NewHostLimits {
  /** (host, group) pairs. */
  readonly memberships: number;
  /** Sources kept of one host for one group. */
  readonly sources: number;
}

/**
 * What a statement needs of what the link has left. plenty: more than half is free. short: it is not, and the statement takes of it. kept: it
 * is not, and the statement takes nothing, such as a join of a group that others are in.
 */
export type RoomNeed = "plenty" | "kept" | "short";

/** What counts for a host that nobody had room to count. */
const UNCOUNTED = 64;

/** The hosts of one interface. No call looks at more than what it changes. */
export class HostTable<A extends Address = Ipv4> {
  #limits: HostLimits<A>;
  readonly #groups = new Map<A, Map<Station<A>, Tracked<A>>>();
  readonly #stations = new Stations<A>();
  readonly #shares: HostShares<A>;
  readonly #newcomers: Newcomers<A>;
  readonly #expiries = new DeadlineHeap<Tracked<A>>();

  constructor(limits: HostLimits<A>) {
    this.#limits = limits;
    this.#shares = new HostShares<A>(limits);
    this.#newcomers = new Newcomers<A>(limits);
  }

  /** New limits; nothing that is kept goes. */
  limit(limits: HostLimits<A>): void {
    this.#limits = limits;
    this.#shares.limit(limits);
    this.#newcomers.limit(limits);
  }

  /** Takes one statement of a host; `lifetime` is the group membership interval. */
  hear(
    now: Instant,
    host: TrackedHost<A>,
    statement: HostStatement<A>,
    lifetime: Duration,
    need: RoomNeed = "plenty",
  ): readonly HostChange<A>[] {
    const station = this.#stations.get(host);
    if (station !== undefined) this.#stations.heard(station, after(now, lifetime));
    const here = this.#membership(station, statement.group);
    const known = here !== undefined && isSamePlace(here.who, host) ? here : undefined;
    const wanted = afterStatement(known?.filter ?? NO_SOURCE, statement);
    if (wantsNothing(wanted)) return known === undefined ? [] : [this.#leave(now, known, statement)];
    const filter = cutTo(this.#limits.sources, wanted);
    const { group } = statement;
    const cut: HostChange<A>[] =
      filter === wanted ? [] : [{ kind: "drop", reason: "tracking.too-many-sources", host, group }];
    if (known === undefined) return [...cut, ...this.#join(now, host, here, filter, statement, lifetime, need)];
    const more = filter.sources.length - known.filter.sources.length;
    const reason = this.#shares.refuseSources(host, more);
    if (reason !== undefined) return [{ kind: "drop", reason, host, group }];
    this.#shares.addSources(known.share, more);
    this.#refresh(now, known, filter, statement, lifetime);
    return cut;
  }

  #find(host: TrackedHost<A>, group: A): Tracked<A> | undefined {
    return this.#membership(this.#stations.get(host), group);
  }

  #membership(station: Station<A> | undefined, group: A): Tracked<A> | undefined {
    return station === undefined ? undefined : this.#groups.get(group)?.get(station);
  }

  /** `elsewhere`: the same address and MAC on another port or VLAN is the same host, re-plugged or roaming. */
  #join(
    now: Instant,
    host: TrackedHost<A>,
    elsewhere: Tracked<A> | undefined,
    filter: SourceFilter<A>,
    statement: HostStatement<A>,
    lifetime: Duration,
    need: RoomNeed,
  ): HostChange<A>[] {
    const moved = elsewhere === undefined ? [] : [this.#remove(elsewhere, "moved")];
    const { group } = statement;
    const reason = this.refuse(now, host, { group, sources: filter.sources.length }, need);
    if (reason !== undefined) {
      if (isNewHostDrop(reason)) this.#newcomers.wait(now, stationKey(host), { host, group, reason });
      return [...moved, { kind: "drop", reason, host, group }];
    }
    const told = this.#needIn(this.#room(now), need);
    if (told === "short" && this.#isNew(host)) this.#newcomers.admit(now, stationKey(host), host);
    const tracked = this.#add(now, host, filter, statement, lifetime);
    if (told !== "kept") tracked.station.isVouched = true;
    if (elsewhere !== undefined) this.#shares.hand(group, elsewhere.share, tracked.share);
    return [...moved, { kind: "host-joined", membership: membershipOf(tracked) }];
  }

  /** Why the host may not become a member; undefined: it may. */
  refuse(now: Instant, host: TrackedHost<A>, wanted: Holding<A>, need: RoomNeed): HostDrop | undefined {
    const room = this.#room(now);
    const refused = this.#shares.refuse(now, host, wanted, room);
    if (refused !== undefined) return refused;
    const unknown = this.#needIn(room, need) === "short" ? this.#refuseNew(now, host) : undefined;
    if (need === "short" && unknown !== undefined) return unknown;
    return unknown === undefined && room.free > 0 ? undefined : "tracking.full";
  }

  #refuseNew(now: Instant, host: TrackedHost<A>): NewHostDrop | undefined {
    return this.#isNew(host) ? this.#newcomers.refuse(now, stationKey(host), host) : undefined;
  }

  /** Whatever the link has left, tracking may have less; for that alone nobody is refused, and who is new leaves no evidence. */
  #needIn(room: Room, need: RoomNeed): RoomNeed {
    return isShort(room) ? "short" : need;
  }

  /** Nobody vouches for it, and it was not let in; whoever speaks for many never is new. */
  #isNew(host: TrackedHost<A>): boolean {
    return this.#stations.get(host)?.isVouched !== true && !this.#shares.isProxy(host);
  }

  #room(now: Instant): Room {
    return { free: this.#free(now), total: this.#limits.memberships };
  }

  /** Hosts that hold nothing, but have joined and left just now, take room too. */
  #free(now: Instant): number {
    this.#shares.forgetIdle(now);
    this.#stations.forget(now, this.#limits.memberships);
    return this.#limits.memberships - Math.max(this.#expiries.size, this.#shares.size);
  }

  #add(
    now: Instant,
    host: TrackedHost<A>,
    filter: SourceFilter<A>,
    { group, message }: HostStatement<A>,
    lifetime: Duration,
  ): Tracked<A> {
    const station = this.#stations.take(host, after(now, lifetime));
    const share = this.#shares.take(now, host, { group, sources: filter.sources.length });
    const { who } = station;
    // Fields by name and no spread, which would give each object a shape of its own, of several hundred octets.
    const tracked: Tracked<A> = {
      due: undefined,
      place: -1,
      station,
      who,
      share,
      group,
      filter,
      since: now,
      lastSeen: now,
      message,
    };
    const members = this.#groups.get(group) ?? new Map<Station<A>, Tracked<A>>();
    this.#groups.set(group, members.set(station, tracked));
    this.#expiries.schedule(tracked, after(now, lifetime));
    return tracked;
  }

  // 6.4: IS_IN and source changes of an EXCLUDE host do not renew it, so that a lost TO_IN heals at expiry.
  #refresh(
    now: Instant,
    known: Tracked<A>,
    filter: SourceFilter<A>,
    { type, message }: HostStatement<A>,
    lifetime: Duration,
  ): void {
    if (!sameFilter(filter, known.filter)) known.filter = filter;
    known.lastSeen = now;
    known.message = message;
    if (filter.mode === "include" || isExclude(type)) this.#expiries.schedule(known, after(now, lifetime));
  }

  #leave(now: Instant, tracked: Tracked<A>, { message }: HostStatement<A>): HostChange<A> {
    tracked.lastSeen = now;
    tracked.message = message;
    return this.#remove(tracked, "left");
  }

  #remove(tracked: Tracked<A>, cause: LeaveCause): HostChange<A> {
    const { station, group, share } = tracked;
    const members = this.#groups.get(group);
    members?.delete(station);
    if (members?.size === 0) this.#groups.delete(group);
    this.#expiries.schedule(tracked, undefined);
    this.#shares.passOn(group, share, members?.values() ?? []);
    this.#shares.giveBack(share, { group, sources: tracked.filter.sources.length });
    this.#stations.release(station);
    return { kind: "host-left", membership: membershipOf(tracked), cause };
  }

  /** Ends what has not been heard for its lifetime. */
  poll(now: Instant): readonly HostChange<A>[] {
    const changes: HostChange<A>[] = [];
    for (let gone = this.#expiries.takeDue(now); gone !== undefined; gone = this.#expiries.takeDue(now)) {
      changes.push(this.#remove(gone, "expired"));
    }
    return changes;
  }

  /** Nobody was heard for a while: every membership has `span` from now. */
  confirm(now: Instant, span: Duration): void {
    const expires = after(now, span);
    for (const tracked of this.#all()) this.#expiries.schedule(tracked, expires);
    this.#newcomers.open(expires);
  }

  nextDeadline(): Instant | undefined {
    return earliest([this.#expiries.next(), this.#newcomers.nextDeadline()]);
  }

  /** Whether taps tell behind which port everybody is, sooner or later. */
  tap(isTapped: boolean): void {
    this.#newcomers.tap(isTapped);
  }

  /** Whom to ask now because new hosts wait (see Newcomers). */
  asksNewcomers(now: Instant, round: Duration, longest: Duration): NewcomersQuestion<A> | undefined {
    return this.#newcomers.poll(now, round, longest);
  }

  /** Hosts that were refused because nobody knows them. */
  waiting(): Iterable<WaitingHost<A>> {
    return this.#newcomers.waiting();
  }

  /**
   * The port of a member is known, which it was not when it joined: it counts there from now on. Why it may not, as one that would join
   * there now.
   */
  locate(now: Instant, host: TrackedHost<A>, group: A): HostDrop | undefined {
    const here = this.#find(host, group);
    if (here === undefined || here.who.port !== "" || host.port === "") return undefined;
    const { filter, message, due = now } = here;
    const statement = { type: "is-ex", group, sources: filter.sources, message } as const;
    const changes = this.#join(now, host, here, filter, statement, between(now, due), "kept");
    return changes.find((change) => change.kind === "drop")?.reason;
  }

  /** Whether the host is in the group, on whatever port. */
  isMember(host: TrackedHost<A>, group: A): boolean {
    return this.#find(host, group) !== undefined;
  }

  /** Whether anybody behind this port is in the group. */
  isWatchedBehind(port: string, group: A): boolean {
    for (const { who } of this.#groups.get(group)?.values() ?? []) if (who.port === port) return true;
    return false;
  }

  /** Whether there is anybody in the group. */
  hasMembers(group: A): boolean {
    return this.#groups.has(group);
  }

  /** Ends the membership of a host that may have none. */
  revoke(host: TrackedHost<A>, group: A): readonly HostChange<A>[] {
    const known = this.#find(host, group);
    return known === undefined ? [] : [this.#remove(known, "revoked")];
  }

  /** Ends every membership of a group: the link as a whole no longer wants it. */
  endGroup(group: A): readonly HostChange<A>[] {
    const members = [...(this.#groups.get(group)?.values() ?? [])];
    const left = members.map((tracked) => this.#remove(tracked, "expired"));
    this.#shares.freePlace(group);
    return left;
  }

  /** The group has no place on the link, or none any more. */
  freePlace(group: A): void {
    this.#shares.freePlace(group);
  }

  /** Ends everything: the interface is down. */
  clear(): readonly HostChange<A>[] {
    this.#newcomers.clear();
    return [...this.#all()].map((tracked) => this.#remove(tracked, "down"));
  }

  /**
   * Whether `statement`, from a host with this address, leaves nobody in the group as far as is known. Never true for a host without address, nor for
   * an address seen with two MACs or on two ports: they may be several hosts.
   */
  wouldBeLast(address: A, statement: HostStatement<A>): boolean {
    if (isUnspecified(address)) return false;
    const members = this.#groups.get(statement.group);
    if (members !== undefined && members.size > 1) return false;
    const [member] = members?.values() ?? [];
    if (member !== undefined && member.who.address !== address) return false;
    return wantsNothing(afterStatement(member?.filter ?? NO_SOURCE, statement));
  }

  /**
   * Whether the host may have one more of these places, for groups or for the sources of groups. Without room to count what it holds, it
   * holds as many as a home does.
   */
  mayTake(now: Instant, host: TrackedHost<A>, what: "groups" | "sources", room: Room): boolean {
    const least = this.#free(now) > 0 ? 0 : UNCOUNTED;
    return what === "groups"
      ? mayBring(Math.max(least, this.#shares.places(host)), room)
      : hasRoom(Math.max(least, this.#shares.sources(host)), room);
  }

  /** Whether that place is for hosts behind other ports (see HostShares). */
  isPortGreedy(host: TrackedHost<A>, what: "groups" | "sources", room: Room, isTapped: boolean): boolean {
    return this.#shares.isPortGreedy(host, what, room, isTapped);
  }

  /** The host with this MAC and address where it was heard last; undefined for one that is not a member of anything. */
  find(host: TrackedHost<A>): TrackedHost<A> | undefined {
    const station = this.#stations.get(host);
    return station === undefined || station.held === 0 ? undefined : station.who;
  }

  /** How many hosts are members of each group. */
  *viewers(): Generator<readonly [group: A, hosts: number]> {
    for (const [group, members] of this.#groups) yield [group, members.size];
  }

  /** In the order of joining within each group. */
  memberships(): readonly HostMembership<A>[] {
    return Array.from(this.#all(), membershipOf);
  }

  *#all(): Generator<Tracked<A>> {
    for (const members of this.#groups.values()) yield* members.values();
  }
}

const membershipOf = <A extends Address>({
  who,
  group,
  filter,
  since,
  lastSeen,
  message,
}: Tracked<A>): HostMembership<A> => ({
  host: who,
  group,
  filter,
  since,
  lastSeen,
  message,
  exact: versionOf({ message }) === 3,
});

const cutTo = <A extends Address>(most: number, filter: SourceFilter<A>): SourceFilter<A> =>
  filter.sources.length > most ? { ...filter, sources: filter.sources.slice(0, most) } : filter;

/**
 * What a host wants after a statement. IS_IN may answer about some sources only (5.2) or be one of several (4.2.16), so it adds
 * and never takes away.
 */
export function afterStatement<A extends Address>(
  filter: SourceFilter<A>,
  { type, sources }: HostStatement<A>,
): SourceFilter<A> {
  switch (type) {
    case "is-ex":
    case "to-ex":
      return filterOf("exclude", sources);
    case "to-in":
      return filterOf("include", sources);
    case "is-in":
    case "allow":
      return filter.mode === "include"
        ? filterOf("include", [...filter.sources, ...sources])
        : filterOf("exclude", without(filter, sources));
    case "block":
      return filter.mode === "include"
        ? filterOf("include", without(filter, sources))
        : filterOf("exclude", [...filter.sources, ...sources]);
  }
}

function without<A extends Address>(filter: SourceFilter<A>, sources: readonly A[]): readonly A[] {
  const named = new Set(sources);
  return filter.sources.filter((source) => !named.has(source));
}
