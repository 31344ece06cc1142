// What the operator may list, row by row and always to the end: times in ISO 8601, octets in hexadecimal, no secret.
import { setImmediate as nextTurn } from "node:timers/promises";
import { toHex } from "../../core/base/bytes.ts";
import { formatIpv4, ipv4 } from "../../core/base/ipv4.ts";
import { HalError } from "../../core/ports/errors.ts";
import { pages, type RowQuery, type Store } from "../../core/ports/store.ts";
import { LAYOUT, type TableName, type Tables } from "../../core/ports/tables.ts";
import type { RefusalNote } from "../../core/reception/server.ts";

/** Commands that answer with rows. */
export type ListCommand =
  | `${"device" | "subscriber" | "package" | "channel" | "subscription" | "service"}.list`
  | "receptions"
  | "usage"
  | "denials"
  | "memberships"
  | `evidence.${"check" | "counts" | "routers" | "zaps"}`
  | "router.policy.list"
  | "epochs";

/** One row of a list, as JSON has it. */
export type Listed = Readonly<Record<string, string | number | readonly string[] | undefined>>;

const TIMES = new Set(["since", "until", "from", "heldUntil", "lastSeen", "switchAt", "at"]);
const SECRETS = new Set(["passwordHash", "masterKey", "masterSalt"]);
const ADDRESSES = new Set(["host", "group"]);

/** In which report a count was told. */
const REPORT_COLUMNS = new Set(["process", "sequence", "position"]);

const columnsOf = (table: TableName): readonly string[] =>
  Object.keys(LAYOUT[table].columns).filter((column) => !SECRETS.has(column));

/** The columns that rows of each list may have, in the order of the table that a person sees. */
export const COLUMNS: Readonly<Record<ListCommand, readonly string[]>> = {
  "device.list": columnsOf("device"),
  "subscriber.list": [...columnsOf("subscriber"), "packages"],
  "package.list": ["id", "channels"],
  "channel.list": columnsOf("channel"),
  "subscription.list": columnsOf("subscription"),
  "service.list": columnsOf("service"),
  receptions: columnsOf("live_reception"),
  usage: [...columnsOf("usage_record"), "billedSeconds"],
  denials: ["at", "device", "channel", "client", "address", "reason", "detail", "count", "first"],
  memberships: [...columnsOf("membership"), "device", "channel", "state"],
  "evidence.check": [
    ...["state", "device", "subscriber", "channel", "group", "router", "interface", "port", "host", "mac"],
    ...["certainty", "since"],
  ],
  "evidence.counts": columnsOf("evidence_count").filter((column) => !REPORT_COLUMNS.has(column)),
  "evidence.routers": columnsOf("router_report").filter((column) => column !== "previous"),
  "evidence.zaps": ["router", "interface", "host", "mac", "device", "zaps", "perHour", "visits", "since", "until"],
  "router.policy.list": ["router", "policy", "revision", "state", "inForce", "since", "told", "faults", "remarks"],
  epochs: columnsOf("epoch"),
};

/** Milliseconds since 1970 in ISO 8601. */
export const isoTime = (milliseconds: number): string => new Date(milliseconds).toISOString();

/** A row of the store without its secrets. */
export function plain(row: object): Listed {
  const listed: Record<string, string | number | readonly string[] | undefined> = {};
  for (const [column, value] of Object.entries(row as Record<string, string | number | Uint8Array>)) {
    if (SECRETS.has(column)) continue;
    if (value instanceof Uint8Array) listed[column] = toHex(value);
    else if (typeof value === "number" && TIMES.has(column)) listed[column] = isoTime(value);
    else if (typeof value === "number" && ADDRESSES.has(column)) listed[column] = formatIpv4(ipv4(value));
    else if (typeof value === "string" && column === "channels") listed[column] = value.split(" ");
    else listed[column] = value;
  }
  return listed;
}

/**
 * All rows of a query, in turns: between two pages a server that lists answers everybody else. For the same reason conditions that no
 * index serves are left to the caller: in the store, one step would read the whole table.
 */
export async function* rowsOf<T extends TableName>(
  store: Store,
  query: Omit<RowQuery<T>, "limit" | "after">,
): AsyncGenerator<Tables[T], void> {
  for await (const page of pages(store, query)) {
    yield* page;
    await nextTurn();
  }
}

/** Every row of a table, read in pages, in the order of its key. */
export async function* listTable(store: Store, table: TableName): AsyncGenerator<Listed> {
  for await (const row of rowsOf(store, { table })) yield plain(row);
}

/** What a list of receptions or usage is narrowed to. */
export interface Filters {
  readonly subscriber?: string | undefined;
  readonly device?: string | undefined;
  readonly channel?: string | undefined;
}

/** Whether a row is one of those that were asked for. */
export const isAskedFor = (row: Required<Filters>, { subscriber, device, channel }: Filters): boolean =>
  (subscriber === undefined || row.subscriber === subscriber) &&
  (device === undefined || row.device === device) &&
  (channel === undefined || row.channel === channel);

/** The live receptions that the filters leave, in the order of their ids. */
export async function* listReceptions(store: Store, filters: Filters): AsyncGenerator<Listed> {
  for await (const row of rowsOf(store, { table: "live_reception", order: "since" }))
    if (isAskedFor(row, filters)) yield plain(row);
}

/** Packages with their channels in one line each. */
export async function* listPackages(store: Store): AsyncGenerator<Listed> {
  for await (const { id } of rowsOf(store, { table: "package" })) {
    const channels: string[] = [];
    for await (const page of pages(store, { table: "package_channel", equal: { package: id } }))
      channels.push(...page.map(({ channel }) => channel));
    yield { id, channels };
  }
}

/** Subscribers with the packages that they hold, ever held or will hold. */
export async function* listSubscribers(store: Store): AsyncGenerator<Listed> {
  for await (const row of rowsOf(store, { table: "subscriber" })) {
    const packages = new Set<string>();
    for await (const page of pages(store, { table: "subscription", equal: { subscriber: row.id } }))
      for (const held of page) packages.add(held.package);
    yield { ...plain(row), packages: [...packages] };
  }
}

/** Throws HalError "denials.not-kept" when no server runs: refusals are remembered, not recorded. */
export async function* listDenials(refusals: readonly RefusalNote[] | undefined): AsyncGenerator<Listed> {
  if (refusals === undefined)
    throw new HalError("denials.not-kept", "refusals are remembered by the running server only, and none runs");
  for (const note of [...refusals]) yield { ...note, at: isoTime(note.at) };
}
