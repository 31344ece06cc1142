// The operator's edits: who may receive what. Each is one transaction; "missing" and "exists" are answers, not failures.
import type { UnixTime } from "../base/time.ts";
import { type Conclusion, type Deciding, find, get, type Write } from "../ports/store.ts";
import type { ChannelRow, DeviceRow, ServiceRow, SubscriberRow, SubscriptionRow } from "../ports/tables.ts";
import { SUBSCRIBER_ROWS } from "./inquiry.ts";
import { closing } from "./usage.ts";

/** done; or why not. `what` is the id that is missing or exists already, or of what still uses it. */
export type EditOutcome =
  | { readonly kind: "done" }
  | { readonly kind: "missing" | "exists" | "in-use"; readonly what: string };

/** What the operator may change. Ids are identifiers (`Identifier`), checked before they come here. */
export type Edit =
  | { readonly kind: "device.add"; readonly row: DeviceRow }
  | { readonly kind: "device.remove"; readonly id: string }
  | { readonly kind: "subscriber.add"; readonly row: SubscriberRow }
  | { readonly kind: "subscriber.status"; readonly id: string; readonly status: SubscriberRow["status"] }
  | { readonly kind: "package.add"; readonly id: string; readonly channels: readonly string[] }
  | { readonly kind: "package.remove"; readonly id: string }
  | { readonly kind: "subscription.add"; readonly row: SubscriptionRow }
  | { readonly kind: "subscription.remove"; readonly subscriber: string; readonly package: string }
  | { readonly kind: "channel.add"; readonly row: ChannelRow }
  | { readonly kind: "channel.remove"; readonly id: string }
  | { readonly kind: "service.add"; readonly row: ServiceRow }
  | { readonly kind: "service.revoke"; readonly id: string };

const done = (...writes: Write[]): Conclusion<EditOutcome> => ({ outcome: { kind: "done" }, writes });
const not = (kind: "missing" | "exists" | "in-use", what: string): Conclusion<EditOutcome> => ({
  outcome: { kind, what },
  writes: [],
});

/** The edit, or a reason why not and no write. `now` ends what a removed device still receives. */
export function* decideEdit(edit: Edit, now: UnixTime): Deciding<EditOutcome> {
  switch (edit.kind) {
    case "device.add":
      return yield* addDevice(edit.row);
    case "device.remove":
      return yield* removeDevice(edit.id, now);
    case "subscriber.add":
      if ((yield* get("subscriber", { id: edit.row.id })) !== undefined) return not("exists", edit.row.id);
      return done({ put: "subscriber", row: edit.row });
    case "subscriber.status":
      return yield* setStatus(edit.id, edit.status);
    case "package.add":
      return yield* addPackage(edit.id, edit.channels);
    case "package.remove":
      return yield* removePackage(edit.id);
    case "subscription.add":
      return yield* subscribe(edit.row);
    case "subscription.remove":
      return yield* unsubscribe(edit.subscriber, edit.package);
    case "channel.add":
      if ((yield* get("channel", { id: edit.row.id })) !== undefined) return not("exists", edit.row.id);
      return done({ put: "channel", row: edit.row });
    case "channel.remove":
      return yield* removeChannel(edit.id);
    case "service.add":
      return yield* addService(edit.row);
    case "service.revoke":
      return yield* revokeService(edit.id);
  }
}

/** Ids are MQTT user names, so devices and services share one name space. */
function* addDevice(row: DeviceRow): Deciding<EditOutcome> {
  if ((yield* get("device", { id: row.id })) !== undefined) return not("exists", row.id);
  if ((yield* get("service", { id: row.id })) !== undefined) return not("exists", row.id);
  if ((yield* get("subscriber", { id: row.subscriber })) === undefined) return not("missing", row.subscriber);
  return done({ put: "device", row });
}

/** What it received stays on record; only a revoked device has no key left and may be forgotten. */
function* removeDevice(id: string, now: UnixTime): Deciding<EditOutcome> {
  const device = yield* get("device", { id });
  if (device === undefined) return not("missing", id);
  if (device.status === "active") return not("in-use", id);
  const live = yield* find({ table: "live_reception", equal: { device: id }, limit: SUBSCRIBER_ROWS });
  return done({ delete: "device", key: { id } }, ...live.flatMap((row) => closing(row, now, "operator")));
}

function* setStatus(id: string, status: SubscriberRow["status"]): Deciding<EditOutcome> {
  const row = yield* get("subscriber", { id });
  return row === undefined ? not("missing", id) : done({ put: "subscriber", row: { ...row, status } });
}

/** Adding to a package that exists adds the channels. */
function* addPackage(id: string, channels: readonly string[]): Deciding<EditOutcome> {
  for (const channel of channels)
    if ((yield* get("channel", { id: channel })) === undefined) return not("missing", channel);
  const rows = channels.map((channel): Write => ({ put: "package_channel", row: { package: id, channel } }));
  return done({ put: "package", row: { id } }, ...rows);
}

function* removePackage(id: string): Deciding<EditOutcome> {
  if ((yield* get("package", { id })) === undefined) return not("missing", id);
  const holder = (yield* find({ table: "subscription", equal: { package: id }, limit: 1 }))[0];
  if (holder !== undefined) return not("in-use", holder.subscriber);
  const channels = yield* find({ table: "package_channel", equal: { package: id }, limit: SUBSCRIBER_ROWS });
  return done(
    { delete: "package", key: { id } },
    ...channels.map((key): Write => ({ delete: "package_channel", key })),
  );
}

function* subscribe(row: SubscriptionRow): Deciding<EditOutcome> {
  if ((yield* get("subscriber", { id: row.subscriber })) === undefined) return not("missing", row.subscriber);
  if ((yield* get("package", { id: row.package })) === undefined) return not("missing", row.package);
  return done({ put: "subscription", row });
}

function* unsubscribe(subscriber: string, name: string): Deciding<EditOutcome> {
  const equal = { subscriber, package: name };
  const held = yield* find({ table: "subscription", equal, limit: SUBSCRIBER_ROWS });
  if (held.length === 0) return not("missing", `${subscriber} ${name}`);
  return done(...held.map(({ from }): Write => ({ delete: "subscription", key: { ...equal, from } })));
}

function* removeChannel(id: string): Deciding<EditOutcome> {
  if ((yield* get("channel", { id })) === undefined) return not("missing", id);
  const inPackage = (yield* find({ table: "package_channel", equal: { channel: id }, limit: 1 }))[0];
  return inPackage === undefined ? done({ delete: "channel", key: { id } }) : not("in-use", inPackage.package);
}

function* addService(row: ServiceRow): Deciding<EditOutcome> {
  if ((yield* get("service", { id: row.id })) !== undefined) return not("exists", row.id);
  if ((yield* get("device", { id: row.id })) !== undefined) return not("exists", row.id);
  return done({ put: "service", row });
}

function* revokeService(id: string): Deciding<EditOutcome> {
  const row = yield* get("service", { id });
  return row === undefined ? not("missing", id) : done({ put: "service", row: { ...row, status: "revoked" } });
}
