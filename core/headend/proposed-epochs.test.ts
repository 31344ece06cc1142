// Claim 3: the headend makes the keys.
import assert from "node:assert/strict";
import { test } from "node:test";
import { instant, milliseconds, minutes, seconds } from "../base/time.ts";
import { accept, demand, idOf, refuse, SimulatedHeadend, silent } from "./headend.testkit.ts";

test("a headend that starts announces an epoch and sends nothing before the acknowledgement", () => {
  const simulated = new SimulatedHeadend("headend");
  assert.deepEqual(simulated.lines(), ["0 epoch.proposal 1 in 0"]);
  simulated.run(seconds(1));
  assert.deepEqual(simulated.lines(1), ["20 install 1", "20 switch 1"]);
});

test("each epoch is proposed `lead` before the interval is over and used `lead` after its acknowledgement", () => {
  const simulated = new SimulatedHeadend("headend");
  simulated.runUntil(instant(130_000));
  assert.deepEqual(simulated.lines(3), [
    "55020 epoch.proposal 2 in 5000",
    "55040 install 2",
    "60040 switch 2",
    "115040 epoch.proposal 3 in 5000",
    "115060 install 3",
    "120060 switch 3",
  ]);
  assert.equal(simulated.machine.status(simulated.now).switches, 3);
});

test("every key is new, and has the suite's lengths", () => {
  const simulated = new SimulatedHeadend("headend");
  simulated.run(minutes(10));
  const keys = simulated.of("epoch.proposal").map((p) => `${p.key.masterKey}/${p.key.masterSalt}`);
  assert.equal(new Set(keys).size, keys.length);
  for (const { key } of simulated.of("epoch.proposal")) {
    assert.equal(key.masterKey.length, 16);
    assert.equal(key.masterSalt.length, 12);
  }
});

test("an epoch above the key server's last: a stale refusal is answered with a new key above it", () => {
  const simulated = new SimulatedHeadend("headend", (m) =>
    m.type === "epoch.proposal" && m.key.epoch <= 17 ? refuse(17)(m, instant(0)) : accept(m, instant(0)),
  );
  simulated.run(seconds(1));
  assert.deepEqual(simulated.lines(), [
    "0 epoch.proposal 1 in 0",
    "20 epoch.proposal 18 in 0",
    "40 install 18",
    "40 switch 18",
  ]);
  const [first, second] = simulated.of("epoch.proposal");
  assert.notDeepEqual(first?.key.masterKey, second?.key.masterKey);
  assert.equal(simulated.machine.status(simulated.now).refused, 1);
});

test("an acknowledgement that is lost: the same proposal again, and the switch counts from the acknowledgement that arrives", () => {
  let proposals = 0;
  const simulated = new SimulatedHeadend("headend");
  simulated.runUntil(instant(50_000));
  simulated.answerer = (m, at) => (m.type === "epoch.proposal" && ++proposals === 1 ? undefined : accept(m, at));
  simulated.runUntil(instant(63_000));
  const repeated = simulated.of("epoch.proposal").filter((p) => p.key.epoch === 2);
  assert.equal(repeated.length, 2);
  assert.equal(new Set(repeated.map(idOf)).size, 1, "one id for every repetition");
  const [, again, installed, switched] = simulated.lines(3).map((line) => Number(line.split(" ")[0]));
  assert.ok(again !== undefined && again >= 55_720 && again <= 56_320, "repeated after 0.7 to 1.3 s");
  assert.equal(installed, again + 20);
  assert.equal(switched, again + 5020);
});

test("a key server that is away for minutes: no switch, the old key goes on, an alarm, and a switch soon after it is back", () => {
  const simulated = new SimulatedHeadend("headend");
  simulated.runUntil(instant(50_000));
  simulated.answerer = silent;
  simulated.runUntil(instant(300_000));
  assert.equal(simulated.machine.status(simulated.now).epoch, 1);
  assert.equal(simulated.machine.status(simulated.now).alarm, "overdue");
  assert.equal(simulated.machine.status(simulated.now).next, 2);
  assert.ok(simulated.lines().includes("60020 alarm overdue raised"));
  assert.equal(simulated.machine.status(simulated.now).alarms.overdue, 1, "raised once");
  simulated.answerer = accept;
  simulated.run(seconds(12));
  const after = simulated
    .lines()
    .slice(-3)
    .map((line) => line.slice(line.indexOf(" ") + 1));
  assert.deepEqual(after, ["install 2", "alarm overdue over", "switch 2"]);
  assert.equal(simulated.of("epoch.proposal").at(-1)?.key.epoch, 2, "no epoch was skipped");
});

test("no epoch for 5 s after the start is an alarm of its own", () => {
  const simulated = new SimulatedHeadend("headend", silent);
  simulated.run(seconds(6));
  assert.ok(simulated.lines().includes("5000 alarm no-epoch raised"));
  assert.equal(simulated.of("stream.report").length, 0);
});

test("not authorised: an alarm, another try every 30 s, and nothing is sent meanwhile", () => {
  const simulated = new SimulatedHeadend("headend", refuse(0, "not-authorised"));
  simulated.run(seconds(40));
  assert.deepEqual(simulated.lines(), [
    "0 epoch.proposal 1 in 0",
    "20 alarm not-authorised raised",
    "30020 epoch.proposal 2 in 0",
  ]);
});

test("a demand (a device was revoked) is proposed at once with the shortest lead, under the demand's id", () => {
  const simulated = new SimulatedHeadend("headend");
  simulated.runUntil(instant(20_000));
  simulated.hear(demand(1));
  simulated.run(seconds(2));
  assert.deepEqual(simulated.lines(3), ["20000 epoch.proposal 2 in 500", "20020 install 2", "20520 switch 2"]);
  assert.equal(idOf(simulated.of("epoch.proposal").at(-1) ?? demand(0)), idOf(demand(1)));
});

test("a repeated demand makes no second epoch", () => {
  const simulated = new SimulatedHeadend("headend");
  simulated.runUntil(instant(20_000));
  for (let i = 0; i < 3; i++) simulated.hear(demand(1));
  simulated.run(seconds(2));
  simulated.hear(demand(1));
  simulated.run(seconds(2));
  assert.equal(simulated.machine.status(simulated.now).epoch, 2);
  assert.equal(simulated.machine.status(simulated.now).drops["headend.demand-repeated"], 3);
});

test("a demand during a pending proposal abandons it: its key may be with the revoked device", () => {
  const simulated = new SimulatedHeadend("headend");
  simulated.runUntil(instant(50_000));
  simulated.answerer = silent;
  simulated.runUntil(instant(55_500));
  assert.equal(simulated.machine.status(simulated.now).next, 2);
  simulated.answerer = accept;
  simulated.hear(demand(1));
  const late = simulated.of("epoch.proposal").find((p) => p.key.epoch === 2);
  assert.ok(late);
  simulated.hear({ type: "epoch.accepted", id: late.id, channel: "news", epoch: 2 });
  simulated.run(seconds(10));
  assert.equal(simulated.machine.status(simulated.now).epoch, 3);
  assert.ok(!simulated.lines().some((line) => /(install|switch) 2$/.test(line)), "epoch 2 is never used");
  assert.equal(simulated.machine.status(simulated.now).drops["headend.answer-unknown"], 1);
});

test("a demand after the acknowledgement and before the switch skips the acknowledged epoch", () => {
  const simulated = new SimulatedHeadend("headend");
  simulated.runUntil(instant(57_000));
  assert.equal(simulated.machine.status(simulated.now).switchIn, 3040);
  simulated.hear(demand(1));
  simulated.run(seconds(10));
  assert.deepEqual(
    simulated.lines().filter((line) => line.includes("switch")),
    ["20 switch 1", "57520 switch 3"],
  );
});

test("an answer with another epoch, an offer, and a stranger's word are dropped by name", () => {
  const simulated = new SimulatedHeadend("headend", silent);
  const [proposal] = simulated.of("epoch.proposal");
  assert.ok(proposal);
  simulated.hear({ type: "epoch.accepted", id: proposal.id, channel: "news", epoch: 99 });
  simulated.hear({ type: "epoch.taken", id: proposal.id, channel: "news", epoch: 99 });
  simulated.feed({
    kind: "message",
    from: { role: "keyserver", id: "ks", publicKey: new Uint8Array(32) },
    message: demand(1),
    request: undefined,
  });
  assert.deepEqual(simulated.machine.status(simulated.now).drops, {
    "headend.answer-unexpected": 1,
    "headend.message-unexpected": 1,
    "headend.stranger": 1,
  });
});

test("the position is reported every second from the first switch on, with the time that the epoch has left", () => {
  const simulated = new SimulatedHeadend("headend");
  simulated.runUntil(instant(10_500));
  const reports = simulated.of("stream.report");
  assert.equal(reports.length, 11);
  assert.deepEqual(reports.map((r) => [r.ssrc, r.roc, r.seq, r.current, r.endsIn]).slice(0, 2), [
    [7, 3, 9, 1, 60_000],
    [7, 3, 9, 1, 59_000],
  ]);
});

test("a proposal of a headend that starts says where the stream will begin; later ones leave that to the reports", () => {
  const simulated = new SimulatedHeadend("headend");
  simulated.run(minutes(2));
  assert.deepEqual(
    simulated.of("epoch.proposal").map((p) => p.position),
    [{ roc: 3, seq: 9 }, undefined, undefined],
  );
});

test("a machine that slept for hours switches once and goes on from there: no burst of missed epochs", () => {
  const simulated = new SimulatedHeadend("headend");
  simulated.runUntil(instant(57_000));
  simulated.now = instant(10_000_000);
  simulated.run(milliseconds(1));
  assert.equal(simulated.machine.status(simulated.now).epoch, 2);
  simulated.run(seconds(54));
  assert.equal(simulated.machine.status(simulated.now).next, undefined);
  simulated.run(seconds(7));
  assert.equal(simulated.machine.status(simulated.now).epoch, 3);
});

test("the broker comes back: what waits is asked again at once, not after the longest wait", () => {
  const simulated = new SimulatedHeadend("headend", silent);
  simulated.run(minutes(2));
  simulated.feed({ kind: "broker", up: false });
  simulated.run(minutes(2));
  simulated.answerer = accept;
  const before = simulated.now;
  simulated.feed({ kind: "broker", up: true });
  simulated.run(seconds(1));
  assert.equal(simulated.machine.status(simulated.now).epoch, 1);
  assert.ok(simulated.lines().some((line) => Number(line.split(" ")[0]) - before < 700 && line.includes("switch 1")));
});

test("epochs that are used up raise an alarm and crash nothing", () => {
  const simulated = new SimulatedHeadend("headend", refuse(0xffff_ffff));
  simulated.run(seconds(1));
  assert.equal(simulated.machine.status(simulated.now).alarm, "epochs-exhausted");
});

test("the same seed gives the same log", () => {
  const play = (): readonly string[] => {
    const simulated = new SimulatedHeadend(
      "headend",
      (m, at) => (Math.floor(at) % 3 === 0 ? accept(m, at) : undefined),
      42,
    );
    simulated.run(minutes(20));
    return simulated.log;
  };
  assert.deepEqual(play(), play());
});
