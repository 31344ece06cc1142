// How a router process is set up, and what goes into and comes out of its machine.
import type { Address } from "../base/address.ts";
import type { Ipv4 } from "../base/ipv4.ts";
import type { Subnet } from "../base/subnet.ts";
import type { Duration } from "../base/time.ts";
import type { RuleOrigin } from "../igmp/admission.ts";
import type { SourceFilter } from "../igmp/filter.ts";
import type { MulticastHostDrop } from "../igmp/host/host.ts";
import type { RefreshPolicy } from "../igmp/host/refresh.ts";
import type { TrackedHost } from "../igmp/host-shares.ts";
import type { HostMembership, LeaveCause } from "../igmp/host-table.ts";
import type {
  InterfaceDrop,
  LinkFacts,
  PortFrame,
  RefusedWhom,
  RouterInterfaceEffect,
  RouterInterfaceOptions,
  TrackingSource,
} from "../igmp/interface-events.ts";
import type { MessageKind } from "../igmp/messages/packet.ts";
import type { IgmpVersion } from "../igmp/messages/query.ts";
import type { PortEffect } from "../igmp/port-table.ts";
import type { Pass } from "../ports/enforcement.ts";
import type { MulticastRoute, RouteUse } from "../ports/forwarding.ts";
import type { Arrival } from "../ports/igmp-socket.ts";
import type { IntruderEffect } from "./intruders.ts";
import type { GroupPrefix } from "./policy/group-access.ts";
import type { KeptPermits, Permit, PermitEffect } from "./policy/permits.ts";
import type { PolicyOptions } from "./policy/policy.ts";
import type { PortTags, ProxyEffect, ProxyReportsOptions } from "./proxy-reports.ts";
import type { StaticGroup } from "./static-groups.ts";
import type { PaceOptions } from "./upstream-pace.ts";

/** One interface with receivers behind it. */
export interface DownstreamOptions<A extends Address = Ipv4> {
  readonly name: string;
  readonly igmp?: Omit<RouterInterfaceOptions<A>, "vlan">;
  /**
   * "always": who is subscribed here is served, whoever asks the questions. "elected": only while we ask, as RFC 4605 section 3 has it
   * for a link with several proxies. Default "always".
   */
  readonly forwarder?: "always" | "elected";
  /** Groups that may be received here where no rule says otherwise; empty or absent: all. */
  readonly allow?: readonly GroupPrefix<A>[];
  /** Groups that may not, whatever `allow` says. */
  readonly deny?: readonly GroupPrefix<A>[];
  /** Who has given the two lists; default "file". */
  readonly allowFrom?: RuleOrigin;
  readonly denyFrom?: RuleOrigin;
  /** The VLAN that the interface is, for rules that name one. */
  readonly vlan?: number;
  /** kbit/s of channels at once to all behind the interface, and behind one of its ports; absent: as many as come. */
  readonly bandwidth?: number;
  readonly portBandwidth?: number;
  /** What is always asked for and delivered, whoever is there and whatever the rules say. */
  readonly staticGroups?: readonly StaticGroup<A>[];
  /** Whose traffic may come from here; absent: that of the interface's own subnets. */
  readonly sources?: readonly Subnet<A>[];
  /** Keep what each port of a bridge wants, by the frames of its taps; default false. */
  readonly snooping?: boolean;
  /** Where ports are kept: the source of the reports that routers behind them get in place of hosts'; absent: they hear the hosts. */
  readonly proxyReports?: ProxyReportsOptions["source"];
}

/** An interface towards the source. */
export interface UpstreamOptions<A extends Address = Ipv4> extends PaceOptions {
  readonly name: string;
  /** The newest version to speak; default 3. */
  readonly version?: IgmpVersion;
  /** Speak it whatever an older querier asks in; default false. */
  readonly forceVersion?: boolean;
  /** Repeats of our reports where nobody asks; default "auto". */
  readonly refresh?: RefreshPolicy;
  /** The groups that come from here; empty or absent: all that no other upstream names more exactly. */
  readonly groups?: readonly GroupPrefix<A>[];
  /** Groups that may be asked for, delivered from and sent to here; empty or absent: all. */
  readonly allow?: readonly GroupPrefix<A>[];
  /** Groups that may not, whatever `allow` says; default 239.255.255.0/24, services of the LAN such as SSDP. */
  readonly deny?: readonly GroupPrefix<A>[];
  /** Groups of which nothing is sent up, though they may be asked for; default 239.255.0.0/16. 224.0.0.0/24 never is. */
  readonly scope?: readonly GroupPrefix<A>[];
  /** Whose traffic may come from here; absent: anybody's. */
  readonly sources?: readonly Subnet<A>[];
  /** kbit/s of channels at once; absent: as many as are asked for. */
  readonly bandwidth?: number;
}

/** A whole router. */
export interface RouterOptions<A extends Address = Ipv4> extends PolicyOptions<A> {
  readonly downstreams: readonly DownstreamOptions<A>[];
  /** Towards the sources (RFC 4605 section 2): one, or several by group; without any we route between the downstreams only. */
  readonly upstreams?: readonly UpstreamOptions<A>[];
  /** A route over which nothing came for so long is taken out; default 180 s. */
  readonly idle?: Duration;
  /** Default 1024. */
  readonly maxRoutes?: number;
  /** Routes of one sender behind a downstream by which nobody here receives; default 64. */
  readonly maxRoutesPerSource?: number;
}

/** What happens to a router: links, packets, frames, upcalls of the kernel, counters. */
export type RouterEvent<A extends Address = Ipv4> =
  /** The link is there with this address; undefined while it is down, gone or without address. */
  | ({
      readonly kind: "link";
      readonly name: string;
      readonly address: A | undefined;
      /** Where host tracking listens from now on; absent: where it did. */
      readonly trackingSource?: TrackingSource;
    } & LinkFacts<A>)
  /** Other options of the downstreams; an interface that is not among ours is passed over. Members and routes stay. */
  | ({
      readonly kind: "configure";
      readonly downstreams: readonly DownstreamOptions<A>[];
      /** Absent: as they were. Version and refresh of an upstream stay. */
      readonly upstreams?: readonly UpstreamOptions<A>[] | undefined;
    } & PolicyOptions<A>)
  /** Control says what cards may receive. */
  | { readonly kind: "permits"; readonly permits: readonly Permit<A>[] }
  /** The guard of the bridge ports has been opened; `passes` are in it since a process before this one. */
  | { readonly kind: "guarded"; readonly passes: readonly Pass<A>[] }
  /** What control permitted before the process began; after "guarded". */
  | { readonly kind: "restored"; readonly permits: KeptPermits<A> }
  /** The process ends: no member is kept for the return of its link, and everything is left upstream now, whatever lingers or waits. */
  | { readonly kind: "stop" }
  /**
   * What a predecessor left in the kernel, where it goes on: each once, and only for interfaces that are up by now. Whoever gets
   * something by these routes is taken for a member until the startup queries are answered.
   */
  | { readonly kind: "inherited"; readonly routes: readonly MulticastRoute<A>[] }
  /** A whole IPv4 packet from the interface's IGMP socket, and what that knows of it. */
  | ({ readonly kind: "packet"; readonly name: string; readonly bytes: Uint8Array } & Arrival)
  /** A frame from a tap on `port` of the bridge `name`. */
  | ({ readonly kind: "frame"; readonly name: string } & PortFrame)
  /**
   * The bridge `name`, or the VLAN of one, as it is now; `topology` is a text that differs when anything between the ports may have changed.
   * `tags`: with which tag its frames go out by each port, if any; absent: as those that came in there.
   */
  | {
      readonly kind: "bridge";
      readonly name: string;
      readonly ports: readonly string[];
      readonly topology: string;
      readonly tags?: PortTags;
    }
  /**
   * Reports of hosts do not cross the bridge `name` from now on, and at these of its ports routers are told in their place; undefined:
   * they do, as at the start.
   */
  | { readonly kind: "speak-at"; readonly name: string; readonly ports: readonly string[] | undefined }
  /** Something that hosts of the downstream said may have been missed: where ports are kept, all are asked at once. */
  | { readonly kind: "ask-all"; readonly name: string }
  | { readonly kind: "no-route"; readonly source: A; readonly group: A; readonly inbound: string }
  | { readonly kind: "wrong-interface"; readonly source: A; readonly group: A; readonly inbound: string }
  /** The counters that a "count-routes" effect asked for. */
  | { readonly kind: "use"; readonly uses: readonly RouteUse<A>[] };

/** Why something has no effect; counted by name and interface. */
export type RouterDrop =
  | InterfaceDrop
  | MulticastHostDrop
  /** A packet of an interface that is not configured. */
  | "router.unknown-interface"
  /** A membership, of nobody that is known, for a group that this interface may not receive. */
  | "router.group-denied"
  | "router.too-many-routes"
  /** One sender behind a downstream has all the routes that one sender may have for what nobody here receives. */
  | "router.too-many-routes-of-source"
  /** Half of all routes are there already because of foreign sources on this interface, and nobody would receive by this one. */
  | "router.too-many-foreign-routes"
  /** A source that may not send from the interface where its packet came in; see the effect "intruder". */
  | "router.foreign-source"
  /** Traffic came in where it goes out: a second path to the source, or a loop. */
  | "router.wrong-interface";

/** Delivery of (source, group) on one interface begins (72) or ends (82). */
export interface Delivery<A extends Address = Ipv4> {
  readonly kind: "delivery";
  readonly number: 72 | 82;
  readonly name: string;
  readonly source: A;
  readonly group: A;
}

/** What the process is to do, or to tell. */
export type RouterEffect<A extends Address = Ipv4> =
  | { readonly kind: "send"; readonly name: string; readonly packet: Uint8Array }
  /** Out of this port of the bridge alone, past the bridge; with the tag of this VLAN. */
  | ({ readonly name: string } & Extract<ProxyEffect, { kind: "send-port" }>)
  /** Nothing is ready on it until that is said. */
  | { readonly kind: "route"; readonly route: MulticastRoute<A> }
  /** Where the route, which is as it was, would lead too if any host asked for the group there. */
  | { readonly kind: "ready"; readonly route: MulticastRoute<A>; readonly names: readonly string[] }
  | { readonly kind: "unroute"; readonly source: A; readonly group: A }
  | { readonly kind: "count-routes" }
  | Delivery<A>
  /** A host asked to receive. */
  | { readonly kind: "joined"; readonly number: 71; readonly name: string; readonly membership: HostMembership<A> }
  /** A host asked to stop (81), or was not heard any more (no number). */
  | {
      readonly kind: "left";
      readonly number: 81 | undefined;
      readonly name: string;
      readonly membership: HostMembership<A>;
      readonly cause: LeaveCause;
    }
  /** Policy or a limit did not honour a join; for the evidence. It is counted as a drop as well. */
  | {
      readonly kind: "refused";
      readonly name: string;
      readonly host: TrackedHost<A>;
      /** undefined: not told. */
      readonly group: A | undefined;
      /** As drops are named; "policy.rule-3", or "policy.control-rule-3" where control has given the rules. */
      readonly reason: string;
    }
  /** What the link as a whole wants now. */
  | { readonly kind: "membership"; readonly name: string; readonly group: A; readonly filter: SourceFilter<A> }
  /** What the bridge port gets. */
  | (PortEffect<A> & { readonly name: string })
  /** A message that passed the gate; `group`, `port` and `unfilled` as in the effect of the interface. */
  | {
      readonly kind: "heard";
      readonly name: string;
      readonly message: MessageKind;
      readonly group: A;
      readonly port?: string;
      readonly unfilled: boolean;
    }
  | ({ readonly name: string } & Extract<RouterInterfaceEffect<A>, { kind: "querier" | "query-refused" }>)
  | { readonly kind: "older-querier"; readonly name: string; readonly version: IgmpVersion; readonly address: A }
  /** The querier upstream, or behind the port of a bridge, makes our host part speak this version (RFC 3376 7.2.1). */
  | { readonly kind: "upstream-mode"; readonly name: string; readonly version: IgmpVersion; readonly port?: string }
  | PermitEffect<A>
  /** Somebody sends under an address that is not of its link: told once, and every ten minutes while it goes on. */
  | IntruderEffect<A>
  /** `port`: of a frame that is none to us, the bridge port. */
  | ({
      readonly kind: "drop";
      readonly name: string;
      readonly reason: RouterDrop;
      readonly port?: string;
    } & RefusedWhom<A>);
