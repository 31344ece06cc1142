// The operator's commands, as the local socket and the command line carry them out: each checks its input, each edit is one transaction.
import * as v from "valibot";
import { fromHex, toHex } from "../../core/base/bytes.ts";
import { unixTime, wholeUnixTime } from "../../core/base/time.ts";
import { Identifier } from "../../core/control/messages.ts";
import { isSmallOrder } from "../../core/control/small-order.ts";
import type { Clock } from "../../core/ports/clock.ts";
import type { Entropy } from "../../core/ports/entropy.ts";
import type { Store } from "../../core/ports/store.ts";
import { ALL_ROUTERS, decidePolicyEdit, type PolicyEdit } from "../../core/reception/policies.ts";
import { decideEdit, type Edit, type EditOutcome } from "../../core/reception/registry.ts";
import { decideDemand, decideRevocation } from "../../core/reception/revocation.ts";
import type { RefusalNote } from "../../core/reception/server.ts";
import { decideWithdrawal, type Withdrawal } from "../../core/reception/withdrawal.ts";
import type { GroupCommit } from "../../hal/store/group-commit.ts";
import { CommandRefused, type Commands } from "../shared/admin.ts";
import { passwordHash } from "../shared/registration.ts";
import { listCounts, listDisagreements, listMemberships, listZaps } from "./evidence.ts";
import {
  type ListCommand,
  type Listed,
  listDenials,
  listPackages,
  listReceptions,
  listSubscribers,
  listTable,
} from "./listing.ts";
import { checkedPolicy, listPolicies, policyOf, routersWithOwn } from "./policies.ts";
import { listUsage } from "./usage.ts";

/** What the commands work on. */
export interface OperatorContext {
  readonly store: Store;
  readonly commits: GroupCommit;
  readonly clock: Clock;
  readonly entropy: Entropy;
  /** Ids of the key servers, which must change keys after a revocation. */
  readonly keyServers: readonly string[];
  /** Ids that are taken by this server's own parts. */
  readonly reserved: readonly string[];
  /** Services were added or revoked. */
  servicesChanged(): Promise<void>;
  /** Rekey demands were stored. */
  demandsChanged(): Promise<void>;
  /** Policies of routers were stored. */
  policiesChanged(): Promise<void>;
  /** The newest refusals; undefined when no server runs, which alone remembers them. */
  refusals(): readonly RefusalNote[] | undefined;
}

/** Octets of a broker password before it is written in hexadecimal. */
const TOKEN_LENGTH = 16;
/** A device may still hold a key of a channel that it left this long ago. */
const KEYS_OUTLIVE = 3_600_000;

const hex64 = v.pipe(v.string(), v.regex(/^[0-9a-fA-F]{64}$/, "must be 64 hexadecimal digits"));
const hexKey = v.pipe(
  hex64,
  v.check((text) => !isSmallOrder(fromHex(text) ?? new Uint8Array(32)), "is not a public key: nobody can have it"),
);
const time = v.pipe(v.number(), v.integer(), v.minValue(0));
const name = v.pipe(v.string(), v.maxLength(200));
/** `password` or its hash is given when the participant has one already, in its identity file; else one is made here. */
const credentials = {
  publicKey: hexKey,
  password: v.optional(v.pipe(v.string(), v.minLength(8), v.maxLength(256))),
  passwordHash: v.optional(hex64),
};
const filters = {
  subscriber: v.optional(Identifier),
  device: v.optional(Identifier),
  channel: v.optional(Identifier),
};
const byId = v.strictObject({ id: Identifier });
const none = v.strictObject({});

/** An id, or what stands for all. */
const routerName = v.union([Identifier, v.literal(ALL_ROUTERS)]);

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
  receptions: v.strictObject(filters),
  usage: v.pipe(
    v.strictObject({ since: v.optional(time), until: v.optional(time), ...filters }),
    v.forward(
      v.check(({ since = 0, until = Number.MAX_SAFE_INTEGER }) => since < until, "must be later than since"),
      ["until"],
    ),
  ),
  rekey: v.strictObject({ channel: Identifier }),
  /** Seconds. */
  check: v.strictObject({ grace: v.optional(v.pipe(v.number(), v.integer(), v.minValue(0), v.maxValue(999_999)), 60) }),
  policySet: v.strictObject({ router: routerName, policy: v.string() }),
  policy: v.strictObject({ router: routerName }),
  zaps: v.strictObject({ since: v.optional(time) }),
} as const;

/** The commands that change something, by name. */
export type EditCommand =
  | `device.${"add" | "revoke" | "remove"}`
  | `subscriber.${"add" | "suspend" | "resume"}`
  | `${"package" | "channel"}.${"add" | "remove"}`
  | `subscription.${"add" | "remove"}`
  | `service.${"add" | "revoke"}`
  | `router.policy.${"set" | "show" | "clear"}`
  | "rekey";

/** Each rejects with CommandRefused for input that cannot be, or a refusal with its reason. */
export interface OperatorCommands
  extends Record<ListCommand, (input: unknown) => AsyncIterable<Listed>>,
    Record<EditCommand, (input: unknown) => Promise<object>>,
    Commands {}

/** The commands on one store. */
export const operatorCommands = (context: OperatorContext): OperatorCommands => ({
  ...registryCommands(context),
  ...listCommands(context),
  ...keyCommands(context),
  ...policyCommands(context),
});

function registryCommands(context: OperatorContext) {
  const byIdEdit = (kind: "device.remove" | "package.remove" | "channel.remove") => (input: unknown) =>
    edit(context, { kind, id: checked(byId, input).id });
  const status = (to: "active" | "suspended") => (input: unknown) =>
    withdraw(context, { kind: "subscriber.status", id: checked(byId, input).id, status: to });
  return {
    "device.add": (input: unknown) => addDevice(context, checked(INPUTS.deviceAdd, input)),
    "device.remove": byIdEdit("device.remove"),
    "subscriber.add": (input: unknown) => addSubscriber(context, checked(INPUTS.subscriberAdd, input)),
    "subscriber.suspend": status("suspended"),
    "subscriber.resume": status("active"),
    "package.add": (input: unknown) => edit(context, { kind: "package.add", ...checked(INPUTS.packageAdd, input) }),
    "package.remove": byIdEdit("package.remove"),
    "subscription.add": (input: unknown) => subscribe(context, checked(INPUTS.subscriptionAdd, input)),
    "subscription.remove": (input: unknown) =>
      withdraw(context, { kind: "subscription.remove", ...checked(INPUTS.subscriptionRemove, input) }),
    "channel.add": (input: unknown) => addChannel(context, checked(INPUTS.channelAdd, input)),
    "channel.remove": byIdEdit("channel.remove"),
    "service.add": (input: unknown) => addService(context, checked(INPUTS.serviceAdd, input)),
    "service.revoke": (input: unknown) => revokeService(context, checked(byId, input).id),
  };
}

function listCommands(context: OperatorContext) {
  const { store, refusals } = context;
  const lists = (rows: () => AsyncIterable<Listed>) => (input: unknown) => {
    checked(none, input);
    return rows();
  };
  return {
    "device.list": lists(() => listTable(store, "device")),
    "channel.list": lists(() => listTable(store, "channel")),
    "service.list": lists(() => listTable(store, "service")),
    "subscription.list": lists(() => listTable(store, "subscription")),
    "subscriber.list": lists(() => listSubscribers(store)),
    "package.list": lists(() => listPackages(store)),
    receptions: (input: unknown) => listReceptions(store, checked(INPUTS.receptions, input)),
    usage: (input: unknown) => listUsage(store, checked(INPUTS.usage, input)),
    denials: lists(() => listDenials(refusals())),
    memberships: lists(() => listMemberships(store)),
    "evidence.check": (input: unknown) =>
      listDisagreements(store, now(context), checked(INPUTS.check, input).grace * 1000),
    "evidence.counts": lists(() => listCounts(store)),
    "evidence.routers": lists(() => listTable(store, "router_report")),
    "evidence.zaps": (input: unknown) => listZaps(store, now(context), checked(INPUTS.zaps, input).since),
    "router.policy.list": lists(() => listPolicies(store)),
    epochs: lists(() => listTable(store, "epoch")),
  };
}

function keyCommands(context: OperatorContext) {
  return {
    "device.revoke": (input: unknown) => revokeDevice(context, checked(byId, input).id),
    rekey: (input: unknown) => rekey(context, checked(INPUTS.rekey, input).channel),
  };
}

function policyCommands(context: OperatorContext) {
  return {
    "router.policy.set": async (input: unknown) => {
      const { router, policy } = checked(INPUTS.policySet, input);
      return givePolicy(context, { router, policy: checkedPolicy(policy) });
    },
    "router.policy.clear": (input: unknown) => givePolicy(context, { router: checked(INPUTS.policy, input).router }),
    "router.policy.show": async (input: unknown) => {
      const { policy, ...given } = await policyOf(context.store, checked(INPUTS.policy, input).router);
      return { ...given, policy: JSON.parse(policy) as object };
    },
  };
}

/** Answers with the revision, and with the routers that one for all does not reach. */
async function givePolicy(context: OperatorContext, edit: PolicyEdit): Promise<object> {
  const at = now(context);
  const outcome = await context.commits.run(() => decidePolicyEdit(edit, at));
  if (outcome.kind === "missing") throw new CommandRefused(`${outcome.what} is not a registered router`);
  await context.policiesChanged();
  const own = edit.router === ALL_ROUTERS ? await routersWithOwn(context.store) : [];
  return { revision: outcome.revision, ...(own.length === 0 ? {} : { keepTheirOwn: own }) };
}

/** The input in its schema; refuses with every fault and its path. */
function checked<S extends v.GenericSchema>(schema: S, input: unknown): v.InferOutput<S> {
  const result = v.safeParse(schema, input);
  if (result.success) return result.output;
  const faults = result.issues.map((issue) => `${v.getDotPath(issue) ?? "input"}: ${issue.message}`);
  throw new CommandRefused(faults.join("; "));
}

const now = ({ clock }: OperatorContext) => wholeUnixTime(clock.unix(clock.now()));

async function edit(context: OperatorContext, change: Edit): Promise<{ readonly done: true }> {
  const at = now(context);
  return told(change, await context.commits.run(() => decideEdit(change, at)));
}

async function withdraw(context: OperatorContext, change: Withdrawal): Promise<{ readonly done: true }> {
  const at = now(context);
  const what = { edit: change, keyservers: context.keyServers, heldSince: unixTime(at - KEYS_OUTLIVE) };
  const outcome = await context.commits.run(() => decideWithdrawal(what, at));
  if (outcome.channels.length > 0) await context.demandsChanged();
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

interface Credentials {
  readonly publicKey: string;
  readonly password?: string | undefined;
  readonly passwordHash?: string | undefined;
}

/** Only the hash is kept: a password that is made here is shown this once. */
function credentialsOf({ entropy }: OperatorContext, given: Credentials) {
  const publicKey = fromHex(given.publicKey) ?? new Uint8Array(0);
  const hash = given.passwordHash === undefined ? undefined : fromHex(given.passwordHash);
  if (hash !== undefined) return { publicKey, passwordHash: hash, shown: {} };
  const password = given.password ?? toHex(entropy.bytes(TOKEN_LENGTH));
  const shown = given.password === undefined ? { password } : {};
  return { publicKey, passwordHash: passwordHash(password), shown };
}

function refuseReserved(context: OperatorContext, id: string): void {
  if (context.reserved.includes(id)) throw new CommandRefused(`${id} is the name of this server's own part`);
}

async function addDevice(context: OperatorContext, input: v.InferOutput<typeof INPUTS.deviceAdd>): Promise<object> {
  refuseReserved(context, input.id);
  const { publicKey, passwordHash, shown } = credentialsOf(context, input);
  const { id, subscriber, mac } = input;
  const row = {
    id,
    subscriber,
    publicKey,
    passwordHash,
    status: "active",
    ...(mac === undefined ? {} : { mac }),
  } as const;
  await edit(context, { kind: "device.add", row });
  return { id, ...shown };
}

function addSubscriber(context: OperatorContext, input: v.InferOutput<typeof INPUTS.subscriberAdd>): Promise<object> {
  const { id, concurrentLimit } = input;
  const limit = concurrentLimit === undefined ? {} : { concurrentLimit };
  return edit(context, { kind: "subscriber.add", row: { id, name: input.name ?? id, status: "active", ...limit } });
}

const addChannel = (
  context: OperatorContext,
  { id, title }: v.InferOutput<typeof INPUTS.channelAdd>,
): Promise<object> => edit(context, { kind: "channel.add", row: { id, title: title ?? id } });

function subscribe(context: OperatorContext, input: v.InferOutput<typeof INPUTS.subscriptionAdd>): Promise<object> {
  const { from, until, ...who } = input;
  const start = from === undefined ? now(context) : unixTime(from);
  if (until !== undefined && until <= start) throw new CommandRefused("until: must be later than from");
  const end = until === undefined ? {} : { until: unixTime(until) };
  return edit(context, { kind: "subscription.add", row: { ...who, from: start, ...end } });
}

async function addService(context: OperatorContext, input: v.InferOutput<typeof INPUTS.serviceAdd>): Promise<object> {
  refuseReserved(context, input.id);
  const { publicKey, passwordHash, shown } = credentialsOf(context, input);
  const { id, role } = input;
  if (input.channels !== undefined && role !== "headend") throw new CommandRefused("channels: only a headend has them");
  const channels = input.channels === undefined ? {} : { channels: input.channels.join(" ") };
  const row = { id, role, publicKey, passwordHash, status: "active", ...channels } as const;
  await edit(context, { kind: "service.add", row });
  await context.servicesChanged();
  return { id, ...shown };
}

async function revokeService(context: OperatorContext, id: string): Promise<object> {
  const done = await edit(context, { kind: "service.revoke", id });
  await context.servicesChanged();
  return done;
}

async function revokeDevice(context: OperatorContext, device: string): Promise<object> {
  const at = now(context);
  const what = { device, keyservers: context.keyServers, heldSince: unixTime(at - KEYS_OUTLIVE) };
  const outcome = await context.commits.run(() => decideRevocation(what, at));
  if (outcome.kind === "missing") throw new CommandRefused(`${device} does not exist`);
  await context.demandsChanged();
  return { revoked: device, rekeyed: outcome.channels };
}

async function rekey(context: OperatorContext, channel: string): Promise<object> {
  const at = now(context);
  if ((await context.store.read({ table: "channel", equal: { id: channel }, limit: 1 })).length === 0)
    throw new CommandRefused(`${channel} does not exist`);
  await context.commits.run(() => decideDemand({ channels: [channel], keyservers: context.keyServers }, at));
  await context.demandsChanged();
  return { demanded: channel };
}
