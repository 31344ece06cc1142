// `status` for a person: what is wrong first, then interfaces, groups, hosts, routes and refusals, each as a table.
import { printable } from "../../core/base/printable.ts";
import type { RouterStatus } from "./status.ts";
import { type Cell, tableLines, wrapped } from "./text-table.ts";

/** What every process says of itself besides. */
type Shown = RouterStatus & {
  readonly id?: string;
  readonly state?: string;
  readonly uptime?: number;
  readonly version?: string;
};

/** Rows of one table; --json has all. */
const MOST_ROWS = 40;

/** The status object of a running router as lines of at most `width` characters. */
export function statusText(status: unknown, width: number): string {
  const shown = status as Shown;
  const { id = "", state = "running", uptime = 0, version = "" } = shown;
  return [
    printable(`router ${id} ${version}: ${state}, up ${spanText(uptime)}`),
    ...shown.warnings.flatMap((warning) => wrapped(`! ${warning}`, width, "  ")),
    ...policyLines(shown).flatMap((line) => wrapped(line, width, "  ")),
    ...sections(shown).flatMap((section) => sectionLines(section, width)),
  ].join("\n");
}

/** Nothing where all entries are the file's. */
function policyLines({ policy: { revision, since = "", entries, kept } }: Shown): readonly string[] {
  if (revision === 0) return [];
  const what = entries.length === 0 ? "it gives nothing, all entries are the file's" : `it gives ${entries.join(", ")}`;
  return [`control's policy ${revision} is in force since ${since} (${kept}): ${what}`];
}

interface Section {
  readonly headings: readonly string[];
  readonly rows: readonly (readonly Cell[])[];
}

function sectionLines({ headings, rows }: Section, width: number): readonly string[] {
  if (rows.length === 0) return [];
  const more = rows.length > MOST_ROWS ? [`and ${rows.length - MOST_ROWS} more; --json has all`] : [];
  return ["", ...tableLines(headings, rows.slice(0, MOST_ROWS), width), ...more];
}

const sections = (status: Shown): readonly Section[] => [
  interfaceSection(status),
  groupSection(status),
  hostSection(status),
  routeSection(status),
  ruleSection(status),
  refusalSection(status),
  dropSection(status),
];

const upstreamsIn = ({ upstream, upstreams }: Shown) => upstreams ?? (upstream === undefined ? [] : [upstream]);

function interfaceSection(status: Shown): Section {
  const up = (is: boolean): string => (is ? "up" : "away");
  return {
    headings: [
      "INTERFACE",
      "SIDE",
      "STATE",
      "QUERIER",
      "GROUPS",
      "HOSTS",
      "JOINS",
      "LEAVES",
      "ZAPS",
      "RECEIVED",
      "SENT",
      "ERRORS",
    ],
    rows: [
      ...upstreamsIn(status).map(({ name, up: is, asks, groups, statistics: { received, sent, error } }) => [
        ...[name, "upstream", up(is), asks ? "another" : "nobody", groups.length],
        ...[undefined, undefined, undefined, undefined, received.total, sent.total, error.total],
      ]),
      ...status.interfaces.map(
        ({ name, up: is, querier, groups, hosts, counts, statistics: { received, sent, error } }) => [
          ...[name, "downstream", up(is), querierText(querier.state, querier.address), groups.length, hosts.length],
          ...[counts.joins, counts.leaves + counts.timeouts, counts.zaps, received.total, sent.total, error.total],
        ],
      ),
    ],
  };
}

function querierText(state: string, address: string | undefined): string {
  if (state === "querier") return "we";
  return state === "silent" ? "nobody" : (address ?? "another");
}

function groupSection({ interfaces }: Shown): Section {
  return {
    headings: ["GROUP", "INTERFACE", "HOSTS", "IGMP", "MODE", "SOURCES"],
    rows: interfaces.flatMap(({ name, groups, hosts }) => {
      const viewers = new Map<string, number>();
      for (const { group } of hosts) viewers.set(group, (viewers.get(group) ?? 0) + 1);
      return groups.map(({ group, mode, sources, version }) => [
        ...[group, name, viewers.get(group) ?? 0, version, mode, sources.join(" ")],
      ]);
    }),
  };
}

function hostSection({ interfaces }: Shown): Section {
  return {
    headings: ["HOST", "MAC", "INTERFACE", "PORT", "GROUP", "FOR", "PROOF"],
    rows: interfaces.flatMap(({ name, hosts }) =>
      hosts.map(({ host, mac, port, group, seconds, exact }) => [
        ...[host, mac, name, port, group, spanText(seconds), exact ? "exact" : "shared"],
      ]),
    ),
  };
}

const routeSection = ({ routes }: Shown): Section => ({
  headings: ["SOURCE", "GROUP", "FROM", "TO"],
  rows: routes.map(({ source, group, inbound, outbound }) => [source, group, inbound, outbound.join(" ")]),
});

const ruleSection = ({ policy }: Shown): Section => ({
  headings: ["RULE", "FROM", "SAYS"],
  rows: policy.rules.map(({ rule, from, says }) => [rule, from, says]),
});

const refusalSection = ({ refusals }: Shown): Section => ({
  headings: ["REFUSED", "MAC", "INTERFACE", "PORT", "GROUP", "TIMES", "AGO", "REASON"],
  rows: refusals.map(({ host, mac, interface: name, port, group, times, seconds, reason }) => [
    ...[host, mac, name, port, group, times, spanText(seconds), reason],
  ]),
});

const dropSection = ({ drops }: Shown): Section => ({
  headings: ["DROPPED", "TIMES"],
  rows: Object.entries(drops),
});

/** "45 s", "12 min", "3 h 5 min", "2 d 4 h". */
function spanText(seconds: number): string {
  const [minutes, hours, days] = [seconds / 60, seconds / 3600, seconds / 86_400].map(Math.floor) as [
    number,
    number,
    number,
  ];
  if (minutes < 2) return `${seconds} s`;
  if (hours < 1) return `${minutes} min`;
  return days < 1 ? `${hours} h ${minutes % 60} min` : `${days} d ${hours % 24} h`;
}
