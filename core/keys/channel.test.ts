import assert from "node:assert/strict";
import { test } from "node:test";
import type { EpochKey } from "../control/messages.ts";
import type { KeyServerEffect } from "./events.ts";
import { Bench, HEADEND, only, proposal, report, taken, types, wanted } from "./keys.testkit.ts";

test("only previous, current and next epochs are kept, and the previous goes an overlap after the switch", () => {
  const bench = new Bench();
  const kept: unknown[] = [];
  for (const epoch of [1, 2]) {
    bench.hear(HEADEND, proposal(epoch));
    bench.pass(1_000);
    bench.hear(HEADEND, report(60 + epoch, epoch));
  }
  bench.hear(HEADEND, proposal(3));
  kept.push(bench.granted(30));
  bench.pass(2_000);
  bench.hear(HEADEND, taken(70, 1));
  assert.deepEqual(kept, [[2, 3]]);
  assert.equal(bench.drops()["keys.epoch-unknown"], 1, "epoch 1 is erased");
});

test("a store that fails is answered by nothing, and the repeated proposal succeeds", () => {
  const bench = new Bench();
  bench.prompt = false;
  bench.hear(HEADEND, proposal(1));
  assert.deepEqual(bench.settle("failed"), []);
  assert.deepEqual(bench.drops(), { "keys.store": 1 });
  bench.hear(HEADEND, proposal(1));
  assert.deepEqual(types(bench.settle("committed")), ["epoch.accepted", "notice"]);
});

const isZero = ({ masterKey, masterSalt }: EpochKey): boolean =>
  [...masterKey, ...masterSalt].every((octet) => octet === 0);

/** The offer that is said, whose key is the record's own. */
const offered = (effects: readonly KeyServerEffect[]): EpochKey => {
  const offer = only(effects);
  assert.ok(offer.type === "epoch.offer");
  return offer.key;
};

test("the octets of an erased epoch are overwritten in memory once it is erased on disk, and no others", () => {
  const bench = new Bench();
  const proposals = [proposal(1, { switchIn: 0 }), proposal(2, { switchIn: 0 })];
  for (const one of proposals) bench.hear(HEADEND, one);
  bench.hear(HEADEND, report(60, 2));
  bench.prompt = false;
  assert.deepEqual(types(bench.pass(2_000)), ["commit"]);
  assert.deepEqual(
    proposals.map(({ key }) => isZero(key)),
    [false, false],
    "not on disk yet: it may fail",
  );
  bench.settle("committed");
  assert.deepEqual(
    proposals.map(({ key }) => isZero(key)),
    [true, false],
  );
});

test("the octets of a coming epoch are overwritten when a newer one takes its place", () => {
  const bench = new Bench();
  const [inUse, replaced, newest] = [proposal(1, { switchIn: 0 }), proposal(2), proposal(3)];
  for (const one of [inUse, replaced, newest]) bench.hear(HEADEND, one);
  assert.deepEqual(
    [inUse, replaced, newest].map(({ key }) => isZero(key)),
    [false, true, false],
  );
});

test("the octets of an offer that was never taken are overwritten when another takes its place", () => {
  const bench = new Bench();
  const first = offered(bench.hear(HEADEND, wanted(40)));
  const second = offered(bench.hear(HEADEND, wanted(41)));
  assert.deepEqual([first, second].map(isZero), [true, false]);
});

test("a repeated proposal brings octets of its own: the older ones are overwritten, the key lives on", () => {
  const bench = new Bench();
  bench.hear(HEADEND, proposal(1, { switchIn: 0 }));
  bench.hear(HEADEND, report(60, 1));
  const [first, copy] = [proposal(2), proposal(2)];
  for (const one of [first, copy]) bench.hear(HEADEND, one);
  assert.deepEqual([first.key, copy.key].map(isZero), [true, false]);
  assert.deepEqual(bench.grant(30).epochs.at(-1), proposal(2).key);
});

test("an offer that is taken keeps its octets: it is the same key, announced", () => {
  const bench = new Bench();
  const key = offered(bench.hear(HEADEND, wanted(40)));
  const before = structuredClone(key);
  bench.hear(HEADEND, taken(40, 1));
  assert.deepEqual(key, before);
});

test("the octets of a key that could not be put on disk are overwritten, those of the epochs that stay are not", () => {
  const bench = new Bench();
  const [inUse, failed] = [proposal(1, { switchIn: 0 }), proposal(2)];
  bench.hear(HEADEND, inUse);
  bench.prompt = false;
  bench.hear(HEADEND, failed);
  bench.settle("failed");
  assert.deepEqual([inUse.key, failed.key].map(isZero), [false, true]);
});

test("an erasure that could not be put on disk is tried again 0.7 s later", () => {
  const bench = new Bench();
  for (const epoch of [1, 2]) bench.hear(HEADEND, proposal(epoch, { switchIn: 0 }));
  bench.hear(HEADEND, report(60, 2));
  bench.prompt = false;
  bench.pass(2_000);
  assert.deepEqual(bench.settle("failed"), []);
  assert.deepEqual(bench.pass(699), []);
  assert.deepEqual(types(bench.pass(1)), ["commit"]);
});

test("a failed change of another kind brings no erasure forward: the overlap is kept", () => {
  const bench = new Bench();
  for (const epoch of [1, 2]) bench.hear(HEADEND, proposal(epoch, { switchIn: 0 }));
  bench.hear(HEADEND, report(60, 2));
  bench.prompt = false;
  bench.hear(HEADEND, proposal(3));
  bench.settle("failed");
  assert.deepEqual(bench.pass(1_999), []);
  assert.deepEqual(types(bench.pass(1)), ["commit"]);
});

test("a new epoch that could not be put on disk is made again 0.7 s later", () => {
  const bench = new Bench();
  bench.hear(HEADEND, wanted(40));
  bench.hear(HEADEND, taken(40, 1));
  bench.prompt = false;
  assert.deepEqual(types(bench.pass(8_000)), ["commit"]);
  assert.deepEqual(bench.settle("failed"), []);
  assert.deepEqual(bench.pass(699), []);
  assert.deepEqual(types(bench.pass(1)), ["commit"]);
});
