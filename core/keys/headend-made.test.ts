import assert from "node:assert/strict";
import { test } from "node:test";
import { bytes } from "../control/servers.testkit.ts";
import { Bench, HEADEND, only, proposal, types, wanted } from "./keys.testkit.ts";

test("a proposal is acknowledged, and the notice goes out, only when it is on disk", () => {
  const bench = new Bench();
  bench.prompt = false;
  assert.deepEqual(types(bench.hear(HEADEND, proposal(1))), ["commit"]);
  const [accepted, notice] = bench.settle("committed");
  assert.deepEqual(accepted !== undefined && "message" in accepted && accepted.message, {
    type: "epoch.accepted",
    id: bytes(1),
    channel: "one",
    epoch: 1,
  });
  assert.ok(notice?.kind === "notice");
  assert.deepEqual(notice.notice, { channel: "one", epoch: 1, issued: 1e12, switchIn: 1_000, window: 1_000 });
});

test("a repeated proposal is acknowledged again; another key under its number is stale", () => {
  const bench = new Bench();
  bench.hear(HEADEND, proposal(1));
  assert.deepEqual(types(bench.hear(HEADEND, proposal(1))), ["epoch.accepted"]);
  const forged = proposal(1, { key: { epoch: 1, masterKey: bytes(77), masterSalt: bytes(1, 12) } });
  assert.deepEqual(only(bench.hear(HEADEND, forged)), {
    type: "epoch.refused",
    id: bytes(1),
    channel: "one",
    reason: "stale",
    last: 1,
  });
});

test("a proposal of a number after the offered one takes the offer's place: it is offered no longer", () => {
  const bench = new Bench();
  bench.hear(HEADEND, wanted(40));
  assert.deepEqual(types(bench.hear(HEADEND, proposal(2, { switchIn: 0 }))), ["epoch.accepted", "notice"]);
  assert.deepEqual(bench.pass(60_000), []);
  assert.deepEqual(
    bench.onDisk()?.epochs.map(({ epoch }) => epoch),
    [2],
  );
});

test("a repeated proposal moves the switch of an epoch that is still coming", () => {
  const bench = new Bench();
  bench.hear(HEADEND, proposal(1, { switchIn: 0 }));
  bench.hear(HEADEND, proposal(2));
  bench.pass(500);
  const [, notice] = bench.hear(HEADEND, proposal(2));
  assert.ok(notice?.kind === "notice");
  assert.deepEqual([notice.notice.issued, notice.notice.switchIn], [1e12 + 500, 1_000]);
  assert.equal(bench.onDisk()?.epochs.at(-1)?.switchAt, 1e12 + 1_500);
});

test("a demand after a settled one is another question, asked at once", () => {
  const bench = new Bench();
  bench.hear(HEADEND, proposal(1, { switchIn: 0 }));
  const first = only(bench.feed({ kind: "rekey", channel: "one" }));
  bench.hear(HEADEND, proposal(2, { id: first.id, switchIn: 0 }));
  const second = only(bench.feed({ kind: "rekey", channel: "one" }));
  assert.deepEqual([first.type, second.type], ["epoch.demand", "epoch.demand"]);
  assert.notDeepEqual(second.id, first.id, "a headend makes one epoch of one demand");
});

test("the first grants say where the stream begins, by the proposal of a headend that starts", () => {
  const bench = new Bench();
  bench.hear(HEADEND, proposal(1, { switchIn: 0, position: { roc: 5, seq: 6 } }));
  bench.pass(40);
  assert.deepEqual(bench.grant(80).position, { roc: 5, seq: 6, age: 40 });
});
