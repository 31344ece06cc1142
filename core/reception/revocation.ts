// A device loses its right, or the operator wants a new key: receptions are closed and the demand for new epochs is kept until
// every key server has acknowledged it.
import type { UnixTime } from "../base/time.ts";
import { type AnyRow, type AnyRowQuery, type Deciding, find, get, type Write } from "../ports/store.ts";
import type { RekeyDemandRow } from "../ports/tables.ts";
import { SUBSCRIBER_ROWS } from "./inquiry.ts";
import { closing } from "./usage.ts";

/** missing: no device has this id, nothing was written. */
export interface RevocationOutcome {
  readonly kind: "revoked" | "missing";
  /** Ids of the channels whose keys must change, sorted. */
  readonly channels: readonly string[];
}

/** demanded: the demands are on disk. settled: those that a key server has taken over are gone. */
export interface DemandOutcome {
  readonly kind: "demanded" | "settled";
}

/** As many as a key server keeps. */
const CHANNELS = 4096;

/**
 * The device is marked revoked, its receptions are closed as "revoked", and each of `keyservers` has a demand for each channel.
 * `heldSince`: keys of receptions that ended before are out of use.
 *
 * Channels that a device watched lately are rekeyed too: it may hold a key although its reception has just been closed. All channels,
 * when it has closed more receptions than are looked at.
 */
export function* decideRevocation(
  { device: id, keyservers, heldSince }: { device: string; keyservers: readonly string[]; heldSince: UnixTime },
  now: UnixTime,
): Deciding<RevocationOutcome> {
  const device = yield* get("device", { id });
  if (device === undefined) return { outcome: { kind: "missing", channels: [] }, writes: [] };
  const writes: Write[] = [{ put: "device", row: { ...device, status: "revoked" } }];
  const live = yield* find({ table: "live_reception", equal: { device: id }, limit: SUBSCRIBER_ROWS });
  for (const reception of live) writes.push(...closing(reception, now, "revoked"));
  const range = { column: "until", since: heldSince } as const;
  const lately = yield* find({ table: "usage_record", equal: { device: id }, range, limit: SUBSCRIBER_ROWS });
  const all = lately.length === SUBSCRIBER_ROWS ? yield* find({ table: "channel", limit: CHANNELS }) : [];
  const watched = [...live, ...lately].map(({ channel }) => channel);
  const channels = [...new Set([...watched, ...all.map((row) => row.id)])].sort();
  writes.push(...(yield* demands(keyservers, channels, "revoked", now)));
  return { outcome: { kind: "revoked", channels }, writes };
}

/** New keys for `channels` because the operator wants them. */
export function* decideDemand(
  { channels, keyservers }: { channels: readonly string[]; keyservers: readonly string[] },
  now: UnixTime,
): Deciding<DemandOutcome> {
  return { outcome: { kind: "demanded" }, writes: yield* demands(keyservers, channels, "operator", now) };
}

/** The key server has the demand on its own disk. A demand that came meanwhile has a higher revision and stays. */
export function* decideSettled(acknowledged: readonly RekeyDemandRow[]): Deciding<DemandOutcome> {
  const writes: Write[] = [];
  for (const { keyserver, channel, revision } of acknowledged) {
    const row = yield* get("rekey_demand", { keyserver, channel });
    if (row !== undefined && row.revision <= revision)
      writes.push({ delete: "rekey_demand", key: { keyserver, channel } });
  }
  return { outcome: { kind: "settled" }, writes };
}

/** The rows (reads included) that make each key server change the keys of these channels. */
export function* demands(
  keyservers: readonly string[],
  channels: readonly string[],
  reason: RekeyDemandRow["reason"],
  now: UnixTime,
): Generator<AnyRowQuery, Write[], readonly AnyRow[]> {
  const writes: Write[] = [];
  for (const keyserver of keyservers) {
    for (const channel of channels) {
      const old = yield* get("rekey_demand", { keyserver, channel });
      const revision = Math.max(now, (old?.revision ?? 0) + 1);
      writes.push({ put: "rekey_demand", row: { keyserver, channel, reason, revision, since: now } });
    }
  }
  return writes;
}
