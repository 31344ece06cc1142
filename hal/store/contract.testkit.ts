// What every store must do, and what the decisions of the reception server come to on it.
import assert from "node:assert/strict";
import { test } from "node:test";
import { type UnixTime, unixTime } from "../../core/base/time.ts";
import type { Decision, Store } from "../../core/ports/store.ts";
import { get } from "../../core/ports/store.ts";
import type { EpochRow, MembershipRow, UsageCause } from "../../core/ports/tables.ts";
import { decideEvidence } from "../../core/reception/evidence.ts";
import { decideInquiry, type Inquiry } from "../../core/reception/inquiry.ts";
import { decideEdit, type Edit } from "../../core/reception/registry.ts";
import { decideDemand, decideRevocation, decideSettled } from "../../core/reception/revocation.ts";
import { decideStop, type Stop } from "../../core/reception/stop.ts";
import { decideSweep } from "../../core/reception/sweep.ts";
import { decideWithdrawal, type Withdrawal } from "../../core/reception/withdrawal.ts";

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

const edit = (store: Store, change: Edit) => decided(store, () => decideEdit(change, T0));

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

const BASE = { device: "box1", deviceKey: octets(1), channel: "one", reception: receptionId(1) };

const inquire = (store: Store, seconds: number, more: Partial<Inquiry> = {}) =>
  decided(store, () => decideInquiry({ ...BASE, epoch: 1, holdsFor: 30_000, ...more }, at(seconds)));

const stop = async (store: Store, seconds: number, more: Partial<Stop> = {}) =>
  (await decided(store, () => decideStop({ ...BASE, cause: "stopped", ...more }, at(seconds)))).record;

const usage = (store: Store) => store.read({ table: "usage_record", order: "since", limit: 100 });
const live = (store: Store) => store.read({ table: "live_reception", limit: 100 });

async function closedAs(store: Store): Promise<{ cause: UsageCause; since: number; until: number }[]> {
  const records = await usage(store);
  return records.map(({ cause, since, until }) => ({ cause, since: (since - T0) / 1000, until: (until - T0) / 1000 }));
}

/** `open` gives an empty store. */
export function storeContract(name: string, open: () => Promise<Store>): void {
  const scenario = (title: string, body: (store: Store) => Promise<void>): void => {
    test(`${name}: ${title}`, async () => {
      const store = await open();
      try {
        await body(store);
      } finally {
        await store.close();
      }
    });
  };
  rowScenarios(scenario);
  inquiryScenarios(scenario);
  endScenarios(scenario);
  revocationScenarios(scenario);
  registryScenarios(scenario);
  evidenceScenarios(scenario);
}

type Scenario = (title: string, body: (store: Store) => Promise<void>) => void;

const epochRow = (epoch: number): EpochRow => ({
  channel: "one",
  epoch,
  masterKey: octets(epoch, 16),
  masterSalt: octets(epoch, 12),
  state: "announced",
  switchAt: at(epoch),
});

function rowScenarios(scenario: Scenario): void {
  const put = (row: EpochRow): Decision<void> =>
    // biome-ignore lint/correctness/useYield: needs no rows
    function* () {
      return { outcome: undefined, writes: [{ put: "epoch", row }] };
    };

  scenario("a row comes back as it was put, octets and absent columns included", async (store) => {
    await decided(store, put(epochRow(7)));
    assert.deepEqual(await store.read({ table: "epoch", limit: 10 }), [epochRow(7)]);
    await register(store);
    const [box] = await store.read({ table: "device", equal: { id: "box1" }, limit: 1 });
    assert.equal(box !== undefined && "mac" in box, false);
  });

  scenario("queries honour equality, ranges, order and limit", async (store) => {
    for (const epoch of [3, 1, 2, 10]) await decided(store, put(epochRow(epoch)));
    const epochs = async (query: object) =>
      (await store.read({ table: "epoch", limit: 10, ...query })).map(({ epoch }) => epoch);
    assert.deepEqual(await epochs({}), [1, 2, 3, 10]);
    assert.deepEqual(await epochs({ limit: 2 }), [1, 2]);
    assert.deepEqual(await epochs({ order: "switchAt", descending: true }), [10, 3, 2, 1]);
    assert.deepEqual(await epochs({ range: { column: "epoch", since: 2, before: 10 } }), [2, 3]);
    assert.deepEqual(await epochs({ equal: { epoch: 3 } }), [3]);
    assert.deepEqual(await epochs({ equal: { channel: "none" } }), []);
  });

  scenario("a later decision of one transaction sees what an earlier one wrote", async (store) => {
    const looks: Decision<boolean> = function* () {
      return { outcome: (yield* get("epoch", { channel: "one", epoch: 1 })) !== undefined, writes: [] };
    };
    const settled = await store.transact<unknown>([looks, put(epochRow(1)), looks]);
    assert.deepEqual(
      settled.map((one) => one.kind === "done" && one.outcome),
      [false, undefined, true],
    );
  });

  scenario("a decision at fault writes nothing and does not hurt the others", async (store) => {
    const fails: Decision<void> = function* () {
      yield { table: "epoch", limit: 1 };
      throw new RangeError("a mistake of ours");
    };
    const settled = await store.transact([put(epochRow(1)), fails, put(epochRow(2))]);
    assert.deepEqual(
      settled.map(({ kind }) => kind),
      ["done", "fault", "done"],
    );
    assert.ok(settled[1]?.kind === "fault" && settled[1].error.code === "store.decision");
    assert.equal((await store.read({ table: "epoch", limit: 10 })).length, 2);
  });

  scenario("a closed store says so", async (store) => {
    await store.close();
    await assert.rejects(store.read({ table: "epoch", limit: 1 }), { code: "store.closed" });
    await assert.rejects(store.transact([]), { code: "store.closed" });
  });
}

function inquiryScenarios(scenario: Scenario): void {
  scenario("an entitled device is permitted and its reception is live", async (store) => {
    await register(store);
    assert.deepEqual(await inquire(store, 1), { kind: "permitted", opened: true });
    const [row] = await live(store);
    assert.deepEqual(row, {
      device: "box1",
      channel: "one",
      reception: receptionId(1),
      subscriber: "sub",
      since: at(1),
      firstEpoch: 1,
      epoch: 1,
      heldUntil: at(31),
      lastSeen: at(1),
    });
  });

  scenario("a further inquiry renews the reception and takes nothing back", async (store) => {
    await register(store);
    await inquire(store, 1);
    assert.deepEqual(await inquire(store, 20, { epoch: 2 }), { kind: "permitted", opened: false });
    await inquire(store, 21, { epoch: 1, holdsFor: 0 });
    const rows = await live(store);
    assert.deepEqual(
      rows.map(({ since, epoch, heldUntil, lastSeen }) => ({ since, epoch, heldUntil, lastSeen })),
      [{ since: at(1), epoch: 2, heldUntil: at(50), lastSeen: at(21) }],
    );
  });

  const refusals: readonly [string, Partial<Inquiry>, Edit[], string][] = [
    ["a device that is not registered", { device: "box9" }, [], "device.unknown"],
    ["a device with another key", { deviceKey: octets(9) }, [], "device.unknown"],
    [
      "a suspended subscriber",
      {},
      [{ kind: "subscriber.status", id: "sub", status: "suspended" }],
      "subscriber.inactive",
    ],
    ["a channel that is not registered", { channel: "nine" }, [], "channel.unknown"],
    ["a channel outside the subscriber's packages", { channel: "other" }, [], "not-entitled"],
    [
      "a package that was taken away",
      {},
      [{ kind: "subscription.remove", subscriber: "sub", package: "base" }],
      "not-entitled",
    ],
  ];
  for (const [who, more, edits, reason] of refusals) {
    scenario(`${who} is refused: ${reason}`, async (store) => {
      await register(store);
      for (const change of edits) await edit(store, change);
      assert.deepEqual(await inquire(store, 1, more), { kind: "refused", reason });
      assert.deepEqual(await live(store), []);
    });
  }

  scenario("a subscription counts from its first moment to just before its last", async (store) => {
    await register(store);
    assert.equal((await inquire(store, -1)).kind, "refused");
    assert.equal((await inquire(store, 0)).kind, "permitted");
    assert.equal((await inquire(store, 9_999)).kind, "permitted");
    assert.deepEqual(await inquire(store, 10_000), { kind: "refused", reason: "not-entitled" });
  });

  scenario(
    "the limit counts receptions of all the subscriber's devices, and a renewal always passes",
    async (store) => {
      await register(store);
      await inquire(store, 1);
      await inquire(store, 2, { channel: "two", reception: receptionId(2) });
      const third = { device: "box2", deviceKey: octets(2), reception: receptionId(3) };
      assert.deepEqual(await inquire(store, 3, third), { kind: "refused", reason: "limit.concurrent" });
      assert.equal((await inquire(store, 4)).kind, "permitted");
      assert.equal(await stop(store, 6), "written");
      assert.equal((await inquire(store, 7, third)).kind, "permitted");
    },
  );

  scenario("another reception of the same device and channel supersedes the first", async (store) => {
    await register(store);
    await inquire(store, 1);
    await inquire(store, 100, { reception: receptionId(2) });
    assert.deepEqual(await closedAs(store), [{ cause: "superseded", since: 1, until: 31 }]);
    assert.deepEqual(
      (await live(store)).map(({ reception }) => reception),
      [receptionId(2)],
    );
    assert.deepEqual(await inquire(store, 101), { kind: "refused", reason: "reception.ended" });
  });

  scenario(
    "a reception id that is live on another channel or device is refused, so that no bill is lost",
    async (store) => {
      await register(store);
      await inquire(store, 1);
      assert.deepEqual(await inquire(store, 2, { channel: "two" }), { kind: "refused", reason: "reception.ended" });
      const other = { device: "box2", deviceKey: octets(2) };
      assert.deepEqual(await inquire(store, 2, other), { kind: "refused", reason: "reception.ended" });
    },
  );
}

function endScenarios(scenario: Scenario): void {
  scenario("a stop writes the record once; its repetitions find it", async (store) => {
    await register(store);
    await inquire(store, 1, { epoch: 4 });
    await inquire(store, 2, { epoch: 6 });
    assert.equal(await stop(store, 10), "written");
    assert.equal(await stop(store, 11), "earlier");
    assert.deepEqual(await live(store), []);
    assert.deepEqual(await usage(store), [
      {
        reception: receptionId(1),
        device: "box1",
        subscriber: "sub",
        channel: "one",
        since: at(1),
        until: at(10),
        cause: "stopped",
        firstEpoch: 4,
        lastEpoch: 6,
      },
    ]);
    assert.deepEqual(await inquire(store, 12), { kind: "refused", reason: "reception.ended" });
  });

  scenario("a stop of what never was leaves no record, and a late inquiry opens nothing", async (store) => {
    await register(store);
    assert.equal(await stop(store, 1), "none");
    assert.deepEqual(await inquire(store, 2), { kind: "refused", reason: "reception.ended" });
    assert.equal((await inquire(store, 3, { reception: receptionId(2) })).kind, "permitted");
  });

  scenario("a stop of a channel that is none leaves no row: its name is the device's to choose", async (store) => {
    await register(store);
    assert.equal(await stop(store, 1, { channel: "made-up" }), "none");
    assert.deepEqual(await store.read({ table: "early_stop", limit: 9 }), []);
  });

  scenario("a device was there when it last asked for a key, whatever it says of its end", async (store) => {
    await register(store);
    await inquire(store, 1);
    await inquire(store, 20);
    assert.equal(await stop(store, 30, { endedAgo: 3_600_000 }), "written");
    assert.deepEqual(await closedAs(store), [{ cause: "stopped", since: 1, until: 20 }]);
  });

  scenario("a renewal after the calendar was set back holds from the new time on", async (store) => {
    await register(store);
    await inquire(store, 5_000);
    await inquire(store, 100);
    await inquire(store, 90, { holdsFor: 10_000 });
    const [row] = await live(store);
    assert.equal(row?.heldUntil, at(100));
  });

  scenario("a stranger stops nobody's reception", async (store) => {
    await register(store);
    await inquire(store, 1);
    assert.equal(await stop(store, 2, { deviceKey: octets(9) }), "none");
    assert.equal(await stop(store, 2, { device: "box2", deviceKey: octets(2) }), "none");
    assert.equal((await live(store)).length, 1);
  });

  const ends: readonly [string, Partial<Stop>, number, number][] = [
    ["what the device says counts", { endedAgo: 5_000 }, 20, 15],
    ["not before the start", { endedAgo: 3_600_000 }, 20, 1],
    ["power lost, time unknown: not after the last key", { cause: "power-lost" }, 500, 31],
    ["power lost, seen soon: not after now", { cause: "power-lost" }, 20, 20],
    ["power lost, time known", { cause: "power-lost", endedAgo: 480_000 }, 500, 20],
    ["power lost, said to have ended after its last key", { cause: "power-lost", endedAgo: 10_000 }, 500, 31],
  ];
  for (const [title, more, seconds, until] of ends) {
    scenario(`the end of a reception: ${title}`, async (store) => {
      await register(store);
      await inquire(store, 1);
      assert.equal(await stop(store, seconds, more), "written");
      assert.deepEqual(await closedAs(store), [{ cause: "stopped", since: 1, until }]);
    });
  }

  scenario("a calendar that was set back makes no record shorter than nothing", async (store) => {
    await register(store);
    await inquire(store, 100);
    await stop(store, 50);
    assert.deepEqual(await closedAs(store), [{ cause: "stopped", since: 100, until: 100 }]);
  });

  scenario("a silent device lapses at its last key, after the grace and not before", async (store) => {
    await register(store);
    await inquire(store, 1);
    const sweep = { grace: 60_000, evidenceFor: 86_400_000 } as Parameters<typeof decideSweep>[0];
    assert.deepEqual(await decided(store, () => decideSweep(sweep, at(91))), { kind: "swept", lapsed: 0, more: false });
    assert.deepEqual(await decided(store, () => decideSweep(sweep, at(92))), { kind: "swept", lapsed: 1, more: false });
    assert.deepEqual(await closedAs(store), [{ cause: "lapsed", since: 1, until: 31 }]);
    assert.equal(await stop(store, 93), "earlier");
  });
}

function revocationScenarios(scenario: Scenario): void {
  const revoke = (store: Store, seconds: number) =>
    decided(store, () =>
      decideRevocation({ device: "box1", keyservers: ["ks"], heldSince: at(seconds - 60) }, at(seconds)),
    );
  const demands = (store: Store) => store.read({ table: "rekey_demand", limit: 10 });

  scenario("a revocation closes receptions, keeps the demand for new keys, and refuses the device", async (store) => {
    await register(store);
    await inquire(store, 1);
    assert.deepEqual(await revoke(store, 5), { kind: "revoked", channels: ["one"] });
    assert.deepEqual(await closedAs(store), [{ cause: "revoked", since: 1, until: 5 }]);
    assert.deepEqual(await inquire(store, 6), { kind: "refused", reason: "device.revoked" });
    assert.deepEqual(
      (await demands(store)).map(({ channel, reason }) => [channel, reason]),
      [["one", "revoked"]],
    );
    assert.equal(await stop(store, 7), "earlier");
  });

  scenario("a channel that the device left lately is rekeyed too", async (store) => {
    await register(store);
    await inquire(store, 1);
    await stop(store, 2);
    assert.deepEqual(await revoke(store, 5), { kind: "revoked", channels: ["one"] });
  });

  scenario("a device that left more receptions than are looked at loses every channel", async (store) => {
    await register(store);
    await inquire(store, 1, { reception: "f".repeat(32) });
    await stop(store, 2, { reception: "f".repeat(32) });
    const zaps = Array.from({ length: 1_024 }, (_, n) => n.toString(16).padStart(32, "0"));
    const two = { ...BASE, channel: "two", epoch: 1, holdsFor: 1_000 };
    await store.transact(zaps.map((reception) => () => decideInquiry({ ...two, reception }, at(3))));
    assert.deepEqual(await revoke(store, 5), { kind: "revoked", channels: ["one", "other", "two"] });
  });

  const withdraw = (store: Store, edit: Withdrawal, seconds: number) =>
    decided(store, () => decideWithdrawal({ edit, keyservers: ["ks"], heldSince: at(seconds - 60) }, at(seconds)));
  const losing = { kind: "subscription.remove", subscriber: "sub", package: "base" } as const;

  scenario("a suspension closes the subscriber's receptions and demands new keys for them", async (store) => {
    await register(store);
    await inquire(store, 1);
    const suspended = await withdraw(store, { kind: "subscriber.status", id: "sub", status: "suspended" }, 5);
    assert.deepEqual(suspended, { edit: { kind: "done" }, channels: ["one"] });
    assert.deepEqual(await closedAs(store), [{ cause: "operator", since: 1, until: 5 }]);
    assert.deepEqual(
      (await demands(store)).map(({ channel, reason }) => [channel, reason]),
      [["one", "revoked"]],
    );
    assert.deepEqual(await inquire(store, 6), { kind: "refused", reason: "subscriber.inactive" });
  });

  scenario("to resume a subscriber changes no key", async (store) => {
    await register(store);
    await inquire(store, 1);
    const resumed = await withdraw(store, { kind: "subscriber.status", id: "sub", status: "active" }, 5);
    assert.deepEqual(resumed, { edit: { kind: "done" }, channels: [] });
    assert.deepEqual(await demands(store), []);
  });

  scenario("a package that is taken away ends what no other package holds", async (store) => {
    await register(store);
    await inquire(store, 1);
    assert.deepEqual(await withdraw(store, losing, 5), { edit: { kind: "done" }, channels: ["one"] });
    assert.deepEqual(await closedAs(store), [{ cause: "operator", since: 1, until: 5 }]);
    assert.deepEqual(await inquire(store, 6), { kind: "refused", reason: "not-entitled" });
  });

  scenario("what another package holds goes on, with the same key", async (store) => {
    await register(store);
    const second = { subscriber: "sub", package: "second" };
    for (const edit of [
      { kind: "package.add", id: "second", channels: ["one"] },
      { kind: "subscription.add", row: { ...second, from: at(0) } },
    ] as const)
      assert.deepEqual(await decided(store, () => decideEdit(edit, at(0))), { kind: "done" });
    await inquire(store, 1);
    assert.deepEqual(await withdraw(store, losing, 5), { edit: { kind: "done" }, channels: [] });
    assert.deepEqual(await closedAs(store), []);
  });

  scenario("what nobody has cannot be taken away", async (store) => {
    const missing = { edit: { kind: "missing", what: "sub base" }, channels: [] };
    assert.deepEqual(await withdraw(store, losing, 5), missing);
  });

  scenario("an unknown device cannot be revoked", async (store) => {
    assert.deepEqual(await revoke(store, 5), { kind: "missing", channels: [] });
  });

  scenario("an acknowledgement settles its own demand, not a newer one", async (store) => {
    const demand = () => decided(store, () => decideDemand({ channels: ["one"], keyservers: ["ks"] }, T0));
    await demand();
    const first = await demands(store);
    await demand();
    await decided(store, () => decideSettled(first));
    const second = await demands(store);
    assert.equal(second.length, 1);
    await decided(store, () => decideSettled(second));
    assert.deepEqual(await demands(store), []);
  });
}

function registryScenarios(scenario: Scenario): void {
  const keys = { publicKey: octets(3), passwordHash: octets(0) };
  const edits: readonly [Edit, string][] = [
    [{ kind: "device.add", row: { id: "box1", subscriber: "sub", status: "active", ...keys } }, "exists box1"],
    [{ kind: "device.add", row: { id: "box3", subscriber: "nobody", status: "active", ...keys } }, "missing nobody"],
    [{ kind: "service.add", row: { id: "box1", role: "router", status: "active", ...keys } }, "exists box1"],
    [{ kind: "service.revoke", id: "none" }, "missing none"],
    [{ kind: "device.remove", id: "box1" }, "in-use box1"],
    [{ kind: "device.remove", id: "none" }, "missing none"],
    [{ kind: "subscriber.add", row: { id: "sub", name: "", status: "active" } }, "exists sub"],
    [{ kind: "subscriber.status", id: "none", status: "active" }, "missing none"],
    [{ kind: "package.add", id: "more", channels: ["nine"] }, "missing nine"],
    [{ kind: "package.remove", id: "base" }, "in-use sub"],
    [{ kind: "package.remove", id: "none" }, "missing none"],
    [{ kind: "subscription.add", row: { subscriber: "sub", package: "none", from: T0 } }, "missing none"],
    [{ kind: "subscription.add", row: { subscriber: "none", package: "base", from: T0 } }, "missing none"],
    [{ kind: "subscription.remove", subscriber: "sub", package: "none" }, "missing sub none"],
    [{ kind: "channel.add", row: { id: "one", title: "" } }, "exists one"],
    [{ kind: "channel.remove", id: "one" }, "in-use base"],
    [{ kind: "channel.remove", id: "none" }, "missing none"],
  ];
  for (const [change, answer] of edits) {
    scenario(`the edit ${change.kind} is refused: ${answer}`, async (store) => {
      await register(store);
      const outcome = await edit(store, change);
      assert.equal(outcome.kind === "done" ? "done" : `${outcome.kind} ${outcome.what}`, answer);
    });
  }

  scenario("what nobody uses any more can be removed", async (store) => {
    await register(store);
    await edit(store, { kind: "subscription.remove", subscriber: "sub", package: "base" });
    for (const change of [
      { kind: "package.remove", id: "base" },
      { kind: "channel.remove", id: "one" },
    ] as const)
      assert.deepEqual(await edit(store, change), { kind: "done" });
    assert.deepEqual(await store.read({ table: "package_channel", limit: 10 }), []);
    await decided(store, () => decideRevocation({ device: "box1", keyservers: [], heldSince: T0 }, T0));
    assert.deepEqual(await edit(store, { kind: "device.remove", id: "box1" }), { kind: "done" });
  });
}

function evidenceScenarios(scenario: Scenario): void {
  const host = { interface: "eth1", host: 0x0a00000b, group: 0xefff4d01, sources: [] };
  const joined = { change: "joined", ...host, at: at(1) } as const;
  const left = { change: "left", ...host, at: at(9) } as const;
  const report = (
    store: Store,
    sequence: number,
    changes: Parameters<typeof decideEvidence>[0]["changes"],
    dropped = 0,
    process = 7,
  ) => decided(store, () => decideEvidence({ router: "r1", process, sequence, dropped, changes }, at(10)));
  const rows = (store: Store): Promise<readonly MembershipRow[]> => store.read({ table: "membership", limit: 10 });

  scenario("a join and a leave are one row of evidence, also within one report", async (store) => {
    await report(store, 1, [joined, left]);
    const { interface: name, host: who, group } = host;
    const key = { router: "r1", interface: name, host: who, group };
    assert.deepEqual(await rows(store), [{ ...key, since: at(1), until: at(9), cause: "left" }]);
  });

  scenario("a repeated report changes nothing", async (store) => {
    await report(store, 1, [joined], 3);
    await report(store, 2, [left]);
    const before = await rows(store);
    await report(store, 2, [left]);
    await report(store, 1, [joined]);
    assert.deepEqual(await rows(store), before);
    const [last] = await store.read({ table: "router_report", limit: 1 });
    assert.equal(last?.dropped, 3);
  });

  scenario("a leave and a join of the same millisecond, told twice, leave the host joined", async (store) => {
    await report(store, 1, [joined]);
    const again = [left, { ...joined, at: left.at }] as const;
    await report(store, 2, again);
    await report(store, 2, again);
    const told = (await rows(store)).map(({ since, until }) => [since, until]);
    assert.deepEqual(told, [
      [at(1), at(9)],
      [at(9), undefined],
    ]);
  });

  scenario("a port and a MAC that are learnt later are added to the open row", async (store) => {
    await report(store, 1, [joined]);
    await report(store, 2, [{ ...joined, at: at(2), port: "lan1", mac: "02:00:00:00:00:01" }]);
    assert.deepEqual(
      (await rows(store)).map(({ since, port, mac }) => ({ since, port, mac })),
      [{ since: at(1), port: "lan1", mac: "02:00:00:00:00:01" }],
    );
  });

  scenario(
    "a host that moves to another port ends its row and begins another; what ends on the old port ends nothing",
    async (store) => {
      const port = (name: string, s: number) => ({ ...joined, port: name, at: at(s) });
      await report(store, 1, [port("lan1", 1)]);
      await report(store, 2, [port("lan2", 2)]);
      await report(store, 1, [port("lan1", 1)]);
      await report(store, 3, [{ ...left, change: "expired", port: "lan1" }]);
      const told = (await rows(store)).map(({ since, until, port: name, cause }) => [since, until, name, cause]);
      assert.deepEqual(told, [
        [at(1), at(2), "lan1", "moved"],
        [at(2), undefined, "lan2", undefined],
      ]);
    },
  );

  scenario("a router that starts anew closes what the process before it left open, once", async (store) => {
    await report(store, 1, [joined, { ...joined, host: 0x0a00000c }]);
    await report(store, 1, [{ ...joined, at: at(9) }], 0, 8);
    await report(store, 1, [{ ...joined, at: at(9) }], 0, 8);
    const told = (await rows(store)).map(({ host: who, since, until, cause }) => [who & 255, since, until, cause]);
    assert.deepEqual(told, [
      [11, at(1), at(10), "restarted"],
      [11, at(9), undefined, undefined],
      [12, at(1), at(10), "restarted"],
    ]);
  });

  scenario("a leave without a join is no evidence, and old evidence goes", async (store) => {
    await report(store, 1, [left]);
    assert.deepEqual(await rows(store), []);
    await report(store, 2, [joined, left]);
    const sweep = { grace: 0, evidenceFor: 60_000 } as Parameters<typeof decideSweep>[0];
    await decided(store, () => decideSweep(sweep, at(60)));
    assert.equal((await rows(store)).length, 1);
    await decided(store, () => decideSweep(sweep, at(70)));
    assert.deepEqual(await rows(store), []);
  });
}
