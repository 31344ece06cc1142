// The two tables of handshake.ts, row for row, as the key server carries them out.
import assert from "node:assert/strict";
import { test } from "node:test";
import type { EpochKey, Message } from "../control/messages.ts";
import { type EpochRule, type EpochState, type EpochWord, HANDSHAKE } from "./handshake.ts";
import {
  Bench,
  HEADEND,
  messages,
  only,
  proposal,
  RECEPTION,
  rekeyDemand,
  report,
  taken,
  types,
  wanted,
} from "./keys.testkit.ts";

/** Announced and in use, made by the headend. */
function use(bench: Bench, epoch: number): void {
  bench.hear(HEADEND, proposal(epoch, { switchIn: 0 }));
  bench.hear(HEADEND, report(60 + epoch, epoch));
}

/** Brings epoch 2 into a state, while epoch 1 is or was in use, and returns the key that belongs to its number. */
const BRING: Record<EpochState, (bench: Bench) => EpochKey> = {
  ahead(bench) {
    use(bench, 1);
    return proposal(2).key;
  },
  offered(bench) {
    bench.hear(HEADEND, wanted(40));
    bench.hear(HEADEND, taken(40, 1));
    const offer = only(bench.pass(8_000));
    assert.ok(offer.type === "epoch.offer");
    return structuredClone(offer.key);
  },
  coming(bench) {
    use(bench, 1);
    bench.hear(HEADEND, proposal(2));
    return proposal(2).key;
  },
  fixed(bench) {
    use(bench, 1);
    use(bench, 2);
    return proposal(2).key;
  },
  spent(bench) {
    for (const epoch of [1, 2, 3]) use(bench, epoch);
    bench.pass(2_000);
    return proposal(2).key;
  },
};

const SAY: Record<EpochWord, (key: EpochKey) => Message> = {
  proposal: (key) => proposal(2, { key }),
  taken: ({ epoch }) => taken(42, epoch),
  report: ({ epoch }) => report(70, epoch),
};

/** What each rule brings, and whether it goes to disk first. */
const SEEN: Record<EpochWord, Partial<Record<EpochRule, readonly [onDisk: "commit" | "", ...said: string[]]>>> = {
  proposal: {
    announce: ["commit", "epoch.accepted", "notice"],
    confirm: ["", "epoch.accepted"],
    refuse: ["", "epoch.refused"],
  },
  taken: { announce: ["commit", "notice", "epoch.accepted"], confirm: ["", "epoch.accepted"], drop: [""] },
  report: { announce: ["commit", "notice"], use: [""], drop: [""] },
};

const ROWS: readonly (readonly [EpochWord, EpochState, EpochRule])[] = [
  ["proposal", "ahead", "announce"],
  ["proposal", "offered", "announce"],
  ["proposal", "coming", "announce"],
  ["proposal", "fixed", "confirm"],
  ["proposal", "spent", "refuse"],
  ["taken", "ahead", "drop"],
  ["taken", "offered", "announce"],
  ["taken", "coming", "confirm"],
  ["taken", "fixed", "confirm"],
  ["taken", "spent", "drop"],
  ["report", "ahead", "drop"],
  ["report", "offered", "announce"],
  ["report", "coming", "use"],
  ["report", "fixed", "use"],
  ["report", "spent", "drop"],
];

for (const [word, state, rule] of ROWS) {
  test(`${word} of an epoch that is ${state}: ${rule}`, () => {
    const bench = new Bench();
    const key = BRING[state](bench);
    bench.prompt = false;
    const [onDisk, ...said] = SEEN[word][rule] ?? assert.fail("no such rule");
    const first = types(bench.hear(HEADEND, SAY[word](key)));
    assert.deepEqual(first, onDisk === "" ? said : ["commit"]);
    if (onDisk !== "") assert.deepEqual(types(bench.settle("committed")), said);
    assert.deepEqual(bench.drops(), rule === "drop" ? { "keys.epoch-unknown": 1 } : {});
    if (rule === "use") assert.deepEqual(bench.granted(80), [2], "the epoch before it is granted no longer");
  });
}

test("the table has these rows and no others", () => {
  const cells = Object.entries(HANDSHAKE).flatMap(([word, states]) =>
    Object.entries(states).map(([state, rule]) => [word, state, rule]),
  );
  assert.deepEqual(cells.sort(), [...ROWS].sort());
});

test("another key under a number that is known is spent: it is refused with the last number", () => {
  for (const part of ["masterKey", "masterSalt"] as const) {
    const bench = new Bench();
    const key = BRING.coming(bench);
    const other = { ...key, [part]: new Uint8Array(key[part].length).fill(77) };
    const refused = only(bench.hear(HEADEND, proposal(2, { key: other })));
    assert.ok(refused.type === "epoch.refused" && refused.reason === "stale", part);
    assert.equal(refused.last, 2);
  }
});

for (const [what, message] of [
  ["a proposal", proposal(3)],
  ["a wish for an epoch", wanted(43)],
  ["the word that the offer is taken", taken(44, 2)],
  ["a report under the offered epoch", report(70, 2)],
  ["a demand", rekeyDemand(80)],
] as const) {
  test(`while a change is on its way to disk, ${what} is dropped, and nothing that is due is done`, () => {
    const bench = new Bench();
    BRING.offered(bench);
    bench.prompt = false;
    assert.deepEqual(types(bench.hear(HEADEND, taken(42, 2))), ["commit"]);
    assert.deepEqual(bench.hear(message.type === "rekey.demand" ? RECEPTION : HEADEND, message), []);
    assert.deepEqual(bench.drops(), { "keys.committing": 1 });
    assert.equal(bench.server.nextDeadline(), undefined);
    assert.deepEqual(bench.pass(60_000), []);
    assert.deepEqual(types(bench.settle("failed")), ["epoch.offer"], "the channel is what it was before");
  });
}

/** What time brings, after the server was killed: from what is on disk alone. */
test("made by the headend, a demand is open: epoch.demand, repeated until the demand is settled", () => {
  const before = new Bench();
  use(before, 1);
  before.feed({ kind: "rekey", channel: "one" });
  const bench = before.restarted();
  const demand = only(bench.pass(0));
  assert.equal(demand.type, "epoch.demand");
  assert.deepEqual(bench.pass(600), []);
  assert.deepEqual(only(bench.pass(700)).id, demand.id);
  assert.deepEqual(only(bench.pass(2_000)).id, demand.id);
  bench.hear(HEADEND, proposal(2, { id: demand.id }));
  assert.deepEqual(bench.pass(60_000), []);
});

test("made by the key server, the newest epoch is offered: epoch.offer, repeated until it is taken", () => {
  const before = new Bench();
  const key = BRING.offered(before);
  const bench = before.restarted();
  for (const wait of [0, 1_300, 2_000]) {
    const offer = only(bench.pass(wait));
    assert.ok(offer.type === "epoch.offer");
    assert.deepEqual(offer.key, key);
  }
  bench.hear(HEADEND, taken(42, 2));
  assert.deepEqual(bench.pass(1_000), []);
});

test("made by the key server, the newest is announced: the next is made two seconds before its interval is over", () => {
  const before = new Bench();
  before.hear(HEADEND, wanted(40));
  before.hear(HEADEND, taken(40, 1));
  const bench = before.restarted();
  assert.deepEqual(bench.pass(7_999), []);
  const offer = only(bench.pass(1));
  assert.ok(offer.type === "epoch.offer" && offer.key.epoch === 2 && offer.switchIn === 2_000);
});

test("made by the key server, a demand is open: the next is made at once", () => {
  const before = new Bench();
  before.hear(HEADEND, wanted(40));
  before.hear(HEADEND, taken(40, 1));
  before.prompt = false;
  before.feed({ kind: "rekey", channel: "one" });
  assert.deepEqual(types(before.settle("committed")), ["commit"], "on its way, and lost");
  const bench = before.restarted();
  const [offer, ...more] = messages(bench.pass(0));
  assert.ok(offer?.type === "epoch.offer" && offer.key.epoch === 2 && more.length === 0);
});

test("epochs before the one in use are erased an overlap after the report, also by a server that was killed", () => {
  const before = new Bench();
  for (const epoch of [1, 2]) use(before, epoch);
  const bench = before.restarted();
  bench.pass(60_000);
  assert.deepEqual(kept(bench), [1, 2], "nobody has said yet what is in use");
  bench.hear(HEADEND, report(70, 2));
  bench.pass(1_999);
  assert.deepEqual(kept(bench), [1, 2]);
  bench.pass(1);
  assert.deepEqual(kept(bench), [2]);
});

const kept = (bench: Bench): number[] => (bench.onDisk()?.epochs ?? []).map(({ epoch }) => epoch);
