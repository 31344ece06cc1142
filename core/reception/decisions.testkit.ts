// One subscriber with two devices and two channels, and the reception server's decisions as a test asks for them.
import assert from "node:assert/strict";
import { type UnixTime, unixTime } from "../base/time.ts";
import type { Decision, Store } from "../ports/store.ts";
import type { LiveReceptionRow, UsageCause, UsageRecordRow } from "../ports/tables.ts";
import { decideInquiry, type Inquiry, type InquiryOutcome } from "./inquiry.ts";
import { decideEdit, type Edit, type EditOutcome } from "./registry.ts";
import { decideRevocation, type RevocationOutcome } from "./revocation.ts";
import { decideStop, type Stop, type StopOutcome } from "./stop.ts";

/** The registry is made at this moment; `at` counts from it. */
export const T0 = unixTime(1_700_000_000_000);
export const at = (seconds: number): UnixTime => unixTime(T0 + seconds * 1000);
export const octets = (fill: number, length = 32): Uint8Array => new Uint8Array(length).fill(fill);
export const receptionId = (n: number): string => n.toString(16).padStart(32, "0");

/** Runs one decision and returns its outcome; a fault fails the test. */
export async function decided<Outcome>(store: Store, decision: Decision<Outcome>): Promise<Outcome> {
  const [settled] = await store.transact([decision]);
  assert.ok(settled?.kind === "done", "the decision was carried out");
  return settled.outcome;
}

export const edit = (store: Store, change: Edit): Promise<EditOutcome> => decided(store, () => decideEdit(change, T0));

/** "sub" may watch two channels at once, holds "base" (one, two; not other) from T0 to at(10_000), and owns box1 and box2. */
export async function register(store: Store): Promise<void> {
  await edit(store, { kind: "channel.add", row: { id: "one", title: "One" } });
  await edit(store, { kind: "channel.add", row: { id: "two", title: "Two" } });
  await edit(store, { kind: "channel.add", row: { id: "other", title: "Other" } });
  await edit(store, { kind: "package.add", id: "base", channels: ["one", "two"] });
  await edit(store, { kind: "subscriber.add", row: { id: "sub", name: "Sub", status: "active", concurrentLimit: 2 } });
  await edit(store, {
    kind: "subscription.add",
    row: { subscriber: "sub", package: "base", from: T0, until: at(10_000) },
  });
  for (const n of [1, 2]) {
    const keys = { publicKey: octets(n), passwordHash: octets(0) };
    await edit(store, { kind: "device.add", row: { id: `box${n}`, subscriber: "sub", status: "active", ...keys } });
  }
}

/** The first reception of box1, on channel one. */
export const RECEPTION = { device: "box1", deviceKey: octets(1), channel: "one", reception: receptionId(1) };

/** An inquiry `seconds` after T0, for RECEPTION in epoch 1 with a key for 30 s unless `more` says otherwise. */
export const inquire = (store: Store, seconds: number, more: Partial<Inquiry> = {}): Promise<InquiryOutcome> =>
  decided(store, () => decideInquiry({ ...RECEPTION, epoch: 1, holdsFor: 30_000, ...more }, at(seconds)));

/** What became of the record. */
export const stop = async (store: Store, seconds: number, more: Partial<Stop> = {}): Promise<StopOutcome["record"]> =>
  (await decided(store, () => decideStop({ ...RECEPTION, cause: "stopped", ...more }, at(seconds)))).record;

/** box1 is revoked; a key may be held for 60 s. */
export const revoke = (store: Store, seconds: number): Promise<RevocationOutcome> =>
  decided(store, () =>
    decideRevocation({ device: "box1", keyservers: ["ks"], heldSince: at(seconds - 60) }, at(seconds)),
  );

export const usage = (store: Store): Promise<readonly UsageRecordRow[]> =>
  store.read({ table: "usage_record", order: "since", limit: 100 });

export const live = (store: Store): Promise<readonly LiveReceptionRow[]> =>
  store.read({ table: "live_reception", limit: 100 });

/** The usage records, oldest first, in seconds after T0. */
export async function closedAs(store: Store): Promise<{ cause: UsageCause; since: number; until: number }[]> {
  const records = await usage(store);
  return records.map(({ cause, since, until }) => ({ cause, since: (since - T0) / 1000, until: (until - T0) / 1000 }));
}

/** Channel and reason of each demand for new keys. */
export const demanded = async (store: Store): Promise<readonly (readonly [string, string])[]> =>
  (await store.read({ table: "rekey_demand", limit: 10 })).map(({ channel, reason }) => [channel, reason]);
