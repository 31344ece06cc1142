import assert from "node:assert/strict";
import { test } from "node:test";
import { NUMBERS } from "../lab/messages.mjs";
import { parseOptions } from "./options.mjs";
import { faults, report } from "./report.mjs";

const viewer = { id: "settop11", received: 700, lost: 0, duplicated: 0, undecryptable: 0, identical: true, zapMs: 70 };
const found = {
  seconds: 20,
  messages: Object.fromEntries(NUMBERS.map((number) => [number, 2])),
  epochs: 6,
  settops: [viewer],
  receptions: { live: 2, closed: 1 },
  denied: 1,
  stranger: { ...viewer, id: "stranger", received: 0, identical: false, zapMs: undefined },
  liveAtTheEnd: 0,
};
const told = { interrupted: false };

test("when everything held there is no fault", () => {
  assert.deepEqual(faults(found, told), []);
});

test("the report has exactly the documented entries, and each of the patent's messages", () => {
  const written = JSON.parse(JSON.stringify(report(found, true)));
  assert.deepEqual(Object.keys(written), ["ok", "seconds", "messages", "epochs", "settops", "receptions", "denied"]);
  assert.deepEqual(Object.keys(written.settops[0]), [
    "id",
    "received",
    "lost",
    "duplicated",
    "undecryptable",
    "identical",
    "zapMs",
  ]);
  assert.deepEqual(Object.keys(written.messages).map(Number), NUMBERS);
});

for (const [what, change, reason] of /** @type {[string, Partial<import("./report.mjs").Findings>, string][]} */ ([
  [
    "an output that differs",
    { settops: [{ ...viewer, identical: false }] },
    "the output of settop11 is not what went into the headend",
  ],
  ["a lost packet", { settops: [{ ...viewer, lost: 1 }] }, "settop11 lost 1 packets"],
  ["a repeated packet", { settops: [{ ...viewer, duplicated: 2 }] }, "settop11 got 2 packets twice"],
  ["a dark screen", { settops: [{ ...viewer, received: 0 }] }, "settop11 never had a picture"],
  ["a stranger who sees", { stranger: { ...viewer, received: 5 } }, "the stranger decrypted 5 packets"],
  ["a reception that nobody closed", { liveAtTheEnd: 1 }, "1 receptions are live after everybody has stopped"],
])) {
  test(`${what} is a fault, interrupted or not`, () => {
    for (const interrupted of [true, false])
      assert.deepEqual(faults({ ...found, ...change }, { interrupted }), [reason]);
  });
}

for (const [what, change, reason] of /** @type {const} */ ([
  ["a message that was never seen", { messages: { ...found.messages, 92: 0 } }, "messages 92 were never seen"],
  ["a key that never changed", { epochs: 1 }, "only 1 epochs"],
  ["nobody denied", { denied: 0 }, "nobody was denied"],
])) {
  test(`${what} is a fault, but not of a run that was cut short`, () => {
    assert.deepEqual(faults({ ...found, ...change }, told), [reason]);
    assert.deepEqual(faults({ ...found, ...change }, { interrupted: true }), []);
  });
}

test("the command line: a time to run, a report, and clear words for what it does not know", () => {
  assert.deepEqual(parseOptions(["--for", "20", "--report", "r.json"]), {
    seconds: 20,
    report: "r.json",
    loopback: false,
  });
  assert.deepEqual(parseOptions([]), { seconds: undefined, report: undefined, loopback: false });
  assert.throws(() => parseOptions(["--for", "soon"]), /--for takes 10 to 86400 seconds, not "soon"/);
  assert.throws(() => parseOptions(["--nonsense"]), /--nonsense[\s\S]*usage: scripts\/demo/);
});
