// The host side of IGMP on one interface (RFC 3376 section 5, RFC 2236): a set-top's kernel, or the upstream of a proxy (RFC 4605).
import type { Address } from "../../base/address.ts";
import { DeadlineHeap } from "../../base/deadline-heap.ts";
import type { Ipv4 } from "../../base/ipv4.ts";
import type { Machine } from "../../base/machine.ts";
import { inSubnet } from "../../base/subnet.ts";
import { after, type Duration, earliest, type Instant, milliseconds, seconds } from "../../base/time.ts";
import type { Entropy } from "../../ports/entropy.ts";
import { NO_SOURCE, sameFilter, wantsNothing } from "../filter.ts";
import type { IgmpDrop, IgmpPacket } from "../messages/packet.ts";
import type { IgmpVersion, Query } from "../messages/query.ts";
import type { ReportRecord } from "../messages/report.ts";
import type { V1V2Kind } from "../messages/v1-v2-message.ts";
import type { UpstreamChange } from "../proxy.ts";
import type { MembershipWire } from "../wire.ts";
import { HostGroup } from "./host-group.ts";
import { type RefreshPolicy, RefreshTimer } from "./refresh.ts";

/** Everything has the default of RFC 3376 section 8. */
export interface MulticastHostOptions {
  /** The newest version to speak; default 3. */
  readonly version?: IgmpVersion;
  /** Speak it whatever an older querier asks in, as Linux's force_igmp_version; default false. */
  readonly forceVersion?: boolean;
  /** Default 2; a v3 query's QRV takes its place. */
  readonly robustness?: number;
  /** 8.11 and RFC 2236 8.10: within this the repeats of a change go out; default 1 s for v3, 10 s for v1 and v2. */
  readonly unsolicitedReportInterval?: Duration;
  /** For the Older Version Querier Present timeout (8.12, erratum 4375); default 125 s. */
  readonly queryInterval?: Duration;
  /** 9.1: hosts SHOULD ignore v2 and v3 queries without it; default false, as many queriers leave it out. */
  readonly requireRouterAlert?: boolean;
  /** Default 1024. */
  readonly maxGroups?: number;
  /** Repeats of all reports where no query is heard for robustness query intervals; default "off", as the RFC has none. */
  readonly refresh?: RefreshPolicy;
  /** The kernel speaks for this host: it tells the changes and answers the queries; only the refresh is ours. Default false. */
  readonly kernelReports?: boolean;
}

/** What happens to a host: its link, its wishes, and what it hears. */
export type MulticastHostEvent<A extends Address = Ipv4> =
  /** mtu: octets of the largest packet, default 1500. */
  | { readonly kind: "up"; readonly address: A; readonly mtu?: number }
  | { readonly kind: "down" }
  /** The interface state of 3.2 for one group; INCLUDE({}) leaves. 224.0.0.1 is never spoken of and is ignored. */
  | ({ readonly kind: "want" } & UpstreamChange<A>)
  /** The same for several groups, told together. */
  | { readonly kind: "want-all"; readonly changes: readonly UpstreamChange<A>[] }
  /** Nothing is wanted any more. */
  | { readonly kind: "leave-all" }
  /** A whole IPv4 packet heard on the interface. */
  | { readonly kind: "packet"; readonly bytes: Uint8Array };

/** Why a packet, or a wish, has no effect (RFC 3376 5.2, 9.1). */
export type MulticastHostDrop =
  | IgmpDrop
  | "host.down"
  | "host.too-many-groups"
  | "host.query-destination"
  | "host.no-router-alert";

/** What a host does: send, tell its compatibility mode, drop. */
export type MulticastHostEffect =
  | { readonly kind: "send"; readonly packet: Uint8Array }
  /** 7.2.1: the Host Compatibility Mode changed. */
  | { readonly kind: "mode"; readonly version: IgmpVersion }
  | { readonly kind: "drop"; readonly reason: MulticastHostDrop };

type Effect = MulticastHostEffect;

/** However rarely a querier says that it asks (QQIC and QRV may say 2.6 days), it is taken for gone after so long. */
const LONGEST_TRUST: Duration = seconds(300);

/** Reports what is wanted, answers queries, speaks the version of the querier (RFC 3376 5 and 7.2.1). */
export class MulticastHost<A extends Address = Ipv4> implements Machine<MulticastHostEvent<A>, MulticastHostEffect> {
  readonly #wire: MembershipWire<A>;
  readonly #entropy: Entropy;
  readonly #version: IgmpVersion;
  readonly #forceVersion: boolean;
  readonly #unsolicited: Duration | undefined;
  readonly #requireRouterAlert: boolean;
  readonly #maxGroups: number;
  readonly #groups = new Map<A, HostGroup<A>>();
  /** Those of the groups that have a change to tell, and those that have a question to answer. */
  readonly #changing = new Set<HostGroup<A>>();
  readonly #asked = new DeadlineHeap<HostGroup<A>>();
  #address: A | undefined;
  #mtu: number | undefined;
  #robustness: number;
  readonly #ownQueryInterval: Duration;
  #queryInterval: Duration;
  #v1Until: Instant | undefined;
  #v2Until: Instant | undefined;
  /** The mode that was last told. */
  #mode: IgmpVersion;
  /** 5.1: one retransmission timer for the interface. */
  #changeAt: Instant | undefined;
  /** 5.2 rule 2: the interface timer for General Queries. */
  #generalAt: Instant | undefined;
  readonly #refresh: RefreshTimer;
  readonly #kernelReports: boolean;
  #refreshes = 0;
  /** Until then the querier is taken to be there. */
  #askedUntil: Instant | undefined;

  constructor(wire: MembershipWire<A>, entropy: Entropy, options: MulticastHostOptions = {}) {
    this.#wire = wire;
    this.#entropy = entropy;
    this.#version = options.version ?? 3;
    this.#forceVersion = options.forceVersion ?? false;
    this.#mode = this.#version;
    this.#robustness = options.robustness ?? 2;
    this.#unsolicited = options.unsolicitedReportInterval;
    this.#ownQueryInterval = options.queryInterval ?? seconds(125);
    this.#queryInterval = this.#ownQueryInterval;
    this.#requireRouterAlert = options.requireRouterAlert ?? false;
    this.#maxGroups = options.maxGroups ?? 1024;
    this.#refresh = new RefreshTimer(options.refresh ?? "off", entropy);
    this.#kernelReports = options.kernelReports ?? false;
  }

  receive(now: Instant, event: MulticastHostEvent<A>): readonly Effect[] {
    return [...this.poll(now), ...this.#take(now, event)];
  }

  #take(now: Instant, event: MulticastHostEvent<A>): Effect[] {
    switch (event.kind) {
      case "up":
        this.#mtu = event.mtu;
        return this.#up(now, event.address);
      case "down":
        return this.#down();
      case "want":
        return this.#want(now, [event]);
      case "want-all":
        return this.#want(now, event.changes);
      case "leave-all":
        return this.#leaveAll(now);
      case "packet":
        return this.#packet(now, event.bytes);
    }
  }

  #up(now: Instant, address: A): Effect[] {
    if (this.#address === address) return [];
    this.#address = address;
    this.#refresh.said(now);
    if (this.#kernelReports) return [];
    for (const member of this.#groups.values()) member.announce(this.#robustness);
    return this.#tellChanges(now, [...this.#groups.values()]);
  }

  #down(): Effect[] {
    this.#address = undefined;
    this.#v1Until = undefined;
    this.#v2Until = undefined;
    this.#askedUntil = undefined;
    this.#refresh.stop();
    this.#cancelAll();
    if (this.#mode === this.#version) return [];
    this.#mode = this.#version;
    return [{ kind: "mode", version: this.#mode }];
  }

  #want(now: Instant, changes: readonly UpstreamChange<A>[]): Effect[] {
    const outcomes = changes.map((change) => this.#change(now, change));
    const members = outcomes.filter((one) => one instanceof HostGroup);
    const drops = outcomes.flatMap((one) => (typeof one === "string" ? [dropped(one)] : []));
    const isQuiet = this.#address === undefined || this.#kernelReports;
    return [...drops, ...(isQuiet ? this.#forgetQuietly(...members) : this.#tellChanges(now, members))];
  }

  /** The group whose filter is another now; why there is none, or undefined when nothing has changed. */
  #change(now: Instant, { group, filter }: UpstreamChange<A>): HostGroup<A> | "host.too-many-groups" | undefined {
    if (group === this.#wire.family.allNodes) return undefined;
    const known = this.#groups.get(group);
    if (known === undefined && wantsNothing(filter)) return undefined;
    if (known === undefined && this.#groups.size >= this.#maxGroups) return "host.too-many-groups";
    // The join itself is the first report of all there is.
    if (this.#groups.size === 0 && this.#address !== undefined) this.#refresh.said(now);
    const member = known ?? new HostGroup<A>(group);
    this.#groups.set(group, member);
    if (sameFilter(member.filter, filter)) return undefined;
    const before = member.filter;
    member.change(filter, this.#robustness);
    // RFC 4605 4.1: to an older querier only the creation and the end of a membership are told.
    if (this.#mode < 3 && !wantsNothing(before) && !wantsNothing(filter)) member.cancelChange();
    return member;
  }

  #leaveAll(now: Instant): Effect[] {
    const members = [...this.#groups.values()];
    for (const member of members) member.change(NO_SOURCE, this.#robustness);
    return this.#address === undefined || this.#kernelReports
      ? this.#forgetQuietly(...members)
      : this.#tellChanges(now, members);
  }

  #forgetQuietly(...members: readonly HostGroup<A>[]): Effect[] {
    for (const member of members) member.cancel();
    this.#tidy(members);
    return [];
  }

  /** Brings the sets in line with what these groups have still to say. */
  #tidy(members: Iterable<HostGroup<A>>): void {
    for (const member of members) {
      if (member.changePending) this.#changing.add(member);
      else this.#changing.delete(member);
      this.#asked.schedule(member, member.responseAt);
      if (member.isOver) this.#groups.delete(member.group);
    }
  }

  #packet(now: Instant, bytes: Uint8Array): Effect[] {
    if (this.#address === undefined) return [dropped("host.down")];
    const packet = this.#wire.check(bytes);
    if (typeof packet === "string") return [dropped(packet)];
    switch (packet.kind) {
      case "v1Query":
      case "v2Query":
      case "v3Query":
        return this.#query(now, this.#wire.readQuery(packet), packet);
      case "v1Report":
      case "v2Report":
        return this.#wire.senderOf(packet) === this.#address ? [] : this.#suppress(this.#wire.headGroup(packet));
      case "v3Report":
      case "leave":
        return [];
    }
  }

  // RFC 2236 section 3: another member has said it, so we need not. v3 has no suppression.
  #suppress(group: A): Effect[] {
    const member = this.#groups.get(group);
    if (this.#mode === 3 || member === undefined) return [];
    return this.#forgetQuietly(member);
  }

  #query(now: Instant, query: Query<A>, packet: IgmpPacket): Effect[] {
    const refused = this.#refuse(query, packet);
    if (refused !== undefined) return [dropped(refused)];
    const mode = this.#asksAll(query) ? this.#heardVersion(now, query) : [];
    this.#adopt(query);
    if (this.#asksAll(query)) this.#wasAsked(now);
    if (!this.#kernelReports) this.#schedule(now, query);
    return mode;
  }

  // 9.1: forged unicast general queries, and those that routers did not see, are not answered.
  #refuse(query: Query<A>, packet: IgmpPacket): MulticastHostDrop | undefined {
    if (this.#asksAll(query) && this.#wire.destinationOf(packet) !== this.#wire.family.allNodes)
      return "host.query-destination";
    if (this.#requireRouterAlert && query.version > 1 && !this.#wire.hasRouterAlert(packet))
      return "host.no-router-alert";
    return undefined;
  }

  #asksAll({ group }: Query<A>): boolean {
    return group === this.#wire.family.unspecified;
  }

  // As long as one question in `robustness` gets through, the querier knows everything: no need to say it unasked.
  #wasAsked(now: Instant): void {
    const span = milliseconds(Math.min(this.#robustness * this.#queryInterval, LONGEST_TRUST));
    this.#askedUntil = after(now, span);
    this.#refresh.asked(now, span);
  }

  // 7.2.1 and 8.12: an older General Query sets the compatibility mode for robustness intervals and a response. It tells no interval, so
  // ours counts (erratum 4375), and not what some other router told: 31744 s would be days in which no source can be asked for by name.
  #heardVersion(now: Instant, query: Query<A>): Effect[] {
    if (this.#forceVersion) return [];
    const until = after(now, milliseconds(this.#robustness * this.#ownQueryInterval + query.maxResponse));
    if (query.version === 1) this.#v1Until = until;
    if (query.version === 2) this.#v2Until = until;
    return this.#updateMode(now);
  }

  #updateMode(now: Instant): Effect[] {
    if (this.#v1Until !== undefined && this.#v1Until <= now) this.#v1Until = undefined;
    if (this.#v2Until !== undefined && this.#v2Until <= now) this.#v2Until = undefined;
    const heard: IgmpVersion = this.#v1Until !== undefined ? 1 : this.#v2Until !== undefined ? 2 : 3;
    const mode = heard < this.#version ? heard : this.#version;
    if (mode === this.#mode) return [];
    this.#mode = mode;
    this.#cancelAll();
    return [{ kind: "mode", version: mode }];
  }

  #cancelAll(): void {
    this.#changeAt = undefined;
    this.#generalAt = undefined;
    for (const member of this.#groups.values()) member.cancel();
    this.#tidy(this.#groups.values());
  }

  // 4.1.6, 4.1.7: the querier's robustness and interval are everybody's.
  #adopt(query: Query<A>): void {
    if (query.robustness > 0) this.#robustness = query.robustness;
    if (query.queryInterval > 0) this.#queryInterval = query.queryInterval;
  }

  // 5.2: never at once, but after a random delay, against an implosion of answers.
  #schedule(now: Instant, query: Query<A>): void {
    const at = after(now, this.#within(query.maxResponse));
    if (!this.#asksAll(query)) {
      const member = this.#groups.get(query.group);
      if (member !== undefined && !this.#generalBefore(at)) this.#ask(member, at, query.sources);
    } else if (this.#mode === 3) {
      this.#generalAt = earliest([this.#generalAt, at]);
    } else {
      this.#askAll(now, query.maxResponse);
    }
  }

  /** v1 and v2: an answer for each group, spread over `span`. */
  #askAll(now: Instant, span: Duration): void {
    for (const member of this.#groups.values()) this.#ask(member, after(now, this.#within(span)), []);
  }

  #ask(member: HostGroup<A>, at: Instant, sources: readonly A[]): void {
    member.ask(at, sources);
    this.#asked.schedule(member, member.responseAt);
  }

  // 5.2 rule 1: the pending answer to a General Query says it all, and sooner.
  #generalBefore(at: Instant): boolean {
    return this.#generalAt !== undefined && this.#generalAt <= at;
  }

  /** A delay in (0, longest]. */
  #within(longest: Duration): Duration {
    return milliseconds(longest > 0 ? longest - this.#entropy.below(longest) : 0);
  }

  poll(now: Instant): readonly Effect[] {
    const due = this.nextDeadline();
    if (due === undefined || due > now) return [];
    const mode = this.#updateMode(now);
    return [
      ...mode,
      ...this.#answerGeneral(now),
      ...this.#refreshAll(now),
      ...this.#answerSpecific(now),
      ...this.#repeatChanges(now),
    ];
  }

  nextDeadline(): Instant | undefined {
    const refresh = this.#groups.size > 0 ? this.#refresh.at : undefined;
    return earliest([this.#v1Until, this.#v2Until, this.#changeAt, this.#generalAt, refresh, this.#asked.next()]);
  }

  #answerGeneral(now: Instant): Effect[] {
    if (this.#generalAt === undefined || this.#generalAt > now) return [];
    this.#generalAt = undefined;
    return this.#reports(this.#currentRecords());
  }

  // Never a leave and a join: what flows must not stop for it.
  #refreshAll(now: Instant): Effect[] {
    if (this.#groups.size === 0 || !this.#refresh.poll(now)) return [];
    this.#refreshes++;
    if (this.#mode === 3) return this.#reports(this.#currentRecords());
    this.#askAll(now, milliseconds(Math.min(this.#repeatWithin(), (this.#refresh.interval ?? 0) / 2)));
    return [];
  }

  #currentRecords(): ReportRecord<A>[] {
    return [...this.#groups.values()].flatMap((member) => member.currentRecords());
  }

  #answerSpecific(now: Instant): Effect[] {
    const due = this.#takeAsked(now);
    const records = due.flatMap((member) => member.responseRecords());
    if (this.#mode === 3) return this.#reports(records);
    return due.flatMap((member) => (wantsNothing(member.filter) ? [] : this.#v1v2(member.group, false)));
  }

  #takeAsked(now: Instant): readonly HostGroup<A>[] {
    const due: HostGroup<A>[] = [];
    for (let one = this.#asked.takeDue(now); one !== undefined; one = this.#asked.takeDue(now)) due.push(one);
    return due;
  }

  #repeatChanges(now: Instant): Effect[] {
    if (this.#changeAt === undefined || this.#changeAt > now) return [];
    this.#changeAt = undefined;
    return this.#tellChanges(now, [...this.#changing]);
  }

  /** One transmission of what changed in these groups; arms the timer for the next. */
  #tellChanges(now: Instant, changed: readonly HostGroup<A>[]): Effect[] {
    const pending = changed.filter((member) => member.changePending);
    const records = pending.flatMap((member) => member.changeRecords());
    const effects = this.#mode === 3 ? this.#reports(records) : pending.flatMap((member) => this.#v1v2Change(member));
    this.#tidy(changed);
    if (this.#changing.size > 0) this.#changeAt ??= after(now, this.#within(this.#repeatWithin()));
    return effects;
  }

  #repeatWithin(): Duration {
    return this.#unsolicited ?? seconds(this.#mode === 3 ? 1 : 10);
  }

  // RFC 2236 section 3: a join is repeated, a leave is said once.
  #v1v2Change(member: HostGroup<A>): Effect[] {
    const leaving = wantsNothing(member.filter);
    if (leaving) member.cancel();
    return this.#v1v2(member.group, leaving);
  }

  // RFC 4604 2.2.1: v1 and v2 cannot speak of source-specific groups. RFC 1112: v1 leaves in silence.
  #v1v2(group: A, leaving: boolean): Effect[] {
    const isSourceSpecific = this.#wire.sourceSpecific.some((subnet) => inSubnet(subnet, group));
    if (isSourceSpecific || (leaving && this.#mode === 1)) return [];
    const kind: V1V2Kind = leaving ? "leave" : this.#mode === 1 ? "v1Report" : "v2Report";
    return [{ kind: "send", packet: this.#wire.short(this.#source, kind, group) }];
  }

  get #source(): A {
    return this.#address ?? this.#wire.family.unspecified;
  }

  #reports(records: readonly ReportRecord<A>[]): Effect[] {
    return this.#wire.splitReports(records, this.#mtu).map((report) => ({
      kind: "send",
      packet: this.#wire.report(this.#source, report),
    }));
  }

  /** The Host Compatibility Mode (7.2.1). */
  get mode(): IgmpVersion {
    return this.#mode;
  }

  /** Whether somebody asks here: a General Query was heard, and the next is not overdue. */
  isAsked(now: Instant): boolean {
    return this.#askedUntil !== undefined && now < this.#askedUntil;
  }

  /** How often everything was repeated because nobody asked. */
  get refreshes(): number {
    return this.#refreshes;
  }
}

const dropped = (reason: MulticastHostDrop): Effect => ({ kind: "drop", reason });
