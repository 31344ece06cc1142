// What a running router says of itself, field by field: `status --json`, and what the table for a person is made of.
import type { RuleOrigin } from "../../core/igmp/admission.ts";
import type { QuerierState } from "../../core/igmp/querier.ts";
import type { DriverChoice } from "../shared/drivers.ts";
import type { Lost } from "./interfaces.ts";

/** A host as far as it is known. */
export interface HostStatus {
  /** Its IPv4 address; 0.0.0.0 for one that has none yet. */
  readonly host: string;
  readonly mac?: string | undefined;
  /** The bridge port behind which it was heard. */
  readonly port?: string | undefined;
  /** That into which the bridge puts its frames, or, where no tap has heard it, that of the interface. */
  readonly vlan?: number | undefined;
}

/** A host that is a member of a group. */
export interface MemberStatus extends HostStatus {
  readonly group: string;
  /** Since it joined. */
  readonly seconds: number;
  /** It speaks for itself (v3); else it may be one of several (v1, v2). */
  readonly exact: boolean;
}

/** What a link wants of a group. */
export interface GroupStatus {
  readonly group: string;
  readonly mode: "include" | "exclude";
  readonly sources: readonly string[];
  /** Sources that hosts ask for by name: A of INCLUDE, X of EXCLUDE (RFC 3376 6.2.1). */
  readonly requested: readonly string[];
  /** The oldest IGMP version of its hosts. */
  readonly version: number;
}

/** Who asks the questions on a downstream. */
export interface QuerierStatus {
  readonly state: QuerierState["kind"];
  /** Since when. */
  readonly seconds?: number | undefined;
  /** Queries of others that did not count. */
  readonly refused: number;
  /** Of another querier. */
  readonly address?: string | undefined;
  readonly mac?: string | undefined;
  readonly port?: string | undefined;
}

/** Messages as RFC 8652 sums them, then one by one. */
export type MessageCounts = Readonly<Record<string, number>> & {
  readonly total: number;
  readonly query: number;
  readonly report: number;
  readonly leave: number;
};

/** The container `statistics` of an interface in RFC 8652, with its names. */
export interface StatisticsStatus {
  /** Since when the counters run, ISO 8601. */
  readonly "discontinuity-time": string;
  readonly error: { readonly total: number; readonly checksum: number; readonly "too-short": number };
  readonly received: MessageCounts;
  readonly sent: MessageCounts;
}

/** What hosts of a downstream did. */
export interface HostCounts {
  readonly joins: number;
  readonly leaves: number;
  readonly timeouts: number;
  /** Memberships that ended because a rule or control no longer allowed them. */
  readonly revocations: number;
  /** A leave and a join of one host within five seconds. */
  readonly zaps: number;
  /** How often the link as a whole began to want a group (RFC 5519, mgmdRouterInterfaceJoins). */
  readonly groupJoins: number;
}

/** A bridge port as its tap hears it (RFC 9166). */
export interface PortStatus {
  readonly received: MessageCounts;
  /** By this port alone. */
  readonly sent: MessageCounts;
  readonly drops: Readonly<Record<string, number>>;
}

/** A bridge of which each port gets what its own hosts asked for. */
export interface SnoopingStatus {
  /** "kept", "waiting" for the bridge, or the code of the error for which it delivers as it would without us. */
  readonly state: string;
  /** What the bridge refused. */
  readonly counts?: Readonly<Record<string, number>> | undefined;
  readonly perPort: readonly {
    readonly port: string;
    /** A router is behind it: it gets every group. */
    readonly router: boolean;
    readonly groups: readonly Pick<GroupStatus, "group" | "mode" | "sources">[];
  }[];
  /** undefined where routers hear the hosts themselves. */
  readonly proxied?: ProxiedStatus | undefined;
}

/** What routers behind the ports of a bridge are told in place of what its hosts report. */
export interface ProxiedStatus {
  /** "in force", "starting", "no router" where none is known, or why hosts' reports reach the routers as they would without us. */
  readonly state: string;
  /** What could not be sent. */
  readonly counts: Readonly<Record<string, number>>;
  /** The ports with a router. */
  readonly perPort: readonly {
    readonly port: string;
    /** The IGMP version that we speak there now. */
    readonly version: number;
    /** Whether somebody asks there. */
    readonly asks: boolean;
    /** How often all reports were repeated because nobody did. */
    readonly refreshes: number;
    readonly groups: readonly Pick<GroupStatus, "group" | "mode" | "sources">[];
    readonly sent: MessageCounts;
  }[];
}

/** New hosts that wait. */
export interface NewHostsStatus {
  /** Behind which bridge port; undefined where that is not known. */
  readonly port?: string | undefined;
  readonly waiting: number;
}

/** An interface with receivers behind it. */
export interface DownstreamStatus {
  readonly name: string;
  readonly up: boolean;
  readonly querier: QuerierStatus;
  /** Since the last query that was sent or heard here; undefined: none yet. */
  readonly lastQuery?: number | undefined;
  readonly groups: readonly GroupStatus[];
  /** How many there may be. */
  readonly maxGroups: number;
  /** Hosts that nobody knows, and that are to answer a question before they are let in, as room is short. */
  readonly newHosts: readonly NewHostsStatus[];
  readonly hosts: readonly MemberStatus[];
  /** By bridge port: "starting", "listening", or the code of the error while it is tried again. */
  readonly taps: Readonly<Record<string, string>>;
  /** Of a bridge: whether it keeps groups from ports behind which it has heard nobody ask, by itself or for us. */
  readonly snoops?: boolean | undefined;
  /** Groups that are delivered there whoever asks. */
  readonly staticGroups: readonly { readonly group: string; readonly sources?: readonly string[] }[];
  /** Where ports are guarded: whether this has any, as a bridge or a VLAN of one; undefined too while it is not there. */
  readonly guarded?: boolean | undefined;
  /** undefined where ports are not told apart. */
  readonly snooping?: SnoopingStatus | undefined;
  readonly ports: Readonly<Record<string, PortStatus>>;
  readonly counts: HostCounts;
  readonly statistics: StatisticsStatus;
  readonly drops: Readonly<Record<string, number>>;
  readonly lost: Lost;
}

/** An interface towards the sources. */
export interface UpstreamStatus {
  readonly name: string;
  readonly up: boolean;
  /** The IGMP version that we speak there now. */
  readonly version: number;
  /** Whether somebody asks there. */
  readonly asks: boolean;
  /** How often all reports were repeated because nobody did. */
  readonly refreshes: number;
  /** Leaves that lingered or were spared, changes that waited or were overtaken. */
  readonly counts: Readonly<Record<string, number>>;
  readonly statistics: StatisticsStatus;
  readonly drops: Readonly<Record<string, number>>;
  readonly lost: Lost;
  readonly groups: readonly string[];
}

/** An entry of the forwarding cache. */
export interface RouteStatus {
  readonly source: string;
  readonly group: string;
  readonly inbound: string;
  readonly outbound: readonly string[];
}

/** Who sends from where it may not. */
export interface IntruderStatus {
  readonly interface: string;
  readonly source: string;
  readonly mac?: string;
  readonly port?: string;
  readonly group: string;
  /** From which interface this source is expected. */
  readonly expected?: string | undefined;
  readonly times: number;
}

/** Who was refused what. */
export interface RefusalStatus extends HostStatus {
  readonly interface: string;
  readonly reason: string;
  readonly group?: string | undefined;
  /** The rule that decided: its number, or the list of the interface; and who has given it. */
  readonly rule?: number | string | undefined;
  readonly ruleFrom?: RuleOrigin | undefined;
  readonly times: number;
  /** Since the last time. */
  readonly seconds: number;
}

/** What is carried of what may be, where a capacity is configured. */
export interface BandwidthStatus {
  readonly of: string;
  readonly interface: string;
  readonly port?: string | undefined;
  readonly kbitPerSecond: number;
  readonly capacity: number;
}

/** What control says of who may receive. */
export interface EnforceStatus {
  /** Whether its last word stands. */
  readonly stands: boolean;
  /** The cards that it was asked about, and those of them that may receive something. */
  readonly cards: number;
  readonly permitted: number;
  /**
   * Of bridges: whether nobody else behind them gets a packet. "guarded", "not guarded" (`enforce.ports` is false), "nothing to guard" (no
   * downstream is a bridge), or the code of what is wrong.
   */
  readonly ports: string;
}

/** A rule of `rules`. */
export interface RuleStatus {
  /** From 1. */
  readonly rule: number;
  readonly from: RuleOrigin;
  /** In words. */
  readonly says: string;
}

/** Which rules, limits, bandwidths, static groups and what else control may give is in force, and who has given them. */
export interface PolicyStatus {
  /** Control's, that is in force; 0: none. */
  readonly revision: number;
  /** When it was taken, ISO 8601. */
  readonly since?: string | undefined;
  /** The entries that it gives; all others are the file's. */
  readonly entries: readonly string[];
  /** What of it is otherwise than it says. */
  readonly remarks: readonly string[];
  /** A newer one that cannot be in force, and why. */
  readonly refused?: { readonly revision: number; readonly faults: readonly string[] } | undefined;
  /** "on disk", "in memory", or the code of the error for which it is in memory only. */
  readonly kept: string;
  readonly rules: readonly RuleStatus[];
}

/** The way to control, where there is one. */
export interface ControlStatus {
  readonly connected: boolean;
  /** "connected", "away" or "refused". */
  readonly broker: string;
  /** Why not, in words, once an attempt has ended. */
  readonly brokerFault?: string;
  /** Changes and counts that control has not acknowledged. */
  readonly waiting: number;
  /** "on disk", "in memory", or the code of the error for which evidence is in memory only. */
  readonly evidence: string;
  readonly drops: Readonly<Record<string, number>>;
}

/** A whole router. docs/status.md has every field. */
export interface RouterStatus {
  /** In words, the gravest first; empty when all is well. */
  readonly warnings: readonly string[];
  /** How often 71, 72, 81 and 82 of the patent happened. */
  readonly messages: Readonly<Record<string, number>>;
  readonly interfaces: readonly DownstreamStatus[];
  readonly upstream?: UpstreamStatus | undefined;
  readonly upstreams?: readonly UpstreamStatus[] | undefined;
  readonly routes: readonly RouteStatus[];
  readonly intruders: readonly IntruderStatus[];
  readonly heard: Readonly<Record<string, number>>;
  readonly drops: Readonly<Record<string, number>>;
  readonly bandwidth: readonly BandwidthStatus[];
  /** What control permits; undefined where it is not asked. */
  readonly enforce?: EnforceStatus | undefined;
  readonly policy: PolicyStatus;
  readonly refusals: readonly RefusalStatus[];
  /** Questions of the kernel that were lost because nobody read them in time. */
  readonly lostUpcalls?: number | undefined;
  /** What the driver of the routes dropped or was refused; undefined where nothing is routed. */
  readonly forwarding?: Readonly<Record<string, number>> | undefined;
  readonly drivers?: Readonly<Record<string, DriverChoice>> | undefined;
  readonly control?: ControlStatus | undefined;
}
