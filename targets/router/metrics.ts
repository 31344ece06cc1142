// The router's counters as Prometheus reads them (text format 0.0.4). Labels are interfaces, bridge ports, messages and reasons: bounded.
import type { Counters } from "../../core/base/counters.ts";
import { type InterfaceStatistics, MESSAGE_NAMES, type MessageName } from "./statistics.ts";
import { errorsIn, type StatusParts } from "./status-of.ts";

/** For the header Content-Type. */
export const METRICS_TYPE = "text/plain; version=0.0.4; charset=utf-8";

/** What the process takes. */
export interface ProcessUse {
  /** Of one processor, since the start. */
  readonly cpuSeconds: number;
  readonly residentBytes: number;
}

type Labels = Readonly<Record<string, string>>;
type Value = readonly [labels: Labels, value: number | undefined];

interface Family {
  readonly name: string;
  readonly type: "counter" | "gauge";
  readonly help: string;
  readonly values: readonly Value[];
}

/** Every metric, with HELP and TYPE; a value that nobody can tell is left out. */
export function metricsText(parts: StatusParts, use: ProcessUse): string {
  const families = [
    ...messageFamilies(parts),
    ...hostFamilies(parts),
    ...interfaceFamilies(parts),
    ...upstreamFamilies(parts),
    ...routerFamilies(parts),
    ...processFamilies(use),
  ];
  return families.map(familyText).join("");
}

function familyText({ name, type, help, values }: Family): string {
  const lines = values.flatMap(([labels, value]) =>
    value === undefined ? [] : `${name}${labelText(labels)} ${value}\n`,
  );
  return lines.length === 0 ? "" : `# HELP ${name} ${help}\n# TYPE ${name} ${type}\n${lines.join("")}`;
}

function labelText(labels: Labels): string {
  const pairs = Object.entries(labels).map(([name, value]) => `${name}="${escaped(value)}"`);
  return pairs.length === 0 ? "" : `{${pairs.join(",")}}`;
}

const escaped = (value: string): string =>
  value.replaceAll("\\", "\\\\").replaceAll("\n", "\\n").replaceAll('"', '\\"');

/** One value for each interface. */
const each = (parts: StatusParts, value: (one: InterfaceStatistics, name: string) => number | undefined): Value[] =>
  Array.from(parts.statistics.all(), ([name, one]) => [{ interface: name }, value(one, name)]);

/** Zeros too, so that a rate is there from the first message on. */
const byMessage = (labels: Labels, counts: Counters<MessageName>): Value[] =>
  MESSAGE_NAMES.map((message) => [{ ...labels, message }, counts.of(message)]);

function messageFamilies({ statistics }: StatusParts): readonly Family[] {
  const all = [...statistics.all()];
  const ports = all.flatMap(([name, one]) =>
    Array.from(one.ports, ([port, heard]) => [{ interface: name, port }, heard] as const),
  );
  return [
    {
      name: "sealcast_igmp_received_messages_total",
      type: "counter",
      help: "IGMP messages received that were well formed (RFC 8652 received).",
      values: all.flatMap(([name, { received }]) => byMessage({ interface: name }, received)),
    },
    {
      name: "sealcast_igmp_sent_messages_total",
      type: "counter",
      help: "IGMP messages sent (RFC 8652 sent).",
      values: all.flatMap(([name, { sent }]) => byMessage({ interface: name }, sent)),
    },
    {
      name: "sealcast_igmp_port_received_messages_total",
      type: "counter",
      help: "IGMP messages that came in through a bridge port (RFC 9166).",
      values: ports.flatMap(([labels, { received }]) => byMessage(labels, received)),
    },
    {
      name: "sealcast_igmp_errors_total",
      type: "counter",
      help: "IGMP messages that were broken (RFC 8652 error).",
      values: all.flatMap(([name, { drops }]) => errorValues(name, drops.snapshot())),
    },
    {
      name: "sealcast_igmp_drops_total",
      type: "counter",
      help: "What had no effect, by reason: broken, refused or not for us.",
      values: all.flatMap(([name, { drops }]) =>
        Object.entries(drops.snapshot()).map(([reason, times]): Value => [{ interface: name, reason }, times]),
      ),
    },
  ];
}

function errorValues(name: string, drops: Readonly<Record<string, number>>): Value[] {
  const { total, checksum, "too-short": tooShort } = errorsIn(drops);
  return [
    [{ interface: name, error: "checksum" }, checksum],
    [{ interface: name, error: "too-short" }, tooShort],
    [{ interface: name, error: "other" }, total - checksum - tooShort],
  ];
}

function hostFamilies(parts: StatusParts): readonly Family[] {
  const counter = (name: string, help: string, value: (one: InterfaceStatistics) => number): Family => ({
    name: `sealcast_igmp_${name}_total`,
    type: "counter",
    help,
    values: each(parts, value),
  });
  return [
    counter("joins", "Hosts that joined a group.", ({ hosts }) => hosts.of("joins")),
    counter("leaves", "Hosts that said that they leave a group.", ({ hosts }) => hosts.of("leaves")),
    counter("timeouts", "Hosts that were not heard of a group any more.", ({ hosts }) => hosts.of("timeouts")),
    counter("zaps", "A leave and a join of one host within five seconds.", ({ zaps }) => zaps.total),
    counter(
      "group_joins",
      "Groups that a link began to want (RFC 5519 mgmdRouterInterfaceJoins).",
      ({ groupJoins }) => groupJoins,
    ),
  ];
}

function interfaceFamilies(parts: StatusParts): readonly Family[] {
  const { interfaces, router } = parts;
  const machines = [...router.interfaces()];
  const gauge = (name: string, help: string, values: readonly Value[]): Family => ({
    name: `sealcast_igmp_${name}`,
    type: "gauge",
    help,
    values,
  });
  return [
    gauge(
      "interface_up",
      "Whether the interface is in use.",
      each(parts, (_, name) => (interfaces.link(name) === undefined ? 0 : 1)),
    ),
    gauge(
      "groups",
      "Groups that a downstream wants (RFC 5519 mgmdRouterInterfaceGroups).",
      machines.map(([name]) => [{ interface: name }, parts.statistics.of(name).groups.size]),
    ),
    gauge(
      "memberships",
      "Pairs of host and group that are tracked.",
      machines.map(([name, machine]) => [{ interface: name }, sum(machine.viewers())]),
    ),
    gauge(
      "querier",
      "Whether this router asks the questions on a downstream.",
      machines.map(([name, machine]) => [{ interface: name }, machine.querier.kind === "querier" ? 1 : 0]),
    ),
    {
      name: "sealcast_igmp_refused_queries_total",
      type: "counter",
      help: "Queries of somebody who may not ask there.",
      values: machines.map(([name, machine]) => [{ interface: name }, machine.refusedQueries]),
    },
    {
      name: "sealcast_igmp_lost_packets_total",
      type: "counter",
      help: "IGMP packets that the kernel threw away because its queue was full.",
      values: each(parts, (_, name) => interfaces.lost(name).packets),
    },
    {
      name: "sealcast_igmp_lost_frames_total",
      type: "counter",
      help: "Frames of bridge ports that the kernel threw away because its queue was full.",
      values: each(parts, (_, name) => interfaces.lost(name).frames),
    },
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
    {
      name: "sealcast_igmp_upstream_asked",
      type: "gauge",
      help: "Whether somebody asks the questions on an upstream.",
      values: upstreams.map(({ name, host }) => [{ interface: name }, host.isAsked(clock.now()) ? 1 : 0]),
    },
    {
      name: "sealcast_igmp_upstream_refreshes_total",
      type: "counter",
      help: "How often all reports were repeated because nobody asked.",
      values: upstreams.map(({ name, host }) => [{ interface: name }, host.refreshes]),
    },
    {
      name: "sealcast_igmp_upstream_paced_total",
      type: "counter",
      help: "Changes upstream that lingered, waited, or were spared.",
      values: upstreams.flatMap(({ name, pace }) =>
        Object.entries(pace.counts.snapshot()).map(([event, times]): Value => [{ interface: name, event }, times]),
      ),
    },
  ];
}

function routerFamilies({ router, statistics, table }: StatusParts): readonly Family[] {
  const { messages } = statistics;
  return [
    {
      name: "sealcast_igmp_routes",
      type: "gauge",
      help: "Entries of the forwarding cache.",
      values: [[{}, router.routes().length]],
    },
    {
      name: "sealcast_igmp_deliveries_total",
      type: "counter",
      help: "Deliveries of a stream on a downstream that began (72) and ended (82).",
      values: [
        [{ change: "began" }, messages.of("72")],
        [{ change: "ended" }, messages.of("82")],
      ],
    },
    {
      name: "sealcast_igmp_intruders",
      type: "gauge",
      help: "Senders remembered that send from where they may not.",
      values: [[{}, router.intruders().length]],
    },
    {
      name: "sealcast_igmp_lost_upcalls_total",
      type: "counter",
      help: "Questions of the kernel about new streams that were lost in its queue.",
      values: [[{}, table?.dropped()]],
    },
  ];
}

function processFamilies({ cpuSeconds, residentBytes }: ProcessUse): readonly Family[] {
  return [
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
}
