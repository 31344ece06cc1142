import assert from "node:assert/strict";
import { decided, edit, octets, register, T0 } from "./decisions.testkit.ts";
import type { Edit } from "./registry.ts";
import { decideRevocation } from "./revocation.ts";
import { scenario } from "./stores.testkit.ts";

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
