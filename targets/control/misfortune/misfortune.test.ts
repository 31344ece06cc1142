import assert from "node:assert/strict";
import { test } from "node:test";
import { fuzz } from "../../../core/base/fuzz.testkit.ts";
import { decided, octets, T0 } from "../../../core/reception/decisions.testkit.ts";
import { decideEdit } from "../../../core/reception/registry.ts";
import { MemoryDisk, MemoryStore } from "../../../hal/store/memory.ts";
import { ServersWorld } from "./world.testkit.ts";

const DEVICES = 40;
const STEPS = 12_000;

async function registeredDisk(): Promise<MemoryDisk> {
  const disk = new MemoryDisk();
  const store = new MemoryStore(disk);
  const edit = (change: Parameters<typeof decideEdit>[0]) => decided(store, () => decideEdit(change, T0));
  for (const id of ["one", "two"]) await edit({ kind: "channel.add", row: { id, title: id } });
  await edit({ kind: "package.add", id: "base", channels: ["one", "two"] });
  await edit({ kind: "subscriber.add", row: { id: "sub", name: "", status: "active", concurrentLimit: 100 } });
  await edit({ kind: "subscription.add", row: { subscriber: "sub", package: "base", from: T0 } });
  for (let n = 1; n <= DEVICES; n++) {
    const keys = { publicKey: octets(n), passwordHash: octets(0) };
    await edit({ kind: "device.add", row: { id: `box${n}`, subscriber: "sub", status: "active", ...keys } });
  }
  return disk;
}

fuzz(
  "whatever is lost, repeated, reordered or killed, records and rights hold",
  { seed: 1, rounds: STEPS, passes: 8 },
  async ({ seed, rounds }) => {
    const world = new ServersWorld(seed, await registeredDisk(), DEVICES);
    for (let step = 1; step <= rounds; step++) {
      world.step();
      if (step % 200 === 0) world.check();
    }
    world.settle(6_000);
    world.check();
    assert.equal(world.unacknowledgedStops, 0, "every stop is acknowledged in the end");
    assert.equal(world.openDemands, 0, "every demand ends in a new epoch");
    for (const what of ["key.grant", "key.denied", "stop.acknowledged", "revoked", "key server died", "epoch.taken"])
      assert.ok((world.happened[what] ?? 0) > 0, `${what} happened`);
  },
);

test("the same seed gives the same history", async () => {
  const histories = await Promise.all(
    [7, 7].map(async (seed) => {
      const world = new ServersWorld(seed, await registeredDisk(), DEVICES);
      for (let step = 0; step < 3_000; step++) world.step();
      return JSON.stringify([world.happened, world.clock.now()]);
    }),
  );
  assert.equal(histories[0], histories[1]);
});
