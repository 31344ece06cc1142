// What goes into and comes out of a RouterInterface, and how one is set up.

import type { Address } from "../base/address.ts";
import type { Ipv4 } from "../base/ipv4.ts";
import type { Subnet } from "../base/subnet.ts";
import type { Duration } from "../base/time.ts";
import type { AdmissionDrop, RuleName } from "./admission.ts";
import type { SourceFilter } from "./filter.ts";
import type { GroupChange, GroupDrop } from "./group-table.ts";
import type { HostPattern } from "./host-pattern.ts";
import type { TrackedHost } from "./host-shares.ts";
import type { HostDrop, HostMembership, LeaveCause } from "./host-table.ts";
import type { ChecksumMode } from "./messages/ip-header.ts";
import type { LanFrameDrop, PortLan } from "./messages/lan-frame.ts";
import type { IgmpDrop, MessageKind } from "./messages/packet.ts";
import type { IgmpVersion } from "./messages/query.ts";
import type { QueryRefusal } from "./query-guard.ts";
import type { TimesConfig } from "./times.ts";

/**
 * When a leave ends delivery. "mac-based": at once where host tracking proves that nobody is left, else after last-member queries;
 * "standard": always after last-member queries; "immediate": always at once, for one host behind the interface.
 */
export type LeaveMode = "mac-based" | "standard" | "immediate";

/** Where host tracking listens: packets, or frames of taps on the bridge ports, which know port and MAC. */
export type TrackingSource = "packets" | "frames";

/** Everything may be left out. */
export interface RouterInterfaceOptions<A extends Address = Ipv4> {
  /** The configured version of RFC 3376 7.3.1; default 3. */
  readonly version?: IgmpVersion;
  readonly times?: TimesConfig;
  /** False makes a passive listener that never sends; default true. */
  readonly mayQuery?: boolean;
  /**
   * As a switch that is a host to routers (RFC 4541 2.1.1): whoever asks beside us wins and never yields to us, and we listen whether
   * anybody does before we ask. Default false.
   */
  readonly defers?: boolean;
  /** Drop messages without Router Alert; default false, as many hosts and switches leave it out. */
  readonly requireRouterAlert?: boolean;
  /** Drop reports of hosts that are in no subnet of the interface, 0.0.0.0 excepted; default false. */
  readonly verifySourceSubnet?: boolean;
  /** Default "verify". */
  readonly checksum?: ChecksumMode;
  /** Default "mac-based". */
  readonly leave?: LeaveMode;
  /**
   * Hosts do not hear each other's reports, so that tracking knows v2 hosts too; default false: v2 members hide behind each other
   * (RFC 2236 section 6).
   */
  readonly isolated?: boolean;
  /** Who may ask here beside us; absent: everybody in a subnet of the interface. */
  readonly queriers?: readonly Subnet<A>[];
  /** Bridge ports behind which somebody may ask, which only taps know; absent: all. */
  readonly querierPorts?: readonly string[];
  /** The longest query interval that another querier may tell us; default 300 s. */
  readonly maxQueryInterval?: Duration;
  /** For so long members are kept while the link is down; default one group membership interval. */
  readonly flapGrace?: Duration;
  /** Groups of which sources are asked for by name only (RFC 4604 section 2); default 232.0.0.0/8. */
  readonly sourceSpecific?: readonly Subnet<A>[];
  /**
   * The VLAN that the interface is, 1 to 4094: on bridge ports of which the bridge does not tell more its frames may bear that tag, and no
   * other; absent: they bear none.
   */
  readonly vlan?: number;
  /** Until an "up" says otherwise; default "packets". */
  readonly trackingSource?: TrackingSource;
  /** Default 4096, which take some 6 MB. Half of them are kept for hosts that bring few (core/igmp/host-shares.ts). */
  readonly maxGroups?: number;
  /** Default 256, at least 64 (RFC 3376 section 5 asks hosts for as many). */
  readonly maxSourcesPerGroup?: number;
  /** Sources of all groups together; default 65,536, which take some 7 MB. */
  readonly maxSourcesPerInterface?: number;
  /** Sources that one host, or all hosts behind one bridge port, name for all groups together; default no limit but the interface's. */
  readonly maxSourcesPerHost?: number;
  readonly maxSourcesPerPort?: number;
  /** Tracked (host, group) pairs; default 100,000, which take some 60 MB. What finds no room is delivered, but leaves no evidence. */
  readonly maxHostMemberships?: number;
  /** Groups of one host, which is a MAC on a port, or an address where no MAC is known; default no limit but the interface's. */
  readonly maxGroupsPerHost?: number;
  /** Groups that are watched behind one bridge port, by however many hosts; default no limit but the interface's. */
  readonly maxGroupsPerPort?: number;
  /** New memberships of one host a second, on average; default 100. As many as it may have may come at once. */
  readonly joinsPerSecond?: number;
  /**
   * Hosts that nobody knows and that are taken at their word while more than half of the room is taken, on average; default 60. Two
   * minutes' worth may come at once; whoever comes beyond that must answer a question first (core/igmp/newcomers.ts).
   */
  readonly newHostsPerMinute?: number;
  /** The same behind one bridge port; default 30. */
  readonly newHostsPerMinutePerPort?: number;
  /** Hosts that speak for many, such as the next proxy: no limit of one host holds for them. */
  readonly proxies?: readonly HostPattern<A>[];
}

/** What is known of a link that is up, beside the address that we ask from. */
export interface LinkFacts<A extends Address = Ipv4> {
  /** All addresses of the interface; absent where nobody knows them. */
  readonly addresses?: readonly Subnet<A>[];
  /** Octets of the largest IPv4 packet, at least 68 (RFC 791); default 1500. */
  readonly mtu?: number;
}

/** What happens on the interface. */
export type RouterInterfaceEvent<A extends Address = Ipv4> =
  /** The link is there with this address; also when anything of it changes. 0.0.0.0 listens only. */
  | ({ readonly kind: "up"; readonly address: A; readonly trackingSource?: TrackingSource } & LinkFacts<A>)
  /** The link is away, perhaps for a moment: members are kept for the grace. */
  | { readonly kind: "down" }
  /** We end: nothing is kept. */
  | { readonly kind: "stop" }
  /**
   * Routers do not hear the hosts of the link from now on, nor what we ask them, or do again: who leaves is ours to ask about, whoever
   * asks everybody.
   */
  | { readonly kind: "apart"; readonly isApart: boolean }
  /** All hosts are to say what they want, as after a start: something between them and us has changed (RFC 4541 2.1.1). */
  | { readonly kind: "ask-all" }
  /** Other options, from now on; members stay. A source limit holds for groups that are new. */
  | { readonly kind: "configure"; readonly options: RouterInterfaceOptions<A> }
  /** What the host may have of the group from now on, whatever it said: these sources, or with none nothing. */
  | { readonly kind: "restrict"; readonly host: TrackedHost<A>; readonly group: A; readonly sources: readonly A[] }
  /** Nobody here may have the group any more: it ends unasked. */
  | { readonly kind: "end"; readonly group: A }
  /** A group that was refused may be had now: those who want it are to say so. */
  | { readonly kind: "ask"; readonly group: A }
  /**
   * Somebody here is taken to want this, for `span` or until a host says so itself: what was forwarded before we came. No host is
   * tracked for it, and no timer that is longer becomes shorter. While another router asks, it is for a group membership interval at
   * least.
   */
  | { readonly kind: "assume"; readonly group: A; readonly filter: SourceFilter<A>; readonly span: Duration }
  /**
   * A whole IPv4 packet from the interface's IGMP socket; port and MAC when the caller knows them. vouched: the link layer vouches
   * for the checksum, or has still to fill it in. unicast: in a frame to our card alone.
   */
  | {
      readonly kind: "packet";
      readonly bytes: Uint8Array;
      readonly port?: string;
      readonly mac?: string;
      readonly vouched?: boolean;
      readonly unicast?: boolean;
    }
  /** An Ethernet frame that came in through a bridge port; for host tracking only, the protocol runs on packets. */
  | ({ readonly kind: "frame" } & PortFrame);

/** A frame that came in through a port; `vouched` as of core/ports/igmp-socket.ts. */
export interface PortFrame {
  readonly port: string;
  readonly bytes: Uint8Array;
  readonly vouched?: boolean;
  /** Which frames of the port are of the interface's LAN; absent: those that the interface's VLAN says. */
  readonly lan?: PortLan;
}

/** down: no link. own: our own message came back. no-router-alert: required, and not there. Else as the gate and the tables say. */
export type InterfaceDrop =
  | IgmpDrop
  | LanFrameDrop
  | GroupDrop
  | HostDrop
  | AdmissionDrop
  | QueryRefusal
  | "igmp.down"
  | "igmp.own"
  | "igmp.no-router-alert"
  /** A report from no subnet of the interface, where that is asked for. */
  | "igmp.off-subnet"
  /** The host's bridge port has no room for what the interface honours (core/igmp/port-table.ts). */
  | "igmp.port-full"
  /** 4.2.12: a record of a type that nobody has defined. */
  | "igmp.record-type";

/** Where a sender is; empty where that is not known. */
export type Whereabouts = Pick<TrackedHost, "mac" | "port">;

/** What the interface's owner is to do, or to know. */
export type RouterInterfaceEffect<A extends Address = Ipv4> =
  /** A whole IPv4 packet for this interface. */
  | { readonly kind: "send"; readonly packet: Uint8Array }
  /** A message that passed the gate; for the statistics of RFC 8652. */
  | {
      readonly kind: "heard";
      readonly message: MessageKind;
      readonly from: A;
      /** 0.0.0.0 in a General Query and a v3 report. */
      readonly group: A;
      /** Of a frame: the bridge port. The same message is heard as a packet too. */
      readonly port?: string;
      /** The checksum was still to be filled in, and the link layer vouched for it. */
      readonly unfilled: boolean;
    }
  /** What the link as a whole wants of a group is now this (INCLUDE({}) when nobody does). */
  | { readonly kind: "membership"; readonly group: A; readonly filter: SourceFilter<A> }
  | { readonly kind: "host-joined"; readonly membership: HostMembership<A> }
  | { readonly kind: "host-left"; readonly membership: HostMembership<A>; readonly cause: LeaveCause }
  /**
   * Who asks on this link changed; `address` is undefined while nobody is known to. Of another querier, its MAC and port too; told
   * again when a tap tells these later.
   */
  | ({ readonly kind: "querier"; readonly ours: boolean; readonly address: A | undefined } & Whereabouts)
  /** Somebody asks who may not, which is fit for a warning; told at most once per query interval, and each is counted as a drop. */
  | ({ readonly kind: "query-refused"; readonly reason: QueryRefusal; readonly address: A } & Whereabouts)
  /** 7.3.1: a router of an older version asks here, to be fixed by an administrator. Told at most once per query interval. */
  | { readonly kind: "older-querier"; readonly version: IgmpVersion; readonly address: A }
  | ({ readonly kind: "drop"; readonly reason: InterfaceDrop; readonly port?: string } & RefusedWhom<A>);

/** Who is refused, where it is one host's doing; of what, and by which rule, where the policy did it. */
export interface RefusedWhom<A extends Address = Ipv4> {
  readonly host?: TrackedHost<A>;
  readonly group?: A;
  readonly rule?: RuleName;
}

/** What a statement of a host brings about: what the owner is to know, and questions that the link is to ask. */
export type StatementEffect<A extends Address = Ipv4> =
  | RouterInterfaceEffect<A>
  /** Everybody, of everything, with a short time to answer. */
  | { readonly kind: "ask-all" }
  | Extract<GroupChange<A>, { kind: "query" }>;
