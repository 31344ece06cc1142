import assert from "node:assert/strict";
import type { Store, Write } from "../ports/store.ts";
import { at, decided, edit, octets, register } from "./decisions.testkit.ts";
import { decidePermits } from "./permits.ts";
import { scenario } from "./stores.testkit.ts";

const [MAC, STRANGER] = ["02:00:00:00:00:03", "02:00:00:00:00:04"];
const groups: Readonly<Record<string, number>> = { one: 0xefff4d01, two: 0xefff4d02, other: 0xefff4d03 };

const channel = (name: string, group: number): Write => ({
  put: "key_channel",
  row: {
    channel: name,
    headend: "h",
    maker: "headend",
    group,
    port: 5004,
    suite: "AEAD_AES_128_GCM",
    mkiLength: 4,
    ssrc: 1,
    payloadType: 33,
    interval: 1000,
    overlap: 0,
    window: 0,
    lastEpoch: 1,
  },
});

async function prepare(store: Store): Promise<void> {
  await register(store);
  const row = { id: "box3", subscriber: "sub", mac: MAC, status: "active" } as const;
  await edit(store, { kind: "device.add", row: { ...row, publicKey: octets(3), passwordHash: octets(0) } });
  const writes = Object.entries(groups).map(([name, group]) => channel(name, group));
  await decided(store, function* () {
    yield* [];
    return { outcome: undefined, writes };
  });
}

const permits = async (store: Store, seconds: number, ...macs: string[]) =>
  (await decided(store, () => decidePermits(macs, at(seconds)))).permits;

scenario(
  "a card has the groups of its subscriber's packages while the subscription runs, a stranger none",
  async (store) => {
    await prepare(store);
    assert.deepEqual(await permits(store, 5, MAC, STRANGER), [
      { mac: MAC, groups: [groups.one, groups.two] },
      { mac: STRANGER, groups: [] },
    ]);
    assert.deepEqual(await permits(store, 10_000, MAC), [{ mac: MAC, groups: [] }]);
  },
);

scenario("a suspended subscriber and a revoked device may receive nothing", async (store) => {
  await prepare(store);
  await edit(store, { kind: "subscriber.status", id: "sub", status: "suspended" });
  assert.deepEqual(await permits(store, 5, MAC), [{ mac: MAC, groups: [] }]);
  await edit(store, { kind: "subscriber.status", id: "sub", status: "active" });
  assert.equal((await permits(store, 5, MAC))[0]?.groups.length, 2);
  const row = { id: "box3", subscriber: "sub", mac: MAC, status: "revoked" } as const;
  await decided(store, function* () {
    yield* [];
    return {
      outcome: undefined,
      writes: [{ put: "device", row: { ...row, publicKey: octets(3), passwordHash: octets(0) } }],
    };
  });
  assert.deepEqual(await permits(store, 5, MAC), [{ mac: MAC, groups: [] }]);
});
