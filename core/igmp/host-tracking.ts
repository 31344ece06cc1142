// The host tracking of one interface from both its sources: one of them is reported, proof that nobody is left needs both.
import type { Address } from "../base/address.ts";
import type { Ipv4 } from "../base/ipv4.ts";
import { after, type Duration, earliest, type Instant } from "../base/time.ts";
import type { Room, TrackedHost } from "./host-shares.ts";
import {
  type HostChange,
  type HostDrop,
  type HostLimits,
  type HostMembership,
  HostTable,
  type RoomNeed,
} from "./host-table.ts";
import type { TrackingSource } from "./interface-events.ts";
import { type HostStatement, isLeaving } from "./messages/host-statement.ts";
import type { NewcomersQuestion, WaitingHost } from "./newcomers.ts";

/** Every call returns the changes of the source in use, and of the other none but refusals of packets, which end delivery. */
export class HostTracking<A extends Address = Ipv4> {
  /** Who sent the packets that made the groups, and who was heard by a tap. */
  readonly #tables: Readonly<Record<TrackingSource, HostTable<A>>>;
  #source: TrackingSource;
  /** Tracking knows everybody once all have been asked, and nothing was lost since; undefined before the first start. */
  #completeFrom: Instant | undefined;

  constructor(source: TrackingSource, limits: HostLimits<A>) {
    this.#tables = { packets: new HostTable<A>(limits), frames: new HostTable<A>(unshared(limits)) };
    this.#source = source;
    this.#tables.packets.tap(source === "frames");
  }

  /** The source whose changes are reported. */
  get source(): TrackingSource {
    return this.#source;
  }

  /** From now on the changes of this source are reported. */
  useSource(source: TrackingSource): void {
    this.#source = source;
    this.#tables.packets.tap(source === "frames");
  }

  /** New limits; nothing that is kept goes. */
  limit(limits: HostLimits<A>): void {
    this.#tables.packets.limit(limits);
    this.#tables.frames.limit(unshared(limits));
  }

  /** From now on it takes `span` until everybody has been heard. */
  start(now: Instant, span: Duration): void {
    this.#completeFrom = after(now, span);
  }

  hear(
    from: TrackingSource,
    now: Instant,
    host: TrackedHost<A>,
    statement: HostStatement<A>,
    lifetime: Duration,
    need: RoomNeed,
  ): readonly HostChange<A>[] {
    const changes = this.#tables[from].hear(now, host, statement, lifetime, need);
    // Who is refused is delivered nothing, so that nothing is lost with it.
    if (changes.some((change) => change.kind === "drop" && !isRefusal(change))) this.start(now, lifetime);
    if (from !== this.#source) return changes.filter(isRefusal);
    return from === "packets"
      ? changes
      : changes.map((change) => (isRefusal(change) ? refusedFrame(change.host, change.group) : change));
  }

  /** Whether the host may have one more of these places (see HostTable). */
  mayTake(now: Instant, host: TrackedHost<A>, what: "groups" | "sources", room: Room): boolean {
    return this.#tables.packets.mayTake(now, host, what, room);
  }

  /** Whether it is kept for hosts behind other ports than this host's, which is all that is known of it. */
  isPortGreedy(host: TrackedHost<A>, what: "groups" | "sources", room: Room): boolean {
    return this.#tables.packets.isPortGreedy(host, what, room, this.#source === "frames");
  }

  /** A frame shows where a member is whose packet did not: why it may have nothing there (see HostTable). */
  settle(now: Instant, host: TrackedHost<A>, group: A): HostDrop | undefined {
    return this.#tables.packets.locate(now, host, group);
  }

  /** The host of a packet with port and VLAN of its frames, where taps have heard them. */
  locate(host: TrackedHost<A>): TrackedHost<A> {
    if (host.port !== "" || host.mac === "" || this.#source === "packets") return host;
    return this.#tables.frames.find(host) ?? host;
  }

  /** Whether `statement` certainly leaves nobody. A frame may come later than its packet, so the packets must prove it too. */
  provesLast(now: Instant, address: A, statement: HostStatement<A>): boolean {
    if (this.#completeFrom === undefined || now < this.#completeFrom) return false;
    return Object.values(this.#tables).every((table) => table.wouldBeLast(address, statement));
  }

  /** Nobody was heard for a while: every membership has `span` from now, and until then it is not known who is there. */
  confirm(now: Instant, span: Duration): void {
    for (const table of Object.values(this.#tables)) table.confirm(now, span);
    this.start(now, span);
  }

  poll(now: Instant): readonly HostChange<A>[] {
    return this.#both((table) => table.poll(now));
  }

  /** Whom to ask now because new hosts wait (see Newcomers). */
  asksNewcomers(now: Instant, round: Duration, longest: Duration): NewcomersQuestion<A> | undefined {
    return this.#tables.packets.asksNewcomers(now, round, longest);
  }

  /** Hosts that were refused because nobody knows them. */
  waiting(): Iterable<WaitingHost<A>> {
    return this.#tables.packets.waiting();
  }

  /** Whether anybody was heard to be a member, by packets or by frames. */
  hasMembers(group: A): boolean {
    return Object.values(this.#tables).some((table) => table.hasMembers(group));
  }

  /** The host of a frame as its packets show it, if by them it is a member. */
  memberByPackets(host: TrackedHost<A>, group: A): TrackedHost<A> | undefined {
    const bare = { port: "", mac: "", address: host.address };
    return [host, bare].find((one) => this.#tables.packets.isMember(one, group));
  }

  /** Whether what the host says by a frame leaves nothing in force that no packet of it, honoured before, was given. */
  isProven(host: TrackedHost<A>, statement: HostStatement<A>): boolean {
    const { group } = statement;
    const isMember = this.#tables.frames.isMember(host, group) || this.memberByPackets(host, group) !== undefined;
    return isMember || isLeaving(statement);
  }

  /** Whether by its packets the host is a member, or no limit would keep it from being one. */
  mayHold(now: Instant, host: TrackedHost<A>, statement: HostStatement<A>, need: RoomNeed): boolean {
    if (this.memberByPackets(host, statement.group) !== undefined) return true;
    return this.refuse(now, host, statement, need) === undefined;
  }

  /** Why the host would be refused as one that is no member yet; undefined: it would not be. */
  refuse(
    now: Instant,
    host: TrackedHost<A>,
    { group, sources }: HostStatement<A>,
    need: RoomNeed,
  ): HostDrop | undefined {
    const reason = this.#tables.packets.refuse(now, host, { group, sources: sources.length }, need);
    return reason !== undefined && isRefused(reason) ? reason : undefined;
  }

  /** Whether a frame told of a member of the group behind this port. */
  isWatchedBehind(port: string, group: A): boolean {
    return this.#tables.frames.isWatchedBehind(port, group);
  }

  /** Frames of the host told of a membership that by its packets it does not have. */
  revokeUnproven(host: TrackedHost<A>, group: A): readonly HostChange<A>[] {
    return this.memberByPackets(host, group) === undefined ? this.#tables.frames.revoke(host, group) : [];
  }

  /** The host is no member any more, whatever it says. */
  revoke(host: TrackedHost<A>, group: A): readonly HostChange<A>[] {
    const byPackets = this.memberByPackets(host, group) ?? host;
    return this.#both((table) => table.revoke(table === this.#tables.packets ? byPackets : host, group));
  }

  /** The link has no place for the group, or none any more. */
  freePlace(group: A): void {
    for (const table of Object.values(this.#tables)) table.freePlace(group);
  }

  /** The link as a whole no longer wants the group. */
  endGroup(group: A): readonly HostChange<A>[] {
    return this.#both((table) => table.endGroup(group));
  }

  /** The interface is down. */
  clear(): readonly HostChange<A>[] {
    return this.#both((table) => table.clear());
  }

  viewers(): Iterable<readonly [group: A, hosts: number]> {
    return this.#tables[this.#source].viewers();
  }

  memberships(): readonly HostMembership<A>[] {
    return this.#tables[this.#source].memberships();
  }

  /** The memberships of both sources. */
  everybody(): readonly HostMembership<A>[] {
    return Object.values(this.#tables).flatMap((table) => table.memberships());
  }

  nextDeadline(): Instant | undefined {
    return earliest([this.#tables.packets.nextDeadline(), this.#tables.frames.nextDeadline()]);
  }

  #both(change: (table: HostTable<A>) => readonly HostChange<A>[]): readonly HostChange<A>[] {
    const { packets, frames } = this.#tables;
    const changes = { packets: change(packets), frames: change(frames) };
    return changes[this.#source];
  }
}

/** Frames tell of what packets were given: no limit of a host or port holds for them a second time. */
const unshared = <A extends Address>(limits: HostLimits<A>): HostLimits<A> => ({
  ...limits,
  groupsPerHost: Number.POSITIVE_INFINITY,
  groupsPerPort: Number.POSITIVE_INFINITY,
  sourcesPerHost: Number.POSITIVE_INFINITY,
  sourcesPerPort: Number.POSITIVE_INFINITY,
  joinsPerSecond: Number.POSITIVE_INFINITY,
  newHostsPerMinute: Number.POSITIVE_INFINITY,
  newHostsPerMinutePerPort: Number.POSITIVE_INFINITY,
});

/** Whether it says that a host, by the packets it sent, gets no further membership. */
export const isRefusal = <A extends Address>(
  change: HostChange<A>,
): change is HostChange<A> & { readonly kind: "drop" } => change.kind === "drop" && isRefused(change.reason);

/** Whether a drop that names its host means that a join was not honoured, and not only that something is not known. */
export const isRefused = (reason: string): boolean => reason.startsWith("igmp.") || reason.startsWith("policy.");

/** What a frame of a host comes to that may have no more. */
export const refusedFrame = <A extends Address>(host: TrackedHost<A>, group: A): HostChange<A> => ({
  kind: "drop",
  reason: "tracking.refused",
  host,
  group,
});
