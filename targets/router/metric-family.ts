// Metrics as Prometheus reads them (text format 0.0.4).
import type { Counters } from "../../core/base/counters.ts";
import { MESSAGE_NAMES, type MessageName } from "./statistics.ts";

/** What tells the values of a family apart. */
export type Labels = Readonly<Record<string, string>>;
/** undefined: nobody can tell, and it is left out. */
export type Value = readonly [labels: Labels, value: number | undefined];

/** One metric with all its values. */
export interface Family {
  readonly name: string;
  readonly type: "counter" | "gauge";
  readonly help: string;
  readonly values: readonly Value[];
}

/** `name` without what all of ours have in common. */
export const gauge = (name: string, help: string, values: readonly Value[]): Family => ({
  name: `sealcast_igmp_${name}`,
  type: "gauge",
  help,
  values,
});

/** `name` without what all of ours have in common. */
export const counter = (name: string, help: string, values: readonly Value[]): Family => ({
  name: `sealcast_igmp_${name}_total`,
  type: "counter",
  help,
  values,
});

/** A value for each reason. */
export const byReason = (labels: Labels, counts: Readonly<Record<string, number>> = {}): readonly Value[] =>
  Object.entries(counts).map(([reason, times]) => [{ ...labels, reason }, times]);

/** A value for each kind of message; zeros too, so that a rate is there from the first one on. */
export const byMessage = (labels: Labels, counts: Counters<MessageName>): readonly Value[] =>
  MESSAGE_NAMES.map((message) => [{ ...labels, message }, counts.of(message)]);

/** 1 and 0. */
export const yes = (is: boolean): number => (is ? 1 : 0);

/** HELP, TYPE and the values; nothing without any. */
export function familyText({ name, type, help, values }: Family): string {
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
