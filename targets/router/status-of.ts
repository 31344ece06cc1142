// The status of a running router, read from its parts.
import { formatIpv4, type Ipv4 } from "../../core/base/ipv4.ts";
import type { Instant } from "../../core/base/time.ts";
import type { TrackedHost } from "../../core/igmp/host-shares.ts";
import type { HostMembership } from "../../core/igmp/host-table.ts";
import type { RouterInterface } from "../../core/igmp/router-interface.ts";
import type { Clock } from "../../core/ports/clock.ts";
import type { ForwardingTable } from "../../core/ports/forwarding.ts";
import type { FrameOrigin } from "../../core/ports/frame-origin.ts";
import type { Link, Links } from "../../core/ports/links.ts";
import type { PortSender } from "../../core/ports/port-sender.ts";
import type { Intruder } from "../../core/router/intruders.ts";
import type { Refusal } from "../../core/router/refusals.ts";
import type { Router } from "../../core/router/router.ts";
import type { Upstream } from "../../core/router/upstream.ts";
import type { DriverChoice } from "../shared/drivers.ts";
import { type BridgePorts, filterText } from "./bridge-ports.ts";
import { proxied, type RouterConfig } from "./config.ts";
import type { Enforcing } from "./enforcing.ts";
import type { Interfaces } from "./interfaces.ts";
import type { LivePolicy } from "./live-policy.ts";
import type { ProxyReporting } from "./proxy-reporting.ts";
import { ruleText } from "./rule-text.ts";
import type { InterfaceStatistics, PortStatistics, Statistics } from "./statistics.ts";
import type {
  ControlStatus,
  DownstreamStatus,
  EnforceStatus,
  HostCounts,
  HostStatus,
  IntruderStatus,
  MemberStatus,
  MessageCounts,
  NewHostsStatus,
  PolicyStatus,
  PortStatus,
  ProxiedStatus,
  QuerierStatus,
  RefusalStatus,
  RouterStatus,
  SnoopingStatus,
  StatisticsStatus,
  UpstreamStatus,
} from "./status.ts";
import { warningsOf } from "./warnings.ts";

/** What the status is read from. */
export interface StatusParts {
  readonly config: RouterConfig;
  readonly router: Router;
  readonly interfaces: Interfaces;
  readonly bridgePorts: BridgePorts | undefined;
  /** undefined where routers hear the hosts of bridges themselves. */
  readonly proxyReporting: Pick<ProxyReporting, "state"> | undefined;
  readonly portSender: Pick<PortSender, "counts"> | undefined;
  readonly statistics: Statistics;
  readonly table: ForwardingTable | undefined;
  readonly clock: Clock;
  readonly links: Links;
  readonly drivers: Readonly<Record<string, DriverChoice>> | undefined;
  readonly policy: Pick<LivePolicy, "inForce" | "status">;
  readonly control: ControlStatus | undefined;
  /** Lets the bridge ports pass only what control permits, where that is wanted. */
  readonly guard: Pick<Enforcing, "state" | "hasPorts">;
  /** The card that was seen to send under an address there. */
  originOf(name: string, source: Ipv4): FrameOrigin | undefined;
}

/** The status as it is now. */
export function routerStatus(parts: StatusParts): RouterStatus {
  const { router, statistics, table, drivers, control } = parts;
  const status = {
    messages: statistics.messages.snapshot(),
    interfaces: Array.from(router.interfaces(), ([name, machine]) => downstreamStatus(parts, name, machine)),
    ...upstreamsStatus(parts),
    routes: router.routes().map(({ source, group, inbound, outbound }) => ({
      source: formatIpv4(source),
      group: formatIpv4(group),
      inbound,
      outbound,
    })),
    intruders: router.intruders().map((intruder) => intruderStatus(parts, intruder)),
    heard: statistics.heard.snapshot(),
    drops: statistics.drops.snapshot(),
    bandwidth: router.loads().map(({ carrier: { kind, ...where }, capacity, load }) => ({
      of: kind,
      interface: where.name,
      port: "port" in where ? where.port : undefined,
      kbitPerSecond: load,
      capacity,
    })),
    enforce: enforceStatus(parts),
    policy: policyStatus(parts),
    refusals: statistics.refusals.recent().map((refusal) => refusalStatus(parts, refusal)),
    lostUpcalls: table?.dropped(),
    forwarding: table?.counts(),
    drivers,
    control,
  };
  return { warnings: warningsOf(status), ...status };
}

function enforceStatus({ router, clock, guard }: StatusParts): EnforceStatus | undefined {
  const summary = router.permits(clock.now());
  return summary && { ...summary, ports: guard.state };
}

function policyStatus({ policy }: StatusParts): PolicyStatus {
  const { since, ...held } = policy.status();
  const { config, byControl } = policy.inForce;
  const from = byControl.has("rules") ? "control" : "file";
  return {
    ...held,
    since: since === undefined ? undefined : new Date(since).toISOString(),
    entries: [...byControl],
    rules: config.rules.map((rule, index) => ({ rule: index + 1, from, says: ruleText(rule) })),
  };
}

function newHostsStatus(machine: RouterInterface): readonly NewHostsStatus[] {
  const waiting = new Map<string, number>();
  for (const { host } of machine.waiting()) waiting.set(host.port, (waiting.get(host.port) ?? 0) + 1);
  return Array.from(waiting, ([port, count]) => ({ port: port === "" ? undefined : port, waiting: count }));
}

function downstreamStatus(parts: StatusParts, name: string, machine: RouterInterface): DownstreamStatus {
  const { interfaces, clock } = parts;
  const statistics = parts.statistics.of(name);
  return {
    name,
    up: interfaces.link(name) !== undefined,
    querier: querierStatus(parts, name, machine),
    lastQuery: statistics.lastQuery === undefined ? undefined : secondsSince(clock, statistics.lastQuery),
    groups: machine.groups(clock.now()).map(({ group, filter, requested, mode }) => ({
      group: formatIpv4(group),
      mode: filter.mode,
      sources: filter.sources.map(formatIpv4),
      requested: requested.map(formatIpv4),
      version: mode,
    })),
    maxGroups: machine.room.total,
    newHosts: newHostsStatus(machine),
    hosts: machine.hosts().map((membership) => memberStatus(parts, name, membership)),
    taps: interfaces.taps(name),
    snoops: parts.links.get(name)?.snoops,
    staticGroups: staticGroupsOf(parts, name),
    guarded: parts.guard.hasPorts(name),
    snooping: snoopingStatus(parts, name),
    ports: Object.fromEntries([...statistics.ports].map(([port, one]) => [port, portStatus(one)])),
    counts: hostCounts(statistics),
    ...counted(parts, name),
  };
}

function staticGroupsOf({ policy }: StatusParts, name: string): DownstreamStatus["staticGroups"] {
  const one = policy.inForce.config.downstreams.find(({ interface: its }) => its === name);
  return (one?.staticGroups ?? []).map(({ group, sources }) => ({
    group: formatIpv4(group),
    ...(sources === undefined ? {} : { sources: sources.map(formatIpv4) }),
  }));
}

function snoopingStatus(parts: StatusParts, name: string): SnoopingStatus | undefined {
  const { bridgePorts, router, clock } = parts;
  const status = bridgePorts?.status(name, router.ports(clock.now(), name));
  return status && { ...status, proxied: proxiedStatus(parts, name) };
}

function proxiedStatus(parts: StatusParts, name: string): ProxiedStatus | undefined {
  const { config, router, clock, statistics, proxyReporting, portSender } = parts;
  if (!proxied(config).some((one) => one.interface === name)) return undefined;
  const { ports } = statistics.of(name);
  return {
    // The log has told why.
    state: proxyReporting?.state(name) ?? "not loaded",
    counts: portSender?.counts() ?? {},
    perPort: (router.proxied(clock.now(), name) ?? []).map(({ port, version, isAsked, refreshes, groups }) => ({
      ...{ port, version, asks: isAsked, refreshes },
      groups: groups.map(({ group, filter }) => ({ group: formatIpv4(group), ...filterText(filter) })),
      sent: messageCounts(ports.get(port)?.sent.snapshot() ?? {}),
    })),
  };
}

function querierStatus(
  parts: StatusParts,
  name: string,
  { querier, refusedQueries: refused }: RouterInterface,
): QuerierStatus {
  switch (querier.kind) {
    case "silent":
      return { state: querier.kind, refused };
    case "querier":
      return { state: querier.kind, seconds: secondsSince(parts.clock, querier.since), refused };
    case "non-querier": {
      const { host: address, ...where } = hostStatus(parts, name, querier.winner);
      return { state: querier.kind, address, ...where, seconds: secondsSince(parts.clock, querier.since), refused };
    }
  }
}

const portStatus = ({ received, sent, drops }: PortStatistics): PortStatus => ({
  received: messageCounts(received.snapshot()),
  sent: messageCounts(sent.snapshot()),
  drops: drops.snapshot(),
});

const hostCounts = ({ hosts, zaps, groupJoins }: InterfaceStatistics): HostCounts => ({
  joins: hosts.of("joins"),
  leaves: hosts.of("leaves"),
  timeouts: hosts.of("timeouts"),
  revocations: hosts.of("revocations"),
  zaps: zaps.total,
  groupJoins,
});

/** What every interface has. */
function counted({ statistics, interfaces, clock }: StatusParts, name: string) {
  const { since, received, sent, drops } = statistics.of(name);
  const dropped = drops.snapshot();
  return {
    statistics: {
      "discontinuity-time": new Date(clock.unix(since)).toISOString(),
      error: errorsIn(dropped),
      received: messageCounts(received.snapshot()),
      sent: messageCounts(sent.snapshot()),
    },
    drops: dropped,
    lost: interfaces.lost(name),
  };
}

function messageCounts(counts: Readonly<Record<string, number>>): MessageCounts {
  const sum = (part: string): number =>
    Object.entries(counts).reduce((all, [name, times]) => (name.includes(part) ? all + times : all), 0);
  return { total: sum(""), query: sum("query"), report: sum("report"), ...counts, leave: sum("leave") };
}

/** The messages that were broken; what was dropped for another reason was none. */
export function errorsIn(drops: Readonly<Record<string, number>>): StatisticsStatus["error"] {
  const sum = (names: RegExp): number =>
    Object.entries(drops).reduce((all, [name, times]) => (names.test(name) ? all + times : all), 0);
  const [checksum, tooShort, other] = [sum(/^(ip|igmp)\.checksum$/), sum(TOO_SHORT), sum(OTHERWISE_BROKEN)];
  return { total: checksum + tooShort + other, checksum, "too-short": tooShort };
}

const TOO_SHORT = /^(ip|igmp)\.(truncated|query-truncated|record-truncated|query-length)$/;
const OTHERWISE_BROKEN = /^(ip\.(?!checksum|truncated).*|igmp\.(unknown-type|query-sources|group-not-multicast))$/;

/** In the form of the configuration: one, or a list. */
function upstreamsStatus(parts: StatusParts): Pick<RouterStatus, "upstream" | "upstreams"> {
  const all = Array.from(parts.router.upstreams(), (upstream) => upstreamStatus(parts, upstream));
  return parts.config.upstreams.length > 0 ? { upstreams: all } : { upstream: all[0] };
}

function upstreamStatus(parts: StatusParts, upstream: Upstream): UpstreamStatus {
  const { name, up, host, pace } = upstream;
  return {
    name,
    up,
    version: host.mode,
    asks: host.isAsked(parts.clock.now()),
    refreshes: host.refreshes,
    counts: pace.counts.snapshot(),
    ...counted(parts, name),
    groups: parts.router.wanted(upstream).map(({ group }) => formatIpv4(group)),
  };
}

/** An intruder with the card behind its address. */
export function intruderStatus(
  parts: Pick<StatusParts, "links" | "originOf">,
  { name, source, group, expected, times }: Intruder,
): IntruderStatus {
  return {
    interface: name,
    source: formatIpv4(source),
    ...originOf(parts, name, source),
    group: formatIpv4(group),
    expected,
    times,
  };
}

/** Which card, and behind which bridge port: of a forged address neither tracking nor the neighbour table knows. */
function originOf(parts: Pick<StatusParts, "links" | "originOf">, name: string, address: Ipv4): Partial<FrameOrigin> {
  const mac = parts.links.neighbour(name, address);
  return parts.originOf(name, address) ?? (mac === undefined ? {} : { mac });
}

function memberStatus(parts: StatusParts, name: string, { host, group, since, exact }: HostMembership): MemberStatus {
  const seconds = secondsSince(parts.clock, since);
  const where = hostStatus(parts, name, withVlan(host, parts.interfaces.link(name)));
  return { ...where, group: formatIpv4(group), seconds, exact };
}

function refusalStatus(parts: StatusParts, { name, reason, host, group, rule, times, last }: Refusal): RefusalStatus {
  return {
    interface: name,
    ...hostStatus(parts, name, withVlan(host, parts.interfaces.link(name))),
    reason,
    group: group === undefined ? undefined : formatIpv4(group),
    rule: rule?.place,
    ruleFrom: rule?.origin,
    times,
    seconds: secondsSince(parts.clock, last),
  };
}

/** Of whom no frame told, the VLAN is the interface's. */
export const withVlan = (host: TrackedHost, link: Link | undefined): TrackedHost =>
  host.vlan !== undefined || link?.vlan === undefined ? host : { ...host, vlan: link.vlan };

/** Where the packet did not tell the MAC, as the kernel's neighbour table has it. */
export function hostStatus({ links }: Pick<StatusParts, "links">, name: string, host: TrackedHost): HostStatus {
  const { address, mac, port, vlan } = host;
  return {
    host: formatIpv4(address),
    mac: mac === "" ? links.neighbour(name, address) : mac,
    port: port === "" ? undefined : port,
    ...(vlan === undefined ? {} : { vlan }),
  };
}

/** The same for the log. */
export function whereText(parts: Pick<StatusParts, "links">, name: string, host: TrackedHost) {
  const { host: address, ...where } = hostStatus(parts, name, host);
  return { address, ...where };
}

/** Whole seconds. */
export const secondsSince = (clock: Clock, moment: Instant): number => Math.round((clock.now() - moment) / 1000);
