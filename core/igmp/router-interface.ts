// One multicast router interface (RFC 3376 section 6): querier, group table and host tracking as one machine.

import { IPV4 } from "../base/address.ts";
import { ANY, type Ipv4, ipv4 } from "../base/ipv4.ts";
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
import { type HostStatement, isLeaving, statementsIn, versionOf } from "./host-statement.ts";
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
import { admitted, isQuery } from "./interface-gate.ts";
import { checkLanFrame, type LanFrame, type LanFrameDrop } from "./lan-frame.ts";
import { groupLimits, hostLimits } from "./limits.ts";
import { headGroup, type IgmpPacket, senderOf } from "./packet.ts";
import type { QuerierState } from "./querier.ts";
import { type IgmpVersion, type Query, queryLength, readQuery, splitQuery, writeQuery } from "./query.ts";
import type { HeardQuery } from "./query-guard.ts";
import { undefinedRecords } from "./report.ts";
import { Sightings, Unlocated } from "./sightings.ts";
import type { IgmpTimes } from "./times.ts";

interface LinkUp extends LinkFacts {
  readonly kind: "up";
  readonly address: Ipv4;
  /** Until then, members of before a flap, or assumed ones, may still have to confirm themselves. */
  readonly confirming: Instant | undefined;
}

type RoomDrop = "igmp.too-many-groups" | "igmp.too-many-sources" | ShareOfRoom;

type LinkState =
  | LinkUp
  /** Away since then. Members are kept as they were, time stands still for them, until the grace is over. */
  | { readonly kind: "flapping"; readonly since: Instant; readonly until: Instant }
  | { readonly kind: "down" };

/** RFC 4607: 232.0.0.0/8 (RFC 4604 section 2: the default). */
const SOURCE_SPECIFIC: readonly Subnet[] = [{ address: ipv4(0xe8000000), prefixLength: 8 }];

/** Throws RangeError for options that `checkTimes` faults. */
export class RouterInterface implements Machine<Event, Effect> {
  #options: RouterInterfaceOptions;
  readonly #admission: Admission | undefined;
  readonly #groups: GroupTable;
  readonly #tracking: HostTracking;
  readonly #sightings = new Sightings();
  readonly #unlocated = new Unlocated();
  readonly #pairs = new FramePairs();
  readonly #election: Election;
  #link: LinkState = { kind: "down" };
  /** Nothing is due before: what `nextDeadline` last said. undefined: something has happened since. */
  #quietUntil: number | undefined;

  /** `admission`: who may receive; absent: everybody. */
  constructor(options: RouterInterfaceOptions = {}, admission: Admission | undefined = undefined) {
    this.#options = options;
    this.#admission = admission;
    this.#election = new Election(options);
    this.#groups = new GroupTable(groupLimits(options));
    this.#tracking = new HostTracking(options.trackingSource ?? "packets", hostLimits(options));
  }

  /** The version of RFC 3376 7.3.1. */
  get #version(): IgmpVersion {
    return this.#election.version;
  }

  /** Our address on the link; undefined while it is not up. */
  get #address(): Ipv4 | undefined {
    return this.#link.kind === "up" ? this.#link.address : undefined;
  }

  receive(now: Instant, event: Event): readonly Effect[] {
    const due = this.poll(now);
    this.#quietUntil = undefined;
    return [...due, ...this.#take(now, event)];
  }

  #take(now: Instant, event: Event): Effect[] {
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

  #up(now: Instant, { address, addresses, mtu }: Extract<Event, { kind: "up" }>): Effect[] {
    const facts = { kind: "up", address, ...(addresses && { addresses }), ...(mtu && { mtu }) } as const;
    const before = this.#link;
    if (before.kind === "up") {
      this.#link = { ...facts, confirming: before.confirming };
      return address === before.address ? [] : this.#compete(now, address);
    }
    const { startupTime, groupMembershipInterval } = this.#election.ownTimes;
    const span = this.#election.mayAsk(address) ? startupTime : groupMembershipInterval;
    this.#link = { ...facts, confirming: before.kind === "flapping" ? after(now, span) : undefined };
    this.#groups.confirm(now, span);
    this.#tracking.confirm(now, span);
    return this.#compete(now, address);
  }

  #compete(now: Instant, address: Ipv4): Effect[] {
    return this.#electing(now, () => {
      this.#election.compete(now, address);
      return this.#generalQuery(now);
    });
  }

  #down(now: Instant): Effect[] {
    if (this.#link.kind !== "up") return [];
    const until = after(now, this.#options.flapGrace ?? this.times.groupMembershipInterval);
    if (until <= now) return this.#end();
    this.#link = { kind: "flapping", since: now, until };
    return this.#silence(now);
  }

  #end(): Effect[] {
    this.#link = { kind: "down" };
    return [...this.#silence(undefined), ...this.#tracking.clear(), ...this.#tell(this.#groups.clear())];
  }

  #silence(now: Instant | undefined): Effect[] {
    return this.#electing(now, () => {
      this.#election.silence();
      return [];
    });
  }

  /** For the querier only: another one hears of the change itself, or asks when it is time. */
  #askAll(now: Instant): Effect[] {
    return this.#election.startAgain(now) ? this.#generalQuery(now) : [];
  }

  #configure(now: Instant, options: RouterInterfaceOptions): Effect[] {
    this.#options = options;
    this.#election.configure(options);
    this.#groups.limit(groupLimits(options));
    this.#tracking.limit(hostLimits(options));
    // The hosts learn the new times from queries, as after the start (8.6).
    return this.#askAll(now);
  }

  #assume(now: Instant, assumed: Extract<Event, { kind: "assume" }>): Effect[] {
    if (this.#link.kind !== "up") return [dropped("igmp.down")];
    // Where another router asks, it does so in its own time.
    const least = this.#election.ours ? 0 : this.times.groupMembershipInterval;
    const span = milliseconds(Math.max(assumed.span, least));
    this.#link = { ...this.#link, confirming: latest(this.#link.confirming, after(now, span)) };
    return this.#tell(this.#groups.assume(now, { ...assumed, span }, this.#context()));
  }

  #packet(now: Instant, event: Extract<Event, { kind: "packet" }>): Effect[] {
    const packet = this.#admit(event.bytes, event.vouched);
    if (typeof packet === "string") return [dropped(packet)];
    const from = senderOf(packet);
    const { unfilled } = packet;
    const heard: Effect = { kind: "heard", message: packet.kind, from, group: headGroup(packet), unfilled };
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
        return [heard, ...undefinedIn(packet), ...this.#statements(now, host, packet)];
    }
  }

  /** Only by its MAC: an address may be several hosts. */
  #locate(host: TrackedHost): TrackedHost {
    return host.mac === "" ? host : this.#tracking.locate(this.#sightings.complete(host));
  }

  #statements(now: Instant, host: TrackedHost, packet: IgmpPacket): Effect[] {
    return statementsIn(packet).flatMap((statement) => this.#statement(now, host, statement));
  }

  #admit(bytes: Uint8Array, vouched = false): IgmpPacket | InterfaceDrop {
    return this.#link.kind === "up" ? admitted(bytes, vouched, this.#link, this.#options) : "igmp.down";
  }

  #statement(now: Instant, host: TrackedHost, said: HostStatement): Effect[] {
    const known = this.#sightings.complete(host);
    const { statement, refusal } = this.#judge(now, known, said);
    if (refusal !== undefined && host.port === "") this.#unlocated.note(host, said.group);
    const refused: Effect[] =
      refusal === undefined ? [] : [{ kind: "drop", ...refusal, host: known, group: said.group }];
    return statement === undefined
      ? [...refused, ...this.#refuseFrame(now, host, said.group)]
      : [...refused, ...this.#admitted(now, host, statement)];
  }

  #judge(now: Instant, host: TrackedHost, statement: HostStatement): Admitted {
    return this.#admission?.judge(now, host, statement) ?? { statement };
  }

  #admitted(now: Instant, host: TrackedHost, statement: HostStatement): Effect[] {
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
  #refuseFrame(now: Instant, host: TrackedHost, group: Ipv4): readonly Effect[] {
    if (this.#tracking.source === "packets") return [];
    const ahead = this.#pairs.refused(now, host, group).map((one) => refusedFrame(one.host, group));
    return [...this.#tracking.revokeUnproven(host, group), ...ahead];
  }

  /** Whoever wants the group is to say so. With the S flag, for which no router lowers its timers (6.6.1). */
  #invite(group: Ipv4): Effect[] {
    return this.#election.ours ? this.#ask({ kind: "query", group, query: { sources: [], suppress: true } }) : [];
  }

  /** As if the host had said that it wants no more than this; it may be one that tracking had no room for. */
  #restrict(now: Instant, host: TrackedHost, group: Ipv4, sources: readonly Ipv4[]): Effect[] {
    const statement: HostStatement = { type: "to-in", group, sources, message: "v3Report" };
    if (sources.length > 0) return this.#admitted(now, host, statement);
    const left = this.#tracking.revoke(host, group);
    const changes = this.#endsUnasked(now, host, statement)
      ? this.#groups.end(group)
      : this.#groups.record(now, statement, this.#context());
    return [...left, ...this.#tell(changes)];
  }

  /** Others answer the questions that a leave brings; where none would be asked (7.3.2, 6.4.2), only tracking can tell. */
  #endsUnasked(now: Instant, host: TrackedHost, statement: HostStatement): boolean {
    if (this.#tracking.hasMembers(statement.group)) return false;
    const asks = this.#election.ours && this.#groups.mode(now, statement.group, this.#version) > 1;
    return !asks || this.#isProvenLast(now, host, statement);
  }

  #change(now: Instant, statement: HostStatement): readonly GroupChange[] {
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
  #lacksRoom(now: Instant, host: TrackedHost, statement: HostStatement): RoomDrop | undefined {
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

  #track(from: TrackingSource, now: Instant, host: TrackedHost, statement: HostStatement): readonly HostChange[] {
    if (this.#refusal(statement) !== undefined) return [];
    return this.#tracking.hear(from, now, host, statement, this.times.groupMembershipInterval);
  }

  #refusal(statement: HostStatement): GroupDrop | undefined {
    return refusal(statement, versionOf(statement), this.#range());
  }

  // Without proof that nobody is left, the last-member queries decide: viewer B must not freeze because viewer A leaves.
  #isProvenLast(now: Instant, host: TrackedHost, statement: HostStatement): boolean {
    const { leave = "mac-based", isolated = false } = this.#options;
    if (leave === "standard" || !isLeaving(statement)) return false;
    if (wantsNothing(this.#groups.filter(now, statement.group))) return false;
    const mode = this.#groups.mode(now, statement.group, this.#version);
    if (leave === "immediate") return mode >= 2 && this.#leavesNothing(now, statement);
    return mode >= (isolated ? 2 : 3) && this.#tracking.provesLast(now, host.address, statement);
  }

  /** Where one host is all that there is, what it wants is what the link wants. */
  #leavesNothing(now: Instant, statement: HostStatement): boolean {
    return wantsNothing(afterStatement(this.#groups.filter(now, statement.group), statement));
  }

  #frame(now: Instant, { bytes, port, vouched }: Extract<Event, { kind: "frame" }>): Effect[] {
    const frame = this.ofLan(bytes);
    if (typeof frame === "string") return [{ kind: "drop", reason: frame, port }];
    const packet = this.#admit(frame.packet, vouched);
    if (typeof packet === "string") return [{ kind: "drop", reason: packet, port }];
    const { mac, vlan } = frame;
    const host = { port, address: senderOf(packet), mac, ...(vlan === undefined ? {} : { vlan }) };
    this.#sightings.note(host);
    const { kind: message, unfilled } = packet;
    const heard: Effect = { kind: "heard", message, from: host.address, group: headGroup(packet), port, unfilled };
    const { unicast } = frame;
    return [
      heard,
      ...(isQuery(packet) ? this.#queryByFrame(now, host, packet, unicast) : this.#tracked(now, host, packet)),
    ];
  }

  #tracked(now: Instant, host: TrackedHost, packet: IgmpPacket): readonly Effect[] {
    return this.#tracking.source === "packets"
      ? []
      : statementsIn(packet).flatMap((statement) => this.#trackFrame(now, host, statement));
  }

  #trackFrame(now: Instant, host: TrackedHost, said: HostStatement): readonly Effect[] {
    const { statement, refusal } = this.#judge(now, host, said);
    // The packet came first, and did not show on which port, or from which card.
    const member = refusal === undefined ? undefined : this.#tracking.memberByPackets(host, said.group);
    const ended = member === undefined ? [] : this.#restrict(now, member, said.group, statement?.sources ?? []);
    const asked = refusal === undefined && this.#unlocated.take(host, said.group) ? this.#invite(said.group) : [];
    return [...ended, ...asked, ...this.#evidence(now, host, said.group, statement)];
  }

  /** A frame is evidence of what its packet was given, and until that is known it waits. */
  #evidence(now: Instant, host: TrackedHost, group: Ipv4, statement: HostStatement | undefined): readonly Effect[] {
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
  #settled(now: Instant, host: TrackedHost, statement: HostStatement): readonly Effect[] {
    const { group } = statement;
    const reason = this.#tracking.settle(now, host, group);
    if (reason === undefined) return this.#track("frames", now, host, statement);
    const refused: Effect = { kind: "drop", reason, host, group };
    return [refused, ...this.#restrict(now, host, group, []), refusedFrame(host, group)];
  }

  #queryByPacket(now: Instant, host: TrackedHost, packet: IgmpPacket, unicast = false): readonly Effect[] {
    if (this.#election.isByFrame(this.#tracking.source)) return [];
    const from = this.#election.located(host);
    return this.#query(now, { from, bytes: packet.bytes, query: readQuery(packet), unicast });
  }

  #queryByFrame(now: Instant, from: TrackedHost, packet: IgmpPacket, unicast: boolean): readonly Effect[] {
    if (!this.#election.isByFrame(this.#tracking.source)) return this.#election.locate(from);
    return this.#query(now, { from, bytes: packet.bytes, query: readQuery(packet), unicast });
  }

  #query(now: Instant, heard: HeardQuery): Effect[] {
    const { from, query } = heard;
    const older = this.#election.warnOfOlder(now, heard);
    // RFC 4541 2.1.1: a switch without an address is no router, whoever it asks about.
    if (from.address === ANY) return [...older];
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

  get #subnets(): readonly Subnet[] | undefined {
    return this.#link.kind === "up" ? this.#link.addresses : undefined;
  }

  /** Runs what may change who asks, and tells when it did; `now` is undefined when nothing is to be kept. */
  #electing(now: Instant | undefined, change: () => Effect[]): Effect[] {
    const before = this.#election.asking;
    const effects = change();
    if (before === this.#election.asking) return effects;
    if (!this.#election.ours) this.#groups.stopAsking();
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

  poll(now: Instant): readonly Effect[] {
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

  #generalQuery(now: Instant): Effect[] {
    const due = this.#election.poll(now);
    if (due === undefined) return [];
    const { startupResponse, queryResponseInterval } = this.times;
    return [this.#send(ANY, due === "start" ? startupResponse : queryResponseInterval, [], false)];
  }

  #ask({ group, query: { sources, suppress } }: Extract<GroupChange, { kind: "query" }>): Effect[] {
    const mtu = this.#link.kind === "up" ? this.#link.mtu : undefined;
    return splitQuery(sources, mtu).map((part) =>
      this.#send(group, this.times.lastMemberQueryInterval, part, suppress),
    );
  }

  #send(group: Ipv4, maxResponse: Duration, sources: readonly Ipv4[], suppress: boolean): Effect {
    const { robustness, queryInterval } = this.times;
    const query: Query = { version: this.#version, group, sources, suppress, maxResponse, robustness, queryInterval };
    return { kind: "send", packet: writeQuery(new Uint8Array(queryLength(query)), this.#address ?? ANY, query) };
  }

  #tell(changes: readonly GroupChange[]): Effect[] {
    return changes.flatMap((change) => this.#effectsOf(change));
  }

  #effectsOf(change: GroupChange): Effect[] {
    switch (change.kind) {
      case "query":
        return this.#ask(change);
      case "drop":
        return [change];
      case "membership":
        return wantsNothing(change.filter) ? [change, ...this.#tracking.endGroup(change.group)] : [change];
    }
  }

  #context(): TableContext {
    return { version: this.#version, times: this.times, querier: this.#election.ours, ...this.#range() };
  }

  #range(): Pick<TableContext, "sourceSpecific" | "family"> {
    return { sourceSpecific: this.#options.sourceSpecific ?? SOURCE_SPECIFIC, family: IPV4 };
  }

  /** Whether this link wants traffic of (source, group) now (6.3), and can get it. */
  forwards(now: Instant, group: Ipv4, source: Ipv4): boolean {
    return this.#link.kind === "up" && admits(this.#groups.filter(now, group), source);
  }

  /** What the tables of the interface's ports go by (core/igmp/port-table.ts). */
  get tableContext(): TableContext {
    return this.#context();
  }

  /** The frame of a port, if it is of this LAN. */
  ofLan(bytes: Uint8Array): LanFrame | LanFrameDrop {
    return checkLanFrame(bytes, this.#options.vlan);
  }

  /** Whether the query is one of a router that may ask here, heard by those whom it asks. */
  heeds(heard: HeardQuery): boolean {
    return heard.from.address !== ANY && this.#election.faultOf(heard, this.#subnets) === undefined;
  }

  /** The interface's gate, for what is kept of its ports. */
  admit(packet: Uint8Array, vouched?: boolean): IgmpPacket | InterfaceDrop {
    return this.#admit(packet, vouched);
  }

  /** What holds of a statement that the host made on its port; undefined: nothing. */
  judge(now: Instant, host: TrackedHost, statement: HostStatement): HostStatement | undefined {
    return this.#judge(now, host, statement).statement;
  }

  get querier(): QuerierState {
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
  groups(now: Instant): readonly GroupView[] {
    return this.#groups.view(this.#link.kind === "flapping" ? this.#link.since : now, this.#version);
  }

  /** How many hosts are members of each group. */
  viewers(): Iterable<readonly [group: Ipv4, hosts: number]> {
    return this.#tracking.viewers();
  }

  /** Everybody who was heard to be a member, with port and MAC where they are known; one host twice where packets and frames were heard. */
  members(): readonly HostMembership[] {
    return this.#tracking.everybody().map((one) => ({ ...one, host: this.#sightings.complete(one.host) }));
  }

  /** Who is a member of what, since when. */
  hosts(): readonly HostMembership[] {
    return this.#tracking.memberships();
  }
}

const latest = (a: Instant | undefined, b: Instant): Instant => (a !== undefined && a > b ? a : b);

const undefinedIn = (packet: IgmpPacket): Effect[] =>
  packet.kind === "v3Report" ? Array.from({ length: undefinedRecords(packet) }, () => dropped("igmp.record-type")) : [];

const dropped = (reason: InterfaceDrop): Effect => ({ kind: "drop", reason });
