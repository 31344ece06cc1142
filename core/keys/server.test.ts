import assert from "node:assert/strict";
import { test } from "node:test";
import { bytes, peer } from "../control/servers.testkit.ts";
import type { KeyServerDrop } from "./events.ts";
import { Bench, BOX, HEADEND, only, parameters, proposal, RECEPTION, stop, taken, types } from "./keys.testkit.ts";

test("a headend that may not serve the channel is refused, an unknown one too", () => {
  const bench = new Bench();
  bench.right = { publicKey: HEADEND.publicKey, channels: ["two"] };
  for (const from of [HEADEND, peer("headend", "other", 2), { ...HEADEND, publicKey: bytes(9, 32) }]) {
    const refused = only(bench.hear(from, proposal(1)));
    assert.ok(refused.type === "epoch.refused" && refused.reason === "not-authorised");
  }
});

test("after the broker has come back the newest notice is published again", () => {
  const bench = new Bench();
  bench.hear(HEADEND, proposal(1));
  assert.deepEqual(types(bench.feed({ kind: "broker", up: true })), ["notice"]);
});

const DROPS: readonly (readonly [KeyServerDrop, (bench: Bench) => void])[] = [
  ["keys.stranger", (bench) => bench.hear(peer("router", "r", 4), stop)],
  ["keys.stranger", (bench) => bench.hear({ ...RECEPTION, publicKey: bytes(9, 32) }, stop)],
  ["keys.message-unexpected", (bench) => bench.hear(BOX, proposal(1))],
  ["keys.message-unexpected", (bench) => bench.hear(HEADEND, stop)],
  ["keys.message-unexpected", (bench) => bench.answer(BOX, stop)],
  ["keys.answer-unknown", (bench) => bench.answer(RECEPTION, { type: "permission", id: bytes(1) })],
  ["keys.channel-unknown", (bench) => bench.hear(HEADEND, { ...taken(1, 1), channel: "nine" })],
  ["keys.channel-unknown", (bench) => bench.feed({ kind: "rekey", channel: "nine" })],
  [
    "keys.epoch-unknown",
    (bench) => bench.hear(HEADEND, proposal(1, { key: { ...proposal(1).key, masterKey: bytes(1, 32) } })),
  ],
  [
    "keys.channels-full",
    (bench) => {
      bench.hear(HEADEND, proposal(1));
      bench.hear(HEADEND, proposal(1, { parameters: parameters("two") }));
    },
  ],
  [
    "keys.committing",
    (bench) => {
      bench.prompt = false;
      bench.hear(HEADEND, proposal(1));
      bench.hear(HEADEND, proposal(2));
    },
  ],
  [
    "keys.stop-unanswered",
    (bench) => {
      bench.hear(BOX, stop);
      bench.pass(10_000);
    },
  ],
  [
    "keys.stop-unanswered",
    (bench) => {
      bench.hear(BOX, stop);
      bench.hear(BOX, { ...stop, reception: bytes(10) });
    },
  ],
];

for (const [drop, earn] of DROPS) {
  test(`${drop} is counted and answered by nothing`, () => {
    const bench = new Bench({ channels: 1, waiting: 1 });
    earn(bench);
    assert.equal(bench.drops()[drop], 1);
  });
}
