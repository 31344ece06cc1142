// What routers saw by host tracking: who joined and left which group, where, and who was refused. It is the evidence beside the
// receptions; applying a report twice changes nothing.
import { type UnixTime, unixTime } from "../base/time.ts";
import type { MembershipChange, MembershipCount } from "../control/messages.ts";
import { type AnyRow, type AnyRowQuery, type Deciding, find, get, type Write } from "../ports/store.ts";
import type { EvidenceCountRow, MembershipRow, RouterReportRow } from "../ports/tables.ts";

/** One "membership.report" of a router. */
export interface RouterReport {
  /** The router's id. */
  readonly router: string;
  /** Which process of the router says it; undefined from one that does not tell. */
  readonly process?: number | undefined;
  /** When that process began, in its first report. */
  readonly started?: number | undefined;
  /** Rises by one a report within a process; a repetition has the number of the first. */
  readonly sequence: number;
  /** Changes that the router lost since its last report, because it could not send them in time. */
  readonly dropped: number;
  /** In the order in which they happened, by the router's calendar. */
  readonly changes: readonly MembershipChange[];
  /** What it tells as numbers; earlier than the changes. */
  readonly counts?: readonly MembershipCount[] | undefined;
}

/** The report is on disk, now or since an earlier copy of it. */
export interface RouterReportOutcome {
  readonly kind: "recorded";
}

/** More than a router tracks on all its interfaces. */
const MOST_OPEN = 131_072;

/** The open rows as they are after the writes so far; undefined: closed, or not asked for yet. */
type OpenRows = Map<string, MembershipRow | undefined>;
type Asking<Answer> = Generator<AnyRowQuery, Answer, readonly AnyRow[]>;

/**
 * Opens, amends and closes "membership" rows, adds "evidence_count" rows, and keeps the report's number in "router_report". Changes of one
 * report may concern one host and group several times, so later ones see the rows of earlier ones. What a process that ended left open is
 * closed when its successor began, which may be long ago, but not after `now`.
 */
export function* decideRouterReport(report: RouterReport, now: UnixTime): Deciding<RouterReportOutcome> {
  const { router, process, sequence } = report;
  const last = yield* get("router_report", { router });
  // A disk that failed has not kept that this was acknowledged, and what came after it is known already.
  if (process !== undefined && last?.previous === process) return { outcome: { kind: "recorded" }, writes: [] };
  const restarted = last !== undefined && process !== undefined && last.process !== process;
  // A leave and a join of the same millisecond, told again, would end the row that they began.
  if (last !== undefined && process !== undefined && !restarted && sequence <= last.sequence)
    return { outcome: { kind: "recorded" }, writes: [] };
  const rows: MembershipRow[] = restarted
    ? yield* closeAll(router, unixTime(Math.min(now, report.started ?? now)))
    : [];
  const open: OpenRows = new Map(rows.map((row) => [nameOf(row), undefined]));
  for (const change of report.changes) {
    for (const row of yield* rowsAfter(router, change, open)) {
      rows.push(row);
      open.set(nameOf(row), row.until === undefined ? row : undefined);
    }
  }
  const writes: Write[] = rows.map((row) => ({ put: "membership", row }));
  const repeated = last?.sequence === sequence && !restarted;
  const dropped = (last?.dropped ?? 0) + (repeated ? 0 : report.dropped);
  writes.push(...countRows(report).map((row): Write => ({ put: "evidence_count", row })));
  const previous = restarted ? last.process : last?.previous;
  writes.push({ put: "router_report", row: { ...reportRow({ ...report, dropped }, now), ...present({ previous }) } });
  return { outcome: { kind: "recorded" }, writes };
}

const reportRow = ({ router, process, sequence, dropped }: RouterReport, at: UnixTime): RouterReportRow => ({
  router,
  ...present({ process }),
  sequence,
  dropped,
  at,
});

/** The column, where it has a value. */
const present = <Row extends object>(row: Row): { [C in keyof Row]?: Exclude<Row[C], undefined> } =>
  Object.fromEntries(Object.entries(row).filter(([, value]) => value !== undefined)) as never;

const countRows = ({ router, process = 0, sequence, counts = [] }: RouterReport): readonly EvidenceCountRow[] =>
  counts.map(({ since, until, joined, left, expired, refused, ...place }, position) => ({
    ...{ router, process, sequence, position },
    ...present(place),
    ...{ since: unixTime(since), until: unixTime(until), joined, left, expired, refused },
  }));

const nameOf = (one: Pick<MembershipChange, "interface" | "host" | "group">): string =>
  `${one.interface} ${one.host} ${one.group}`;

/** A process that ended without a word (power, crash) leaves rows open; its successor, which began at `at`, knows nothing of them. */
function* closeAll(router: string, at: UnixTime): Asking<MembershipRow[]> {
  const open = yield* find({ table: "membership", equal: { router }, absent: "until", limit: MOST_OPEN });
  return open.map((row) => ({ ...row, until: unixTime(Math.max(row.since, at)), cause: "restarted" }));
}

/** The rows that this change leaves; none when it tells nothing new. */
function* rowsAfter(router: string, change: MembershipChange, rows: OpenRows): Asking<readonly MembershipRow[]> {
  const { interface: name, host, group } = change;
  const key = { router, interface: name, host, group };
  const known = nameOf(change);
  const open = rows.has(known) ? rows.get(known) : yield* openRow(key);
  const at = unixTime(change.at);
  const where = whereOf(change);
  if (change.change !== "joined") {
    // A leave of another place, or one of a time before this row, is not about this row.
    if (open === undefined || open.since > at || isElsewhere(open, where)) return [];
    return [{ ...open, ...where, until: at, cause: change.change }];
  }
  if (open === undefined) {
    const same = yield* get("membership", { ...key, since: at });
    return same === undefined ? [{ ...key, since: at, ...where }] : [];
  }
  if (!isElsewhere(open, where)) return isTold(open, where) ? [] : [{ ...open, ...where }];
  if (open.since >= at) return [];
  return [
    { ...open, until: at, cause: "moved" },
    { ...key, since: at, ...where },
  ];
}

type RowName = Pick<MembershipRow, "router" | "interface" | "host" | "group">;

function* openRow(equal: RowName): Asking<MembershipRow | undefined> {
  const query = { table: "membership", equal, absent: "until", order: "since", descending: true, limit: 1 } as const;
  return (yield* find(query))[0];
}

type Where = Pick<MembershipRow, "port" | "mac" | "vlan" | "certainty">;

const whereOf = ({ port, mac, vlan, certainty }: MembershipChange): Where => present({ port, mac, vlan, certainty });

const differ = <T>(a: T | undefined, b: T | undefined): boolean => a !== undefined && b !== undefined && a !== b;

/** Whether both say where the host is, and not the same. */
const isElsewhere = (row: Where, where: Where): boolean =>
  differ(row.port, where.port) || differ(row.mac, where.mac) || differ(row.vlan, where.vlan);

const isTold = (row: Where, { port, mac, vlan }: Where): boolean =>
  [
    [port, row.port],
    [mac, row.mac],
    [vlan, row.vlan],
  ].every(([told, known]) => told === undefined || told === known);
