import assert from "node:assert/strict";
import { test } from "node:test";
import { toHex } from "../base/bytes.ts";
import { unixTime } from "../base/time.ts";
import { bytes } from "../control/servers.testkit.ts";
import { type KeptChannel, rowOf } from "./epochs.ts";
import { Bench, HEADEND, only, parameters, report, taken, types, wanted } from "./keys.testkit.ts";
import { offerToRepeat } from "./server-made.ts";

test("a wanted epoch is made and offered; the notice follows when it is taken; the next comes before the interval ends", () => {
  const bench = new Bench();
  const offer = only(bench.hear(HEADEND, wanted(40)));
  assert.ok(offer.type === "epoch.offer" && offer.key.epoch === 1 && offer.switchIn === 0);
  const again = only(bench.hear(HEADEND, wanted(40)));
  assert.ok(again.type === "epoch.offer");
  assert.deepEqual(again.key, offer.key, "one offer, not one a message");
  const repeated = only(bench.pass(2_000));
  assert.ok(repeated.type === "epoch.offer");
  assert.deepEqual(repeated, { ...offer, switchIn: 0 }, "repeated until taken, as the answer that it is");
  assert.deepEqual(
    types(bench.hear(HEADEND, taken(41, 1))),
    ["notice", "epoch.accepted"],
    "first everybody, then the headend",
  );
  assert.deepEqual(types(bench.hear(HEADEND, taken(41, 1))), ["epoch.accepted"], "repeated: told again, noticed once");
  assert.deepEqual(bench.pass(7_900), []);
  const next = only(bench.pass(200));
  assert.ok(next.type === "epoch.offer" && next.key.epoch === 2 && next.switchIn === 2_000);
  assert.notDeepEqual(next.key.masterKey, offer.key.masterKey);
});

test("a headend that starts again never gets the key that it may have used before", () => {
  const bench = new Bench();
  const first = only(bench.hear(HEADEND, wanted(40)));
  assert.ok(first.type === "epoch.offer");
  const firstKey = toHex(first.key.masterKey);
  const afterRestart = only(bench.hear(HEADEND, wanted(41)));
  assert.ok(afterRestart.type === "epoch.offer");
  assert.equal(afterRestart.key.epoch, 2);
  assert.notEqual(toHex(afterRestart.key.masterKey), firstKey, "same key, same SSRC, same index");
});

test("a headend that runs on and asks again gets the offer that waits", () => {
  const bench = new Bench();
  bench.hear(HEADEND, wanted(40));
  bench.hear(HEADEND, taken(40, 1));
  const offer = only(bench.pass(8_000));
  const again = only(bench.hear(HEADEND, wanted(41, { last: 1 })));
  assert.ok(offer.type === "epoch.offer" && again.type === "epoch.offer");
  assert.deepEqual(again.key, offer.key);
});

test("a stream heard under an offered epoch says that the offer was taken", () => {
  const bench = new Bench();
  bench.hear(HEADEND, wanted(40));
  assert.deepEqual(types(bench.hear(HEADEND, report(61, 1))), ["notice"]);
});

test("after the last epoch number none is made", () => {
  const bench = new Bench();
  const refused = only(bench.hear(HEADEND, wanted(40, { last: 0xffff_ffff })));
  assert.ok(refused.type === "epoch.refused");
  assert.equal(refused.reason, "stale");
});

test("a headend that has lost its right is made no key; it gets the next one when the right is back", () => {
  const bench = new Bench();
  bench.hear(HEADEND, wanted(40));
  bench.hear(HEADEND, taken(40, 1));
  const { right } = bench;
  bench.right = undefined;
  assert.deepEqual(bench.pass(8_000), []);
  bench.right = right;
  assert.deepEqual(bench.pass(4_999), []);
  assert.deepEqual(types(bench.pass(1)), ["epoch.offer"]);
});

test("after a restart the receivers' notice counts from the word of the headend, which nobody else knows the start of", () => {
  const before = new Bench();
  before.hear(HEADEND, wanted(40));
  const bench = before.restarted();
  const [notice] = bench.hear(HEADEND, taken(40, 1));
  assert.ok(notice?.kind === "notice");
  assert.equal(notice.notice.switchIn, 0);
});

test("what a headend reported before it started again says nothing of the epoch in use", () => {
  const bench = new Bench();
  bench.hear(HEADEND, wanted(40));
  bench.hear(HEADEND, taken(40, 1));
  bench.hear(HEADEND, report(60, 1));
  bench.hear(HEADEND, wanted(41));
  bench.hear(HEADEND, taken(41, 2));
  assert.deepEqual(bench.granted(80), [2]);
});

test("the first grants say where the stream begins, by the wish of a headend that starts", () => {
  const bench = new Bench();
  bench.hear(HEADEND, wanted(40, { position: { roc: 5, seq: 6 } }));
  bench.hear(HEADEND, taken(40, 1));
  bench.pass(40);
  assert.deepEqual(bench.grant(80).position, { roc: 5, seq: 6, age: 40 });
});

const kept = (epoch: number, state: "offered" | "announced"): KeptChannel => {
  const row = { ...rowOf(parameters(), HEADEND.id, "keyserver", undefined), lastEpoch: epoch };
  const key = { masterKey: bytes(epoch), masterSalt: bytes(epoch, 12) };
  return { row, epochs: [{ channel: "one", epoch, ...key, state, switchAt: unixTime(0) }] };
};

const REPEATS: readonly (readonly [string, again: boolean, ...Parameters<typeof offerToRepeat>])[] = [
  ["the waiting offer, to a headend that runs on", true, kept(2, "offered"), "he", wanted(9, { last: 1 }), bytes(8)],
  [
    "the waiting offer, to a copy of the question that it answered",
    true,
    kept(2, "offered"),
    "he",
    wanted(8),
    bytes(8),
  ],
  ["another epoch, to a headend that has started again", false, kept(2, "offered"), "he", wanted(9), bytes(8)],
  ["another epoch, to another headend", false, kept(2, "offered"), "other", wanted(9, { last: 1 }), bytes(8)],
  [
    "another epoch, to a headend that has seen a higher number",
    false,
    kept(2, "offered"),
    "he",
    wanted(9, { last: 3 }),
    bytes(8),
  ],
  [
    "another epoch, to a headend that wants longer keys",
    false,
    kept(2, "offered"),
    "he",
    wanted(9, {
      last: 1,
      parameters: { ...parameters(), stream: { ...parameters().stream, suite: "AEAD_AES_256_GCM" } },
    }),
    bytes(8),
  ],
  ["an epoch, when none is offered", false, kept(2, "announced"), "he", wanted(9, { last: 1 }), undefined],
  ["an epoch, when the channel is new", false, undefined, "he", wanted(9), undefined],
];

for (const [what, again, ...question] of REPEATS) {
  test(`epoch.wanted brings ${what}`, () => {
    assert.equal(offerToRepeat(...question)?.epoch, again ? 2 : undefined);
  });
}
