// The router's configuration: interfaces, their IGMP parameters, and the optional way to the reception server.
import * as v from "valibot";
import { ipv4, isMulticast, isSourceSpecific, parseIpv4 } from "../../core/base/ipv4.ts";
import type { Subnet } from "../../core/base/subnet.ts";
import { type Duration, seconds } from "../../core/base/time.ts";
import type { RefreshPolicy } from "../../core/igmp/host/refresh.ts";
import type { HostPattern } from "../../core/igmp/host-pattern.ts";
import type { LeaveMode } from "../../core/igmp/interface-events.ts";
import type { ChecksumMode } from "../../core/igmp/messages/ip-header.ts";
import type { IgmpVersion } from "../../core/igmp/messages/query.ts";
import { checkTimes, MAX_QUERY_INTERVAL, type TimesConfig } from "../../core/igmp/times.ts";
import type { BandwidthOptions } from "../../core/router/policy/bandwidth.ts";
import type { GroupPrefix } from "../../core/router/policy/group-access.ts";
import type { EnforceOptions } from "../../core/router/policy/permits.ts";
import type { Rule } from "../../core/router/policy/rules.ts";
import type { StaticGroup } from "../../core/router/static-groups.ts";
import {
  brokerEntries,
  commonEntries,
  defaultSocket,
  identifier,
  interfaceName,
  refreshPolicy,
  x25519PublicKey,
} from "../shared/config.ts";
import type { CommonConfig } from "../shared/target.ts";

/** One interface with receivers behind it. */
export interface DownstreamConfig {
  readonly interface: string;
  readonly version: IgmpVersion;
  readonly times: TimesConfig;
  readonly forwarder: "always" | "elected";
  readonly leave: LeaveMode;
  readonly isolated: boolean;
  readonly queriers?: readonly Subnet[] | undefined;
  readonly querierPorts?: readonly string[] | undefined;
  readonly maxQueryInterval: Duration;
  readonly flapGrace?: Duration | undefined;
  readonly allow: readonly GroupPrefix[];
  readonly deny: readonly GroupPrefix[];
  readonly sources?: readonly Subnet[] | undefined;
  readonly maxGroups: number;
  readonly maxSources: number;
  readonly maxHostMemberships: number;
  /** undefined: no limit but the interface's. */
  readonly maxGroupsPerHost?: number | undefined;
  /** undefined: no limit but the interface's. */
  readonly maxGroupsPerPort?: number | undefined;
  readonly maxSourcesPerInterface: number;
  readonly maxSourcesPerHost?: number | undefined;
  readonly maxSourcesPerPort?: number | undefined;
  readonly joinsPerSecond: number;
  readonly newHostsPerMinute: number;
  readonly newHostsPerMinutePerPort: number;
  readonly proxies: readonly HostPattern[];
  readonly requireRouterAlert: boolean;
  readonly verifySourceSubnet: boolean;
  readonly checksum: ChecksumMode;
  readonly sourceSpecific?: readonly Subnet[] | undefined;
  /** undefined: what the interface's name says, as "eth0.10". */
  readonly vlan?: number | undefined;
  /** kbit/s. */
  readonly bandwidth?: number | undefined;
  readonly portBandwidth?: number | undefined;
  readonly staticGroups: readonly StaticGroup[];
  /** undefined: where nothing is routed, `forwarding: "bridge"`. */
  readonly snooping?: boolean | undefined;
  readonly routerPorts: readonly string[];
  readonly proxyReporting: boolean;
  readonly reportSource: "0.0.0.0" | "own";
}

/** The interface towards the source. */
export interface UpstreamConfig {
  readonly interface: string;
  readonly version: IgmpVersion;
  readonly forceVersion: boolean;
  readonly refresh: RefreshPolicy;
  readonly linger: Duration;
  readonly changesPerSecond?: number | undefined;
  readonly allow: readonly GroupPrefix[];
  /** Without these two, as core/router/upstream.ts has them. */
  readonly deny?: readonly GroupPrefix[] | undefined;
  readonly scope?: readonly GroupPrefix[] | undefined;
  readonly sources?: readonly Subnet[] | undefined;
  /** Empty: all groups that no other upstream names more exactly. */
  readonly groups: readonly GroupPrefix[];
  /** kbit/s. */
  readonly bandwidth?: number | undefined;
}

/** Only what control permits. */
export interface EnforceConfig extends EnforceOptions {
  /** Guard the ports of bridges too. */
  readonly ports: boolean;
  /** Where what control permits is kept; undefined: where it is by default, "": in memory only. */
  readonly file?: string | undefined;
}

/** What control may say of rules, limits, bandwidths and static groups in place of the file. */
export interface PolicyConfig {
  readonly fromControl: boolean;
  /** Where its last word is kept; undefined: where it is by default, "": in memory only. */
  readonly file?: string | undefined;
}

/** Which driver serves a port; "auto" takes the first that loads, in the order in which they stand here. */
export interface DriverConfig {
  readonly igmp: "auto" | "packet" | "raw-socket";
  readonly forwarding: "auto" | "native" | "raw-socket";
  readonly tap: "auto" | "packet" | "cap";
  readonly links: "auto" | "netlink" | "ip-monitor";
}

/** A whole router. */
export interface RouterConfig extends CommonConfig {
  readonly id: string;
  readonly upstream?: UpstreamConfig | undefined;
  readonly upstreams: readonly UpstreamConfig[];
  readonly downstreams: readonly DownstreamConfig[];
  readonly rules: readonly Rule[];
  readonly bandwidth: BandwidthOptions;
  readonly enforce?: EnforceConfig | undefined;
  readonly policy: PolicyConfig;
  readonly forwarding: "kernel" | "relay" | "bridge" | "none";
  readonly takeover: Duration;
  readonly taps: boolean;
  readonly hal: DriverConfig;
  readonly idle: Duration;
  readonly maxRoutes: number;
  readonly maxRoutesPerSource: number;
  readonly broker?: v.InferOutput<typeof brokerEntries.broker> | undefined;
  readonly identity?: string | undefined;
  readonly reception?: { readonly id: string; readonly publicKey: Uint8Array } | undefined;
  /** Where collectors fetch Prometheus text; undefined: nowhere. */
  readonly metrics?: { readonly address: string; readonly port: number } | undefined;
  /** Where evidence waits for its acknowledgement; without a file in /var/lib/sealcast, with "" in memory only. */
  readonly evidence: { readonly file?: string | undefined; readonly limit: number };
}

const whole = (least: number, most: number) => v.pipe(v.number(), v.integer(), v.minValue(least), v.maxValue(most));
const wholeSeconds = v.pipe(v.number(), v.minValue(0), v.maxValue(31744), v.transform(seconds));

function parsePrefix(text: string): GroupPrefix | undefined {
  const [address = "", length = "32", ...more] = text.split("/");
  const group = parseIpv4(address);
  const bits = /^\d{1,2}$/.test(length) ? Number(length) : -1;
  if (group === undefined || more.length > 0 || !isMulticast(group) || bits < 4 || bits > 32) return undefined;
  return { group: ipv4(group), length: bits };
}

/** Changes and counts that wait: with 20 viewers who zap once a minute, the last seven hours one by one. */
const EVIDENCE_LIMIT = 16_384;

/** "239.255.0.0/16", or one group without a length. */
const groupPrefix = v.pipe(
  v.string(),
  v.check((text) => parsePrefix(text) !== undefined, "must be a multicast prefix such as 239.255.0.0/16"),
  v.transform((text) => parsePrefix(text) as GroupPrefix),
);

/** What a list of an interface may hold. */
export const groupPrefixes: v.GenericSchema<unknown, readonly GroupPrefix[]> = v.pipe(
  v.array(groupPrefix),
  v.maxLength(256),
);

const someGroups = v.pipe(
  groupPrefixes,
  v.check((groups) => groups.length > 0, "must name a group"),
);

function parseSubnet(text: string): Subnet | undefined {
  const [, before = "", length = "32"] = /^([\d.]+)(?:\/(\d{1,2}))?$/.exec(text) ?? [];
  const address = parseIpv4(before);
  return address === undefined || Number(length) > 32 ? undefined : { address, prefixLength: Number(length) };
}

/** "10.2.0.0/24", or one address without a length; "0.0.0.0/0" for everybody. */
const subnet = v.pipe(
  v.string(),
  v.check((text) => parseSubnet(text) !== undefined, "must be an address or a prefix such as 10.2.0.0/24"),
  v.transform((text) => parseSubnet(text) as Subnet),
);
/** Groups as a Subnet: both ends of what "239.232.0.0/16" says are the same. */
const groupRange = v.pipe(
  groupPrefix,
  v.transform(({ group, length }): Subnet => ({ address: group, prefixLength: length })),
);

const sourceSubnets = v.optional(v.pipe(v.array(subnet), v.minLength(1), v.maxLength(256)));

/** What carriers and channels are measured in. */
export const kbitPerSecond = whole(1, 1_000_000_000);
const vlanId = whole(1, 4094);

/** One multicast group. */
const oneGroup = v.pipe(
  v.string(),
  v.check((text) => parsePrefix(text)?.length === 32, "must be a multicast group such as 239.1.1.1"),
  v.transform((text) => ipv4(parseIpv4(text) ?? 0)),
);
const oneAddress = v.pipe(
  v.string(),
  v.check((text) => parseIpv4(text) !== undefined, "must be an IPv4 address"),
  v.transform((text) => ipv4(parseIpv4(text) ?? 0)),
);

/** Of one interface. */
export const staticGroups: v.GenericSchema<unknown, readonly StaticGroup[]> = v.pipe(
  v.array(
    v.pipe(
      v.strictObject({
        group: oneGroup,
        /** Absent: from everybody. */
        sources: v.optional(v.pipe(v.array(oneAddress), v.minLength(1), v.maxLength(64))),
      }),
      v.check(
        ({ group, sources }) => !isSourceSpecific(group) || sources !== undefined,
        "a group of 232.0.0.0/8 needs `sources`",
      ),
      v.transform(({ group, sources }): StaticGroup => (sources === undefined ? { group } : { group, sources })),
    ),
  ),
  v.maxLength(1024),
  v.check((groups) => new Set(groups.map(({ group }) => group)).size === groups.length, "a group is named twice"),
);

const MAC = /^[0-9a-f]{2}(:[0-9a-f]{2}){2,5}$/;

function parseHost(text: string): HostPattern | undefined {
  const mac = text.toLowerCase();
  if (MAC.test(mac)) return { kind: "mac", mac };
  const one = parseSubnet(text);
  return one === undefined ? undefined : { kind: "subnet", subnet: one };
}

/** "10.2.0.0/24", an address, a MAC, or its first three to five octets. */
const hostPattern = v.pipe(
  v.string(),
  v.check(
    (text) => parseHost(text) !== undefined,
    "must be an address, a prefix such as 10.2.0.0/24, or a MAC or its first octets such as 02:00:00",
  ),
  v.transform((text) => parseHost(text) as HostPattern),
);

const ruleScope = {
  interface: v.optional(interfaceName),
  vlan: v.optional(vlanId),
  port: v.optional(interfaceName),
  host: v.optional(hostPattern),
  groups: v.optional(someGroups),
  sources: sourceSubnets,
};

const rule = v.pipe(
  v.variant("action", [
    v.strictObject({ action: v.picklist(["allow", "deny"]), ...ruleScope }),
    v.strictObject({
      action: v.literal("preview"),
      ...ruleScope,
      preview: v.strictObject({
        /** Seconds. */
        seconds: v.pipe(v.number(), v.minValue(1), v.maxValue(86_400)),
        perDay: v.optional(whole(1, 1000), 1),
        /** Seconds. */
        pause: v.optional(v.pipe(v.number(), v.minValue(0), v.maxValue(86_400), v.transform(seconds)), 0),
      }),
    }),
  ]),
  v.transform((one): Rule => {
    if (one.action !== "preview") return given(one) as Rule;
    const { seconds: watch, perDay, pause } = one.preview;
    return { ...given(one), preview: { watch: seconds(watch), perDay, pause } } as Rule;
  }),
);

/** In order; the first that matches decides. */
export const rules: v.GenericSchema<unknown, readonly Rule[]> = v.pipe(v.array(rule), v.maxLength(1024));

/** What channels need. */
export const bandwidth: v.GenericSchema<unknown, BandwidthOptions> = v.strictObject({
  channels: v.optional(v.pipe(v.array(v.strictObject({ groups: someGroups, kbitPerSecond })), v.maxLength(1024)), []),
  otherChannels: v.optional(whole(0, 1_000_000_000), 0),
});

const enforce = v.pipe(
  v.strictObject({
    groups: someGroups,
    /** Seconds. */
    stands: v.optional(v.pipe(v.number(), v.minValue(10), v.maxValue(604_800), v.transform(seconds)), 3600),
    afterwards: v.picklist(["open", "closed"]),
    /** Seconds. */
    refresh: v.optional(v.pipe(v.number(), v.minValue(1), v.maxValue(86_400), v.transform(seconds)), 60),
    ports: v.optional(v.boolean(), true),
    file: v.optional(v.string()),
  }),
  v.check(({ stands, refresh }) => refresh * 2 <= stands, "`refresh` must be at most half of `stands`"),
);

/** Of hosts, ports and the interface, with their ranges. */
export const limits = {
  maxGroups: whole(1, 65_536),
  maxSources: whole(64, 4096),
  /** (Host, group) pairs that are tracked. */
  maxHostMemberships: whole(1, 1_000_000),
  /** A host is a MAC on a port, or an address where no MAC is known. */
  maxGroupsPerHost: whole(1, 65_536),
  maxGroupsPerPort: whole(1, 65_536),
  /** Of all groups together. */
  maxSourcesPerInterface: whole(64, 1_000_000),
  maxSourcesPerHost: whole(1, 1_000_000),
  maxSourcesPerPort: whole(1, 1_000_000),
  /** New memberships of one host, on average. */
  joinsPerSecond: whole(1, 10_000),
  /** Hosts that are taken at their word though nobody knows them; more must answer a question first. */
  newHostsPerMinute: whole(1, 1_000_000),
  newHostsPerMinutePerPort: whole(1, 1_000_000),
} as const;

const downstream = v.pipe(
  v.strictObject({
    interface: interfaceName,
    version: v.optional(v.picklist([2, 3]), 3),
    robustness: v.optional(whole(1, 7)),
    /** Seconds. */
    queryInterval: v.optional(wholeSeconds),
    queryResponseInterval: v.optional(wholeSeconds),
    lastMemberQueryInterval: v.optional(wholeSeconds),
    lastMemberQueryCount: v.optional(whole(1, 255)),
    /** Seconds. */
    startupResponse: v.optional(wholeSeconds),
    forwarder: v.optional(v.picklist(["always", "elected"]), "always"),
    leave: v.optional(v.picklist(["mac-based", "standard", "immediate"]), "mac-based"),
    isolated: v.optional(v.boolean(), false),
    queriers: v.optional(v.pipe(v.array(subnet), v.maxLength(256))),
    querierPorts: v.optional(v.pipe(v.array(interfaceName), v.maxLength(256))),
    /** Seconds. */
    maxQueryInterval: v.optional(
      v.pipe(v.number(), v.minValue(1), v.maxValue(31_744), v.transform(seconds)),
      MAX_QUERY_INTERVAL / 1000,
    ),
    /** Seconds. */
    flapGrace: v.optional(v.pipe(v.number(), v.minValue(0), v.maxValue(86_400), v.transform(seconds))),
    allow: v.optional(groupPrefixes, []),
    deny: v.optional(groupPrefixes, []),
    sources: sourceSubnets,
    maxGroups: v.optional(limits.maxGroups, 4096),
    maxSources: v.optional(limits.maxSources, 256),
    maxHostMemberships: v.optional(limits.maxHostMemberships, 100_000),
    maxGroupsPerHost: v.optional(limits.maxGroupsPerHost),
    maxGroupsPerPort: v.optional(limits.maxGroupsPerPort),
    maxSourcesPerInterface: v.optional(limits.maxSourcesPerInterface, 65_536),
    maxSourcesPerHost: v.optional(limits.maxSourcesPerHost),
    maxSourcesPerPort: v.optional(limits.maxSourcesPerPort),
    joinsPerSecond: v.optional(limits.joinsPerSecond, 100),
    newHostsPerMinute: v.optional(limits.newHostsPerMinute, 60),
    newHostsPerMinutePerPort: v.optional(limits.newHostsPerMinutePerPort, 30),
    /** Hosts that speak for many. */
    proxies: v.optional(v.pipe(v.array(hostPattern), v.maxLength(256)), []),
    requireRouterAlert: v.optional(v.boolean(), false),
    verifySourceSubnet: v.optional(v.boolean(), false),
    checksum: v.optional(v.picklist(["verify", "link"]), "verify"),
    sourceSpecific: v.optional(v.pipe(v.array(groupRange), v.maxLength(256))),
    vlan: v.optional(vlanId),
    bandwidth: v.optional(kbitPerSecond),
    portBandwidth: v.optional(kbitPerSecond),
    staticGroups: v.optional(staticGroups, []),
    /** Each port of a bridge gets what its hosts asked for. Default: with `forwarding: "bridge"`. */
    snooping: v.optional(v.boolean()),
    /** Bridge ports with a router behind them. */
    routerPorts: v.optional(v.pipe(v.array(interfaceName), v.maxLength(64)), []),
    /** What hosts report stays within the bridge, and we tell it to the routers behind its ports. */
    proxyReporting: v.optional(v.boolean(), false),
    reportSource: v.optional(v.picklist(["0.0.0.0", "own"]), "0.0.0.0"),
  }),
  v.rawTransform(({ dataset, addIssue, NEVER }): DownstreamConfig => {
    const {
      robustness,
      queryInterval,
      queryResponseInterval,
      lastMemberQueryInterval,
      lastMemberQueryCount,
      startupResponse,
      ...rest
    } = dataset.value;
    const times = given({
      robustness,
      queryInterval,
      queryResponseInterval,
      lastMemberQueryInterval,
      lastMemberQueryCount,
      startupResponse,
    });
    const faults = checkTimes(times);
    for (const fault of faults) addIssue({ message: fault });
    return faults.length > 0 ? NEVER : { ...rest, times };
  }),
);

type Given<T> = { [K in keyof T]?: Exclude<T[K], undefined> };

/** Without the entries that are undefined. */
export const given = <T extends object>(entries: T): Given<T> =>
  Object.fromEntries(Object.entries(entries).filter(([, value]) => value !== undefined)) as Given<T>;

const upstream = v.strictObject({
  interface: interfaceName,
  version: v.optional(v.picklist([1, 2, 3]), 3),
  /** Speak it whatever an older querier asks in. */
  forceVersion: v.optional(v.boolean(), false),
  refresh: refreshPolicy,
  /** Seconds between the end of the last membership and the leave upstream. */
  linger: v.optional(v.pipe(v.number(), v.minValue(0), v.maxValue(600), v.transform(seconds)), 0),
  changesPerSecond: v.optional(whole(1, 1000)),
  allow: v.optional(groupPrefixes, []),
  deny: v.optional(groupPrefixes),
  scope: v.optional(groupPrefixes),
  sources: sourceSubnets,
  groups: v.optional(groupPrefixes, []),
  bandwidth: v.optional(kbitPerSecond),
});

const fields = v.strictObject({
  ...commonEntries,
  id: identifier,
  /** Towards the source. Without it the router connects its downstreams only. */
  upstream: v.optional(upstream),
  /** Several, by the groups that come from each. */
  upstreams: v.optional(v.pipe(v.array(upstream), v.maxLength(16)), []),
  downstreams: v.pipe(v.array(downstream), v.minLength(1), v.maxLength(31)),
  rules: v.optional(rules, []),
  bandwidth: v.optional(bandwidth, {}),
  enforce: v.optional(enforce),
  policy: v.optional(v.strictObject({ fromControl: v.optional(v.boolean(), true), file: v.optional(v.string()) }), {}),
  /** "relay": packet by packet in this process. "bridge": by port, on a machine that only bridges. "none": querier and evidence only. */
  forwarding: v.optional(v.picklist(["kernel", "relay", "bridge", "none"]), "kernel"),
  /** Seconds for which the kernel forwards on after this process was killed, for the next one to take over; 0: not at all. */
  takeover: v.optional(v.pipe(whole(0, 300), v.transform(seconds)), 10),
  /** Listen on the ports of a bridge, so that a host's port and MAC are known. */
  taps: v.optional(v.boolean(), true),
  /** Other drivers than those that would be chosen. */
  hal: v.optional(
    v.strictObject({
      igmp: v.optional(v.picklist(["auto", "packet", "raw-socket"]), "auto"),
      forwarding: v.optional(v.picklist(["auto", "native", "raw-socket"]), "auto"),
      tap: v.optional(v.picklist(["auto", "packet", "cap"]), "auto"),
      links: v.optional(v.picklist(["auto", "netlink", "ip-monitor"]), "auto"),
    }),
    {},
  ),
  /** Seconds without a packet after which a route is taken out. */
  idle: v.optional(v.pipe(v.number(), v.minValue(30), v.maxValue(86_400), v.transform(seconds)), 180),
  maxRoutes: v.optional(whole(1, 65_536), 1024),
  maxRoutesPerSource: v.optional(whole(1, 65_536), 64),
  /** The way to the reception server: all three or none. */
  broker: v.optional(brokerEntries.broker),
  identity: v.optional(v.pipe(v.string(), v.minLength(1))),
  reception: v.optional(v.strictObject({ id: identifier, publicKey: x25519PublicKey })),
  /** Counters over HTTP, on the loopback interface unless another address is named. */
  metrics: v.optional(
    v.strictObject({ address: v.optional(v.pipe(v.string(), v.ipv4()), "127.0.0.1"), port: whole(1, 65_535) }),
  ),
  evidence: v.optional(
    v.strictObject({ file: v.optional(v.string()), limit: v.optional(whole(256, 131_072), EVIDENCE_LIMIT) }),
    { limit: EVIDENCE_LIMIT },
  ),
});

/** Towards the sources, whichever way they are configured. */
export const upstreamsOf = ({ upstream, upstreams }: RouterConfig): readonly UpstreamConfig[] =>
  upstream === undefined ? upstreams : [upstream];

/** The downstreams whose bridge ports are kept. */
export const snooped = ({ downstreams, forwarding }: RouterConfig): readonly DownstreamConfig[] =>
  downstreams.filter(({ snooping = forwarding === "bridge" }) => snooping);

/** Those of them whose hosts are spoken for to the routers behind other ports. */
export const proxied = (config: RouterConfig): readonly DownstreamConfig[] =>
  snooped(config).filter(({ proxyReporting }) => proxyReporting);

/** Where it is kept how the bridges were found; undefined without a socket, beside which it is. */
export function foundBridgesFile({ id, socket = defaultSocket("router", id) }: RouterConfig): string | undefined {
  return socket === "" ? undefined : `${socket}.bridges`;
}

const ranges = (config: RouterConfig): readonly string[] =>
  config.upstreams.flatMap(({ groups }) =>
    groups.length === 0 ? ["all"] : groups.map(({ group, length }) => `${group >>> (32 - length)}/${length}`),
  );

/** The kernel's MAXVIFS. */
const MOST_INTERFACES = 32;

/** Every interface that is named. */
export const interfacesOf = (config: RouterConfig): readonly string[] => [
  ...upstreamsOf(config).map((one) => one.interface),
  ...config.downstreams.map((one) => one.interface),
];

const limitsBandwidth = (config: RouterConfig): boolean =>
  upstreamsOf(config).some((one) => one.bandwidth !== undefined) ||
  config.downstreams.some((one) => one.bandwidth !== undefined || one.portBandwidth !== undefined);

/** Whether nobody says what channels need though a carrier is limited; NO_RATES says so in words. */
export const lacksRates = (config: RouterConfig): boolean =>
  config.bandwidth.channels.length + config.bandwidth.otherChannels === 0 && limitsBandwidth(config);

/** Of `lacksRates`. */
export const NO_RATES = "`bandwidth` has to say what channels need where an interface, port or uplink has one";

/** Checked before anything opens; docs/configuration.md has every entry. */
export const routerConfig: v.GenericSchema<unknown, RouterConfig> = v.pipe(
  fields,
  v.check(
    ({ rules, downstreams }) =>
      rules.every((one) => one.interface === undefined || downstreams.some((lan) => lan.interface === one.interface)),
    "one of `rules` names an interface that is not among `downstreams`",
  ),
  v.check((config) => !lacksRates(config), NO_RATES),
  v.check(
    (config) => new Set(interfacesOf(config)).size === interfacesOf(config).length,
    "an interface is named twice",
  ),
  v.check(
    ({ upstream, upstreams }) => upstream === undefined || upstreams.length === 0,
    "`upstream` is the short form of `upstreams` with one: give one of the two",
  ),
  v.check(
    (config) => new Set(ranges(config)).size === ranges(config).length,
    "two of `upstreams` name the same `groups`, or none",
  ),
  v.check(
    (config) => interfacesOf(config).length <= MOST_INTERFACES,
    `multicast routing takes ${MOST_INTERFACES} interfaces at most`,
  ),
  v.check(
    (config) => config.taps || snooped(config).length === 0,
    '`snooping`, as with `forwarding: "bridge"`, needs `taps`: what hosts say has to be heard by port',
  ),
  v.check(
    (config) => proxied(config).length === config.downstreams.filter(({ proxyReporting }) => proxyReporting).length,
    "`proxyReporting` needs `snooping`: what is told to routers is what the ports' hosts want",
  ),
  v.check(
    ({ broker, identity, reception }) =>
      [broker, identity, reception].every((one) => one === undefined) ||
      [broker, identity, reception].every((one) => one !== undefined),
    "`broker`, `identity` and `reception` come together or not at all",
  ),
  v.check(
    ({ enforce: enforced, reception }) => enforced === undefined || reception !== undefined,
    "`enforce` needs `broker`, `identity` and `reception`: the word of control is enforced",
  ),
);
