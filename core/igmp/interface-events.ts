// What goes into and comes out of a RouterInterface, and how one is set up.

import type { FrameDrop } from "../base/ethernet.ts";
import type { Ipv4 } from "../base/ipv4.ts";
import type { Duration } from "../base/time.ts";
import type { SourceFilter } from "./filter.ts";
import type { GroupDrop } from "./group-table.ts";
import type { TrackedHost } from "./host-shares.ts";
import type { HostDrop, HostMembership, LeaveCause } from "./host-table.ts";
import type { IgmpDrop, MessageKind } from "./packet.ts";
import type { IgmpVersion } from "./query.ts";
import type { TimesConfig } from "./times.ts";

/**
 * When a leave may end delivery at once, without last-member queries. It always needs proof from host tracking that nobody is left.
 * "v3": only where every member is a v3 host. "isolated": v2 groups too, because hosts do not hear each other's reports
 * (RFC 2236 section 6 suppression would hide members from us).
 */
export type ImmediateLeave = "off" | "v3" | "isolated";

/** Where host tracking listens: packets, or frames of taps on the bridge ports, which know port and MAC. */
export type TrackingSource = "packets" | "frames";

/** Everything may be left out. */
export interface RouterInterfaceOptions {
  /** The configured version of RFC 3376 7.3.1; default 3. */
  readonly version?: IgmpVersion;
  readonly times?: TimesConfig;
  /** False makes a passive listener that never sends; default true. */
  readonly mayQuery?: boolean;
  /** Drop messages without Router Alert; default false, as many hosts and switches leave it out. */
  readonly requireRouterAlert?: boolean;
  /** Default "off". */
  readonly immediateLeave?: ImmediateLeave;
  /** Until an "up" says otherwise; default "packets". */
  readonly trackingSource?: TrackingSource;
  /** Default 1024. The last room is kept for hosts that have little (core/igmp/host-shares.ts). */
  readonly maxGroups?: number;
  /** Default 256, at least 64 (RFC 3376 section 5 asks hosts for as many). */
  readonly maxSourcesPerGroup?: number;
  /** Tracked (host, group) pairs; default 100,000, which take some 60 MB. What finds no room is delivered, but leaves no evidence. */
  readonly maxHostMemberships?: number;
  /** Groups of one host, which is a MAC on a port, or an address where no MAC is known; default 64. */
  readonly maxGroupsPerHost?: number;
  /** (Host, group) pairs behind one bridge port; default no limit but the interface's. */
  readonly maxGroupsPerPort?: number;
  /** New memberships of one host a second, on average; default 100. As many as in `maxGroupsPerHost` may come at once. */
  readonly joinsPerSecond?: number;
}

/** What happens on the interface. */
export type RouterInterfaceEvent =
  /** The link is there with this address; also when the address changes. 0.0.0.0 listens only. */
  | { readonly kind: "up"; readonly address: Ipv4; readonly trackingSource?: TrackingSource }
  | { readonly kind: "down" }
  /** All hosts are to say what they want, as after a start: something between them and us has changed (RFC 4541 2.1.1). */
  | { readonly kind: "ask" }
  /** Other options, from now on; members stay. A source limit holds for groups that are new. */
  | { readonly kind: "configure"; readonly options: RouterInterfaceOptions }
  /**
   * Somebody here is taken to want this, for `span` or until a host says so itself: what was forwarded before we came. No host is
   * tracked for it, and no timer that is longer becomes shorter.
   */
  | { readonly kind: "assume"; readonly group: Ipv4; readonly filter: SourceFilter; readonly span: Duration }
  /** A whole IPv4 packet from the interface's IGMP socket; port and MAC when the caller knows them. */
  | { readonly kind: "packet"; readonly bytes: Uint8Array; readonly port?: string; readonly mac?: string }
  /** An Ethernet frame that came in through a bridge port; for host tracking only, the protocol runs on packets. */
  | { readonly kind: "frame"; readonly bytes: Uint8Array; readonly port: string };

/** down: no link. own: our own message came back. no-router-alert: required, and not there. Else as the gate and the tables say. */
export type InterfaceDrop =
  | IgmpDrop
  | FrameDrop
  | GroupDrop
  | HostDrop
  | "igmp.down"
  | "igmp.own"
  | "igmp.no-router-alert"
  /** 4.2.12: a record of a type that nobody has defined. */
  | "igmp.record-type";

/** What the interface's owner is to do, or to know. */
export type RouterInterfaceEffect =
  /** A whole IPv4 packet for this interface. */
  | { readonly kind: "send"; readonly packet: Uint8Array }
  /** A message that passed the gate; for the statistics of RFC 8652. */
  | { readonly kind: "heard"; readonly message: MessageKind; readonly from: Ipv4; readonly group: Ipv4 }
  /** What the link as a whole wants of a group is now this (INCLUDE({}) when nobody does). */
  | { readonly kind: "membership"; readonly group: Ipv4; readonly filter: SourceFilter }
  | { readonly kind: "host-joined"; readonly membership: HostMembership }
  | { readonly kind: "host-left"; readonly membership: HostMembership; readonly cause: LeaveCause }
  /** Who asks on this link changed; `address` is undefined while nobody is known to. */
  | { readonly kind: "querier"; readonly ours: boolean; readonly address: Ipv4 | undefined }
  /** 7.3.1: a router of an older version asks here, to be fixed by an administrator. Told at most once per query interval. */
  | { readonly kind: "older-querier"; readonly version: IgmpVersion; readonly address: Ipv4 }
  /** `host`: who is refused, where it is one host's doing; `group`: what. */
  | { readonly kind: "drop"; readonly reason: InterfaceDrop; readonly host?: TrackedHost; readonly group?: Ipv4 };
