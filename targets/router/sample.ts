// One look at a running router for `top`: counts, of which two looks make rates. It costs no walk over hosts.
import { formatIpv4, type Ipv4 } from "../../core/base/ipv4.ts";
import type { ProcessUse } from "./metrics.ts";
import type { InterfaceStatistics } from "./statistics.ts";
import type { StatusParts } from "./status-of.ts";

/** What a group has come to. */
export interface GroupSample {
  readonly group: string;
  /** Arrivals over its routes since they were made. */
  readonly packets: number;
  readonly bytes: number;
  /** Hosts that are members, on all downstreams. */
  readonly viewers: number;
  readonly zaps: number;
}

/** What an interface has come to; of messages, received and sent together. */
export interface InterfaceSample {
  readonly name: string;
  readonly up: boolean;
  readonly queries: number;
  readonly reports: number;
  readonly leaves: number;
  readonly groups: number;
  readonly dropped: number;
}

/** One look. */
export interface Sample {
  /** Of a clock that never goes back, in ms; another process has another. */
  readonly at: number;
  readonly process: ProcessUse;
  readonly interfaces: readonly InterfaceSample[];
  readonly groups: readonly GroupSample[];
}

/** Looks at the counters, the kernel's too. Throws what the forwarding driver throws. */
export function sampleOf(parts: StatusParts, process: ProcessUse): Sample {
  const { clock, statistics, interfaces } = parts;
  return {
    at: clock.now(),
    process,
    interfaces: Array.from(statistics.all(), ([name, one]) =>
      interfaceSample(name, interfaces.link(name) !== undefined, one),
    ),
    groups: groupSamples(parts),
  };
}

function interfaceSample(name: string, up: boolean, statistics: InterfaceStatistics): InterfaceSample {
  const counts = [...Object.entries(statistics.received.snapshot()), ...Object.entries(statistics.sent.snapshot())];
  const sum = (part: string): number =>
    counts.reduce((all, [message, times]) => (message.includes(part) ? all + times : all), 0);
  const dropped = Object.values(statistics.drops.snapshot()).reduce((all, times) => all + times, 0);
  const { size: groups } = statistics.groups;
  return { name, up, queries: sum("query"), reports: sum("report"), leaves: sum("leave"), groups, dropped };
}

interface Growing {
  packets: number;
  bytes: number;
  viewers: number;
}

function groupSamples({ router, table, statistics }: StatusParts): readonly GroupSample[] {
  const groups = new Map<Ipv4, Growing>();
  const of = (group: Ipv4): Growing => {
    const known = groups.get(group) ?? { packets: 0, bytes: 0, viewers: 0 };
    groups.set(group, known);
    return known;
  };
  for (const { group, packets, bytes } of table?.use() ?? []) {
    const one = of(group);
    one.packets += packets;
    one.bytes += bytes;
  }
  for (const [, machine] of router.interfaces())
    for (const [group, hosts] of machine.viewers()) of(group).viewers += hosts;
  const all = [...statistics.all()].map(([, { zaps }]) => zaps);
  const zapsInto = (group: Ipv4): number => all.reduce((times, zaps) => times + zaps.into(group), 0);
  return Array.from(groups, ([group, counts]) => ({ group: formatIpv4(group), ...counts, zaps: zapsInto(group) }));
}
