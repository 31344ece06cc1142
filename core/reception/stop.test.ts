import assert from "node:assert/strict";
import { at, closedAs, inquire, live, octets, receptionId, register, stop, usage } from "./decisions.testkit.ts";
import type { Stop } from "./stop.ts";
import { scenario } from "./stores.testkit.ts";

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
