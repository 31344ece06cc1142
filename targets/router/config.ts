// The router's configuration: interfaces, their IGMP parameters, and the optional way to the reception server.
import * as v from "valibot";
import { ipv4, isMulticast, parseIpv4 } from "../../core/base/ipv4.ts";
import type { Subnet } from "../../core/base/subnet.ts";
import { type Duration, seconds } from "../../core/base/time.ts";
import type { ImmediateLeave } from "../../core/igmp/interface-events.ts";
import type { IgmpVersion } from "../../core/igmp/query.ts";
import type { RefreshPolicy } from "../../core/igmp/refresh.ts";
import { checkTimes, type TimesConfig } from "../../core/igmp/times.ts";
import type { GroupPrefix } from "../../core/router/group-access.ts";
import { brokerEntries, commonEntries, identifier, refreshPolicy, x25519PublicKey } from "../shared/config.ts";
import type { CommonConfig } from "../shared/target.ts";

/** One interface with receivers behind it. */
export interface DownstreamConfig {
  readonly interface: string;
  readonly version: IgmpVersion;
  readonly times: TimesConfig;
  readonly immediateLeave: ImmediateLeave;
  readonly allow: readonly GroupPrefix[];
  readonly deny: readonly GroupPrefix[];
  readonly sources?: readonly Subnet[] | undefined;
  readonly maxGroups: number;
  readonly maxSources: number;
  readonly maxHostMemberships: number;
  readonly maxGroupsPerHost: number;
  /** undefined: no limit but the interface's. */
  readonly maxGroupsPerPort?: number | undefined;
  readonly joinsPerSecond: number;
  readonly requireRouterAlert: boolean;
  /** undefined: where nothing is routed, `forwarding: "bridge"`. */
  readonly snooping?: boolean | undefined;
  readonly routerPorts: readonly string[];
}

/** The interface towards the source. */
export interface UpstreamConfig {
  readonly interface: string;
  readonly version: IgmpVersion;
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
  readonly forwarding: "kernel" | "relay" | "bridge" | "none";
  readonly taps: boolean;
  readonly hal: DriverConfig;
  readonly idle: Duration;
  readonly maxRoutes: number;
  readonly maxRoutesPerSource: number;
  readonly broker?: v.InferOutput<typeof brokerEntries.broker> | undefined;
  readonly identity?: string | undefined;
  readonly reception?: { readonly id: string; readonly publicKey: Uint8Array } | undefined;
  /** Where evidence waits for its acknowledgement; without a file in /var/lib/sealcast, with "" in memory only. */
  readonly evidence: { readonly file?: string | undefined; readonly limit: number };
}

/** As the kernel names interfaces: IFNAMSIZ is 16 with the final zero. */
const interfaceName = v.pipe(v.string(), v.regex(/^[^\s/:]{1,15}$/, "must be an interface name of 1 to 15 characters"));

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

const groupPrefixes = v.pipe(v.array(groupPrefix), v.maxLength(256));

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
const senders = v.optional(v.pipe(v.array(subnet), v.minLength(1), v.maxLength(256)));

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
    immediateLeave: v.optional(v.picklist(["off", "v3", "isolated"]), "off"),
    allow: v.optional(groupPrefixes, []),
    deny: v.optional(groupPrefixes, []),
    sources: senders,
    maxGroups: v.optional(whole(1, 65_536), 1024),
    maxSources: v.optional(whole(64, 4096), 256),
    /** (Host, group) pairs that are tracked. */
    maxHostMemberships: v.optional(whole(1, 1_000_000), 100_000),
    /** A host is a MAC on a port, or an address where no MAC is known. */
    maxGroupsPerHost: v.optional(whole(1, 65_536), 64),
    maxGroupsPerPort: v.optional(whole(1, 1_000_000)),
    /** New memberships of one host, on average. */
    joinsPerSecond: v.optional(whole(1, 10_000), 100),
    requireRouterAlert: v.optional(v.boolean(), false),
    /** Each port of a bridge gets what its hosts asked for. Default: with `forwarding: "bridge"`. */
    snooping: v.optional(v.boolean()),
    /** Bridge ports with a router behind them. */
    routerPorts: v.optional(v.pipe(v.array(interfaceName), v.maxLength(64)), []),
  }),
  v.rawTransform(({ dataset, addIssue, NEVER }): DownstreamConfig => {
    const { robustness, queryInterval, queryResponseInterval, lastMemberQueryInterval, lastMemberQueryCount, ...rest } =
      dataset.value;
    const times = given({
      robustness,
      queryInterval,
      queryResponseInterval,
      lastMemberQueryInterval,
      lastMemberQueryCount,
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
  refresh: refreshPolicy,
  /** Seconds between the end of the last membership and the leave upstream. */
  linger: v.optional(v.pipe(v.number(), v.minValue(0), v.maxValue(600), v.transform(seconds)), 0),
  changesPerSecond: v.optional(whole(1, 1000)),
  allow: v.optional(groupPrefixes, []),
  deny: v.optional(groupPrefixes),
  scope: v.optional(groupPrefixes),
  sources: senders,
  groups: v.optional(groupPrefixes, []),
});

const fields = v.strictObject({
  ...commonEntries,
  id: identifier,
  /** Towards the source. Without it the router connects its downstreams only. */
  upstream: v.optional(upstream),
  /** Several, by the groups that come from each. */
  upstreams: v.optional(v.pipe(v.array(upstream), v.maxLength(16)), []),
  downstreams: v.pipe(v.array(downstream), v.minLength(1), v.maxLength(31)),
  /** "relay": packet by packet in this process. "bridge": by port, on a machine that only bridges. "none": querier and evidence only. */
  forwarding: v.optional(v.picklist(["kernel", "relay", "bridge", "none"]), "kernel"),
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

const ranges = (config: RouterConfig): readonly string[] =>
  config.upstreams.flatMap(({ groups }) =>
    groups.length === 0 ? ["all"] : groups.map(({ group, length }) => `${group >>> (32 - length)}/${length}`),
  );

/** The kernel's MAXVIFS. */
const MOST_INTERFACES = 32;

const names = (config: RouterConfig): readonly string[] => [
  ...upstreamsOf(config).map((one) => one.interface),
  ...config.downstreams.map((one) => one.interface),
];

/** Checked before anything opens; docs/configuration.md has every entry. */
export const routerConfig: v.GenericSchema<unknown, RouterConfig> = v.pipe(
  fields,
  v.check((config) => new Set(names(config)).size === names(config).length, "an interface is named twice"),
  v.check(
    ({ upstream, upstreams }) => upstream === undefined || upstreams.length === 0,
    "`upstream` is the short form of `upstreams` with one: give one of the two",
  ),
  v.check(
    (config) => new Set(ranges(config)).size === ranges(config).length,
    "two of `upstreams` name the same `groups`, or none",
  ),
  v.check(
    (config) => names(config).length <= MOST_INTERFACES,
    `multicast routing takes ${MOST_INTERFACES} interfaces at most`,
  ),
  v.check(
    (config) => config.taps || snooped(config).length === 0,
    '`snooping`, as with `forwarding: "bridge"`, needs `taps`: what hosts say has to be heard by port',
  ),
  v.check(
    ({ broker, identity, reception }) =>
      [broker, identity, reception].every((one) => one === undefined) ||
      [broker, identity, reception].every((one) => one !== undefined),
    "`broker`, `identity` and `reception` come together or not at all",
  ),
);
