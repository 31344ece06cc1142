import assert from "node:assert/strict";
import { test } from "node:test";
import { instant } from "../base/time.ts";
import type { Message } from "../control/messages.ts";
import type { Peer } from "../control/participant.ts";
import { bytes, peer } from "../control/servers.testkit.ts";
import type { KeyServerEffect } from "./events.ts";
import {
  Bench,
  BOX,
  HEADEND,
  keyRequest,
  messages,
  only,
  parameters,
  proposal,
  RECEPTION,
  report,
  stop,
  types,
} from "./keys.testkit.ts";

test("73 becomes 74, 75 becomes 76 with the live epochs, the position and the time to refresh", () => {
  const bench = new Bench();
  bench.hear(HEADEND, proposal(1, { switchIn: 0 }));
  bench.hear(HEADEND, report(60, 1, 3, 4));
  bench.pass(500);
  const inquiry = only(bench.hear(BOX, keyRequest(20)));
  assert.ok(inquiry.type === "inquiry");
  assert.deepEqual([inquiry.device, inquiry.deviceKey, inquiry.epoch], ["box", BOX.publicKey, 1]);
  assert.equal(inquiry.holdsFor, 10_000 - 500 + 2_000);
  assert.deepEqual(only(bench.permit(inquiry)), {
    type: "key.grant",
    id: bytes(20),
    channel: "one",
    stream: parameters().stream,
    epochs: [proposal(1).key],
    current: 1,
    position: { roc: 3, seq: 4, age: 500 },
    refreshWithin: 10_500,
  });
});

test("copies of a request are one inquiry, and all are answered", () => {
  const bench = new Bench();
  bench.hear(HEADEND, proposal(1));
  const inquiry = only(bench.hear(BOX, keyRequest(20)));
  assert.deepEqual(bench.hear(BOX, keyRequest(21)), []);
  const granted = messages(bench.permit(inquiry));
  assert.deepEqual(
    granted.map(({ id }) => id[0]),
    [20, 21],
  );
});

test("a grant has no epoch that was accepted after the inquiry: the right may have ended meanwhile", () => {
  const bench = new Bench();
  bench.hear(HEADEND, proposal(1, { switchIn: 0 }));
  const inquiry = only(bench.hear(BOX, keyRequest(20)));
  bench.hear(HEADEND, proposal(2));
  const grant = only(bench.permit(inquiry));
  assert.ok(grant.type === "key.grant");
  assert.deepEqual(
    grant.epochs.map(({ epoch }) => epoch),
    [1],
  );
});

test("a refusal becomes a denial with words that a person understands", () => {
  const bench = new Bench();
  bench.hear(HEADEND, proposal(1));
  const inquiry = only(bench.hear(BOX, keyRequest(20)));
  const denied = only(bench.answer(RECEPTION, { type: "refusal", id: inquiry.id, reason: "not-entitled" }));
  assert.ok(denied.type === "key.denied");
  assert.deepEqual([denied.reason, denied.text], ["not-entitled", "the subscription does not include this channel"]);
});

test("no epoch, too many waiting and a silent reception server are each told as busy", () => {
  const bench = new Bench({ channels: 10, waiting: 1 });
  const busy = (effects: readonly KeyServerEffect[]): string => {
    const message = only(effects);
    assert.ok(message.type === "key.busy" && message.retryAfter > 0);
    return message.reason;
  };
  assert.equal(busy(bench.hear(BOX, keyRequest(20))), "no-epoch");
  bench.hear(HEADEND, proposal(1));
  bench.hear(BOX, keyRequest(21));
  assert.equal(busy(bench.hear(BOX, keyRequest(22, "one", 8))), "load");
  assert.deepEqual(types(bench.pass(1_300)), ["inquiry"], "asked again meanwhile");
  assert.equal(busy(bench.pass(1_700)), "reception-server");
});

test("a device that begins one reception after the other is told to wait, others and its live ones are not", () => {
  const bench = new Bench();
  bench.hear(HEADEND, proposal(1));
  const begin = (from: Peer, n: number): Message | undefined => {
    const [first] = messages(bench.hear(from, keyRequest(n, "one", n)));
    if (first?.type === "inquiry") bench.permit(first);
    return first;
  };
  for (let n = 0; n < 32; n++) assert.equal(begin(BOX, n)?.type, "inquiry");
  const refused = begin(BOX, 32);
  assert.ok(refused?.type === "key.busy" && refused.reason === "load");
  assert.deepEqual(bench.hear(BOX, { ...stop, reception: bytes(33) }), []);
  assert.equal(bench.drops()["keys.device-too-fast"], 1);
  assert.equal(begin(BOX, 31)?.type, "inquiry", "a reception that it has");
  assert.equal(begin(peer("settop", "other", 4), 34)?.type, "inquiry");
  bench.now = instant(bench.now + 1_000);
  assert.equal(begin(BOX, 35)?.type, "inquiry");
});

test("83 becomes 84, 85 becomes 86; a request that still waited is over", () => {
  const bench = new Bench();
  bench.hear(HEADEND, proposal(1));
  const inquiry = only(bench.hear(BOX, keyRequest(20)));
  const [denied, report] = messages(bench.hear(BOX, stop));
  assert.ok(denied?.type === "key.denied" && denied.reason === "reception.ended");
  assert.ok(report?.type === "stop.report");
  assert.deepEqual(bench.hear(BOX, { ...stop, id: bytes(51) }), [], "a copy waits too");
  assert.deepEqual(bench.permit(inquiry), []);
  assert.deepEqual(bench.drops(), { "keys.answer-unknown": 1 });
  const again = only(bench.hear(BOX, keyRequest(23)));
  assert.ok(again.type === "key.denied", "no key while the stop is on its way");
  const acknowledged = messages(
    bench.answer(RECEPTION, { type: "stop.report.acknowledged", id: report.id, record: "written" }),
  );
  assert.deepEqual(
    acknowledged.map(({ type, id }) => [type, id[0]]),
    [
      ["stop.acknowledged", 50],
      ["stop.acknowledged", 51],
    ],
  );
});
