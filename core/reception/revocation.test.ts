import assert from "node:assert/strict";
import {
  at,
  closedAs,
  decided,
  demanded,
  inquire,
  RECEPTION,
  register,
  revoke,
  stop,
  T0,
} from "./decisions.testkit.ts";
import { decideInquiry } from "./inquiry.ts";
import { decideDemand, decideSettled } from "./revocation.ts";
import { scenario } from "./stores.testkit.ts";

scenario("a revocation closes receptions, keeps the demand for new keys, and refuses the device", async (store) => {
  await register(store);
  await inquire(store, 1);
  assert.deepEqual(await revoke(store, 5), { kind: "revoked", channels: ["one"] });
  assert.deepEqual(await closedAs(store), [{ cause: "revoked", since: 1, until: 5 }]);
  assert.deepEqual(await inquire(store, 6), { kind: "refused", reason: "device.revoked" });
  assert.deepEqual(await demanded(store), [["one", "revoked"]]);
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
  const two = { ...RECEPTION, channel: "two", epoch: 1, holdsFor: 1_000 };
  await store.transact(zaps.map((reception) => () => decideInquiry({ ...two, reception }, at(3))));
  assert.deepEqual(await revoke(store, 5), { kind: "revoked", channels: ["one", "other", "two"] });
});

scenario("an unknown device cannot be revoked", async (store) => {
  assert.deepEqual(await revoke(store, 5), { kind: "missing", channels: [] });
});

scenario("an acknowledgement settles its own demand, not a newer one", async (store) => {
  const demands = () => store.read({ table: "rekey_demand", limit: 10 });
  const demand = () => decided(store, () => decideDemand({ channels: ["one"], keyservers: ["ks"] }, T0));
  await demand();
  const first = await demands();
  await demand();
  await decided(store, () => decideSettled(first));
  const second = await demands();
  assert.equal(second.length, 1);
  await decided(store, () => decideSettled(second));
  assert.deepEqual(await demands(), []);
});
