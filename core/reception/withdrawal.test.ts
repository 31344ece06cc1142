import assert from "node:assert/strict";
import type { Store } from "../ports/store.ts";
import { at, closedAs, decided, demanded, inquire, register } from "./decisions.testkit.ts";
import { decideEdit } from "./registry.ts";
import { scenario } from "./stores.testkit.ts";
import { decideWithdrawal, type Withdrawal } from "./withdrawal.ts";

const withdraw = (store: Store, edit: Withdrawal, seconds: number) =>
  decided(store, () => decideWithdrawal({ edit, keyservers: ["ks"], heldSince: at(seconds - 60) }, at(seconds)));
const losing = { kind: "subscription.remove", subscriber: "sub", package: "base" } as const;

scenario("a suspension closes the subscriber's receptions and demands new keys for them", async (store) => {
  await register(store);
  await inquire(store, 1);
  const suspended = await withdraw(store, { kind: "subscriber.status", id: "sub", status: "suspended" }, 5);
  assert.deepEqual(suspended, { edit: { kind: "done" }, channels: ["one"] });
  assert.deepEqual(await closedAs(store), [{ cause: "operator", since: 1, until: 5 }]);
  assert.deepEqual(await demanded(store), [["one", "revoked"]]);
  assert.deepEqual(await inquire(store, 6), { kind: "refused", reason: "subscriber.inactive" });
});

scenario("to resume a subscriber changes no key", async (store) => {
  await register(store);
  await inquire(store, 1);
  const resumed = await withdraw(store, { kind: "subscriber.status", id: "sub", status: "active" }, 5);
  assert.deepEqual(resumed, { edit: { kind: "done" }, channels: [] });
  assert.deepEqual(await demanded(store), []);
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
