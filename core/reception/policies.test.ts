import assert from "node:assert/strict";
import { unixTime } from "../base/time.ts";
import { POLICY_LIMIT, POLICY_PART, type PolicyState } from "../control/messages.ts";
import type { Store } from "../ports/store.ts";
import { at, decided, edit, octets, T0 } from "./decisions.testkit.ts";
import {
  ALL_ROUTERS,
  decidePolicyEdit,
  decidePolicyRequest,
  type PolicyRequest,
  type PolicyRequestOutcome,
} from "./policies.ts";
import { scenario } from "./stores.testkit.ts";

const NOTHING: PolicyState = { revision: 0 };
const [ONE, OTHER] = ['{"rules":[]}', '{"downstreams":[]}'];

async function prepare(store: Store): Promise<void> {
  for (const id of ["r1", "r2"])
    await edit(store, {
      kind: "service.add",
      row: { id, role: "router", publicKey: octets(1), passwordHash: octets(0), status: "active" },
    });
}

/** The revision that the edit has. */
async function give(store: Store, router: string, policy: string | undefined, seconds: number): Promise<number> {
  const change = { router, ...(policy === undefined ? {} : { policy }) };
  const outcome = await decided(store, () => decidePolicyEdit(change, at(seconds)));
  assert.ok(outcome.kind === "done");
  return outcome.revision;
}

const ask = (store: Store, router: string, state = NOTHING, wants?: PolicyRequest["wants"]) =>
  decided(store, () => decidePolicyRequest({ router, state, wants }, at(500)));

const textOf = (outcome: PolicyRequestOutcome): string =>
  outcome.kind === "policy" ? `${outcome.revision} ${outcome.text}` : outcome.kind;

scenario("a router has its own policy, else the one for all, else none", async (store) => {
  await prepare(store);
  assert.equal(textOf(await ask(store, "r1")), "policy.unchanged");
  const all = await give(store, ALL_ROUTERS, ONE, 1);
  const own = await give(store, "r1", OTHER, 2);
  assert.equal(textOf(await ask(store, "r1")), `${own} ${OTHER}`);
  assert.equal(textOf(await ask(store, "r2")), `${all} ${ONE}`);
});

scenario("what is taken back is followed by something newer: the one for all, or none", async (store) => {
  await prepare(store);
  await give(store, ALL_ROUTERS, ONE, 1);
  const own = await give(store, "r1", OTHER, 2);
  const back = await give(store, "r1", undefined, 3);
  assert.ok(back > own);
  assert.equal(textOf(await ask(store, "r1", { revision: own })), `${back} ${ONE}`);
  const none = await give(store, ALL_ROUTERS, undefined, 4);
  assert.equal(textOf(await ask(store, "r1", { revision: back })), `${none} {}`);
  assert.equal(textOf(await ask(store, "r2", { revision: none })), "policy.unchanged");
});

scenario(
  "a revision rises over all routers, though the calendar is set back or a router has a higher one",
  async (store) => {
    await prepare(store);
    const first = await give(store, "r1", ONE, 100);
    const second = await give(store, ALL_ROUTERS, ONE, 1);
    assert.equal(second, first + 1);
    await ask(store, "r2", { revision: T0 + 9_000_000 });
    assert.equal(await give(store, "r2", ONE, 2), T0 + 9_000_001);
    await ask(store, "r1", { revision: Number.MAX_SAFE_INTEGER });
    assert.equal(await give(store, "r2", ONE, 3), T0 + 9_000_002, "what no calendar gives is not believed");
  },
);

scenario("only a router that is registered and not revoked is given one", async (store) => {
  await prepare(store);
  await edit(store, {
    kind: "service.add",
    row: { id: "studio", role: "headend", publicKey: octets(2), passwordHash: octets(0), status: "active" },
  });
  await edit(store, { kind: "service.revoke", id: "r2" });
  for (const router of ["r9", "studio", "r2"])
    assert.deepEqual(await decided(store, () => decidePolicyEdit({ router, policy: ONE }, at(1))), {
      kind: "missing",
      what: router,
    });
  assert.deepEqual(await store.read({ table: "router_policy", limit: 9 }), []);
});

scenario(
  "a long one goes in parts, each as it is asked for; of one that has changed the first part follows",
  async (store) => {
    await prepare(store);
    const text = "x".repeat(POLICY_LIMIT);
    const revision = await give(store, "r1", text, 1);
    const parts: string[] = [];
    for (let part = 0; parts.join("").length < POLICY_LIMIT; part++) {
      const answer = await ask(store, "r1", NOTHING, part === 0 ? undefined : { revision, part });
      assert.ok(answer.kind === "policy" && answer.part === part && answer.parts === 22);
      assert.ok(answer.text.length <= POLICY_PART);
      parts.push(answer.text);
    }
    assert.equal(parts.join(""), text);
    const newer = await give(store, "r1", ONE, 2);
    assert.equal(textOf(await ask(store, "r1", NOTHING, { revision, part: 5 })), `${newer} ${ONE}`);
  },
);

scenario("what a router says of its policy is kept; of one that it has refused it is not told again", async (store) => {
  await prepare(store);
  const revision = await give(store, "r1", ONE, 1);
  const state = { revision: 7, since: unixTime(5), remarks: ["one", "two\nlines"] };
  const refused = { revision, faults: ["rules.0: a", "rules.1: b"] };
  assert.equal(textOf(await ask(store, "r1", { ...state, refused })), "policy.unchanged");
  const row = { router: "r1", revision: 7, since: 5, remarks: "one\ntwo lines" };
  assert.deepEqual(await store.read({ table: "router_policy_state", limit: 9 }), [
    { ...row, refused: revision, faults: "rules.0: a\nrules.1: b", at: at(500) },
  ]);
  await ask(store, "r1", NOTHING, { revision, part: 1 });
  assert.equal(
    (await store.read({ table: "router_policy_state", limit: 9 }))[0]?.revision,
    7,
    "a part tells nothing new",
  );
  await ask(store, "r1", { revision });
  assert.deepEqual(await store.read({ table: "router_policy_state", limit: 9 }), [
    { router: "r1", revision, at: at(500) },
  ]);
});
