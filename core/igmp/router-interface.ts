// One multicast router interface (RFC 3376 section 6): its link and its members as one machine.
//
// Theory of operation. An interface is two things that know little of each other: the life of its link with the queries on it (link.ts),
// and what the hosts behind it say (memberships.ts). A message passes the gate, which the link keeps, and goes to the one or the other.
// Here is what goes on between them:
//
// - the link came up, or is back: members of before have some time to say so again;
// - another asks, or nobody does: our questions about leaves stop. Where we asked until now, it is not known who is there until the new
//   querier has asked, and who has yet to confirm itself has that long;
// - another router's query counts: it lowers timers of members;
// - a leave raises a question: the link asks it;
// - the grace of a link that is away is over, or we end: members end, each by name.
//
// What bridge ports want (port-table.ts) is kept by its owner, who asks the interface what holds of a statement.

import type { Address } from "../base/address.ts";
import type { Ipv4 } from "../base/ipv4.ts";
import type { Machine } from "../base/machine.ts";
import { after, earliest, type Instant, milliseconds } from "../base/time.ts";
import type { Admission } from "./admission.ts";
import type { GroupView, TableContext } from "./group-table.ts";
import type { Room, TrackedHost } from "./host-shares.ts";
import type { HostDrop, HostMembership } from "./host-table.ts";
import type {
  RouterInterfaceEffect as Effect,
  RouterInterfaceEvent as Event,
  InterfaceDrop,
  RouterInterfaceOptions,
  StatementEffect,
} from "./interface-events.ts";
import { Link } from "./link.ts";
import { Memberships, type RoomDrop } from "./memberships.ts";
import type { HostStatement } from "./messages/host-statement.ts";
import type { LanFrame, LanFrameDrop, PortLan } from "./messages/lan-frame.ts";
import { type IgmpPacket, isQuery } from "./messages/packet.ts";
import type { WaitingHost } from "./newcomers.ts";
import type { QuerierState } from "./querier.ts";
import type { HeardQuery } from "./query-guard.ts";
import type { IgmpTimes } from "./times.ts";
import { heardQuery, type MembershipWire } from "./wire.ts";

/** Throws RangeError for options that `checkTimes` faults. */
export class RouterInterface<A extends Address = Ipv4> implements Machine<Event<A>, Effect<A>> {
  /** The octets of its family. */
  readonly wire: MembershipWire<A>;
  #options: RouterInterfaceOptions<A>;
  readonly #link: Link<A>;
  readonly #members: Memberships<A>;
  /** Who asks, as it was told last. */
  #asking: A | "ours" | undefined;
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
    this.#link = new Link<A>(wire, options);
    this.#members = new Memberships<A>(this.#link, options, admission);
  }

  receive(now: Instant, event: Event<A>): readonly Effect<A>[] {
    const due = this.poll(now);
    this.#quietUntil = undefined;
    return [...due, ...this.#take(now, event)];
  }

  #take(now: Instant, event: Event<A>): readonly Effect<A>[] {
    switch (event.kind) {
      case "up":
        return this.#up(now, event);
      case "down":
        return this.#down(now);
      case "stop":
        return this.#end(now);
      case "ask-all":
        return this.#link.askAll(now);
      case "apart":
        return this.#setApart(now, event.isApart);
      case "configure":
        return this.#configure(now, event.options);
      case "restrict":
        return this.#asked(this.#members.restrict(now, event.host, event.group, event.sources));
      case "end":
        return this.#asked(this.#members.end(event.group));
      case "ask":
        return this.#asked(this.#members.invite(now, event.group));
      case "assume":
        return this.#assume(now, event);
      case "packet":
        return this.#packet(now, event);
      case "frame":
        return this.#frame(now, event);
    }
  }

  #up(now: Instant, event: Extract<Event<A>, { kind: "up" }>): readonly Effect<A>[] {
    if (event.trackingSource !== undefined) this.#members.useSource(event.trackingSource);
    const news = this.#link.up(now, event);
    if (news.kind === "facts") return [];
    if (news.kind === "up") this.#members.confirm(now, news.span);
    return this.#electing(now, this.#link.compete(now));
  }

  #down(now: Instant): readonly Effect<A>[] {
    if (!this.#link.isUp) return [];
    return this.#link.goAway(now) ? this.#electing(now, []) : this.#end(now);
  }

  #end(now: Instant): readonly Effect<A>[] {
    this.#link.end();
    return [...this.#electing(now, []), ...this.#asked(this.#members.clear())];
  }

  #setApart(now: Instant, isApart: boolean): readonly Effect<A>[] {
    this.#link.setApart(isApart);
    if (!this.#link.asksLeavers) this.#members.stopAsking();
    return isApart ? this.#link.askAll(now) : [];
  }

  #configure(now: Instant, options: RouterInterfaceOptions<A>): readonly Effect<A>[] {
    this.#options = options;
    this.#link.configure(options);
    const ended = this.#asked(this.#members.configure(now, options));
    // The hosts learn the new times from queries, as after the start (8.6).
    return [...ended, ...this.#link.askAll(now)];
  }

  #assume(now: Instant, assumed: Extract<Event<A>, { kind: "assume" }>): readonly Effect<A>[] {
    if (!this.#link.isUp) return [dropped("igmp.down")];
    // Where another router asks, it does so in its own time.
    const least = this.#link.ours ? 0 : this.times.groupMembershipInterval;
    const span = milliseconds(Math.max(assumed.span, least));
    this.#link.expect(after(now, span));
    return this.#asked(this.#members.assume(now, { ...assumed, span }));
  }

  #packet(now: Instant, event: Extract<Event<A>, { kind: "packet" }>): readonly Effect<A>[] {
    const packet = this.admit(event.bytes, event.vouched);
    if (typeof packet === "string") return [dropped(packet)];
    const from = this.wire.senderOf(packet);
    const host = this.#members.locate({ address: from, port: event.port ?? "", mac: event.mac ?? "" });
    const heard = this.#heard(packet, from);
    if (isQuery(packet)) return [heard, ...this.#queryByPacket(now, host, packet, event.unicast)];
    const said = this.wire.statementsIn(packet).flatMap((statement) => this.#members.hear(now, host, statement));
    return [heard, ...this.#undefinedIn(packet), ...this.#asked(said)];
  }

  #heard(packet: IgmpPacket, from: A): Extract<Effect<A>, { kind: "heard" }> {
    const { kind: message, unfilled } = packet;
    return { kind: "heard", message, from, group: this.wire.headGroup(packet), unfilled };
  }

  #undefinedIn(packet: IgmpPacket): Effect<A>[] {
    if (packet.kind !== "v3Report") return [];
    return Array.from({ length: this.wire.undefinedRecords(packet) }, () => dropped("igmp.record-type"));
  }

  #frame(now: Instant, { bytes, port, vouched, lan }: Extract<Event<A>, { kind: "frame" }>): readonly Effect<A>[] {
    const frame = this.ofLan(bytes, lan);
    if (typeof frame === "string") return [{ kind: "drop", reason: frame, port }];
    const packet = this.admit(frame.packet, vouched);
    if (typeof packet === "string") return [{ kind: "drop", reason: packet, port }];
    const { mac, vlan, unicast } = frame;
    const host = { port, address: this.wire.senderOf(packet), mac, ...(vlan === undefined ? {} : { vlan }) };
    this.#members.sighted(host);
    const heard: Effect<A> = { ...this.#heard(packet, host.address), port };
    if (isQuery(packet)) return [heard, ...this.#queryByFrame(now, host, packet, unicast)];
    const said = this.wire.statementsIn(packet).flatMap((statement) => this.#members.hearFrame(now, host, statement));
    return [heard, ...this.#asked(said)];
  }

  #queryByPacket(now: Instant, host: TrackedHost<A>, packet: IgmpPacket, unicast = false): readonly Effect<A>[] {
    if (this.#link.isByFrame(this.#members.source)) return [];
    return this.#query(now, heardQuery(this.wire, this.#link.located(host), packet, unicast));
  }

  #queryByFrame(now: Instant, from: TrackedHost<A>, packet: IgmpPacket, unicast: boolean): readonly Effect<A>[] {
    if (!this.#link.isByFrame(this.#members.source)) return this.#link.locate(from);
    return this.#query(now, heardQuery(this.wire, from, packet, unicast));
  }

  #query(now: Instant, heard: HeardQuery<A>): readonly Effect<A>[] {
    const { effects, counts } = this.#link.hear(now, heard, this.#members.asking);
    if (!counts) return effects;
    const election = this.#electing(now, []);
    return [...effects, ...election, ...this.#asked(this.#members.heardQuery(now, heard.query))];
  }

  /** What may have changed who asks is done, with these effects; told, and heeded, when it did. */
  #electing(now: Instant, effects: readonly Effect<A>[]): readonly Effect<A>[] {
    const before = this.#asking;
    this.#asking = this.#link.asking;
    if (before === this.#asking) return effects;
    if (!this.#link.asksLeavers) this.#members.stopAsking();
    if (before === "ours" && this.#link.isUp) this.#yielded(now);
    return [this.#link.outcome(), ...effects];
  }

  /** The one who asks now does so in its own time: until then it is not known who is there, and who has yet to confirm itself has that long. */
  #yielded(now: Instant): void {
    const { groupMembershipInterval } = this.times;
    if (this.#link.isConfirming(now)) this.#members.confirm(now, groupMembershipInterval);
    this.#members.startTracking(now, groupMembershipInterval);
  }

  poll(now: Instant): readonly Effect<A>[] {
    const due = this.#quietUntil ?? this.nextDeadline() ?? Number.POSITIVE_INFINITY;
    if (due > now) return [];
    this.#quietUntil = undefined;
    if (this.#link.awaySince !== undefined) return this.#end(now);
    return [...this.#electing(now, this.#link.poll(now)), ...this.#asked(this.#members.poll(now))];
  }

  nextDeadline(): Instant | undefined {
    const link = this.#link.nextDeadline();
    // Time stands still for the members of a link that is away.
    const next = this.#link.awaySince !== undefined ? link : earliest([link, this.#members.nextDeadline()]);
    this.#quietUntil = next ?? Number.POSITIVE_INFINITY;
    return next;
  }

  /** The questions become packets. */
  #asked(effects: readonly StatementEffect<A>[]): readonly Effect<A>[] {
    return effects.flatMap((effect) => {
      if (effect.kind === "query") return this.#link.ask(effect);
      return effect.kind === "ask-all" ? [this.#link.askAllNow()] : [effect];
    });
  }

  /** Whether this link wants traffic of (source, group) now (6.3), and can get it. */
  forwards(now: Instant, group: A, source: A): boolean {
    return this.#link.isUp && this.#members.wants(now, group, source);
  }

  /** What the tables of the interface's ports go by (core/igmp/port-table.ts). */
  get tableContext(): TableContext<A> {
    return this.#link.context;
  }

  /** The frame of a port, if it is of this LAN. */
  ofLan(bytes: Uint8Array, port?: PortLan): LanFrame | LanFrameDrop {
    return this.wire.frame(bytes, this.#options.vlan, port);
  }

  /** Whether the query is one of a router that may ask here, heard by those whom it asks. */
  heeds(heard: HeardQuery<A>): boolean {
    return this.#link.heeds(heard);
  }

  /** The interface's gate, for what is kept of its ports. */
  admit(packet: Uint8Array, vouched = false): IgmpPacket | InterfaceDrop {
    return this.#link.admit(packet, vouched);
  }

  /** What holds of a statement that the host made on its port, as far as that is known before its packet comes; undefined: nothing. */
  judge(now: Instant, host: TrackedHost<A>, said: HostStatement<A>): HostStatement<A> | undefined {
    return this.#members.heldOf(now, host, said);
  }

  /** Whether a host was heard to be a member of the group behind this port. */
  isWatchedBehind(port: string, group: A): boolean {
    return this.#members.isWatchedBehind(port, group);
  }

  get querier(): QuerierState<A> {
    return this.#link.querier;
  }

  /** Queries that did not count, since the start. */
  get refusedQueries(): number {
    return this.#link.refusedQueries;
  }

  /** The timers in force, which are the querier's while another router asks. */
  get times(): IgmpTimes {
    return this.#link.times;
  }

  /** While the link is away, as they were when it went. */
  groups(now: Instant): readonly GroupView<A>[] {
    return this.#members.groups(this.#link.awaySince ?? now);
  }

  /** Hosts that were refused because nobody knows them, and that are let in when they answer (core/igmp/newcomers.ts). */
  waiting(): readonly WaitingHost<A>[] {
    return this.#members.waiting();
  }

  /**
   * The limit for which the host would not get the group now, if it asked for it; undefined: none, or it is a member. Nothing changes.
   *
   * @param host as far as it is known; with neither address nor MAC, somebody behind the port whom nobody knows
   */
  wouldLack(now: Instant, host: TrackedHost<A>, group: A): RoomDrop | HostDrop | undefined {
    return this.#members.wouldLack(now, this.#members.locate(host), group);
  }

  /** Places for groups. */
  get room(): Room {
    return this.#members.room;
  }

  /** How many hosts are members of each group. */
  viewers(): Iterable<readonly [group: A, hosts: number]> {
    return this.#members.viewers();
  }

  /** Everybody who was heard to be a member, with port and MAC where they are known; one host twice where packets and frames were heard. */
  members(): readonly HostMembership<A>[] {
    return this.#members.everybody();
  }

  /** Who is a member of what, since when. */
  hosts(): readonly HostMembership<A>[] {
    return this.#members.hosts();
  }
}

const dropped = (reason: InterfaceDrop): Effect<never> => ({ kind: "drop", reason });
