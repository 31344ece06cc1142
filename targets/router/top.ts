// `top`: what the router does now, a line a group, from two looks a second apart. Pure: the screen is the command's.
import type { GroupSample, InterfaceSample, Sample } from "./sample.ts";
import { type Cell, cutTo, tableLines } from "./text-table.ts";

/** The keys that sort, with what they sort by. */
export const SORTS = { p: "packets", k: "kbit", v: "viewers", z: "zaps", g: "group" } as const;
/** By what the groups are sorted; all but the name with the largest first. */
export type Sort = (typeof SORTS)[keyof typeof SORTS];

/** How it is shown. */
export interface TopView {
  readonly sort: Sort;
  /** Characters of a line. */
  readonly width: number;
  /** Lines of the screen; Infinity: all groups. */
  readonly height: number;
}

interface GroupRates {
  readonly group: string;
  readonly packets: number;
  readonly kbit: number;
  readonly viewers: number;
  readonly zaps: number;
}

/** Rates between two looks at one process, as lines. */
export function topLines(before: Sample, after: Sample, view: TopView): readonly string[] {
  const seconds = Math.max(0.001, (after.at - before.at) / 1000);
  const groups = groupRates(before, after, seconds);
  const head = [
    headLine(before, after, seconds, groups),
    "",
    ...interfaceLines(before, after, seconds, view.width),
    "",
  ];
  const room = Math.max(1, view.height - head.length - 2);
  const shown = [...groups].sort(order(view.sort)).slice(0, room);
  const rows = shown.map(({ group, packets, kbit, viewers, zaps }): Cell[] => [
    ...[group, rounded(packets), rounded(kbit), viewers, rounded(zaps)],
  ]);
  const more = groups.length > shown.length ? [`and ${groups.length - shown.length} more groups`] : [];
  return [...head, ...tableLines(["GROUP", "PACKETS/S", "KBIT/S", "VIEWERS", "ZAPS/S"], rows, view.width), ...more].map(
    (line) => cutTo(view.width, line),
  );
}

function headLine(before: Sample, after: Sample, seconds: number, groups: readonly GroupRates[]): string {
  const cpu = (100 * (after.process.cpuSeconds - before.process.cpuSeconds)) / seconds;
  const memory = after.process.residentBytes / 2 ** 20;
  const sum = (of: (one: GroupRates) => number): number => groups.reduce((all, one) => all + of(one), 0);
  const [packets, kbit, viewers] = [sum((one) => one.packets), sum((one) => one.kbit), sum((one) => one.viewers)];
  return `${groups.length} groups, ${viewers} viewers, ${rounded(packets)} packets/s, ${rounded(kbit)} kbit/s; CPU ${cpu.toFixed(1)} %, RSS ${memory.toFixed(1)} MiB`;
}

function interfaceLines(before: Sample, after: Sample, seconds: number, width: number): readonly string[] {
  const rows = after.interfaces.map((one): Cell[] => {
    const then = before.interfaces.find(({ name }) => name === one.name);
    const rate = (of: (sample: InterfaceSample) => number): number =>
      rounded(grown(then && of(then), of(one)) / seconds);
    const rates = [rate((s) => s.queries), rate((s) => s.reports), rate((s) => s.leaves), rate((s) => s.dropped)];
    return [one.name, one.up ? "up" : "away", one.groups, ...rates];
  });
  return tableLines(["INTERFACE", "STATE", "GROUPS", "QUERIES/S", "REPORTS/S", "LEAVES/S", "DROPS/S"], rows, width);
}

function groupRates(before: Sample, after: Sample, seconds: number): readonly GroupRates[] {
  const known = new Map(before.groups.map((one) => [one.group, one]));
  return after.groups.map((one) => {
    const then = known.get(one.group);
    const rate = (of: (sample: GroupSample) => number): number => grown(then && of(then), of(one)) / seconds;
    const [packets, bytes, zaps] = [rate((s) => s.packets), rate((s) => s.bytes), rate((s) => s.zaps)];
    return { group: one.group, packets, kbit: bytes / 125, viewers: one.viewers, zaps };
  });
}

/** A route that was made anew counts from zero again. */
const grown = (before: number | undefined, after: number): number =>
  before === undefined || after < before ? after : after - before;

/** One decimal below ten. */
const rounded = (value: number): number => (value < 10 ? Math.round(value * 10) / 10 : Math.round(value));

function order(sort: Sort): (a: GroupRates, b: GroupRates) => number {
  const byName = (a: GroupRates, b: GroupRates): number => a.group.localeCompare(b.group, "en", { numeric: true });
  return sort === "group" ? byName : (a, b) => b[sort] - a[sort] || byName(a, b);
}
