// One multicast router interface (RFC 3376 section 6): querier, group table and host tracking as one machine.

import { type Address, isUnspecified } from "../base/address.ts";
import type { Ipv4 } from "../base/ipv4.ts";
import type { Machine } from "../base/machine.ts";
import type { Subnet } from "../base/subnet.ts";
import { after, type Duration, earliest, type Instant, milliseconds } from "../base/time.ts";
import type { Admission, Admitted } from "./admission.ts";
import { Election } from "./election.ts";
import { admits, wantsNothing } from "./filter.ts";
import { FramePairs } from "./frame-pairs.ts";
import {
  type GroupChange,
  type GroupDrop,
  GroupTable,
  type GroupView,
  refusal,
  type TableContext,
} from "./group-table.ts";
import type { Room, ShareOfRoom, TrackedHost } from "./host-shares.ts";
import { type HostStatement, isLeaving, versionOf } from "./host-statement.ts";
import { afterStatement, type HostChange, type HostMembership } from "./host-table.ts";
import { HostTracking, isRefusal, refusedFrame } from "./host-tracking.ts";
import type {
  RouterInterfaceEffect as Effect,
  RouterInterfaceEvent as Event,
  InterfaceDrop,
  LinkFacts,
  RouterInterfaceOptions,
  TrackingSource,
} from "./interface-events.ts";
import { isQuery } from "./interface-gate.ts";
import type { LanFrame, LanFrameDrop } from "./lan-frame.ts";
import { groupLimits, hostLimits } from "./limits.ts";
import type { IgmpPacket } from "./packet.ts";
import type { QuerierState } from "./querier.ts";
import type { IgmpVersion, Query } from "./query.ts";
import type { HeardQuery } from "./query-guard.ts";
import { Sightings, Unlocated } from "./sightings.ts";
import type { IgmpTimes } from "./times.ts";
import { heardQuery, type MembershipWire } from "./wire.ts";

interface LinkUp<A extends Address = Ipv4> extends LinkFacts<A> {
  readonly kind: "up";
  readonly address: A;
  /** Until then, members of before a flap, or assumed ones, may still have to confirm themselves. */
  readonly confirming: Instant | undefined;
}

type RoomDrop = "igmp.too-many-groups" | "igmp.too-many-sources" | ShareOfRoom;

type LinkState<A extends Address = Ipv4> =
  | LinkUp<A>
  /** Away since then. Members are kept as they were, time stands still for them, until the grace is over. */
  | { readonly kind: "flapping"; readonly since: Instant; readonly until: Instant }
  | { readonly kind: "down" };

/** Throws RangeError for options that `checkTimes` faults. */
export class RouterInterface<A extends Address = Ipv4> implements Machine<Event<A>, Effect<A>> {
  /** The octets of its family. */
  readonly wire: MembershipWire<A>;
  #options: RouterInterfaceOptions<A>;
  readonly #admission: Admission<A> | undefined;
  readonly #groups: GroupTable<A>;
  readonly #tracking: HostTracking<A>;
  readonly #sightings = new Sightings<A>();
  readonly #unlocated = new Unlocated<A>();
  readonly #pairs = new FramePairs<A>();
  readonly #election: Election<A>;
  #link: LinkState<A> = { kind: "down" };
  /** Nothing is due before: what `nextDeadline` last said. undefined: something has happened since. */
  #quietUntil: number | undefined;

  /** `admission`: who may receive; absent: everybody. */
  constructor(
    wire: MembershipWire<A>,
    options: RouterInterfaceOptions<A> = {},
    admission: Admission<A> | undefined = undefined,
  ) {
    this.wire = wire;
    this.#options = options;
    this.#admission = admission;
    this.#election = new Election<A>(options, wire.family);
    this.#groups = new GroupTable<A>(groupLimits(options));
    this.#tracking = new HostTracking<A>(options.trackingSource ?? "packets", hostLimits(options));
  }

  /** The version of RFC 3376 7.3.1. */
  get #version(): IgmpVersion {
    return this.#election.version;
  }

  receive(now: Instant, event: Event<A>): readonly Effect<A>[] {
    const due = this.poll(now);
    this.#quietUntil = undefined;
    return [...due, ...this.#take(now, event)];
  }

  #take(now: Instant, event: Event<A>): Effect<A>[] {
    switch (event.kind) {
      case "up":
        if (event.trackingSource !== undefined) this.#tracking.useSource(event.trackingSource);
        if (event.trackingSource === "packets") this.#sightings.clear();
        return this.#up(now, event);
      case "down":
        return this.#down(now);
      case "stop":
        return this.#end();
      case "ask-all":
        return this.#askAll(now);
      case "apart":
        return this.#setApart(now, event.isApart);
      case "configure":
        return this.#configure(now, event.options);
      case "restrict":
        return this.#restrict(now, event.host, event.group, event.sources);
      case "end":
        return this.#tell(this.#groups.end(event.group));
      case "ask":
        return this.#invite(event.group);
      case "assume":
        return this.#assume(now, event);
      case "packet":
        return this.#packet(now, event);
      case "frame":
        return this.#frame(now, event);
    }
  }

  #up(now: Instant, { address, addresses, mtu }: Extract<Event<A>, { kind: "up" }>): Effect<A>[] {
    const facts = { kind: "up", address, ...(addresses && { addresses }), ...(mtu && { mtu }) } as const;
    const before = this.#link;
    if (before.kind === "up") {
      this.#link = { ...facts, confirming: before.confirming };
      return address === before.address ? [] : this.#compete(now, address);
    }
    const { startupTime, groupMembershipInterval } = this.#election.ownTimes;
    const span = this.#election.asksFirst(address) ? startupTime : groupMembershipInterval;
    this.#link = { ...facts, confirming: before.kind === "flapping" ? after(now, span) : undefined };
    this.#groups.confirm(now, span);
    this.#tracking.confirm(now, span);
    return this.#compete(now, address);
  }

  #compete(now: Instant, address: A): Effect<A>[] {
    return this.#electing(now, () => {
      this.#election.compete(now, address);
      return this.#generalQuery(now);
    });
  }

  #down(now: Instant): Effect<A>[] {
    if (this.#link.kind !== "up") return [];
    const until = after(now, this.#options.flapGrace ?? this.times.groupMembershipInterval);
    if (until <= now) return this.#end();
    this.#link = { kind: "flapping", since: now, until };
    return this.#silence(now);
  }

  #end(): Effect<A>[] {
    this.#link = { kind: "down" };
    return [...this.#silence(undefined), ...this.#tracking.clear(), ...this.#tell(this.#groups.clear())];
  }

  #silence(now: Instant | undefined): Effect<A>[] {
    return this.#electing(now, () => {
      this.#election.silence();
      return [];
    });
  }

  /** For the querier only: another one hears of the change itself, or asks when it is time. */
  #askAll(now: Instant): Effect<A>[] {
    if (this.#election.startAgain(now)) return this.#generalQuery(now);
    // RFC 4541 2.1.1 (4): in another's stead only in the newest version, as one of an older would take the network with it.
    return this.#election.asksLeavers && this.#version === 3 ? [this.#sendGeneral(this.times.startupResponse)] : [];
  }

  #setApart(now: Instant, isApart: boolean): Effect<A>[] {
    this.#election.setApart(isApart);
    if (!this.#election.asksLeavers) this.#groups.stopAsking();
    return isApart ? this.#askAll(now) : [];
  }

  #configure(now: Instant, options: RouterInterfaceOptions<A>): Effect<A>[] {
    this.#options = options;
    this.#election.configure(options);
    this.#groups.limit(groupLimits(options));
    this.#tracking.limit(hostLimits(options));
    // The hosts learn the new times from queries, as after the start (8.6).
    return this.#askAll(now);
  }

  #assume(now: Instant, assumed: Extract<Event<A>, { kind: "assume" }>): Effect<A>[] {
    if (this.#link.kind !== "up") return [dropped("igmp.down")];
    // Where another router asks, it does so in its own time.
    const least = this.#election.ours ? 0 : this.times.groupMembershipInterval;
    const span = milliseconds(Math.max(assumed.span, least));
    this.#link = { ...this.#link, confirming: latest(this.#link.confirming, after(now, span)) };
    return this.#tell(this.#groups.assume(now, { ...assumed, span }, this.#context()));
  }

  #packet(now: Instant, event: Extract<Event<A>, { kind: "packet" }>): Effect<A>[] {
    const packet = this.#admit(event.bytes, event.vouched);
    if (typeof packet === "string") return [dropped(packet)];
    const from = this.wire.senderOf(packet);
    const { unfilled } = packet;
    const heard: Effect<A> = {
      kind: "heard",
      message: packet.kind,
      from,
      group: this.wire.headGroup(packet),
      unfilled,
    };
    const host = this.#locate({ address: from, port: event.port ?? "", mac: event.mac ?? "" });
    switch (packet.kind) {
      case "v1Query":
      case "v2Query":
      case "v3Query":
        return [heard, ...this.#queryByPacket(now, host, packet, event.unicast)];
      case "v1Report":
      case "v2Report":
      case "v3Report":
      case "leave":
        return [heard, ...this.#undefinedIn(packet), ...this.#statements(now, host, packet)];
    }
  }

  /** Only by its MAC: an address may be several hosts. */
  #locate(host: TrackedHost<A>): TrackedHost<A> {
    const isKnown = host.mac !== "" && this.#tracking.source === "frames";
    return isKnown ? this.#tracking.locate(this.#sightings.complete(host)) : host;
  }

  #statements(now: Instant, host: TrackedHost<A>, packet: IgmpPacket): Effect<A>[] {
    return this.wire.statementsIn(packet).flatMap((statement) => this.#statement(now, host, statement));
  }

  #undefinedIn(packet: IgmpPacket): Effect<A>[] {
    if (packet.kind !== "v3Report") return [];
    return Array.from({ length: this.wire.undefinedRecords(packet) }, () => dropped("igmp.record-type"));
  }

  #admit(bytes: Uint8Array, vouched = false): IgmpPacket | InterfaceDrop {
    return this.#link.kind === "up" ? this.wire.admit(bytes, vouched, this.#link, this.#options) : "igmp.down";
  }

  #statement(now: Instant, host: TrackedHost<A>, said: HostStatement<A>): Effect<A>[] {
    const known = this.#sightings.complete(host);
    const { statement, refusal } = this.#judge(now, known, said);
    if (refusal !== undefined && host.port === "") this.#unlocated.note(host, said.group);
    const refused: Effect<A>[] =
      refusal === undefined ? [] : [{ kind: "drop", ...refusal, host: known, group: said.group }];
    return statement === undefined
      ? [...refused, ...this.#refuseFrame(now, host, said.group)]
      : [...refused, ...this.#admitted(now, host, statement)];
  }

  #judge(now: Instant, host: TrackedHost<A>, statement: HostStatement<A>): Admitted<A> {
    return this.#admission?.judge(now, host, statement) ?? { statement };
  }

  #admitted(now: Instant, host: TrackedHost<A>, statement: HostStatement<A>): Effect<A>[] {
    const lacking = this.#lacksRoom(now, host, statement);
    const { group } = statement;
    if (lacking === "igmp.port-share" && host.port === "") this.#unlocated.note(host, group);
    if (lacking !== undefined)
      return [{ kind: "drop", reason: lacking, host, group }, ...this.#refuseFrame(now, host, group)];
    const immediate = this.#isProvenLast(now, host, statement);
    const tracked = this.#track("packets", now, host, statement);
    if (tracked.some(isRefusal)) return [...tracked, ...this.#refuseFrame(now, host, group)];
    this.#admission?.tookEffect(now, this.#sightings.complete(host), statement);
    const ahead = this.#pairs
      .honoured(now, host, group)
      .flatMap((one) => this.#track("frames", now, one.host, one.statement));
    const changes = immediate ? this.#groups.end(group) : this.#change(now, statement);
    return [...tracked, ...ahead, ...this.#tell(changes)];
  }

  /** The frame of a packet that was not honoured is no evidence, whichever came first. */
  #refuseFrame(now: Instant, host: TrackedHost<A>, group: A): readonly Effect<A>[] {
    if (this.#tracking.source === "packets") return [];
    const ahead = this.#pairs.refused(now, host, group).map((one) => refusedFrame(one.host, group));
    return [...this.#tracking.revokeUnproven(host, group), ...ahead];
  }

  /** Whoever wants the group is to say so. With the S flag, for which no router lowers its timers (6.6.1). */
  #invite(group: A): Effect<A>[] {
    return this.#election.asksLeavers
      ? this.#ask({ kind: "query", group, query: { sources: [], suppress: true } })
      : [];
  }

  /** As if the host had said that it wants no more than this; it may be one that tracking had no room for. */
  #restrict(now: Instant, host: TrackedHost<A>, group: A, sources: readonly A[]): Effect<A>[] {
    const statement: HostStatement<A> = { type: "to-in", group, sources, message: "v3Report" };
    if (sources.length > 0) return this.#admitted(now, host, statement);
    const left = this.#tracking.revoke(host, group);
    const changes = this.#endsUnasked(now, host, statement)
      ? this.#groups.end(group)
      : this.#groups.record(now, statement, this.#context());
    return [...left, ...this.#tell(changes)];
  }

  /** Others answer the questions that a leave brings; where none would be asked (7.3.2, 6.4.2), only tracking can tell. */
  #endsUnasked(now: Instant, host: TrackedHost<A>, statement: HostStatement<A>): boolean {
    if (this.#tracking.hasMembers(statement.group)) return false;
    const asks = this.#election.asksLeavers && this.#groups.mode(now, statement.group, this.#version) > 1;
    return !asks || this.#isProvenLast(now, host, statement);
  }

  #change(now: Instant, statement: HostStatement<A>): readonly GroupChange<A>[] {
    switch (statement.message) {
      case "v1Report":
        return this.#groups.v1v2Report(now, statement.group, 1, this.#context());
      case "v2Report":
        return this.#groups.v1v2Report(now, statement.group, 2, this.#context());
      case "leave":
        return this.#groups.leave(now, statement.group, this.#context());
      case "v3Report":
        return this.#groups.record(now, statement, this.#context());
    }
  }

  /** Why there is no room for a group or source that is new: none at all, or none for a host that has so many already. */
  #lacksRoom(now: Instant, host: TrackedHost<A>, statement: HostStatement<A>): RoomDrop | undefined {
    if (this.#refusal(statement) !== undefined) return undefined;
    const { room, sourceRoom } = this.#groups;
    const lacks = (what: "groups" | "sources", of: Room): RoomDrop | undefined => {
      if (of.free === 0) return `igmp.too-many-${what}`;
      if (!this.#tracking.mayTake(now, host, what, of)) return "igmp.host-share";
      return this.#tracking.isPortGreedy(this.#sightings.complete(host), what, of) ? "igmp.port-share" : undefined;
    };
    const lacking = this.#groups.wouldAdd(statement) ? lacks("groups", room) : undefined;
    return lacking ?? (this.#groups.wouldAddSources(statement) ? lacks("sources", sourceRoom) : undefined);
  }

  #track(
    from: TrackingSource,
    now: Instant,
    host: TrackedHost<A>,
    statement: HostStatement<A>,
  ): readonly HostChange<A>[] {
    if (this.#refusal(statement) !== undefined) return [];
    return this.#tracking.hear(from, now, host, statement, this.times.groupMembershipInterval);
  }

  #refusal(statement: HostStatement<A>): GroupDrop | undefined {
    return refusal(statement, versionOf(statement), this.#range());
  }

  // Without proof that nobody is left, the last-member queries decide: viewer B must not freeze because viewer A leaves.
  #isProvenLast(now: Instant, host: TrackedHost<A>, statement: HostStatement<A>): boolean {
    const { leave = "mac-based", isolated = false } = this.#options;
    if (leave === "standard" || !isLeaving(statement)) return false;
    if (wantsNothing(this.#groups.filter(now, statement.group))) return false;
    const mode = this.#groups.mode(now, statement.group, this.#version);
    if (leave === "immediate") return mode >= 2 && this.#leavesNothing(now, statement);
    return mode >= (isolated ? 2 : 3) && this.#tracking.provesLast(now, host.address, statement);
  }

  /** Where one host is all that there is, what it wants is what the link wants. */
  #leavesNothing(now: Instant, statement: HostStatement<A>): boolean {
    return wantsNothing(afterStatement(this.#groups.filter(now, statement.group), statement));
  }

  #frame(now: Instant, { bytes, port, vouched }: Extract<Event<A>, { kind: "frame" }>): Effect<A>[] {
    const frame = this.ofLan(bytes);
    if (typeof frame === "string") return [{ kind: "drop", reason: frame, port }];
    const packet = this.#admit(frame.packet, vouched);
    if (typeof packet === "string") return [{ kind: "drop", reason: packet, port }];
    const { mac, vlan } = frame;
    const host = { port, address: this.wire.senderOf(packet), mac, ...(vlan === undefined ? {} : { vlan }) };
    this.#sightings.note(host);
    const { kind: message, unfilled } = packet;
    const heard: Effect<A> = {
      kind: "heard",
      message,
      from: host.address,
      group: this.wire.headGroup(packet),
      port,
      unfilled,
    };
    const { unicast } = frame;
    return [
      heard,
      ...(isQuery(packet) ? this.#queryByFrame(now, host, packet, unicast) : this.#tracked(now, host, packet)),
    ];
  }

  #tracked(now: Instant, host: TrackedHost<A>, packet: IgmpPacket): readonly Effect<A>[] {
    return this.#tracking.source === "packets"
      ? []
      : this.wire.statementsIn(packet).flatMap((statement) => this.#trackFrame(now, host, statement));
  }

  #trackFrame(now: Instant, host: TrackedHost<A>, said: HostStatement<A>): readonly Effect<A>[] {
    const { statement, refusal } = this.#judge(now, host, said);
    // The packet came first, and did not show on which port, or from which card.
    const member = refusal === undefined ? undefined : this.#tracking.memberByPackets(host, said.group);
    const ended = member === undefined ? [] : this.#restrict(now, member, said.group, statement?.sources ?? []);
    const asked = refusal === undefined && this.#unlocated.take(host, said.group) ? this.#invite(said.group) : [];
    return [...ended, ...asked, ...this.#evidence(now, host, said.group, statement)];
  }

  /** A frame is evidence of what its packet was given, and until that is known it waits. */
  #evidence(
    now: Instant,
    host: TrackedHost<A>,
    group: A,
    statement: HostStatement<A> | undefined,
  ): readonly Effect<A>[] {
    const isAhead = this.#pairs.isAhead(now, host, group);
    const isProven = statement !== undefined && !isAhead && this.#tracking.isProven(host, statement);
    const isRefused = isProven
      ? this.#lacksRoom(now, host, statement) !== undefined
      : this.#pairs.wasRefused(now, host, group);
    if (statement === undefined || isRefused) return [refusedFrame(host, group)];
    if (isProven) return this.#settled(now, host, statement);
    if (this.#refusal(statement) !== undefined) return [];
    return this.#pairs
      .wait({ host, statement, heardAt: now })
      .map((one) => refusedFrame(one.host, one.statement.group));
  }

  /** Of a packet that came before its frame the port was not known, nor whether there is room behind it. */
  #settled(now: Instant, host: TrackedHost<A>, statement: HostStatement<A>): readonly Effect<A>[] {
    const { group } = statement;
    const reason = this.#tracking.settle(now, host, group);
    if (reason === undefined) return this.#track("frames", now, host, statement);
    const refused: Effect<A> = { kind: "drop", reason, host, group };
    return [refused, ...this.#restrict(now, host, group, []), refusedFrame(host, group)];
  }

  #queryByPacket(now: Instant, host: TrackedHost<A>, packet: IgmpPacket, unicast = false): readonly Effect<A>[] {
    if (this.#election.isByFrame(this.#tracking.source)) return [];
    const from = this.#election.located(host);
    return this.#query(now, heardQuery(this.wire, from, packet, unicast));
  }

  #queryByFrame(now: Instant, from: TrackedHost<A>, packet: IgmpPacket, unicast: boolean): readonly Effect<A>[] {
    if (!this.#election.isByFrame(this.#tracking.source)) return this.#election.locate(from);
    return this.#query(now, heardQuery(this.wire, from, packet, unicast));
  }

  #query(now: Instant, heard: HeardQuery<A>): Effect<A>[] {
    const { from, query } = heard;
    const older = this.#election.warnOfOlder(now, heard);
    // RFC 4541 2.1.1: a switch without an address is no router, whoever it asks about.
    if (isUnspecified(from.address)) return [...older];
    const reason = this.#election.faultOf(heard, this.#subnets);
    if (reason !== undefined) return [...older, ...this.#election.refuse(now, reason, from)];
    const election = this.#electing(now, () => {
      this.#election.heard(now, heard, this.#groups.asking);
      return [];
    });
    // RFC 1112: a v1 query asks about everything, whatever its group field says.
    const lowered = query.version === 1 ? [] : this.#groups.heardQuery(now, query, this.#context());
    return [...older, ...election, ...this.#tell(lowered)];
  }

  get #subnets(): readonly Subnet<A>[] | undefined {
    return this.#link.kind === "up" ? this.#link.addresses : undefined;
  }

  /** Runs what may change who asks, and tells when it did; `now` is undefined when nothing is to be kept. */
  #electing(now: Instant | undefined, change: () => Effect<A>[]): Effect<A>[] {
    const before = this.#election.asking;
    const effects = change();
    if (before === this.#election.asking) return effects;
    if (!this.#election.asksLeavers) this.#groups.stopAsking();
    if (before === "ours" && now !== undefined) this.#yielded(now);
    return [this.#election.outcome(), ...effects];
  }

  /** The one who asks now does so in its own time: until then it is not known who is there, and who has yet to confirm itself has that long. */
  #yielded(now: Instant): void {
    if (this.#link.kind !== "up") return;
    const { groupMembershipInterval } = this.times;
    if (this.#link.confirming !== undefined && this.#link.confirming > now) {
      this.#groups.confirm(now, groupMembershipInterval);
      this.#tracking.confirm(now, groupMembershipInterval);
    }
    this.#tracking.start(now, groupMembershipInterval);
  }

  poll(now: Instant): readonly Effect<A>[] {
    const due = this.#quietUntil ?? this.nextDeadline() ?? Number.POSITIVE_INFINITY;
    if (due > now) return [];
    this.#quietUntil = undefined;
    if (this.#link.kind === "flapping") return this.#end();
    return [
      ...this.#electing(now, () => this.#generalQuery(now)),
      ...this.#tell(this.#groups.poll(now, this.#context())),
      ...this.#tracking.poll(now),
    ];
  }

  nextDeadline(): Instant | undefined {
    const next =
      this.#link.kind === "flapping"
        ? this.#link.until
        : earliest([this.#election.nextDeadline(), this.#groups.nextDeadline(), this.#tracking.nextDeadline()]);
    this.#quietUntil = next ?? Number.POSITIVE_INFINITY;
    return next;
  }

  #generalQuery(now: Instant): Effect<A>[] {
    const due = this.#election.poll(now);
    if (due === undefined) return [];
    const { startupResponse, queryResponseInterval } = this.times;
    return [this.#sendGeneral(due === "start" ? startupResponse : queryResponseInterval)];
  }

  #sendGeneral(maxResponse: Duration): Effect<A> {
    return this.#send(this.wire.family.unspecified, maxResponse, [], false);
  }

  #ask({ group, query: { sources, suppress } }: Extract<GroupChange<A>, { kind: "query" }>): Effect<A>[] {
    const mtu = this.#link.kind === "up" ? this.#link.mtu : undefined;
    return this.wire
      .splitQuery(sources, mtu)
      .map((part) => this.#send(group, this.times.lastMemberQueryInterval, part, suppress));
  }

  #send(group: A, maxResponse: Duration, sources: readonly A[], suppress: boolean): Effect<A> {
    const { robustness, queryInterval } = this.times;
    const query: Query<A> = {
      version: this.#version,
      group,
      sources,
      suppress,
      maxResponse,
      robustness,
      queryInterval,
    };
    return { kind: "send", packet: this.wire.query(this.#election.source, query) };
  }

  #tell(changes: readonly GroupChange<A>[]): Effect<A>[] {
    return changes.flatMap((change) => this.#effectsOf(change));
  }

  #effectsOf(change: GroupChange<A>): Effect<A>[] {
    switch (change.kind) {
      case "query":
        return this.#ask(change);
      case "drop":
        return [change];
      case "membership":
        return wantsNothing(change.filter) ? [change, ...this.#tracking.endGroup(change.group)] : [change];
    }
  }

  #context(): TableContext<A> {
    return { version: this.#version, times: this.times, querier: this.#election.asksLeavers, ...this.#range() };
  }

  #range(): Pick<TableContext<A>, "sourceSpecific" | "family"> {
    return { sourceSpecific: this.#options.sourceSpecific ?? this.wire.sourceSpecific, family: this.wire.family };
  }

  /** Whether this link wants traffic of (source, group) now (6.3), and can get it. */
  forwards(now: Instant, group: A, source: A): boolean {
    return this.#link.kind === "up" && admits(this.#groups.filter(now, group), source);
  }

  /** What the tables of the interface's ports go by (core/igmp/port-table.ts). */
  get tableContext(): TableContext<A> {
    return this.#context();
  }

  /** The frame of a port, if it is of this LAN. */
  ofLan(bytes: Uint8Array): LanFrame | LanFrameDrop {
    return this.wire.frame(bytes, this.#options.vlan);
  }

  /** Whether the query is one of a router that may ask here, heard by those whom it asks. */
  heeds(heard: HeardQuery<A>): boolean {
    return !isUnspecified(heard.from.address) && this.#election.faultOf(heard, this.#subnets) === undefined;
  }

  /** The interface's gate, for what is kept of its ports. */
  admit(packet: Uint8Array, vouched?: boolean): IgmpPacket | InterfaceDrop {
    return this.#admit(packet, vouched);
  }

  /** What holds of a statement that the host made on its port, as far as that is known before its packet comes; undefined: nothing. */
  judge(now: Instant, host: TrackedHost<A>, said: HostStatement<A>): HostStatement<A> | undefined {
    const { statement } = this.#judge(now, host, said);
    if (statement === undefined || this.#lacksRoom(now, host, statement) !== undefined) return undefined;
    return isLeaving(statement) || this.#tracking.mayHold(now, host, statement) ? statement : undefined;
  }

  /** Whether a host was heard to be a member of the group behind this port. */
  isWatchedBehind(port: string, group: A): boolean {
    return this.#tracking.isWatchedBehind(port, group);
  }

  get querier(): QuerierState<A> {
    return this.#election.state;
  }

  /** Queries that did not count, since the start. */
  get refusedQueries(): number {
    return this.#election.refused;
  }

  /** The timers in force, which are the querier's while another router asks. */
  get times(): IgmpTimes {
    return this.#election.times;
  }

  /** While the link is away, as they were when it went. */
  groups(now: Instant): readonly GroupView<A>[] {
    return this.#groups.view(this.#link.kind === "flapping" ? this.#link.since : now, this.#version);
  }

  /** How many hosts are members of each group. */
  viewers(): Iterable<readonly [group: A, hosts: number]> {
    return this.#tracking.viewers();
  }

  /** Everybody who was heard to be a member, with port and MAC where they are known; one host twice where packets and frames were heard. */
  members(): readonly HostMembership<A>[] {
    return this.#tracking.everybody().map((one) => ({ ...one, host: this.#sightings.complete(one.host) }));
  }

  /** Who is a member of what, since when. */
  hosts(): readonly HostMembership<A>[] {
    return this.#tracking.memberships();
  }
}

const latest = (a: Instant | undefined, b: Instant): Instant => (a !== undefined && a > b ? a : b);

const dropped = (reason: InterfaceDrop): Effect<never> => ({ kind: "drop", reason });
