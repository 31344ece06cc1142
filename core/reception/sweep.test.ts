import assert from "node:assert/strict";
import { minutes } from "../base/time.ts";
import type { Store, Write } from "../ports/store.ts";
import { at, closedAs, decided, inquire, live, receptionId, register, stop } from "./decisions.testkit.ts";
import { scenario } from "./stores.testkit.ts";
import { decideSweep, SWEEP_ROWS, type Sweep } from "./sweep.ts";

const DAY = minutes(1440);
const sweep = (store: Store, seconds: number, options: Sweep = { grace: minutes(1), evidenceFor: DAY }) =>
  decided(store, () => decideSweep(options, at(seconds)));

scenario("a silent device lapses at its last key, after the grace and not before", async (store) => {
  await register(store);
  await inquire(store, 1);
  assert.deepEqual(await sweep(store, 91), { kind: "swept", lapsed: 0, more: false });
  assert.deepEqual(await sweep(store, 92), { kind: "swept", lapsed: 1, more: false });
  assert.deepEqual(await closedAs(store), [{ cause: "lapsed", since: 1, until: 31 }]);
  assert.equal(await stop(store, 93), "earlier");
});

scenario("more silent devices than one sweep looks at: it says so, those silent longest first", async (store) => {
  await register(store);
  await inquire(store, 1);
  const [row] = await live(store);
  assert.ok(row !== undefined);
  const crowd = Array.from({ length: SWEEP_ROWS }, (_, n): Write => {
    const its = { device: `crowd${n}`, reception: receptionId(n + 2), heldUntil: at(10) };
    return { put: "live_reception", row: { ...row, ...its } };
  });
  // biome-ignore lint/correctness/useYield: needs no rows
  await decided(store, function* () {
    return { outcome: undefined, writes: crowd };
  });
  assert.deepEqual(await sweep(store, 500), { kind: "swept", lapsed: SWEEP_ROWS, more: true });
  assert.deepEqual(await live(store), [row]);
  assert.deepEqual(await sweep(store, 500), { kind: "swept", lapsed: 1, more: false });
});

scenario("a stop that found no reception is kept as long as what routers saw", async (store) => {
  await register(store);
  await stop(store, 1);
  const early = () => store.read({ table: "early_stop", limit: 9 });
  await sweep(store, 61, { grace: minutes(1), evidenceFor: minutes(1) });
  assert.equal((await early()).length, 1);
  await sweep(store, 62, { grace: minutes(1), evidenceFor: minutes(1) });
  assert.deepEqual(await early(), []);
});
