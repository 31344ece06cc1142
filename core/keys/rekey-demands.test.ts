import assert from "node:assert/strict";
import { test } from "node:test";
import {
  Bench,
  HEADEND,
  messages,
  only,
  parameters,
  proposal,
  RECEPTION,
  rekeyDemand,
  taken,
  types,
  wanted,
} from "./keys.testkit.ts";

test("a rekey demand is acknowledged when it is on disk and asked of the headend until a new epoch comes", () => {
  const bench = new Bench();
  bench.hear(HEADEND, proposal(1, { switchIn: 0 }));
  bench.prompt = false;
  const demand = rekeyDemand(80, ["one", "unknown"]);
  assert.deepEqual(types(bench.hear(RECEPTION, demand)), ["commit"]);
  const [acknowledged, asked] = messages(bench.settle("committed"));
  assert.ok(acknowledged?.type === "rekey.demand.acknowledged" && asked?.type === "epoch.demand");
  assert.deepEqual(types(bench.hear(RECEPTION, demand)), ["rekey.demand.acknowledged"], "a copy demands nothing more");
  const repeated = only(bench.pass(2_000));
  assert.deepEqual(repeated.id, asked.id, "one demand, one epoch");
  bench.hear(HEADEND, proposal(2, { id: asked.id }));
  bench.settle("committed");
  assert.deepEqual(bench.pass(20_000), []);
});

test("claim 7: a rekey demand brings an offer at once", () => {
  const bench = new Bench();
  bench.hear(HEADEND, wanted(40, { parameters: parameters("one", 600_000) }));
  bench.hear(HEADEND, taken(40, 1));
  const offer = only(bench.feed({ kind: "rekey", channel: "one" }));
  assert.ok(offer.type === "epoch.offer" && offer.key.epoch === 2);
});

/** Two channels in use, both with epoch 1. */
function twoChannels(): Bench {
  const bench = new Bench();
  for (const channel of ["one", "two"])
    bench.hear(HEADEND, proposal(1, { parameters: parameters(channel), switchIn: 0 }));
  return bench;
}

test("a demand of several channels is acknowledged once, when the last of them has it on disk", () => {
  const bench = twoChannels();
  bench.prompt = false;
  assert.deepEqual(types(bench.hear(RECEPTION, rekeyDemand(80, ["one", "two"]))), ["commit", "commit"]);
  assert.deepEqual(types(bench.settle("committed")), ["epoch.demand", "rekey.demand.acknowledged", "epoch.demand"]);
});

test("what could not be put on disk is demanded again by a copy; a channel that has it already is not", () => {
  const bench = twoChannels();
  bench.prompt = false;
  bench.hear(HEADEND, proposal(2, { parameters: parameters("two") }));
  const demand = rekeyDemand(80, ["one", "two"]);
  assert.deepEqual(types(bench.hear(RECEPTION, demand)), ["commit"]);
  assert.deepEqual(bench.drops(), { "keys.committing": 1 }, "channel two is about to change");
  bench.settle("committed");
  // Channel one has settled the demand meanwhile: the copy must not cost it another key.
  bench.hear(HEADEND, proposal(2));
  bench.settle("committed");
  assert.deepEqual(types(bench.hear(RECEPTION, demand)), ["commit"], "channel two alone");
  assert.deepEqual(types(bench.settle("committed")), ["rekey.demand.acknowledged", "epoch.demand"]);
});

test("a demand that could not be put on disk is not acknowledged", () => {
  const bench = twoChannels();
  bench.prompt = false;
  bench.hear(RECEPTION, rekeyDemand(80));
  assert.deepEqual(bench.settle("failed"), []);
  assert.deepEqual(
    types(bench.hear(RECEPTION, rekeyDemand(80))),
    ["commit"],
    "the copy is not mistaken for a done one",
  );
});

test("a second right that ends asks for nothing more than the open demand does", () => {
  const bench = twoChannels();
  bench.hear(RECEPTION, rekeyDemand(80));
  assert.deepEqual(types(bench.hear(RECEPTION, rekeyDemand(81))), ["rekey.demand.acknowledged"]);
});
