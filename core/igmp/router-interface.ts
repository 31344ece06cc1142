// One multicast router interface (RFC 3376 section 6): querier, group table and host tracking as one machine.

import { checkFrame } from "../base/ethernet.ts";
import { ANY, type Ipv4, ipv4 } from "../base/ipv4.ts";
import type { Machine } from "../base/machine.ts";
import { inSubnet, type Subnet } from "../base/subnet.ts";
import { after, type Duration, earliest, type Instant, milliseconds } from "../base/time.ts";
import { admits, wantsNothing } from "./filter.ts";
import {
  type GroupChange,
  type GroupDrop,
  GroupTable,
  type GroupView,
  refusal,
  type TableContext,
  type TableLimits,
} from "./group-table.ts";
import { hasRoom, type TrackedHost } from "./host-shares.ts";
import { type HostStatement, isLeaving, statementsIn, versionOf } from "./host-statement.ts";
import { afterStatement, type HostChange, type HostLimits, type HostMembership } from "./host-table.ts";
import { HostTracking, isRefusal, refusedFrame } from "./host-tracking.ts";
import type {
  RouterInterfaceEffect as Effect,
  RouterInterfaceEvent as Event,
  InterfaceDrop,
  LinkFacts,
  RouterInterfaceOptions,
  TrackingSource,
} from "./interface-events.ts";
import { hasRouterAlert } from "./ip-header.ts";
import { checkPacket, groupOf, type IgmpPacket, senderOf } from "./packet.ts";
import { type OtherQuerier, Querier, type QuerierState } from "./querier.ts";
import { type IgmpVersion, type Query, queryLength, readQuery, splitQuery, writeQuery } from "./query.ts";
import { type QueryGuard, type QueryRefusal, refuseQuery } from "./query-guard.ts";
import { undefinedRecords } from "./report.ts";
import { adoptTimes, type IgmpTimes, timesOf } from "./times.ts";

interface LinkUp extends LinkFacts {
  readonly kind: "up";
  readonly address: Ipv4;
  /** Until then, members of before a flap, or assumed ones, may still have to confirm themselves. */
  readonly confirming: Instant | undefined;
}

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
  readonly #groups: GroupTable;
  readonly #tracking: HostTracking;
  #link: LinkState = { kind: "down" };
  #querier = new Querier(undefined);
  #ownTimes: IgmpTimes;
  /** Who asked last as far as taps know: they tell where that is. */
  #asker: TrackedHost | undefined;
  #refused = 0;
  #mayWarnFrom: Instant | undefined;
  #mayTellRefusedFrom: Instant | undefined;
  /** Nothing is due before: what `nextDeadline` last said. undefined: something has happened since. */
  #quietUntil: number | undefined;

  constructor(options: RouterInterfaceOptions = {}) {
    this.#options = options;
    this.#ownTimes = timesOf(options.times);
    this.#groups = new GroupTable(groupLimits(options));
    this.#tracking = new HostTracking(options.trackingSource ?? "packets", hostLimits(options));
  }

  /** The version of RFC 3376 7.3.1. */
  get #version(): IgmpVersion {
    return this.#options.version ?? 3;
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
        return this.#up(now, event);
      case "down":
        return this.#down(now);
      case "stop":
        return this.#end();
      case "configure":
        return this.#configure(now, event.options);
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
    const span = this.#asks(address) ? this.#ownTimes.startupTime : this.#ownTimes.groupMembershipInterval;
    this.#link = { ...facts, confirming: before.kind === "flapping" ? after(now, span) : undefined };
    this.#groups.confirm(now, span);
    this.#tracking.confirm(now, span);
    return this.#compete(now, address);
  }

  #asks(address: Ipv4): boolean {
    return address !== ANY && (this.#options.mayQuery ?? true);
  }

  #compete(now: Instant, address: Ipv4): Effect[] {
    return this.#electing(now, () => {
      this.#querier = new Querier(this.#asks(address) ? address : undefined);
      this.#querier.start(now, this.#ownTimes);
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
      this.#querier = new Querier(undefined);
      return [];
    });
  }

  #configure(now: Instant, options: RouterInterfaceOptions): Effect[] {
    this.#ownTimes = timesOf(options.times);
    this.#options = options;
    this.#groups.limit(groupLimits(options));
    this.#tracking.limit(hostLimits(options));
    if (!this.#querier.ours) return [];
    // The hosts learn the new times from queries, as after the start (8.6).
    this.#querier.start(now, this.#ownTimes);
    return this.#generalQuery(now);
  }

  #assume(now: Instant, assumed: Extract<Event, { kind: "assume" }>): Effect[] {
    if (this.#link.kind !== "up") return [dropped("igmp.down")];
    // Where another router asks, it does so in its own time.
    const least = this.#querier.ours ? 0 : this.times.groupMembershipInterval;
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
    const host = this.#tracking.locate({ address: from, port: event.port ?? "", mac: event.mac ?? "" });
    switch (packet.kind) {
      case "v1Query":
      case "v2Query":
      case "v3Query":
        return [heard, ...(this.#asksByFrame ? [] : this.#query(now, this.#located(host), packet))];
      case "v1Report":
      case "v2Report":
      case "v3Report":
      case "leave":
        return [heard, ...undefinedIn(packet), ...this.#statements(now, host, packet)];
    }
  }

  #statements(now: Instant, host: TrackedHost, packet: IgmpPacket): Effect[] {
    return statementsIn(packet).flatMap((statement) => this.#statement(now, host, statement));
  }

  #admit(bytes: Uint8Array, vouched = false): IgmpPacket | InterfaceDrop {
    if (this.#link.kind !== "up") return "igmp.down";
    const packet = checkPacket(bytes, vouched ? (this.#options.checksum ?? "verify") : undefined);
    if (typeof packet === "string") return packet;
    if (isOwn(this.#link, senderOf(packet))) return "igmp.own";
    if (this.#options.requireRouterAlert === true && !hasRouterAlert(bytes)) return "igmp.no-router-alert";
    return this.#isOffSubnet(this.#link, packet) ? "igmp.off-subnet" : packet;
  }

  // Queries have a guard of their own. A host without an address is heard in any case (4.2.13).
  #isOffSubnet({ addresses }: LinkUp, packet: IgmpPacket): boolean {
    const from = senderOf(packet);
    if (this.#options.verifySourceSubnet !== true || addresses === undefined || from === ANY) return false;
    return !isQuery(packet) && !addresses.some((subnet) => inSubnet(subnet, from));
  }

  #statement(now: Instant, host: TrackedHost, statement: HostStatement): Effect[] {
    const lacking = this.#lacksRoom(now, host, statement);
    if (lacking !== undefined) return [{ kind: "drop", reason: lacking, host, group: statement.group }];
    const immediate = this.#isProvenLast(now, host, statement);
    const tracked = this.#track("packets", now, host, statement);
    if (tracked.some(isRefusal)) return [...tracked];
    const changes = immediate ? this.#groups.end(statement.group) : this.#change(now, statement);
    return [...tracked, ...this.#tell(changes)];
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

  /** Why there is no room for a group that is new: none at all, or none for a host that has so many already. */
  #lacksRoom(
    now: Instant,
    host: TrackedHost,
    statement: HostStatement,
  ): "igmp.too-many-groups" | "igmp.host-share" | undefined {
    if (!this.#groups.wouldAdd(statement) || this.#refusal(statement) !== undefined) return undefined;
    const { free } = this.#groups;
    if (free === 0) return "igmp.too-many-groups";
    return hasRoom(this.#tracking.heldBy(now, host), free) ? undefined : "igmp.host-share";
  }

  #track(from: TrackingSource, now: Instant, host: TrackedHost, statement: HostStatement): readonly HostChange[] {
    if (this.#refusal(statement) !== undefined) return [];
    return this.#tracking.hear(from, now, host, statement, this.times.groupMembershipInterval);
  }

  #refusal(statement: HostStatement): GroupDrop | undefined {
    return refusal(statement, versionOf(statement), this.#options.sourceSpecific ?? SOURCE_SPECIFIC);
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
    const frame = checkFrame(bytes);
    if (typeof frame === "string") return [dropped(frame)];
    const packet = this.#admit(frame.packet, vouched);
    if (typeof packet === "string") return [dropped(packet)];
    const host = { port, address: senderOf(packet), mac: frame.mac };
    if (isQuery(packet)) return this.#asksByFrame ? this.#query(now, host, packet) : this.#locate(host);
    return this.#tracking.source === "packets"
      ? []
      : statementsIn(packet).flatMap((statement) => this.#trackFrame(now, host, statement));
  }

  #trackFrame(now: Instant, host: TrackedHost, statement: HostStatement): readonly HostChange[] {
    const lacking = this.#lacksRoom(now, host, statement) !== undefined;
    return lacking ? [refusedFrame(host, statement.group)] : this.#track("frames", now, host, statement);
  }

  /** Where a port decides who may ask, only the frame tells it: the packet is passed over. */
  get #asksByFrame(): boolean {
    return this.#options.querierPorts !== undefined && this.#tracking.source === "frames";
  }

  #locate(host: TrackedHost): Effect[] {
    this.#asker = host;
    return this.#querier.locate(host) ? [this.#electionEffect()] : [];
  }

  #located(host: TrackedHost): TrackedHost {
    return host.port === "" && this.#asker?.address === host.address ? this.#asker : host;
  }

  #query(now: Instant, host: TrackedHost, packet: IgmpPacket): Effect[] {
    const query = readQuery(packet);
    const older = this.#warnOfOlder(now, host.address, query.version);
    // RFC 4541 2.1.1: a switch without an address is no router, whoever it asks about.
    if (host.address === ANY) return older;
    const reason = refuseQuery(packet.bytes, host, this.#guard());
    if (reason !== undefined) return [...older, ...this.#refuse(now, reason, host)];
    const election = this.#electing(now, () => {
      this.#querier.heard(now, host, this.#timesIn(query), this.#version === 2 && this.#groups.asking);
      return [];
    });
    // RFC 1112: a v1 query asks about everything, whatever its group field says.
    const lowered = query.version === 1 ? [] : this.#groups.heardQuery(now, query, this.#context());
    return [...older, ...election, ...this.#tell(lowered)];
  }

  // 4.1.6, 4.1.7: an older query tells neither, so ours hold (erratum 4375).
  #timesIn({ robustness, queryInterval }: Query): IgmpTimes {
    return adoptTimes(this.#options.times ?? {}, robustness, queryInterval, this.#options.maxQueryInterval);
  }

  #guard(): QueryGuard {
    const subnets = this.#link.kind === "up" ? this.#link.addresses : undefined;
    return { subnets, queriers: this.#options.queriers, ports: this.#options.querierPorts };
  }

  #refuse(now: Instant, reason: QueryRefusal, { address, mac, port }: TrackedHost): Effect[] {
    this.#refused++;
    if (this.#mayTellRefusedFrom !== undefined && now < this.#mayTellRefusedFrom) return [dropped(reason)];
    this.#mayTellRefusedFrom = after(now, this.#ownTimes.queryInterval);
    return [dropped(reason), { kind: "query-refused", reason, address, mac, port }];
  }

  #warnOfOlder(now: Instant, address: Ipv4, version: IgmpVersion): Effect[] {
    if (version >= this.#version || (this.#mayWarnFrom !== undefined && now < this.#mayWarnFrom)) return [];
    this.#mayWarnFrom = after(now, this.times.queryInterval);
    return [{ kind: "older-querier", version, address }];
  }

  /** Runs what may change who the querier is, and tells when it did; `now` is undefined when nothing is to be kept. */
  #electing(now: Instant | undefined, change: () => Effect[]): Effect[] {
    const before = winnerOf(this.#querier.state)?.address;
    const ours = this.#querier.ours;
    const effects = change();
    if (before === winnerOf(this.#querier.state)?.address && ours === this.#querier.ours) return effects;
    if (!this.#querier.ours) this.#groups.stopAsking();
    if (ours && now !== undefined) this.#yielded(now);
    return [this.#electionEffect(), ...effects];
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

  #electionEffect(): Effect {
    const winner = winnerOf(this.#querier.state);
    const { ours } = this.#querier;
    return {
      kind: "querier",
      ours,
      address: ours ? this.#address : winner?.address,
      mac: winner?.mac ?? "",
      port: winner?.port ?? "",
    };
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
        : earliest([this.#querier.nextDeadline(), this.#groups.nextDeadline(), this.#tracking.nextDeadline()]);
    this.#quietUntil = next ?? Number.POSITIVE_INFINITY;
    return next;
  }

  #generalQuery(now: Instant): Effect[] {
    const due = this.#querier.poll(now, this.#ownTimes);
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
    const { sourceSpecific = SOURCE_SPECIFIC } = this.#options;
    return { version: this.#version, times: this.times, querier: this.#querier.ours, sourceSpecific };
  }

  /** Whether this link wants traffic of (source, group) now (6.3), and can get it. */
  forwards(now: Instant, group: Ipv4, source: Ipv4): boolean {
    return this.#link.kind === "up" && admits(this.#groups.filter(now, group), source);
  }

  get querier(): QuerierState {
    return this.#querier.state;
  }

  /** Queries that did not count, since the start. */
  get refusedQueries(): number {
    return this.#refused;
  }

  /** The timers in force, which are the querier's while another router asks. */
  get times(): IgmpTimes {
    return winnerOf(this.#querier.state)?.times ?? this.#ownTimes;
  }

  /** While the link is away, as they were when it went. */
  groups(now: Instant): readonly GroupView[] {
    return this.#groups.view(this.#link.kind === "flapping" ? this.#link.since : now, this.#version);
  }

  /** Who is a member of what, since when. */
  hosts(): readonly HostMembership[] {
    return this.#tracking.memberships();
  }
}

const sourceLimit = ({ maxSourcesPerGroup = 256 }: RouterInterfaceOptions): number => maxSourcesPerGroup;

const groupLimits = (options: RouterInterfaceOptions): TableLimits => ({
  groups: options.maxGroups ?? 1024,
  sourcesPerGroup: sourceLimit(options),
});

const hostLimits = (options: RouterInterfaceOptions): HostLimits => ({
  memberships: options.maxHostMemberships ?? 100_000,
  sources: sourceLimit(options),
  groupsPerHost: options.maxGroupsPerHost ?? 64,
  groupsPerPort: options.maxGroupsPerPort ?? Number.POSITIVE_INFINITY,
  joinsPerSecond: options.joinsPerSecond ?? 100,
});

const latest = (a: Instant | undefined, b: Instant): Instant => (a !== undefined && a > b ? a : b);

const winnerOf = (state: QuerierState): OtherQuerier | undefined =>
  state.kind === "non-querier" ? state.winner : undefined;

const isOwn = ({ address, addresses = [] }: LinkUp, sender: Ipv4): boolean =>
  sender !== ANY && (sender === address || addresses.some((own) => own.address === sender));

const isQuery = ({ kind }: IgmpPacket): boolean => kind === "v1Query" || kind === "v2Query" || kind === "v3Query";

const headGroup = (packet: IgmpPacket): Ipv4 => (packet.kind === "v3Report" ? ANY : groupOf(packet));

const undefinedIn = (packet: IgmpPacket): Effect[] =>
  packet.kind === "v3Report" ? Array.from({ length: undefinedRecords(packet) }, () => dropped("igmp.record-type")) : [];

const dropped = (reason: InterfaceDrop): Effect => ({ kind: "drop", reason });
