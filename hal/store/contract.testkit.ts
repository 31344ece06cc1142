// What every driver of the store port must do: rows, queries, transactions, and what is left for the next process.
import assert from "node:assert/strict";
import { test } from "node:test";
import { unixTime } from "../../core/base/time.ts";
import { POLICY_LIMIT } from "../../core/control/messages.ts";
import type { Decision, RowQuery, Store, Write } from "../../core/ports/store.ts";
import { get } from "../../core/ports/store.ts";
import type { EpochRow, LiveReceptionRow, MembershipRow } from "../../core/ports/tables.ts";
import { at, decided, octets, receptionId } from "../../core/reception/decisions.testkit.ts";
import type { StoreDriver } from "../../core/reception/stores.testkit.ts";

/** Carries out these writes, without a question. */
export const writing = (...writes: readonly Write[]): Decision<void> =>
  // biome-ignore lint/correctness/useYield: needs no rows
  function* () {
    return { outcome: undefined, writes };
  };

const epochRow = (epoch: number): EpochRow => ({
  channel: "one",
  epoch,
  masterKey: octets(epoch, 16),
  masterSalt: octets(epoch, 12),
  state: "announced",
  switchAt: at(epoch),
});
const putEpoch = (epoch: number): Decision<void> => writing({ put: "epoch", row: epochRow(epoch) });

const seen = (host: MembershipRow["host"], more: Partial<MembershipRow> = {}): MembershipRow => ({
  router: "r1",
  interface: "eth1",
  host,
  group: 0xefff4d01,
  since: at(1),
  ...more,
});

const liveRow = (device: string): LiveReceptionRow => ({
  device,
  channel: "one",
  reception: receptionId(1),
  subscriber: "sub",
  since: at(1),
  firstEpoch: 1,
  epoch: 1,
  heldUntil: at(31),
  lastSeen: at(1),
});

const epochs = async (store: Store, query: Partial<RowQuery<"epoch">> = {}): Promise<readonly number[]> =>
  (await store.read({ table: "epoch", limit: 10, ...query })).map(({ epoch }) => epoch);

type Scenario = (title: string, body: (store: Store, reopen: () => Promise<Store>) => Promise<void>) => void;

export function storeContract({ name, disk }: StoreDriver): void {
  const scenario: Scenario = (title, body) => {
    test(`${name}: ${title}`, async () => {
      const open = disk();
      let store = open();
      const reopen = async (): Promise<Store> => {
        await store.close();
        store = open();
        return store;
      };
      try {
        await body(store, reopen);
      } finally {
        await store.close();
      }
    });
  };
  rowScenarios(scenario);
  queryScenarios(scenario);
  transactionScenarios(scenario);
  processScenarios(scenario);
}

function rowScenarios(scenario: Scenario): void {
  scenario("a row comes back as it was put, octets and absent columns included", async (store) => {
    const box = {
      id: "box1",
      subscriber: "sub",
      publicKey: octets(1),
      passwordHash: octets(0),
      status: "active",
    } as const;
    await store.transact([putEpoch(7), writing({ put: "device", row: box })]);
    assert.deepEqual(await store.read({ table: "epoch", limit: 10 }), [epochRow(7)]);
    const [found] = await store.read({ table: "device", equal: { id: "box1" }, limit: 1 });
    assert.deepEqual(found, box);
    assert.equal(found !== undefined && "mac" in found, false);
  });

  scenario("the largest and smallest numbers that a row holds come back exactly", async (store) => {
    const row = seen(0xffffffff, { since: unixTime(0), until: unixTime(Number.MAX_SAFE_INTEGER) });
    await decided(store, writing({ put: "membership", row }));
    assert.deepEqual(await store.read({ table: "membership", limit: 10 }), [row]);
  });

  scenario(
    "an address of 16 octets comes back as it was put, is found, and follows the numbers",
    async (store, reopen) => {
      const group = "ff3e:0000:0000:0000:0000:0000:0000:0001";
      const [longest, nought] = ["2001:0db8:0000:0000:0000:0000:0000:0001", "0000:0000:0000:0000:0000:0000:0000:0000"];
      const rows = [longest, nought, 0xffffffff, 1].map((host) => seen(host, { group }));
      await decided(store, writing(...rows.map((row): Write => ({ put: "membership", row }))));
      const again = await reopen();
      assert.deepEqual(await again.read({ table: "membership", limit: 10 }), rows.toReversed());
      const [first] = rows;
      assert.deepEqual(await again.read({ table: "membership", equal: { host: longest }, limit: 10 }), [first]);
      const after = { table: "membership", after: seen(0xffffffff, { group }), limit: 10 } as const;
      assert.deepEqual(await again.read(after), [rows[1], first]);
    },
  );

  scenario(
    "the longest policy comes back as it was put, and one that was taken back without it",
    async (store, reopen) => {
      const given = { router: "*", revision: Number.MAX_SAFE_INTEGER, at: at(1), policy: "x".repeat(POLICY_LIMIT) };
      const state = { router: "r1", revision: 0, refused: 7, faults: "one\ntwo", at: at(2) };
      await decided(store, writing({ put: "router_policy", row: given }, { put: "router_policy_state", row: state }));
      const again = await reopen();
      assert.deepEqual(await again.read({ table: "router_policy", limit: 9 }), [given]);
      assert.deepEqual(await again.read({ table: "router_policy_state", limit: 9 }), [state]);
      const { policy: _, ...back } = given;
      await decided(again, writing({ put: "router_policy", row: back }));
      assert.deepEqual(await again.read({ table: "router_policy", limit: 9 }), [back]);
    },
  );

  scenario("a row with the same key takes the place of the first, absent columns too", async (store) => {
    await decided(store, writing({ put: "membership", row: seen(1, { port: "lan1", until: at(2), cause: "left" }) }));
    await decided(store, writing({ put: "membership", row: seen(1) }));
    assert.deepEqual(await store.read({ table: "membership", limit: 10 }), [seen(1)]);
  });

  scenario("a delete takes the row with its key and no other; a row that is not there is no fault", async (store) => {
    await store.transact([putEpoch(1), putEpoch(2)]);
    const key = { channel: "one", epoch: 1 };
    await decided(store, writing({ delete: "epoch", key }, { delete: "epoch", key }));
    assert.deepEqual(await epochs(store), [2]);
  });
}

function queryScenarios(scenario: Scenario): void {
  scenario("queries honour equality, ranges, order and limit", async (store) => {
    for (const epoch of [3, 1, 2, 10]) await decided(store, putEpoch(epoch));
    assert.deepEqual(await epochs(store), [1, 2, 3, 10]);
    assert.deepEqual(await epochs(store, { limit: 2 }), [1, 2]);
    assert.deepEqual(await epochs(store, { order: "switchAt", descending: true }), [10, 3, 2, 1]);
    assert.deepEqual(await epochs(store, { range: { column: "epoch", since: 2, before: 10 } }), [2, 3]);
    assert.deepEqual(await epochs(store, { equal: { epoch: 3 } }), [3]);
    assert.deepEqual(await epochs(store, { equal: { channel: "none" } }), []);
  });

  scenario("rows without a value are found as absent, match no range, and come first in its order", async (store) => {
    const rows = [seen(1, { until: at(9) }), seen(2), seen(3, { until: at(5) })];
    await decided(store, writing(...rows.map((row): Write => ({ put: "membership", row }))));
    const hosts = async (query: Partial<RowQuery<"membership">>) =>
      (await store.read({ table: "membership", limit: 10, ...query })).map(({ host }) => host);
    assert.deepEqual(await hosts({ absent: "until" }), [2]);
    assert.deepEqual(await hosts({ range: { column: "until", before: at(9) } }), [3]);
    assert.deepEqual(await hosts({ order: "until" }), [2, 3, 1]);
  });

  scenario("equals in the chosen order come by key, both ways", async (store) => {
    const rows = [seen(3), seen(1), seen(2, { since: at(0) })];
    await decided(store, writing(...rows.map((row): Write => ({ put: "membership", row }))));
    const hosts = async (descending: boolean) =>
      (await store.read({ table: "membership", order: "since", descending, limit: 10 })).map(({ host }) => host);
    assert.deepEqual(await hosts(false), [2, 1, 3]);
    assert.deepEqual(await hosts(true), [3, 1, 2]);
  });
}

function transactionScenarios(scenario: Scenario): void {
  scenario("a later decision of one transaction sees what an earlier one wrote", async (store) => {
    const looks: Decision<boolean> = function* () {
      return { outcome: (yield* get("epoch", { channel: "one", epoch: 1 })) !== undefined, writes: [] };
    };
    const settled = await store.transact<unknown>([looks, putEpoch(1), looks]);
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
    const settled = await store.transact([putEpoch(1), fails, putEpoch(2)]);
    assert.deepEqual(
      settled.map(({ kind }) => kind),
      ["done", "fault", "done"],
    );
    assert.ok(settled[1]?.kind === "fault" && settled[1].error.code === "store.decision");
    assert.deepEqual(await epochs(store), [1, 2]);
  });

  scenario("transactions asked for at once are carried out one after the other", async (store) => {
    const counts: Decision<number> = function* () {
      const epoch = (yield { table: "epoch", limit: 100 }).length + 1;
      return { outcome: epoch, writes: [{ put: "epoch", row: epochRow(epoch) }] };
    };
    const settled = await Promise.all(Array.from({ length: 5 }, () => decided(store, counts)));
    assert.deepEqual(settled, [1, 2, 3, 4, 5]);
  });
}

function processScenarios(scenario: Scenario): void {
  scenario("what was answered is there for the next process, in every table that it touched", async (store, reopen) => {
    await store.transact([putEpoch(1), writing({ put: "live_reception", row: liveRow("box1") })]);
    const next = await reopen();
    assert.deepEqual(await next.read({ table: "epoch", limit: 10 }), [epochRow(1)]);
    assert.deepEqual(await next.read({ table: "live_reception", limit: 10 }), [liveRow("box1")]);
  });

  scenario("a closed store says so", async (store) => {
    await store.close();
    await assert.rejects(store.read({ table: "epoch", limit: 1 }), { code: "store.closed" });
    await assert.rejects(store.transact([]), { code: "store.closed" });
  });
}
