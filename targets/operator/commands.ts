// The operator's commands, as the local socket and the command line carry them out: each checks its input, each edit is one transaction.
import * as v from "valibot";
import { fromHex, toHex } from "../../core/base/bytes.ts";
import { unixTime } from "../../core/base/time.ts";
import { Identifier } from "../../core/control/messages.ts";
import { isSmallOrder } from "../../core/control/small-order.ts";
import type { Clock } from "../../core/ports/clock.ts";
import type { Entropy } from "../../core/ports/entropy.ts";
import type { Store } from "../../core/ports/store.ts";
import { decideEdit, type Edit, type EditOutcome } from "../../core/reception/registry.ts";
import { decideDemand, decideRevocation } from "../../core/reception/revocation.ts";
import type { RefusalNote } from "../../core/reception/server.ts";
import { decideWithdrawal, type Withdrawal } from "../../core/reception/withdrawal.ts";
import type { GroupCommit } from "../../hal/store/group-commit.ts";
import { CommandRefused, type Commands } from "../shared/admin.ts";
import { passwordHash } from "./directory.ts";
import { isoTime, LISTED_ROWS, list, listMemberships, listPackages, listSubscribers } from "./listing.ts";

export interface Office {
  readonly store: Store;
  readonly commits: GroupCommit;
  readonly clock: Clock;
  readonly entropy: Entropy;
  /** Ids of the key servers, which must change keys after a revocation. */
  keyServers(): readonly string[];
  /** Ids that are taken by this server's own parts. */
  readonly reserved: readonly string[];
  /** Services were added or revoked. */
  servicesChanged(): Promise<void>;
  /** Rekey demands were stored. */
  demandsChanged(): Promise<void>;
  /** The newest refusals; empty when no server runs. */
  refusals(): readonly RefusalNote[];
}

/** Octets of a broker password before it is written in hexadecimal. */
const TOKEN_LENGTH = 16;
/** A device may still hold a key of a channel that it left this long ago. */
const KEYS_OUTLIVE = 3_600_000;

const hexKey = v.pipe(
  v.string(),
  v.regex(/^[0-9a-fA-F]{64}$/, "must be 64 hexadecimal digits"),
  v.check((text) => !isSmallOrder(fromHex(text) ?? new Uint8Array(32)), "is not a public key: nobody can have it"),
);
const time = v.pipe(v.number(), v.integer(), v.minValue(0));
const name = v.pipe(v.string(), v.maxLength(200));
/** `password` is given when the participant has one already, in its identity file. */
const credentials = { publicKey: hexKey, password: v.optional(v.pipe(v.string(), v.minLength(8), v.maxLength(256))) };
const byId = v.strictObject({ id: Identifier });
const none = v.strictObject({});

const INPUTS = {
  deviceAdd: v.strictObject({
    id: Identifier,
    subscriber: Identifier,
    mac: v.optional(v.pipe(v.string(), v.toLowerCase(), v.regex(/^([0-9a-f]{2}:){5}[0-9a-f]{2}$/))),
    ...credentials,
  }),
  subscriberAdd: v.strictObject({
    id: Identifier,
    name: v.optional(name),
    concurrentLimit: v.optional(v.pipe(v.number(), v.integer(), v.minValue(0), v.maxValue(1024))),
  }),
  packageAdd: v.strictObject({ id: Identifier, channels: v.pipe(v.array(Identifier), v.maxLength(1024)) }),
  subscriptionAdd: v.strictObject({
    subscriber: Identifier,
    package: Identifier,
    from: v.optional(time),
    until: v.optional(time),
  }),
  subscriptionRemove: v.strictObject({ subscriber: Identifier, package: Identifier }),
  channelAdd: v.strictObject({ id: Identifier, title: v.optional(name) }),
  serviceAdd: v.strictObject({
    id: Identifier,
    role: v.picklist(["headend", "router", "keyserver", "reception"]),
    channels: v.optional(v.pipe(v.array(Identifier), v.minLength(1), v.maxLength(1024))),
    ...credentials,
  }),
  usage: v.strictObject({
    since: v.optional(time),
    until: v.optional(time),
    device: v.optional(Identifier),
    channel: v.optional(Identifier),
  }),
  rekey: v.strictObject({ channel: Identifier }),
} as const;

export type OperatorCommand =
  | `device.${"add" | "list" | "revoke" | "remove"}`
  | `subscriber.${"add" | "list" | "suspend" | "resume"}`
  | `${"package" | "channel"}.${"add" | "list" | "remove"}`
  | `subscription.${"add" | "list" | "remove"}`
  | `service.${"add" | "list" | "revoke"}`
  | "receptions"
  | "usage"
  | "denials"
  | "memberships"
  | "epochs"
  | "rekey";

export const operatorCommands = (office: Office): Commands & Record<OperatorCommand, (input: unknown) => unknown> => ({
  ...registryCommands(office),
  ...listCommands(office),
  ...keyCommands(office),
});

function registryCommands(office: Office) {
  const byIdEdit = (kind: "device.remove" | "package.remove" | "channel.remove") => (input: unknown) =>
    edit(office, { kind, id: checked(byId, input).id });
  const status = (to: "active" | "suspended") => (input: unknown) =>
    withdraw(office, { kind: "subscriber.status", id: checked(byId, input).id, status: to });
  return {
    "device.add": (input: unknown) => addDevice(office, checked(INPUTS.deviceAdd, input)),
    "device.remove": byIdEdit("device.remove"),
    "subscriber.add": (input: unknown) => addSubscriber(office, checked(INPUTS.subscriberAdd, input)),
    "subscriber.suspend": status("suspended"),
    "subscriber.resume": status("active"),
    "package.add": (input: unknown) => edit(office, { kind: "package.add", ...checked(INPUTS.packageAdd, input) }),
    "package.remove": byIdEdit("package.remove"),
    "subscription.add": (input: unknown) => subscribe(office, checked(INPUTS.subscriptionAdd, input)),
    "subscription.remove": (input: unknown) =>
      withdraw(office, { kind: "subscription.remove", ...checked(INPUTS.subscriptionRemove, input) }),
    "channel.add": (input: unknown) => addChannel(office, checked(INPUTS.channelAdd, input)),
    "channel.remove": byIdEdit("channel.remove"),
    "service.add": (input: unknown) => addService(office, checked(INPUTS.serviceAdd, input)),
    "service.revoke": (input: unknown) => revokeService(office, checked(byId, input).id),
  };
}

function listCommands({ store, refusals }: Office) {
  const table = (name: "device" | "channel" | "service" | "subscription") => (input: unknown) => {
    checked(none, input);
    return list(store, { table: name, limit: LISTED_ROWS });
  };
  return {
    "device.list": table("device"),
    "channel.list": table("channel"),
    "service.list": table("service"),
    "subscription.list": table("subscription"),
    "subscriber.list": () => listSubscribers(store),
    "package.list": () => listPackages(store),
    receptions: () => list(store, { table: "live_reception", order: "since", limit: LISTED_ROWS }),
    usage: (input: unknown) => usage(store, checked(INPUTS.usage, input)),
    denials: () => refusals().map((note) => ({ ...note, at: isoTime(note.at) })),
    memberships: () => listMemberships(store),
    epochs: () => list(store, { table: "epoch", limit: LISTED_ROWS }),
  };
}

function keyCommands(office: Office) {
  return {
    "device.revoke": (input: unknown) => revokeDevice(office, checked(byId, input).id),
    rekey: (input: unknown) => rekey(office, checked(INPUTS.rekey, input).channel),
  };
}

/** The input in its schema; refuses with every fault and its path. */
function checked<S extends v.GenericSchema>(schema: S, input: unknown): v.InferOutput<S> {
  const result = v.safeParse(schema, input);
  if (result.success) return result.output;
  const faults = result.issues.map((issue) => `${v.getDotPath(issue) ?? "input"}: ${issue.message}`);
  throw new CommandRefused(faults.join("; "));
}

const now = ({ clock }: Office) => unixTime(Math.round(clock.unix(clock.now())));

async function edit(office: Office, change: Edit): Promise<{ readonly done: true }> {
  const at = now(office);
  return told(change, await office.commits.run(() => decideEdit(change, at)));
}

async function withdraw(office: Office, change: Withdrawal): Promise<{ readonly done: true }> {
  const at = now(office);
  const what = { edit: change, keyservers: office.keyServers(), heldSince: unixTime(at - KEYS_OUTLIVE) };
  const outcome = await office.commits.run(() => decideWithdrawal(what, at));
  if (outcome.channels.length > 0) await office.demandsChanged();
  return told(change, outcome.edit);
}

function told(change: Edit, outcome: EditOutcome): { readonly done: true } {
  switch (outcome.kind) {
    case "done":
      return { done: true };
    case "missing":
      throw new CommandRefused(`${outcome.what} does not exist`);
    case "exists":
      throw new CommandRefused(`${outcome.what} exists already`);
    case "in-use":
      throw new CommandRefused(
        change.kind === "device.remove"
          ? `${outcome.what} is active: revoke it first`
          : `still used by ${outcome.what}`,
      );
  }
}

/** Only the hash is kept: a new password is shown this once. */
function credentialsOf(office: Office, given: { readonly publicKey: string; readonly password?: string | undefined }) {
  const password = given.password ?? toHex(office.entropy.bytes(TOKEN_LENGTH));
  const publicKey = fromHex(given.publicKey) ?? new Uint8Array(0);
  const shown = given.password === undefined ? { password } : {};
  return { publicKey, passwordHash: passwordHash(password), shown };
}

function refuseReserved(office: Office, id: string): void {
  if (office.reserved.includes(id)) throw new CommandRefused(`${id} is the name of this server's own part`);
}

async function addDevice(office: Office, input: v.InferOutput<typeof INPUTS.deviceAdd>): Promise<object> {
  refuseReserved(office, input.id);
  const { publicKey, passwordHash, shown } = credentialsOf(office, input);
  const { id, subscriber, mac } = input;
  const row = {
    id,
    subscriber,
    publicKey,
    passwordHash,
    status: "active",
    ...(mac === undefined ? {} : { mac }),
  } as const;
  await edit(office, { kind: "device.add", row });
  return { id, ...shown };
}

function addSubscriber(office: Office, input: v.InferOutput<typeof INPUTS.subscriberAdd>): Promise<object> {
  const { id, concurrentLimit } = input;
  const limit = concurrentLimit === undefined ? {} : { concurrentLimit };
  return edit(office, { kind: "subscriber.add", row: { id, name: input.name ?? id, status: "active", ...limit } });
}

const addChannel = (office: Office, { id, title }: v.InferOutput<typeof INPUTS.channelAdd>): Promise<object> =>
  edit(office, { kind: "channel.add", row: { id, title: title ?? id } });

function subscribe(office: Office, input: v.InferOutput<typeof INPUTS.subscriptionAdd>): Promise<object> {
  const { from, until, ...who } = input;
  const start = from === undefined ? now(office) : unixTime(from);
  if (until !== undefined && until <= start) throw new CommandRefused("until: must be later than from");
  const end = until === undefined ? {} : { until: unixTime(until) };
  return edit(office, { kind: "subscription.add", row: { ...who, from: start, ...end } });
}

async function addService(office: Office, input: v.InferOutput<typeof INPUTS.serviceAdd>): Promise<object> {
  refuseReserved(office, input.id);
  const { publicKey, passwordHash, shown } = credentialsOf(office, input);
  const { id, role } = input;
  if (input.channels !== undefined && role !== "headend") throw new CommandRefused("channels: only a headend has them");
  const channels = input.channels === undefined ? {} : { channels: input.channels.join(" ") };
  const row = { id, role, publicKey, passwordHash, status: "active", ...channels } as const;
  await edit(office, { kind: "service.add", row });
  await office.servicesChanged();
  return { id, ...shown };
}

async function revokeService(office: Office, id: string): Promise<object> {
  const done = await edit(office, { kind: "service.revoke", id });
  await office.servicesChanged();
  return done;
}

async function revokeDevice(office: Office, device: string): Promise<object> {
  const at = now(office);
  const what = { device, keyservers: office.keyServers(), heldSince: unixTime(at - KEYS_OUTLIVE) };
  const outcome = await office.commits.run(() => decideRevocation(what, at));
  if (outcome.kind === "missing") throw new CommandRefused(`${device} does not exist`);
  await office.demandsChanged();
  return { revoked: device, rekeyed: outcome.channels };
}

async function rekey(office: Office, channel: string): Promise<object> {
  const at = now(office);
  if ((await office.store.read({ table: "channel", equal: { id: channel }, limit: 1 })).length === 0)
    throw new CommandRefused(`${channel} does not exist`);
  await office.commits.run(() => decideDemand({ channels: [channel], keyservers: office.keyServers() }, at));
  await office.demandsChanged();
  return { demanded: channel };
}

/** Records that began in [since, until). */
function usage(store: Store, { since, until, device, channel }: v.InferOutput<typeof INPUTS.usage>) {
  const equal = { ...(device === undefined ? {} : { device }), ...(channel === undefined ? {} : { channel }) };
  const range = {
    column: "since",
    ...(since === undefined ? {} : { since }),
    ...(until === undefined ? {} : { before: until }),
  } as const;
  return list(store, { table: "usage_record", equal, range, order: "since", limit: LISTED_ROWS });
}
