import assert from "node:assert/strict";
import { test } from "node:test";
import { milliseconds, unixTime } from "../base/time.ts";
import type { Message } from "../control/messages.ts";
import { bytes, CALENDAR, CountingEntropy, peer, ServerBench } from "../control/servers.testkit.ts";
import type { RekeyDemandRow } from "../ports/tables.ts";
import {
  RECEPTION_OPTIONS,
  type ReceptionDrop,
  type ReceptionEffect,
  type ReceptionEvent,
  type ReceptionOutcome,
  ReceptionServer,
} from "./server.ts";

const KEYS = peer("keyserver", "ks", 1);
const ROUTER = peer("router", "r1", 2);

const inquiry = (id: number): Message => ({
  type: "inquiry",
  id: bytes(id),
  device: "box",
  deviceKey: bytes(3, 32),
  channel: "one",
  reception: bytes(9),
  reason: "start",
  epoch: 1,
  holdsFor: 1_000,
});

const stopReport: Message = {
  type: "stop.report",
  id: bytes(30),
  device: "box",
  deviceKey: bytes(3, 32),
  channel: "one",
  reception: bytes(9),
  cause: "stopped",
};

const membership: Message = { type: "membership.report", id: bytes(40), sequence: 5, dropped: 0, changes: [] };

class Bench extends ServerBench<ReceptionEvent, ReceptionEffect, Message> {
  readonly server: ReceptionServer;
  readonly #tokens: number[] = [];

  constructor(waiting = 10, router = (id: string) => (id === "r1" ? ROUTER.publicKey : undefined)) {
    super();
    const peers = { keyServer: (id: string) => (id === "ks" ? KEYS.publicKey : undefined), router };
    const options = { ...RECEPTION_OPTIONS, grace: milliseconds(60_000), waiting };
    this.server = new ReceptionServer(peers, CALENDAR, new CountingEntropy(), this.now, options);
  }

  get waiting(): number {
    return this.#tokens.length;
  }

  /** The store has carried out the oldest decision. */
  decide(outcome: ReceptionOutcome): Message[] {
    return this.feed({ kind: "decided", token: this.#tokens.shift() ?? -1, outcome });
  }

  fail(): Message[] {
    return this.feed({ kind: "failed", token: this.#tokens.shift() ?? -1 });
  }

  protected override seen(effects: readonly ReceptionEffect[]): Message[] {
    return effects.flatMap((effect) => {
      if (effect.kind !== "decide") return [effect.message];
      this.#tokens.push(effect.token);
      return [];
    });
  }
}

test("74 is answered by 75 when the reception is on disk, and not before", () => {
  const bench = new Bench();
  assert.deepEqual(bench.hear(KEYS, inquiry(1)), []);
  assert.deepEqual(bench.decide({ kind: "permitted", opened: true }), [{ type: "permission", id: bytes(1) }]);
});

test("a refusal is answered with its reason and remembered for the operator, the newest 256", () => {
  const bench = new Bench();
  for (let n = 0; n < 300; n++) {
    bench.hear(KEYS, inquiry(n % 250));
    assert.deepEqual(bench.decide({ kind: "refused", reason: "not-entitled" }), [
      { type: "refusal", id: bytes(n % 250), reason: "not-entitled" },
    ]);
  }
  assert.equal(bench.server.refusals.length, 256);
  assert.deepEqual(bench.server.refusals[0], { at: 1e12, device: "box", channel: "one", reason: "not-entitled" });
  assert.deepEqual(bench.server.status().refused, { "not-entitled": 300 });
});

test("84 is answered by 85 with what became of the record", () => {
  const bench = new Bench();
  bench.hear(KEYS, stopReport);
  assert.deepEqual(bench.decide({ kind: "stopped", record: "written" }), [
    { type: "stop.report.acknowledged", id: bytes(30), record: "written" },
  ]);
});

test("a router's evidence is acknowledged by its sequence number", () => {
  const bench = new Bench();
  bench.hear(ROUTER, membership);
  assert.deepEqual(bench.decide({ kind: "recorded" }), [
    { type: "membership.acknowledged", id: bytes(40), sequence: 5 },
  ]);
});

test("a router that asks what cards may receive is told; anybody else is not", () => {
  const bench = new Bench();
  const asked: Message = { type: "permits.request", id: bytes(41), macs: ["02:00:00:00:00:11"] };
  bench.hear(ROUTER, asked);
  const permits = [{ mac: "02:00:00:00:00:11", groups: [0xefff4d01] }];
  assert.deepEqual(bench.decide({ kind: "told", permits }), [{ type: "permits", id: bytes(41), permits }]);
  assert.deepEqual(bench.hear(KEYS, asked), []);
  assert.equal(bench.server.status().drops["reception.message-unexpected"], 1);
});

const HELD: Message = { type: "policy.request", id: bytes(42), revision: 3 };

test("a router that asks for its policy is answered with a part of a newer one, or that there is none", () => {
  const bench = new Bench();
  bench.hear(ROUTER, HELD);
  const part = { revision: 9, part: 0, parts: 2, text: '{"rules":' };
  assert.deepEqual(bench.decide({ kind: "policy", ...part }), [{ type: "policy", id: bytes(42), ...part }]);
  bench.hear(ROUTER, HELD);
  assert.deepEqual(bench.decide({ kind: "policy.unchanged" }), [{ type: "policy.unchanged", id: bytes(42) }]);
});

const behind = (revision: number) => ({ kind: "policies", behind: [{ router: "r1", revision }] }) as const;

test("a router that is behind is told until it says that it knows, under the newest revision", () => {
  const bench = new Bench();
  const [told] = bench.feed(behind(8));
  assert.ok(told?.type === "policy.changed" && told.revision === 8);
  assert.deepEqual(bench.pass(2_000), [told]);
  const [newer] = bench.feed(behind(9));
  assert.ok(newer?.type === "policy.changed" && newer.revision === 9);
  assert.deepEqual(bench.answer(ROUTER, { type: "policy.noted", id: newer.id }), []);
  assert.deepEqual([bench.pass(60_000), bench.server.status().calling], [[], 0]);
});

test("one that has asked need not be told; one that is away is not told for long, but as soon as it is heard of", () => {
  const bench = new Bench();
  bench.feed(behind(8));
  bench.hear(ROUTER, HELD);
  assert.deepEqual([bench.pass(60_000), bench.server.status().calling], [[], 0]);
  bench.feed(behind(9));
  for (let second = 0; second < 20; second++) bench.pass(1_000);
  assert.deepEqual([bench.pass(600_000), bench.server.status().calling], [[], 1]);
  const [again] = bench.hear(ROUTER, membership);
  assert.ok(again?.type === "policy.changed" && again.revision === 9);
});

test("as many are told at once as public-key work allows; the rest follow as these answer", () => {
  const bench = new Bench();
  const many = Array.from({ length: 70 }, (_, n) => ({ router: `r${n}`, revision: 8 }));
  const told = bench.feed({ kind: "policies", behind: many });
  assert.deepEqual(
    told.map(({ type }) => type),
    ["policy.changed"],
    "routers that nobody has registered are told nothing",
  );
  const open = new Bench(10, () => ROUTER.publicKey);
  const first = open.feed({ kind: "policies", behind: many });
  assert.equal(first.length, 64);
  const [next, ...more] = open.answer(peer("router", "r0", 2), { type: "policy.noted", id: first[0]?.id ?? bytes(0) });
  assert.deepEqual([next?.type, more], ["policy.changed", []]);
});

test("the first sweep waits for the grace, and goes on at once while there is more", () => {
  const bench = new Bench();
  bench.pass(59_999);
  assert.equal(bench.waiting, 0);
  bench.pass(1);
  assert.equal(bench.waiting, 1);
  bench.decide({ kind: "swept", lapsed: 256, more: true });
  assert.equal(bench.waiting, 1);
  bench.decide({ kind: "swept", lapsed: 3, more: false });
  assert.equal(bench.waiting, 0);
  assert.equal(bench.server.status().outcomes.lapsed, 259);
});

test("nobody lapses while the broker is away, nor within the grace after it has come back", () => {
  const bench = new Bench();
  bench.feed({ kind: "broker", up: true });
  bench.pass(30_000);
  bench.feed({ kind: "broker", up: false });
  bench.pass(600_000);
  assert.equal(bench.server.nextDeadline(), undefined);
  bench.feed({ kind: "broker", up: true });
  bench.pass(59_999);
  assert.equal(bench.waiting, 0);
  bench.pass(1);
  assert.equal(bench.waiting, 1);
});

const demandRow = (channel: string, revision: number): RekeyDemandRow => ({
  keyserver: "ks",
  channel,
  reason: "revoked",
  revision,
  since: unixTime(1e12),
});

test("a rekey demand is repeated until the key server acknowledges it, then it is settled", () => {
  const bench = new Bench();
  const [demand] = bench.feed({ kind: "demands", rows: [demandRow("one", 1)] });
  assert.ok(demand?.type === "rekey.demand");
  assert.deepEqual(demand.channels, ["one"]);
  assert.deepEqual(bench.pass(2_000), [demand]);
  assert.deepEqual(bench.answer(KEYS, { type: "rekey.demand.acknowledged", id: demand.id }), []);
  assert.equal(bench.waiting, 1, "the store forgets it");
  bench.decide({ kind: "settled" });
  assert.deepEqual(bench.pass(50_000), []);
});

test("a newer demand takes the place of the one that waits; the late answer to the old one settles nothing", () => {
  const bench = new Bench();
  const [old] = bench.feed({ kind: "demands", rows: [demandRow("one", 1)] });
  const [newer] = bench.feed({ kind: "demands", rows: [demandRow("one", 1), demandRow("two", 2)] });
  assert.ok(newer?.type === "rekey.demand");
  assert.deepEqual(newer.channels, ["one", "two"]);
  bench.answer(KEYS, { type: "rekey.demand.acknowledged", id: old?.id ?? bytes(0) });
  assert.equal(bench.waiting, 0);
  assert.deepEqual(bench.server.status().drops, { "reception.answer-unknown": 1 });
});

test("more channels than one demand holds follow in the next", () => {
  const bench = new Bench();
  const rows = Array.from({ length: 300 }, (_, n) => demandRow(`c${n}`, 1));
  const [first] = bench.feed({ kind: "demands", rows });
  const [second] = bench.answer(KEYS, { type: "rekey.demand.acknowledged", id: first?.id ?? bytes(0) });
  assert.ok(second?.type === "rekey.demand");
  assert.equal(second.channels.length, 44);
});

const DROPS: readonly (readonly [ReceptionDrop, (bench: Bench) => unknown])[] = [
  ["reception.stranger", (bench) => bench.hear(peer("keyserver", "other", 1), inquiry(1))],
  ["reception.stranger", (bench) => bench.hear(peer("keyserver", "ks", 9), inquiry(1))],
  ["reception.stranger", (bench) => bench.hear(peer("router", "r1", 9), membership)],
  ["reception.message-unexpected", (bench) => bench.hear(KEYS, membership)],
  ["reception.message-unexpected", (bench) => bench.answer(KEYS, inquiry(1))],
  ["reception.message-unexpected", (bench) => bench.hear(ROUTER, inquiry(1))],
  ["reception.message-unexpected", (bench) => bench.hear(ROUTER, stopReport)],
  ["reception.message-unexpected", (bench) => bench.hear(KEYS, HELD)],
  ["reception.answer-unknown", (bench) => bench.answer(ROUTER, { type: "policy.noted", id: bytes(1) })],
  ["reception.answer-unknown", (bench) => bench.answer(KEYS, { type: "rekey.demand.acknowledged", id: bytes(1) })],
  ["reception.repeated", (bench) => [bench.hear(KEYS, inquiry(1)), bench.hear(KEYS, inquiry(1))]],
  ["reception.load", (bench) => [bench.hear(KEYS, inquiry(1)), bench.hear(KEYS, inquiry(2))]],
  ["reception.store", (bench) => [bench.hear(KEYS, inquiry(1)), bench.fail()]],
];

for (const [drop, earn] of DROPS) {
  test(`${drop} is counted and answered by nothing`, () => {
    const bench = new Bench(1);
    earn(bench);
    assert.equal(bench.server.status().drops[drop], 1);
  });
}

test("a sweep that found the store's queue full comes again", () => {
  const bench = new Bench(1);
  bench.hear(KEYS, inquiry(1));
  bench.pass(60_000);
  bench.decide({ kind: "permitted", opened: true });
  assert.equal(bench.waiting, 0);
  bench.pass(5_000);
  assert.equal(bench.waiting, 1);
});

test("after a failed store the same inquiry is decided again", () => {
  const bench = new Bench();
  bench.hear(KEYS, inquiry(1));
  bench.fail();
  bench.hear(KEYS, inquiry(1));
  assert.deepEqual(bench.decide({ kind: "permitted", opened: true }), [{ type: "permission", id: bytes(1) }]);
});
