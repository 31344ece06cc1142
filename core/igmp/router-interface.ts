// One multicast router interface (RFC 3376 section 6): querier, group table and host tracking as one machine.

import { checkFrame } from "../base/ethernet.ts";
import { ANY, type Ipv4 } from "../base/ipv4.ts";
import type { Machine } from "../base/machine.ts";
import { after, earliest, type Instant } from "../base/time.ts";
import { admits, wantsNothing } from "./filter.ts";
import {
  type GroupChange,
  GroupTable,
  type GroupView,
  refusal,
  type TableContext,
  type TableLimits,
} from "./group-table.ts";
import { hasRoom, type TrackedHost } from "./host-shares.ts";
import { type HostStatement, isLeaving, statementsIn, versionOf } from "./host-statement.ts";
import type { HostChange, HostLimits, HostMembership } from "./host-table.ts";
import { HostTracking, isRefusal, refusedFrame } from "./host-tracking.ts";
import type {
  RouterInterfaceEffect as Effect,
  RouterInterfaceEvent as Event,
  InterfaceDrop,
  RouterInterfaceOptions,
  TrackingSource,
} from "./interface-events.ts";
import { hasRouterAlert } from "./ip-header.ts";
import type { SpecificQuery } from "./last-member.ts";
import { checkPacket, groupOf, type IgmpPacket, senderOf } from "./packet.ts";
import { Querier, type QuerierState } from "./querier.ts";
import { type IgmpVersion, type Query, queryLength, readQuery, writeQuery } from "./query.ts";
import { undefinedRecords } from "./report.ts";
import { adoptTimes, type IgmpTimes, timesOf } from "./times.ts";

type Where = { readonly port: string; readonly mac: string };

/** Throws RangeError for options that `checkTimes` faults. */
export class RouterInterface implements Machine<Event, Effect> {
  #options: RouterInterfaceOptions;
  readonly #groups: GroupTable;
  readonly #tracking: HostTracking;
  /** undefined while the link is down. */
  #address: Ipv4 | undefined;
  #querier = new Querier(undefined);
  #times: IgmpTimes;
  #mayWarnFrom: Instant | undefined;

  constructor(options: RouterInterfaceOptions = {}) {
    this.#options = options;
    this.#times = timesOf(options.times);
    this.#groups = new GroupTable(groupLimits(options));
    this.#tracking = new HostTracking(options.trackingSource ?? "packets", hostLimits(options));
  }

  /** The version of RFC 3376 7.3.1. */
  get #version(): IgmpVersion {
    return this.#options.version ?? 3;
  }

  receive(now: Instant, event: Event): readonly Effect[] {
    const due = this.poll(now);
    return [...due, ...this.#take(now, event)];
  }

  #take(now: Instant, event: Event): Effect[] {
    switch (event.kind) {
      case "up":
        if (event.trackingSource !== undefined) this.#tracking.useSource(event.trackingSource);
        return this.#up(now, event.address);
      case "down":
        return this.#down();
      case "ask":
        return this.#askAll(now);
      case "configure":
        return this.#configure(now, event.options);
      case "assume":
        return this.#assume(now, event);
      case "packet":
        return this.#packet(now, event.bytes, { port: event.port ?? "", mac: event.mac ?? "" });
      case "frame":
        return this.#frame(now, event.bytes, event.port);
    }
  }

  #up(now: Instant, address: Ipv4): Effect[] {
    if (address === this.#address) return [];
    if (this.#address === undefined) this.#tracking.start(now, this.#times.groupMembershipInterval);
    this.#address = address;
    return this.#electing(() => {
      this.#querier = new Querier((this.#options.mayQuery ?? true) ? address : undefined);
      this.#times = timesOf(this.#options.times);
      this.#querier.start(now, this.#times);
      return this.#generalQuery(now);
    });
  }

  #down(): Effect[] {
    this.#address = undefined;
    const effects = this.#electing(() => {
      this.#querier = new Querier(undefined);
      return [];
    });
    return [...effects, ...this.#tracking.clear(), ...this.#tell(this.#groups.clear())];
  }

  /** For the querier only: another one hears of the change itself, or asks when it is time. */
  #askAll(now: Instant): Effect[] {
    if (!this.#querier.ours) return [];
    this.#querier.start(now, this.times);
    return this.#generalQuery(now);
  }

  #configure(now: Instant, options: RouterInterfaceOptions): Effect[] {
    const times = timesOf(options.times);
    this.#options = options;
    this.#groups.limit(groupLimits(options));
    this.#tracking.limit(hostLimits(options));
    if (!this.#querier.ours) return [];
    // The hosts learn the new times from queries, as after the start (8.6).
    this.#times = times;
    this.#querier.start(now, times);
    return this.#generalQuery(now);
  }

  #assume(now: Instant, { group, filter, span }: Extract<Event, { kind: "assume" }>): Effect[] {
    if (this.#address === undefined) return [dropped("igmp.down")];
    return this.#tell(this.#groups.assume(now, group, filter, span));
  }

  #packet(now: Instant, bytes: Uint8Array, where: Where): Effect[] {
    const packet = this.#admit(bytes);
    if (typeof packet === "string") return [dropped(packet)];
    const from = senderOf(packet);
    const heard: Effect = { kind: "heard", message: packet.kind, from, group: headGroup(packet) };
    const host = this.#tracking.locate({ address: from, ...where });
    switch (packet.kind) {
      case "v1Query":
      case "v2Query":
      case "v3Query":
        return [heard, ...this.#query(now, from, readQuery(packet))];
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

  #admit(bytes: Uint8Array): IgmpPacket | InterfaceDrop {
    if (this.#address === undefined) return "igmp.down";
    const packet = checkPacket(bytes);
    if (typeof packet === "string") return packet;
    if (this.#address !== ANY && senderOf(packet) === this.#address) return "igmp.own";
    if (this.#options.requireRouterAlert === true && !hasRouterAlert(bytes)) return "igmp.no-router-alert";
    return packet;
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
    if (!this.#groups.wouldAdd(statement) || refusal(statement, versionOf(statement)) !== undefined) return undefined;
    const { free } = this.#groups;
    if (free === 0) return "igmp.too-many-groups";
    return hasRoom(this.#tracking.heldBy(now, host), free) ? undefined : "igmp.host-share";
  }

  #track(from: TrackingSource, now: Instant, host: TrackedHost, statement: HostStatement): readonly HostChange[] {
    if (refusal(statement, versionOf(statement)) !== undefined) return [];
    return this.#tracking.hear(from, now, host, statement, this.#times.groupMembershipInterval);
  }

  // Without proof that nobody is left, the last-member queries decide: viewer B must not freeze because viewer A leaves.
  #isProvenLast(now: Instant, host: TrackedHost, statement: HostStatement): boolean {
    const { immediateLeave = "off" } = this.#options;
    if (immediateLeave === "off" || !this.#querier.ours) return false;
    const mode = this.#groups.mode(now, statement.group, this.#version);
    if (mode < (immediateLeave === "isolated" ? 2 : 3)) return false;
    return isLeaving(statement) && this.#tracking.provesLast(now, host.address, statement);
  }

  #frame(now: Instant, bytes: Uint8Array, port: string): Effect[] {
    const frame = checkFrame(bytes);
    if (typeof frame === "string") return [dropped(frame)];
    const packet = this.#admit(frame.packet);
    if (typeof packet === "string") return [dropped(packet)];
    const host = { port, address: senderOf(packet), mac: frame.mac };
    return this.#tracking.source === "packets"
      ? []
      : statementsIn(packet).flatMap((statement) => this.#trackFrame(now, host, statement));
  }

  #trackFrame(now: Instant, host: TrackedHost, statement: HostStatement): readonly HostChange[] {
    const lacking = this.#lacksRoom(now, host, statement) !== undefined;
    return lacking ? [refusedFrame(host, statement.group)] : this.#track("frames", now, host, statement);
  }

  #query(now: Instant, from: Ipv4, query: Query): Effect[] {
    const warning = this.#warnOfOlder(now, from, query.version);
    const theirs =
      query.version === 3
        ? timesOf(adoptTimes(this.#options.times ?? {}, query.robustness, query.queryInterval))
        : this.#times;
    const election = this.#electing(() => {
      this.#querier.heard(now, from, theirs, this.#version === 2 && this.#groups.asking);
      return [];
    });
    const state = this.#querier.state;
    if (state.kind === "non-querier" && state.address === from) this.#times = theirs;
    return [...warning, ...election, ...this.#tell(this.#groups.heardQuery(now, query, this.#context()))];
  }

  #warnOfOlder(now: Instant, address: Ipv4, version: IgmpVersion): Effect[] {
    if (version >= this.#version || (this.#mayWarnFrom !== undefined && now < this.#mayWarnFrom)) return [];
    this.#mayWarnFrom = after(now, this.#times.queryInterval);
    return [{ kind: "older-querier", version, address }];
  }

  /** Runs what may change who the querier is, and tells when it did. */
  #electing(change: () => Effect[]): Effect[] {
    const before = querierAddress(this.#querier.state);
    const ours = this.#querier.ours;
    const effects = change();
    const address = querierAddress(this.#querier.state);
    if (before === address && ours === this.#querier.ours) return effects;
    if (this.#querier.ours) this.#times = timesOf(this.#options.times);
    else this.#groups.stopAsking();
    return [
      { kind: "querier", ours: this.#querier.ours, address: this.#querier.ours ? this.#address : address },
      ...effects,
    ];
  }

  poll(now: Instant): readonly Effect[] {
    const due = this.nextDeadline();
    if (due === undefined || due > now) return [];
    return [
      ...this.#electing(() => this.#generalQuery(now)),
      ...this.#tell(this.#groups.poll(now, this.#context())),
      ...this.#tracking.poll(now),
    ];
  }

  nextDeadline(): Instant | undefined {
    return earliest([this.#querier.nextDeadline(), this.#groups.nextDeadline(), this.#tracking.nextDeadline()]);
  }

  #generalQuery(now: Instant): Effect[] {
    if (!this.#querier.poll(now, this.#times)) return [];
    return [this.#send(ANY, { sources: [], suppress: false })];
  }

  #send(group: Ipv4, { sources, suppress }: SpecificQuery): Effect {
    const { queryResponseInterval, lastMemberQueryInterval, robustness, queryInterval } = this.#times;
    const maxResponse = group === ANY ? queryResponseInterval : lastMemberQueryInterval;
    const query: Query = { version: this.#version, group, sources, suppress, maxResponse, robustness, queryInterval };
    return { kind: "send", packet: writeQuery(new Uint8Array(queryLength(query)), this.#address ?? ANY, query) };
  }

  #tell(changes: readonly GroupChange[]): Effect[] {
    return changes.flatMap((change) => this.#effectsOf(change));
  }

  #effectsOf(change: GroupChange): Effect[] {
    switch (change.kind) {
      case "query":
        return [this.#send(change.group, change.query)];
      case "drop":
        return [change];
      case "membership":
        return wantsNothing(change.filter) ? [change, ...this.#tracking.endGroup(change.group)] : [change];
    }
  }

  #context(): TableContext {
    return { version: this.#version, times: this.#times, querier: this.#querier.ours };
  }

  /** Whether this link wants traffic of (source, group) now (6.3). */
  forwards(now: Instant, group: Ipv4, source: Ipv4): boolean {
    return admits(this.#groups.filter(now, group), source);
  }

  /** What the tables of the interface's ports go by (core/igmp/port-table.ts). */
  get tableContext(): TableContext {
    return this.#context();
  }

  get querier(): QuerierState {
    return this.#querier.state;
  }

  /** The timers in force, which are the querier's while another router asks. */
  get times(): IgmpTimes {
    return this.#times;
  }

  groups(now: Instant): readonly GroupView[] {
    return this.#groups.view(now, this.#version);
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

const querierAddress = (state: QuerierState): Ipv4 | undefined =>
  state.kind === "non-querier" ? state.address : undefined;

const headGroup = (packet: IgmpPacket): Ipv4 => (packet.kind === "v3Report" ? ANY : groupOf(packet));

const undefinedIn = (packet: IgmpPacket): Effect[] =>
  packet.kind === "v3Report" ? Array.from({ length: undefinedRecords(packet) }, () => dropped("igmp.record-type")) : [];

const dropped = (reason: InterfaceDrop): Effect => ({ kind: "drop", reason });
