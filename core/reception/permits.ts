// What the devices with certain cards may receive, for a router that lets nobody else (its `enforce`). Groups are those that the headends
// told the key server: where that keeps a store of its own, nothing is known here, and nothing permitted.
import type { UnixTime } from "../base/time.ts";
import { type MessageOf, MOST_PERMITTED_GROUPS } from "../control/messages.ts";
import { type AnyRow, type AnyRowQuery, type Deciding, find, get } from "../ports/store.ts";
import type { DeviceRow } from "../ports/tables.ts";
import { SUBSCRIBER_ROWS } from "./inquiry.ts";

/** A card, and the groups that its device may receive now. */
export type Permit = MessageOf<"permits">["permits"][number];

/** For as many of the cards, from the first on, as fit into one answer. */
export interface PermitsOutcome {
  readonly kind: "told";
  readonly permits: readonly Permit[];
}

type Reading<T> = Generator<AnyRowQuery, T, readonly AnyRow[]>;

/** Devices with one card: more than one is a mistake of the registry, and then it has what they have together. */
const DEVICES = 8;

/** `macs`: 1 to 8 of "02:00:00:00:00:01". */
export function* decidePermits(macs: readonly string[], now: UnixTime): Deciding<PermitsOutcome> {
  const permits: Permit[] = [];
  let room = MOST_PERMITTED_GROUPS;
  for (const mac of macs) {
    const groups = yield* groupsOf(mac, now);
    if (groups.length > room && permits.length > 0) break;
    permits.push({ mac, groups: groups.slice(0, room) });
    room -= groups.length;
  }
  return { outcome: { kind: "told", permits }, writes: [] };
}

function* groupsOf(mac: string, now: UnixTime): Reading<readonly number[]> {
  const devices = yield* find({ table: "device", equal: { mac, status: "active" }, limit: DEVICES });
  const groups = new Set<number>();
  for (const device of devices) for (const group of yield* groupsOfDevice(device, now)) groups.add(group);
  return [...groups];
}

function* groupsOfDevice({ subscriber }: DeviceRow, now: UnixTime): Reading<readonly number[]> {
  if ((yield* get("subscriber", { id: subscriber }))?.status !== "active") return [];
  const groups: number[] = [];
  for (const name of yield* packagesOf(subscriber, now)) {
    const channels = yield* find({ table: "package_channel", equal: { package: name }, limit: SUBSCRIBER_ROWS });
    for (const { channel } of channels) {
      const row = yield* get("key_channel", { channel });
      if (row !== undefined) groups.push(row.group);
    }
  }
  return groups;
}

function* packagesOf(subscriber: string, now: UnixTime): Reading<ReadonlySet<string>> {
  const held = yield* find({ table: "subscription", equal: { subscriber }, limit: SUBSCRIBER_ROWS });
  const running = held.filter(({ from, until }) => from <= now && (until === undefined || now < until));
  return new Set(running.map((one) => one.package));
}
