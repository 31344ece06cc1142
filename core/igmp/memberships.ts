// Who receives what on one link: what becomes of what hosts say (RFC 3376 6.4, 7.3.2), and what is kept of it (6.2).
//
// Theory of operation. A message is a row of statements, one host about one group each, and each goes on its own through
//
// 1. the policy (admission.ts): whether the host may have the group. A part of a statement may hold where the rest is refused;
// 2. the room (`lacksRoom`): whether a group or source that is new has a place left in the table, whether the host may take one more of
//    those (host-shares.ts), and whether its port may;
// 3. host tracking (host-tracking.ts): the limits of one host and of one port, and how quickly they may join. Tracking that has merely no
//    room for evidence refuses nothing;
// 4. the group table (group-table.ts): the compatibility modes and the table rows, out of which the link's filter and the questions
//    about leaves come. Where tracking proves that a leave leaves nobody, the group ends unasked instead (`#isProvenLast`).
//
// What a host is refused by 1 to 3 has no effect at all, and the drop says whom and what. Statements of packets decide; those of frames,
// where taps hear the bridge's ports, are evidence of the same (frame-evidence.ts). `restrict` is the way back: what a host was given is
// taken from it, as if it had said so itself.
//
// The clock of a membership is that of the group table; tracking has its own, of the same length. Questions are returned, not sent: that
// is the link's (link.ts), of which only its `context` is known here.

import type { Address } from "../base/address.ts";
import type { Ipv4 } from "../base/ipv4.ts";
import { inSubnet } from "../base/subnet.ts";
import { type Duration, earliest, type Instant, milliseconds, seconds } from "../base/time.ts";
import type { Admission, Admitted } from "./admission.ts";
import { admits, type SourceFilter, wantsNothing } from "./filter.ts";
import { FrameEvidence, type PacketSide } from "./frame-evidence.ts";
import {
  type GroupChange,
  type GroupDrop,
  GroupTable,
  type GroupView,
  isSourceSpecific,
  refusal,
  type TableContext,
} from "./group-table.ts";
import { isShort, type Room, type ShareOfRoom, type TrackedHost } from "./host-shares.ts";
import { afterStatement, type HostChange, type HostDrop, type HostMembership, type RoomNeed } from "./host-table.ts";
import { HostTracking, isRefusal } from "./host-tracking.ts";
import type { RouterInterfaceOptions, StatementEffect, TrackingSource } from "./interface-events.ts";
import { Invitation } from "./invitation.ts";
import { groupLimits, hostLimits } from "./limits.ts";
import { type HostStatement, isLeaving, versionOf } from "./messages/host-statement.ts";
import type { Query } from "./messages/query.ts";
import type { WaitingHost } from "./newcomers.ts";

/** From the last moment in which a question may be answered to the next one. */
const ANSWERED_AFTER = seconds(4);

/** No room at all, or none for a host, or a port, that has so much already. */
export type RoomDrop = "igmp.too-many-groups" | "igmp.too-many-sources" | ShareOfRoom;

/** What of the link decides what a statement comes to. */
export interface LinkContext<A extends Address = Ipv4> {
  readonly context: TableContext<A>;
  /** Whether we may ask everybody. */
  readonly asksAll: boolean;
}

/** The members of one link, by groups and by hosts. */
export class Memberships<A extends Address = Ipv4> implements PacketSide<A> {
  #options: RouterInterfaceOptions<A>;
  readonly #link: LinkContext<A>;
  readonly #admission: Admission<A> | undefined;
  readonly #groups: GroupTable<A>;
  readonly #tracking: HostTracking<A>;
  readonly #frames: FrameEvidence<A>;
  readonly #invitation = new Invitation();

  /** @param admission who may receive; undefined: everybody. */
  constructor(link: LinkContext<A>, options: RouterInterfaceOptions<A>, admission: Admission<A> | undefined) {
    this.#link = link;
    this.#options = options;
    this.#admission = admission;
    this.#groups = new GroupTable<A>(groupLimits(options));
    this.#tracking = new HostTracking<A>(options.trackingSource ?? "packets", hostLimits(options));
    this.#frames = new FrameEvidence<A>(this.#tracking);
  }

  /** Other options, from now on, of which the link has been told: nothing goes but what can be no more (`GroupTable.settle`). */
  configure(now: Instant, options: RouterInterfaceOptions<A>): readonly StatementEffect<A>[] {
    this.#options = options;
    this.#groups.limit(groupLimits(options));
    this.#tracking.limit(hostLimits(options));
    return this.#tell(this.#groups.settle(now, this.#link.context));
  }

  get source(): TrackingSource {
    return this.#tracking.source;
  }

  /** Where host tracking listens from now on. */
  useSource(source: TrackingSource): void {
    this.#tracking.useSource(source);
    if (source === "packets") this.#frames.clear();
  }

  /** The host of a packet, where it is known to be. */
  locate(host: TrackedHost<A>): TrackedHost<A> {
    return this.#frames.locate(host);
  }

  /** One statement of a packet. */
  hear(now: Instant, host: TrackedHost<A>, said: HostStatement<A>): readonly StatementEffect<A>[] {
    const known = this.#frames.complete(host);
    const { statement, refusal: denied } = this.judge(now, known, said);
    if (denied !== undefined) this.#frames.noteRefusal(host, said.group);
    const refused: StatementEffect<A>[] =
      denied === undefined ? [] : [{ kind: "drop", ...denied, host: known, group: said.group }];
    return statement === undefined
      ? [...refused, ...this.#frames.refused(now, host, said.group)]
      : [...refused, ...this.#admitted(now, host, statement)];
  }

  /** A frame of the host came in, whatever it says. */
  sighted(host: TrackedHost<A>): void {
    this.#frames.note(host);
  }

  /** One statement of a frame. */
  hearFrame(now: Instant, host: TrackedHost<A>, said: HostStatement<A>): readonly StatementEffect<A>[] {
    return this.#frames.hear(now, host, said, this);
  }

  judge(now: Instant, host: TrackedHost<A>, statement: HostStatement<A>): Admitted<A> {
    return this.#admission?.judge(now, host, statement) ?? { statement };
  }

  #admitted(now: Instant, host: TrackedHost<A>, statement: HostStatement<A>): readonly StatementEffect<A>[] {
    const lacking = this.lacksRoom(now, host, statement);
    const { group } = statement;
    if (lacking === "igmp.port-share") this.#frames.noteRefusal(host, group);
    if (lacking !== undefined)
      return [{ kind: "drop", reason: lacking, host, group }, ...this.#frames.refused(now, host, group)];
    const immediate = this.#isProvenLast(now, host, statement);
    const tracked = this.track("packets", now, host, statement);
    if (tracked.some(isRefusal)) return [...tracked, ...this.#frames.refused(now, host, group)];
    const effects = this.#honoured(now, host, statement, immediate, tracked);
    if (!this.#groups.has(group)) this.#tracking.freePlace(group);
    return effects;
  }

  #honoured(
    now: Instant,
    host: TrackedHost<A>,
    statement: HostStatement<A>,
    immediate: boolean,
    tracked: readonly HostChange<A>[],
  ): readonly StatementEffect<A>[] {
    const { group } = statement;
    this.#admission?.tookEffect(now, this.#frames.complete(host), statement);
    const ahead = this.#frames
      .honoured(now, host, group)
      .flatMap((one) => this.track("frames", now, one.host, one.statement));
    const changes = immediate ? this.#groups.end(group) : this.#groups.hear(now, statement, this.#link.context);
    return [...tracked, ...ahead, ...this.#tell(changes)];
  }

  /**
   * Whoever wants the group is to say so. With the S flag, for which no router lowers its timers (6.6.1). RFC 4604: about a
   * source-specific group nobody asks without its sources, and those are not known. Everybody is asked then.
   */
  invite(now: Instant, group: A): readonly StatementEffect<A>[] {
    const { context } = this.#link;
    if (!context.querier) return [];
    if (!isSourceSpecific(group, context)) return [{ kind: "query", group, query: { sources: [], suppress: true } }];
    this.#invitation.want(now);
    return this.#askInvited(now);
  }

  #askInvited(now: Instant): readonly StatementEffect<A>[] {
    const { times } = this.#link.context;
    const isDue = this.#invitation.isDue(now, milliseconds(times.startupResponse + ANSWERED_AFTER));
    return isDue && this.#link.asksAll ? [{ kind: "ask-all" }] : [];
  }

  /** As if the host had said that it wants no more than this; it may be one that tracking had no room for. */
  restrict(now: Instant, host: TrackedHost<A>, group: A, sources: readonly A[]): readonly StatementEffect<A>[] {
    const statement: HostStatement<A> = { type: "to-in", group, sources, message: "v3Report" };
    if (sources.length > 0) return this.#admitted(now, host, statement);
    const left = this.#tracking.revoke(host, group);
    const changes = this.#endsUnasked(now, host, statement)
      ? this.#groups.end(group)
      : this.#groups.hear(now, statement, this.#link.context);
    return [...left, ...this.#tell(changes)];
  }

  /** Others answer the questions that a leave brings; where none would be asked (7.3.2, 6.4.2), only tracking can tell. */
  #endsUnasked(now: Instant, host: TrackedHost<A>, statement: HostStatement<A>): boolean {
    if (this.#tracking.hasMembers(statement.group)) return false;
    const { querier, version } = this.#link.context;
    const asks = querier && this.#groups.mode(now, statement.group, version) > 1;
    return !asks || this.#isProvenLast(now, host, statement);
  }

  /** Why there is no room for a group or source that is new: none at all, or none for a host that has so many already. */
  lacksRoom(now: Instant, host: TrackedHost<A>, statement: HostStatement<A>): RoomDrop | undefined {
    if (this.refusal(statement) !== undefined) return undefined;
    const { room, sourceRoom } = this.#groups;
    const lacks = (what: "groups" | "sources", of: Room): RoomDrop | undefined => {
      if (of.free === 0) return `igmp.too-many-${what}`;
      if (!this.#tracking.mayTake(now, host, what, of)) return "igmp.host-share";
      return this.#tracking.isPortGreedy(this.#frames.complete(host), what, of) ? "igmp.port-share" : undefined;
    };
    const lacking = this.#groups.wouldAdd(statement) ? lacks("groups", room) : undefined;
    return lacking ?? (this.#groups.wouldAddSources(statement) ? lacks("sources", sourceRoom) : undefined);
  }

  /** The limit for which the host would not get the group now, if it asked for it; undefined: none, or it is in it. Changes nothing. */
  wouldLack(now: Instant, host: TrackedHost<A>, group: A): RoomDrop | HostDrop | undefined {
    const who = this.#frames.complete(host);
    if (this.#tracking.memberByPackets(who, group) !== undefined) return undefined;
    const { sourceSpecific, family } = this.#link.context;
    const isSourceSpecific = sourceSpecific.some((subnet) => inSubnet(subnet, group));
    const type = isSourceSpecific ? "allow" : "is-ex";
    const sources = isSourceSpecific ? [family.unspecified] : [];
    const statement: HostStatement<A> = { type, group, sources, message: "v3Report" };
    return this.lacksRoom(now, who, statement) ?? this.#tracking.refuse(now, who, statement, this.#needOf(statement));
  }

  track(
    from: TrackingSource,
    now: Instant,
    host: TrackedHost<A>,
    statement: HostStatement<A>,
  ): readonly HostChange<A>[] {
    if (this.refusal(statement) !== undefined) return [];
    const { groupMembershipInterval } = this.#link.context.times;
    return this.#tracking.hear(from, now, host, statement, groupMembershipInterval, this.#needOf(statement));
  }

  #needOf(statement: HostStatement<A>): RoomNeed {
    const { room, sourceRoom } = this.#groups;
    const [groups, sources] = [isShort(room), isShort(sourceRoom)];
    if (!groups && !sources) return "plenty";
    const takes = (groups && this.#groups.wouldAdd(statement)) || (sources && this.#groups.wouldAddSources(statement));
    return takes ? "short" : "kept";
  }

  refusal(statement: HostStatement<A>): GroupDrop | undefined {
    return refusal(statement, versionOf(statement), this.#link.context);
  }

  // Without proof that nobody is left, the last-member queries decide: viewer B must not freeze because viewer A leaves.
  #isProvenLast(now: Instant, host: TrackedHost<A>, statement: HostStatement<A>): boolean {
    const { leave = "mac-based", isolated = false } = this.#options;
    if (leave === "standard" || !isLeaving(statement)) return false;
    if (wantsNothing(this.#groups.filter(now, statement.group))) return false;
    const mode = this.#groups.mode(now, statement.group, this.#link.context.version);
    if (leave === "immediate") return mode >= 2 && this.#leavesNothing(now, statement);
    return mode >= (isolated ? 2 : 3) && this.#tracking.provesLast(now, host.address, statement);
  }

  /** Where one host is all that there is, what it wants is what the link wants. */
  #leavesNothing(now: Instant, statement: HostStatement<A>): boolean {
    return wantsNothing(afterStatement(this.#groups.filter(now, statement.group), statement));
  }

  /** What holds of a statement made on a port, as far as that is known before its packet comes; undefined: nothing. */
  heldOf(now: Instant, host: TrackedHost<A>, said: HostStatement<A>): HostStatement<A> | undefined {
    const { statement } = this.judge(now, host, said);
    if (statement === undefined || this.lacksRoom(now, host, statement) !== undefined) return undefined;
    return isLeaving(statement) || this.#tracking.mayHold(now, host, statement, this.#needOf(statement))
      ? statement
      : undefined;
  }

  /** Somebody is taken to want this for `span`. */
  assume(
    now: Instant,
    assumed: { readonly group: A; readonly filter: SourceFilter<A>; readonly span: Duration },
  ): readonly StatementEffect<A>[] {
    return this.#tell(this.#groups.assume(now, assumed, this.#link.context));
  }

  /** A query of another router that counts lowers timers (6.6.1). */
  heardQuery(now: Instant, query: Query<A>): readonly StatementEffect<A>[] {
    // RFC 1112: a v1 query asks about everything, whatever its group field says.
    if (query.version === 1) return [];
    return this.#tell(this.#groups.heardQuery(now, query, this.#link.context));
  }

  /** Whether last-member queries are under way. */
  get asking(): boolean {
    return this.#groups.asking;
  }

  /** Somebody else asks. */
  stopAsking(): void {
    this.#groups.stopAsking();
  }

  /** Nobody was heard for a while: whoever is a member has `span` from now to say so again. */
  confirm(now: Instant, span: Duration): void {
    this.#groups.confirm(now, span);
    this.#tracking.confirm(now, span);
  }

  /** From now on it takes `span` until everybody has been heard. */
  startTracking(now: Instant, span: Duration): void {
    this.#tracking.start(now, span);
  }

  /** The group ends for everybody, unasked. */
  end(group: A): readonly StatementEffect<A>[] {
    return this.#tell(this.#groups.end(group));
  }

  /** Everything ends: hosts first, so that each is told to have left for that reason. */
  clear(): readonly StatementEffect<A>[] {
    return [...this.#tracking.clear(), ...this.#tell(this.#groups.clear())];
  }

  poll(now: Instant): readonly StatementEffect<A>[] {
    return [
      ...this.#tell(this.#groups.poll(now, this.#link.context)),
      ...this.#tracking.poll(now),
      ...this.#askNewcomers(now),
      ...this.#askInvited(now),
    ];
  }

  /** Where another router asks, its next question counts as ours. */
  #askNewcomers(now: Instant): readonly StatementEffect<A>[] {
    const { context, asksAll } = this.#link;
    const { version, times } = context;
    const round = asksAll ? times.startupResponse + ANSWERED_AFTER : times.queryInterval + times.queryResponseInterval;
    const question = this.#tracking.asksNewcomers(now, milliseconds(round), times.queryInterval);
    if (question === undefined || !asksAll) return [];
    // 7.3.1: a v1 querier cannot ask about a group.
    const isGeneral = question === "everybody" || version === 1;
    return isGeneral ? [{ kind: "ask-all" }] : question.flatMap((group) => this.invite(now, group));
  }

  nextDeadline(): Instant | undefined {
    return earliest([this.#groups.nextDeadline(), this.#tracking.nextDeadline(), this.#invitation.nextDeadline()]);
  }

  /** A group that the link no longer wants has no members either. */
  #tell(changes: readonly GroupChange<A>[]): readonly StatementEffect<A>[] {
    return changes.flatMap((change): readonly StatementEffect<A>[] => {
      const isOver = change.kind === "membership" && wantsNothing(change.filter);
      return isOver ? [change, ...this.#tracking.endGroup(change.group)] : [change];
    });
  }

  /** Whether the link wants traffic of (source, group) now (6.3). */
  wants(now: Instant, group: A, source: A): boolean {
    return admits(this.#groups.filter(now, group), source);
  }

  groups(now: Instant): readonly GroupView<A>[] {
    return this.#groups.view(now, this.#link.context.version);
  }

  /** Who is a member of what, since when, by the source in use. */
  hosts(): readonly HostMembership<A>[] {
    return this.#tracking.memberships();
  }

  /** The same by both sources, with port and MAC where they are known. */
  everybody(): readonly HostMembership<A>[] {
    return this.#tracking.everybody().map((one) => ({ ...one, host: this.#frames.complete(one.host) }));
  }

  /** Places for groups. */
  get room(): Room {
    return this.#groups.room;
  }

  /** Hosts that were refused because nobody knows them, and that are let in when they answer. */
  waiting(): readonly WaitingHost<A>[] {
    return Array.from(this.#tracking.waiting(), (one) => ({ ...one, host: this.#frames.complete(one.host) }));
  }

  /** How many hosts are members of each group. */
  viewers(): Iterable<readonly [group: A, hosts: number]> {
    return this.#tracking.viewers();
  }

  /** Whether a host was heard to be a member of the group behind this port. */
  isWatchedBehind(port: string, group: A): boolean {
    return this.#tracking.isWatchedBehind(port, group);
  }
}
