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

test("while nobody takes reports the queue is bounded: the oldest go, counted in the next report", () => {
  const reporter = new MembershipReporter(SERVER, entropy);
  reporter.receive(instant(0), { kind: "change", change: change(0) });
  const [first] = reports(reporter.poll(instant(500)));
  assert.ok(first !== undefined);
  let dropped = 0;
  for (let n = 1; n <= 8192 + 5; n++)
    for (const effect of reporter.receive(instant(501), { kind: "change", change: change(n) }))
      if (effect.kind === "drop" && effect.reason === "report.queue-full") dropped++;
  assert.equal(dropped, 5);
  assert.equal(reporter.waiting, 8192);
  const [next] = reports(acknowledge(reporter, 502, first));
  assert.deepEqual([next?.dropped, times(next)[0]], [5, 6]);
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
