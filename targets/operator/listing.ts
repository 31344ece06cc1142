// What the operator may list, as plain JSON: times in ISO 8601, octets in hexadecimal, no secret.
import { toHex } from "../../core/base/bytes.ts";
import { formatIpv4, ipv4 } from "../../core/base/ipv4.ts";
import type { Query, Store } from "../../core/ports/store.ts";
import type { LiveReceptionRow, TableName } from "../../core/ports/tables.ts";

export type Listed = Readonly<Record<string, string | number | readonly string[] | undefined>>;

/** Rows in one listing unless the operator says otherwise. */
export const LISTED_ROWS = 10_000;

const TIMES = new Set(["since", "until", "from", "heldUntil", "lastSeen", "switchAt", "at"]);
const SECRETS = new Set(["passwordHash", "masterKey", "masterSalt"]);
const ADDRESSES = new Set(["host", "group"]);

export const isoTime = (milliseconds: number): string => new Date(milliseconds).toISOString();

function plain(row: object): Listed {
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

export async function list<T extends TableName>(store: Store, query: Query<T>): Promise<Listed[]> {
  return (await store.read(query)).map(plain);
}

/** Packages with their channels in one line each. */
export async function listPackages(store: Store): Promise<Listed[]> {
  const packages = await store.read({ table: "package", limit: LISTED_ROWS });
  const channels = await store.read({ table: "package_channel", limit: LISTED_ROWS });
  return packages.map(({ id }) => ({
    id,
    channels: channels.filter((row) => row.package === id).map(({ channel }) => channel),
  }));
}

export async function listSubscribers(store: Store): Promise<Listed[]> {
  const subscribers = await store.read({ table: "subscriber", limit: LISTED_ROWS });
  const held = await store.read({ table: "subscription", limit: LISTED_ROWS });
  return subscribers.map((row) => ({
    ...plain(row),
    packages: held.filter(({ subscriber }) => subscriber === row.id).map((subscription) => subscription.package),
  }));
}

/**
 * The routers' evidence, and what it says beside the receptions: a device whose MAC a router saw in the channel's group is "keyed and
 * joined"; one that was seen without a reception "joined, not keyed"; a reception of which no router knows "keyed, not joined".
 */
export async function listMemberships(store: Store): Promise<Listed[]> {
  const open = await store.read({ table: "membership", absent: "until", limit: LISTED_ROWS });
  const closed = await store.read({
    table: "membership",
    range: { column: "until", since: 0 },
    order: "until",
    descending: true,
    limit: 1_000,
  });
  const groups = new Map(
    (await store.read({ table: "key_channel", limit: LISTED_ROWS })).map((row) => [row.group, row.channel]),
  );
  const devices = await store.read({ table: "device", limit: LISTED_ROWS });
  const live = await store.read({ table: "live_reception", limit: LISTED_ROWS });
  const byMac = new Map(devices.flatMap(({ id, mac }) => (mac === undefined ? [] : [[mac, id] as const])));
  const keyed = new Set(live.map(nameOf));
  const seen = new Set<string>();
  const judged = open.map((row): Listed => {
    const device = row.mac === undefined ? undefined : byMac.get(row.mac);
    const channel = groups.get(row.group);
    const name = device === undefined || channel === undefined ? undefined : nameOf({ device, channel });
    if (name !== undefined) seen.add(name);
    return { ...plain(row), device, channel, state: judge(name, keyed) };
  });
  const macs = new Map(devices.map(({ id, mac }) => [id, mac]));
  const unseen = live.filter((row) => macs.get(row.device) !== undefined && !seen.has(nameOf(row)));
  return [...judged, ...unseen.map(asUnseen), ...closed.map((row) => ({ ...plain(row), state: row.cause }))];
}

const nameOf = ({ device, channel }: Pick<LiveReceptionRow, "device" | "channel">): string => `${device} ${channel}`;

function judge(name: string | undefined, keyed: ReadonlySet<string>): string {
  if (name === undefined) return "joined";
  return keyed.has(name) ? "keyed and joined" : "joined, not keyed";
}

const asUnseen = ({ device, channel, since }: LiveReceptionRow): Listed => ({
  device,
  channel,
  since: isoTime(since),
  state: "keyed, not joined",
});
