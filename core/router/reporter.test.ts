import assert from "node:assert/strict";
import { test } from "node:test";
import { address } from "../base/ipv4.ts";
import { instant, seconds } from "../base/time.ts";
import type { MembershipChange, MessageOf } from "../control/messages.ts";
import type { Peer } from "../control/participant.ts";
import { MembershipReporter, type ReporterEffect } from "./reporter.ts";

let dice = 0;
const entropy = { bytes: (n: number) => new Uint8Array(n).fill(++dice), below: (limit: number) => limit / 2 };
const SERVER: Peer = { role: "reception", id: "reception-1", publicKey: new Uint8Array(32).fill(7) };

const change = (n: number): MembershipChange => ({
  change: "joined",
  interface: "lan",
  host: address("10.2.0.11"),
  group: address("239.255.77.1"),
  sources: [],
  at: n,
});

const reports = (effects: readonly ReporterEffect[]): MessageOf<"membership.report">[] =>
  effects.flatMap((effect) =>
    effect.kind === "send" && effect.message.type === "membership.report" ? [effect.message] : [],
  );

const times = (report: MessageOf<"membership.report"> | undefined): number[] =>
  report?.changes.map(({ at }) => at) ?? [];

function acknowledge(reporter: MembershipReporter, ms: number, { id, sequence }: MessageOf<"membership.report">) {
  const message = { type: "membership.acknowledged", id, sequence } as const;
  return reporter.receive(instant(ms), { kind: "answer", from: SERVER, message });
}

test("changes gather for half a second and go in one report, in order", () => {
  const reporter = new MembershipReporter(SERVER, entropy);
  for (const n of [1, 2, 3]) assert.deepEqual(reporter.receive(instant(n), { kind: "change", change: change(n) }), []);
  assert.equal(reporter.nextDeadline(), 501);
  const [report] = reports(reporter.poll(instant(501)));
  assert.deepEqual(times(report), [1, 2, 3]);
  assert.deepEqual([report?.sequence, report?.dropped], [1, 0]);
});

test("a report is repeated with the same id and sequence until it is acknowledged, and only then the next one goes", () => {
  const reporter = new MembershipReporter(SERVER, entropy);
  reporter.receive(instant(0), { kind: "change", change: change(1) });
  const [first] = reports(reporter.poll(instant(500)));
  assert.ok(first !== undefined);
  reporter.receive(instant(600), { kind: "change", change: change(2) });
  const again = reports(reporter.poll(instant(1500)));
  assert.deepEqual(again, [first]);
  const [next] = reports(acknowledge(reporter, 1600, first));
  assert.deepEqual([next?.sequence, times(next)], [2, [2]]);
});

test("a report holds 128 changes at most; the rest follows at once after the acknowledgement", () => {
  const reporter = new MembershipReporter(SERVER, entropy);
  for (let n = 0; n < 300; n++) reporter.receive(instant(0), { kind: "change", change: change(n) });
  const [first] = reports(reporter.poll(instant(500)));
  assert.ok(first !== undefined);
  const [second] = reports(acknowledge(reporter, 510, first));
  assert.ok(second !== undefined);
  const [third] = reports(acknowledge(reporter, 520, second));
  assert.deepEqual(
    [first, second, third].map((report) => report?.changes.length),
    [128, 128, 44],
  );
});

test("while nobody takes reports the queue is bounded: what is given up is a number, and the next report says so", () => {
  const reporter = new MembershipReporter(SERVER, entropy, { limit: 256 });
  reporter.receive(instant(0), { kind: "change", change: change(0) });
  const [first] = reports(reporter.poll(instant(500)));
  assert.ok(first !== undefined);
  let givenUp = 0;
  // Joins without an end: a visit that is over would be counted by host and group.
  for (let n = 1; n <= 300; n++)
    for (const effect of reporter.receive(instant(501), { kind: "change", change: change(n) }))
      if (effect.kind === "drop" && effect.reason === "report.queue-full") givenUp += effect.times;
  assert.ok(givenUp > 44 && reporter.waiting <= 256);
  const [next] = reports(acknowledge(reporter, 502, first));
  assert.deepEqual([next?.dropped, times(next)[0]], [givenUp, givenUp + 1]);
  assert.deepEqual(
    next?.counts?.map(({ joined, since, until }) => [joined, since, until]),
    [[givenUp, 1, givenUp]],
  );
});

test("an answer that nobody waits for is dropped by name", () => {
  const reporter = new MembershipReporter(SERVER, entropy);
  const message = { type: "membership.acknowledged", id: new Uint8Array(16), sequence: 9 } as const;
  const effects = reporter.receive(instant(0), { kind: "answer", from: SERVER, message });
  assert.deepEqual(effects, [{ kind: "drop", reason: "answer.unknown" }]);
});

test("when the broker is back a waiting report is repeated within a second", () => {
  const reporter = new MembershipReporter(SERVER, entropy);
  reporter.receive(instant(0), { kind: "change", change: change(1) });
  let now = 500;
  for (; now < 60_000; now += 500) reporter.poll(instant(now));
  reporter.receive(instant(now), { kind: "up" });
  const due = reporter.nextDeadline();
  assert.ok(due !== undefined && due <= now + seconds(1));
  assert.equal(reports(reporter.poll(due)).length, 1);
});

test("the first report goes when the broker is there, even an empty one, and each names its process", () => {
  const [one, other] = [new MembershipReporter(SERVER, entropy), new MembershipReporter(SERVER, entropy)];
  one.receive(instant(0), { kind: "up" });
  other.receive(instant(0), { kind: "up" });
  assert.equal(one.nextDeadline(), instant(500));
  const [first] = reports(one.poll(instant(500)));
  const [others] = reports(other.poll(instant(500)));
  assert.deepEqual([first?.sequence, first?.changes], [1, []]);
  assert.notEqual(first?.process, others?.process);
  acknowledge(one, 600, first ?? assert.fail());
  one.receive(instant(700), { kind: "up" });
  one.receive(instant(700), { kind: "change", change: change(1) });
  assert.equal(reports(one.poll(instant(1200)))[0]?.process, first?.process);
});

test("when the process ends, what waits goes at once", () => {
  const reporter = new MembershipReporter(SERVER, entropy);
  reporter.receive(instant(0), { kind: "change", change: change(1) });
  const [last] = reports(reporter.receive(instant(100), { kind: "flush" }));
  assert.deepEqual(times(last), [1]);
  assert.deepEqual(reporter.receive(instant(101), { kind: "flush" }), []);
});

const refusal = (at: number, group = "239.255.77.1") => ({
  interface: "lan",
  host: address("10.2.0.11"),
  group: address(group),
  reason: "igmp.host-groups",
  at,
});

test("refusals are told once a minute, by host, group and reason; a flood of invented groups is told by reason", () => {
  const reporter = new MembershipReporter(SERVER, entropy);
  for (const n of [1, 2, 3]) reporter.receive(instant(n), { kind: "refused", refusal: refusal(n) });
  for (let n = 1; n <= 500; n++)
    reporter.receive(instant(4), { kind: "refused", refusal: refusal(4, `239.1.${n >> 8}.${n & 255}`) });
  assert.equal(reporter.nextDeadline(), 5001);
  assert.deepEqual(reports(reporter.poll(instant(5001))), []);
  assert.equal(reporter.nextDeadline(), 60_001);
  const [first = assert.fail()] = reports(reporter.poll(instant(60_001)));
  const [second = assert.fail()] = reports(acknowledge(reporter, 60_002, first));
  const told = [...(first.counts ?? []), ...(second.counts ?? [])];
  assert.deepEqual([told[0]?.refused, told[0]?.since, told[0]?.until], [3, 1, 3]);
  assert.deepEqual([told.length, told.at(-1)?.host, told.at(-1)?.reason], [33, undefined, "igmp.host-groups"]);
  assert.equal(
    told.reduce((sum, { refused }) => sum + refused, 0),
    503,
  );
});

test("refusals that were written apart are told as one, with the change that comes first", () => {
  const reporter = new MembershipReporter(SERVER, entropy);
  for (const n of [0, 6000, 12_000]) {
    reporter.receive(instant(n), { kind: "refused", refusal: refusal(n) });
    reporter.poll(instant(n + 5000));
  }
  reporter.receive(instant(18_000), { kind: "change", change: change(1) });
  const [report] = reports(reporter.poll(instant(18_500)));
  assert.deepEqual(
    report?.counts?.map(({ refused, since, until }) => [refused, since, until]),
    [[3, 0, 12_000]],
  );
});

const writes = (effects: readonly ReporterEffect[]) =>
  effects.flatMap((effect) => (effect.kind === "write" ? [`${effect.how} ${effect.lines.length}`] : []));

/** One over an empty log, with the last lines that it asked to be written anew. */
function logged() {
  const reporter = new MembershipReporter(SERVER, entropy, { restored: { lines: [], damaged: 0 } });
  const written = (ms: number, isKept = true) => reporter.receive(instant(ms), { kind: "written", isKept });
  const add = (ms: number, n: number) => writes(reporter.receive(instant(ms), { kind: "change", change: change(n) }));
  return { reporter, written, add };
}

test("with a log each change is written at once, and none is sent before it is on the disk", () => {
  const { reporter, written, add } = logged();
  assert.deepEqual(add(0, 1), ["replace 2"]);
  assert.deepEqual(add(1, 2), [], "one write at a time");
  assert.deepEqual(writes(written(2)), ["write 1"]);
  assert.deepEqual(reporter.poll(instant(600)), [], "one write at a time");
  assert.deepEqual(writes(written(601)), ["commit 1"]);
  assert.equal(reporter.nextDeadline(), undefined);
  const [report] = reports(written(602));
  assert.deepEqual(times(report), [1, 2]);
});

test("while a report is not answered, what is new is written and waits; with the answer it goes", () => {
  const { reporter, written, add } = logged();
  add(0, 1);
  written(1);
  reporter.poll(instant(500));
  const [report = assert.fail()] = reports(written(501));
  assert.deepEqual(add(502, 2), ["write 1"]);
  assert.deepEqual(reports(written(503)), []);
  assert.deepEqual(writes(reporter.poll(instant(1002))), ["commit 0"]);
  assert.deepEqual(reports(written(1003)), []);
  assert.equal(writes(reporter.poll(instant(1004))).length, 0, "nothing is written twice");
  assert.deepEqual(writes(acknowledge(reporter, 1005, report)), ["commit 2"]);
  const [next] = reports(written(1006));
  assert.deepEqual([next?.sequence, times(next)], [2, [2]]);
});

test("when the disk fails reports go all the same, and after half a minute all that waits is written anew", () => {
  const { reporter, written, add } = logged();
  add(0, 1);
  written(1, false);
  const [report = assert.fail()] = reports(reporter.poll(instant(500)));
  assert.deepEqual(times(report), [1]);
  assert.deepEqual(add(502, 2), []);
  const [second = assert.fail()] = reports(acknowledge(reporter, 1003, report));
  assert.deepEqual(times(second), [2]);
  // A change just before the next try does not put it off.
  assert.deepEqual(add(30_000, 3), []);
  assert.equal(reporter.nextDeadline(), 30_001);
  const again = reporter.poll(instant(30_001)).flatMap((effect) => (effect.kind === "write" ? [effect] : []));
  assert.deepEqual(
    again.map(({ how }) => how),
    ["replace"],
  );
  const successor = new MembershipReporter(SERVER, entropy, { restored: { lines: again[0]?.lines ?? [], damaged: 0 } });
  successor.receive(instant(0), { kind: "up" });
  successor.poll(instant(500));
  const [repeated] = reports(successor.receive(instant(501), { kind: "written", isKept: true }));
  assert.deepEqual({ ...repeated, id: 0 }, { ...second, id: 0 });
  assert.equal(successor.waiting, 1);
});

test("with a log refusals are on the disk after five seconds, though they are told after a minute", () => {
  const { reporter, written, add } = logged();
  add(0, 1);
  written(1);
  reporter.poll(instant(500));
  const [report = assert.fail()] = reports(written(501));
  acknowledge(reporter, 502, report);
  for (const n of [1000, 2000]) reporter.receive(instant(n), { kind: "refused", refusal: refusal(n) });
  assert.equal(reporter.nextDeadline(), 6000);
  const [write = assert.fail()] = reporter
    .poll(instant(6000))
    .flatMap((effect) => (effect.kind === "write" ? [effect] : []));
  assert.match(write.lines.join(), /"refused":2/);
  written(6001);
  assert.equal(reporter.nextDeadline(), 61_000);
});
