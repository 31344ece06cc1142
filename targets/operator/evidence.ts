// The routers' evidence for an operator: where it disagrees with the keys that were given out, what was only counted, who zaps, and how far
// each router has told. A zap is no record of its own: it is a leave and a join of one host, which are on record already with their times,
// so that any definition of it can be applied afterwards, and nothing can contradict them.
import type { RecordedAddress } from "../../core/base/address.ts";
import type { Store } from "../../core/ports/store.ts";
import type { LiveReceptionRow, MembershipRow } from "../../core/ports/tables.ts";
import { isoTime, type Listed, plain, rowsOf } from "./listing.ts";

/** What the servers know of channels, devices and receptions, to hold memberships against. Registered devices are held in memory. */
class Keyed {
  readonly #channels = new Map<RecordedAddress, string>();
  readonly #byMac = new Map<string, string>();
  readonly #withMac = new Set<string>();
  readonly #receptions = new Set<string>();
  readonly #seen = new Set<string>();

  static async read(store: Store): Promise<Keyed> {
    const keyed = new Keyed();
    for await (const row of rowsOf(store, { table: "key_channel" })) keyed.#channels.set(row.group, row.channel);
    for await (const { id, mac } of rowsOf(store, { table: "device" })) {
      if (mac === undefined) continue;
      keyed.#byMac.set(mac, id);
      keyed.#withMac.add(id);
    }
    for await (const row of rowsOf(store, { table: "live_reception" })) keyed.#receptions.add(nameOf(row));
    return keyed;
  }

  /** The channel of the group, and the device with the MAC, where there are such. */
  whose({ group, mac }: Pick<MembershipRow, "group" | "mac">) {
    return { channel: this.#channels.get(group), device: mac === undefined ? undefined : this.#byMac.get(mac) };
  }

  /** What a membership says beside the receptions; undefined when it is of no channel, or of nobody that is known. */
  judge(row: Pick<MembershipRow, "group" | "mac">): "keyed and joined" | "joined, not keyed" | undefined {
    const { channel, device } = this.whose(row);
    if (channel === undefined || device === undefined) return undefined;
    const name = nameOf({ channel, device });
    this.#seen.add(name);
    return this.#receptions.has(name) ? "keyed and joined" : "joined, not keyed";
  }

  /** Whether the device's MAC is registered, without which no router can be asked about it. */
  isRecognisable(device: string): boolean {
    return this.#withMac.has(device);
  }

  /** Whether a membership of it has been judged. */
  isSeen(reception: Pick<LiveReceptionRow, "device" | "channel">): boolean {
    return this.#seen.has(nameOf(reception));
  }
}

const nameOf = ({ device, channel }: Pick<LiveReceptionRow, "device" | "channel">): string => `${device} ${channel}`;

/**
 * All evidence, and what it says beside the receptions: a device whose MAC a router saw in the channel's group is "keyed and joined"; one
 * that was seen without a reception "joined, not keyed"; a reception of which no router knows "keyed, not joined". What has ended follows,
 * the newest first. Memberships are not held in memory.
 */
export async function* listMemberships(store: Store): AsyncGenerator<Listed> {
  const keyed = await Keyed.read(store);
  for await (const row of rowsOf(store, { table: "membership", absent: "until" }))
    yield { ...plain(row), ...keyed.whose(row), state: keyed.judge(row) ?? "joined" };
  for await (const reception of rowsOf(store, { table: "live_reception" })) {
    const { device, channel, since } = reception;
    if (!keyed.isRecognisable(device) || keyed.isSeen(reception)) continue;
    yield { device, channel, since: isoTime(since), state: "keyed, not joined" };
  }
  const closed = {
    table: "membership",
    range: { column: "until", since: 0 },
    order: "until",
    descending: true,
  } as const;
  for await (const row of rowsOf(store, closed)) yield { ...plain(row), state: row.cause };
}

/**
 * What disagrees, and has done so for longer than `grace` ms before `now`: "joined, not keyed" (a device in the group of a channel
 * without a live reception), "joined, unknown" (a host in the group of a channel whose MAC is nobody's), "keyed, not joined" (a reception
 * of which no router knows; "shared" where a v1 or v2 host is in the group, behind whose reports this one may be silent), "keyed, no MAC"
 * (a reception whose device cannot be recognised).
 */
export async function* listDisagreements(store: Store, now: number, grace: number): AsyncGenerator<Listed> {
  const keyed = await Keyed.read(store);
  const shared = new Set<string | undefined>();
  for await (const row of rowsOf(store, { table: "membership", absent: "until" })) {
    const whose = keyed.whose(row);
    if (row.certainty === "shared") shared.add(whose.channel);
    const state = keyed.judge(row) ?? "joined, unknown";
    if (whose.channel === undefined || state === "keyed and joined" || row.since > now - grace) continue;
    yield { state, ...whose, ...plain(row) };
  }
  for await (const reception of rowsOf(store, { table: "live_reception" })) {
    const { device, subscriber, channel, since } = reception;
    if (keyed.isSeen(reception) || since > now - grace) continue;
    const state = keyed.isRecognisable(device) ? "keyed, not joined" : "keyed, no MAC";
    const certainty = shared.has(channel) ? "shared" : "exact";
    yield { state, device, subscriber, channel, certainty, since: isoTime(since) };
  }
}

/** What routers counted instead of telling it one by one, the newest first. */
export async function* listCounts(store: Store): AsyncGenerator<Listed> {
  for await (const row of rowsOf(store, { table: "evidence_count", order: "until", descending: true }))
    yield plain(row);
}

/** A host that leaves one group and joins another within this many ms, in either order, has zapped. */
const ZAP = 5_000;

type Visit = Pick<MembershipRow, "group" | "since" | "until" | "cause">;

/**
 * Each host that has been a member of something at or after `since`: its zaps, how many that is in an hour (of the time from its first
 * join to its last join or leave, one hour at least), and its visits. What routers only counted is not among them.
 */
export async function* listZaps(store: Store, now: number, since = 0): AsyncGenerator<Listed> {
  const keyed = await Keyed.read(store);
  let rows: MembershipRow[] = [];
  // In the order of the table's key the rows of one host follow each other.
  for await (const row of rowsOf(store, { table: "membership" })) {
    const [first] = rows;
    if (first !== undefined && !isSameHost(first, row)) {
      yield zapsOf(rows, keyed, now);
      rows = [];
    }
    if ((row.until ?? now) >= since) rows.push(row);
  }
  if (rows.length > 0) yield zapsOf(rows, keyed, now);
}

const isSameHost = (a: MembershipRow, b: MembershipRow): boolean =>
  a.router === b.router && a.interface === b.interface && a.host === b.host;

function zapsOf(rows: readonly MembershipRow[], keyed: Keyed, now: number): Listed {
  const last = rows.reduce((a, b) => (b.since > a.since ? b : a));
  const since = rows.reduce((first, row) => Math.min(first, row.since), now);
  const until = rows.reduce((end, row) => Math.max(end, row.since, row.until ?? row.since), since);
  const zaps = countZaps(rows);
  const { interface: name, host, mac } = plain(last);
  return {
    ...{ router: last.router, interface: name, host, mac, device: keyed.whose(last).device },
    ...{ zaps, perHour: Math.round((zaps * 36_000_000) / Math.max(3_600_000, until - since)) / 10 },
    ...{ visits: rows.length, since: isoTime(since), until: isoTime(until) },
  };
}

/** Each leave with the first join of another group around it that no other leave has; all visits are of one host. */
export function countZaps(visits: readonly Visit[]): number {
  const joins = [...visits].sort((a, b) => a.since - b.since);
  const leaves = visits
    .flatMap(({ group, until, cause }) => (until !== undefined && cause === "left" ? [{ group, at: until }] : []))
    .sort((a, b) => a.at - b.at);
  const taken = new Set<Visit>();
  let first = 0;
  for (const { group, at } of leaves) {
    while ((joins[first]?.since ?? at) < at - ZAP) first++;
    for (let next = first; (joins[next]?.since ?? Number.POSITIVE_INFINITY) <= at + ZAP; next++) {
      const join = joins[next];
      if (join === undefined || join.group === group || taken.has(join)) continue;
      taken.add(join);
      break;
    }
  }
  return taken.size;
}
