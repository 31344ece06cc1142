// The router's counters as Prometheus reads them. Labels are interfaces, bridge ports, messages and reasons: bounded.
import { bridgeFamilies } from "./bridge-metrics.ts";
import { controlFamilies } from "./control-metrics.ts";
import { byMessage, byReason, counter, type Family, familyText, gauge, type Value, yes } from "./metric-family.ts";
import type { InterfaceStatistics } from "./statistics.ts";
import { errorsIn, type StatusParts } from "./status-of.ts";

/** For the header Content-Type. */
export const METRICS_TYPE = "text/plain; version=0.0.4; charset=utf-8";

/** What the process takes. */
export interface ProcessUse {
  /** Of one processor, since the start. */
  readonly cpuSeconds: number;
  readonly residentBytes: number;
}

/** Every metric, with HELP and TYPE; a value that nobody can tell is left out. */
export function metricsText(parts: StatusParts, use: ProcessUse): string {
  const families = [
    ...messageFamilies(parts),
    ...hostFamilies(parts),
    ...interfaceFamilies(parts),
    ...upstreamFamilies(parts),
    ...routerFamilies(parts),
    ...bridgeFamilies(parts),
    ...controlFamilies(parts),
    ...processFamilies(use),
  ];
  return families.map(familyText).join("");
}

/** One value for each interface. */
const each = (parts: StatusParts, value: (one: InterfaceStatistics, name: string) => number | undefined): Value[] =>
  Array.from(parts.statistics.all(), ([name, one]) => [{ interface: name }, value(one, name)]);

/** Of each interface. */
const eachOf = (parts: StatusParts, values: (one: InterfaceStatistics, name: string) => readonly Value[]): Value[] =>
  Array.from(parts.statistics.all()).flatMap(([name, one]) => values(one, name));

const messageFamilies = (parts: StatusParts): readonly Family[] => [
  counter(
    "received_messages",
    "IGMP messages received that were well formed (RFC 8652 received).",
    eachOf(parts, ({ received }, name) => byMessage({ interface: name }, received)),
  ),
  counter(
    "sent_messages",
    "IGMP messages sent (RFC 8652 sent).",
    eachOf(parts, ({ sent }, name) => byMessage({ interface: name }, sent)),
  ),
  counter(
    "errors",
    "IGMP messages that were broken (RFC 8652 error).",
    eachOf(parts, ({ drops }, name) => errorValues(name, drops.snapshot())),
  ),
  counter(
    "drops",
    "What had no effect, by reason: broken, refused or not for us.",
    eachOf(parts, ({ drops }, name) => byReason({ interface: name }, drops.snapshot())),
  ),
];

function errorValues(name: string, drops: Readonly<Record<string, number>>): Value[] {
  const { total, checksum, "too-short": tooShort } = errorsIn(drops);
  return [
    [{ interface: name, error: "checksum" }, checksum],
    [{ interface: name, error: "too-short" }, tooShort],
    [{ interface: name, error: "other" }, total - checksum - tooShort],
  ];
}

function hostFamilies(parts: StatusParts): readonly Family[] {
  const counts = (name: string, help: string, value: (one: InterfaceStatistics) => number): Family =>
    counter(name, help, each(parts, value));
  return [
    counts("joins", "Hosts that joined a group.", ({ hosts }) => hosts.of("joins")),
    counts("leaves", "Hosts that said that they leave a group.", ({ hosts }) => hosts.of("leaves")),
    counts("timeouts", "Hosts that were not heard of a group any more.", ({ hosts }) => hosts.of("timeouts")),
    counts("revocations", "Hosts that may no longer have a group.", ({ hosts }) => hosts.of("revocations")),
    counts("zaps", "A leave and a join of one host within five seconds.", ({ zaps }) => zaps.total),
    counts(
      "group_joins",
      "Groups that a link began to want (RFC 5519 mgmdRouterInterfaceJoins).",
      ({ groupJoins }) => groupJoins,
    ),
  ];
}

function interfaceFamilies(parts: StatusParts): readonly Family[] {
  const { interfaces, router } = parts;
  const machines = [...router.interfaces()].map(([name, machine]) => [{ interface: name }, machine] as const);
  return [
    gauge(
      "interface_up",
      "Whether the interface is in use.",
      each(parts, (_, name) => yes(interfaces.link(name) !== undefined)),
    ),
    gauge(
      "groups",
      "Groups that a downstream wants (RFC 5519 mgmdRouterInterfaceGroups).",
      machines.map(([labels]) => [labels, parts.statistics.of(labels.interface).groups.size]),
    ),
    gauge(
      "groups_limit",
      "Groups that a downstream may have (maxGroups).",
      machines.map(([labels, { room }]) => [labels, room.total]),
    ),
    gauge(
      "memberships",
      "Pairs of host and group that are tracked.",
      machines.map(([labels, machine]) => [labels, sum(machine.viewers())]),
    ),
    gauge(
      "new_hosts_waiting",
      "Hosts that nobody knows and that are to answer a query first (newHostsPerMinute).",
      machines.map(([labels, machine]) => [labels, machine.waiting().length]),
    ),
    gauge(
      "querier",
      "Whether this router asks the questions on a downstream.",
      machines.map(([labels, { querier }]) => [labels, yes(querier.kind === "querier")]),
    ),
    counter(
      "refused_queries",
      "Queries of somebody who may not ask there.",
      machines.map(([labels, { refusedQueries }]) => [labels, refusedQueries]),
    ),
    counter(
      "lost_packets",
      "IGMP packets that the kernel threw away because its queue was full.",
      each(parts, (_, name) => interfaces.lost(name).packets),
    ),
    counter(
      "lost_frames",
      "Frames of bridge ports that the kernel threw away because its queue was full.",
      each(parts, (_, name) => interfaces.lost(name).frames),
    ),
  ];
}

const sum = (viewers: Iterable<readonly [unknown, number]>): number => {
  let all = 0;
  for (const [, hosts] of viewers) all += hosts;
  return all;
};

function upstreamFamilies({ router, clock }: StatusParts): readonly Family[] {
  const upstreams = [...router.upstreams()];
  return [
    gauge(
      "upstream_asked",
      "Whether somebody asks the questions on an upstream.",
      upstreams.map(({ name, host }) => [{ interface: name }, yes(host.isAsked(clock.now()))]),
    ),
    gauge(
      "upstream_groups",
      "Groups that are asked for on an upstream.",
      upstreams.map((one) => [{ interface: one.name }, router.wanted(one).length]),
    ),
    counter(
      "upstream_refreshes",
      "How often all reports were repeated because nobody asked.",
      upstreams.map(({ name, host }) => [{ interface: name }, host.refreshes]),
    ),
    counter(
      "upstream_paced",
      "Changes upstream that lingered, waited, or were spared.",
      upstreams.flatMap(({ name, pace }) =>
        Object.entries(pace.counts.snapshot()).map(([event, times]): Value => [{ interface: name, event }, times]),
      ),
    ),
  ];
}

function routerFamilies({ router, statistics, table }: StatusParts): readonly Family[] {
  const { messages } = statistics;
  return [
    gauge("routes", "Entries of the forwarding cache.", [[{}, router.routes().length]]),
    counter("deliveries", "Deliveries of a stream on a downstream that began (72) and ended (82).", [
      [{ change: "began" }, messages.of("72")],
      [{ change: "ended" }, messages.of("82")],
    ]),
    gauge("intruders", "Senders remembered that send from where they may not.", [[{}, router.intruders().length]]),
    counter("lost_upcalls", "Questions of the kernel about new streams that were lost in its queue.", [
      [{}, table?.dropped()],
    ]),
    counter(
      "forwarding_drops",
      "What the driver of the routes dropped or was refused, by reason.",
      byReason({}, table?.counts()),
    ),
  ];
}

const processFamilies = ({ cpuSeconds, residentBytes }: ProcessUse): readonly Family[] => [
  {
    name: "process_cpu_seconds_total",
    type: "counter",
    help: "Processor time of the router's process.",
    values: [[{}, cpuSeconds]],
  },
  {
    name: "process_resident_memory_bytes",
    type: "gauge",
    help: "Memory of the router's process.",
    values: [[{}, residentBytes]],
  },
];
