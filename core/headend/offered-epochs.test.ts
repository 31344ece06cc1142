// Claim 7: the key server makes the keys.
import assert from "node:assert/strict";
import { test } from "node:test";
import { instant, seconds } from "../base/time.ts";
import { type Answerer, demand, offer, refuse, SimulatedHeadend, silent } from "./headend.testkit.ts";

/** What is taken is on disk and noticed. */
const accepting: Answerer = (message) =>
  message.type === "epoch.taken"
    ? { type: "epoch.accepted", id: message.id, channel: message.channel, epoch: message.epoch }
    : undefined;

/** Answers "epoch.wanted" with this epoch, and accepts what is taken. */
const offering =
  (epoch: number): Answerer =>
  (message, at) =>
    message.type === "epoch.wanted" ? offer(epoch, 3000, message.id) : accepting(message, at);

test("at the start the key server is asked for an epoch, which is used at once and taken", () => {
  const simulated = new SimulatedHeadend("key-server", offering(5));
  simulated.run(seconds(1));
  assert.deepEqual(simulated.lines(), ["0 epoch.wanted first", "20 install 5", "20 epoch.taken 5", "20 switch 5"]);
});

test("a renewed key is taken, and used when the key server said", () => {
  const simulated = new SimulatedHeadend("key-server", offering(5));
  simulated.runUntil(instant(55_000));
  simulated.hear(offer(6, 3000));
  simulated.run(seconds(4));
  assert.deepEqual(simulated.lines(4), ["55000 epoch.taken 6", "55020 install 6", "58000 switch 6"]);
});

test("without the word that the notice is out there is no switch: the old key goes on, an alarm, and taken is said again", () => {
  const simulated = new SimulatedHeadend("key-server", offering(5));
  simulated.runUntil(instant(55_000));
  simulated.answerer = silent;
  simulated.hear(offer(6, 3000));
  assert.equal(simulated.machine.status(simulated.now).next, 6);
  simulated.runUntil(instant(70_000));
  assert.equal(simulated.machine.status(simulated.now).epoch, 5);
  assert.ok(simulated.lines().includes("60020 alarm overdue raised"));
  assert.ok(simulated.of("epoch.taken").filter(({ epoch }) => epoch === 6).length > 3);
  simulated.answerer = accepting;
  simulated.run(seconds(6));
  assert.equal(simulated.machine.status(simulated.now).epoch, 6, "late, but then at once");
  assert.equal(simulated.machine.status(simulated.now).alarm, undefined);
});

test("an acceptance of what is not waiting changes nothing", () => {
  const simulated = new SimulatedHeadend("key-server", offering(5));
  simulated.run(seconds(1));
  simulated.answerer = silent;
  const six = offer(6, 3000);
  simulated.hear(six);
  simulated.hear({ type: "epoch.accepted", id: six.id, channel: "news", epoch: 7 });
  simulated.run(seconds(10));
  assert.equal(simulated.machine.status(simulated.now).epoch, 5);
});

test("an offer again means that no notice went out yet: the countdown starts anew, so the switch never precedes it", () => {
  const simulated = new SimulatedHeadend("key-server", offering(5));
  simulated.runUntil(instant(55_000));
  const again = offer(6, 3000);
  simulated.answerer = silent;
  simulated.hear(again);
  simulated.run(seconds(2));
  simulated.answerer = accepting;
  simulated.hear(again);
  simulated.run(seconds(5));
  assert.deepEqual(
    simulated.lines().filter((line) => line.includes("switch")),
    ["20 switch 5", "60000 switch 6"],
  );
  simulated.hear(again);
  assert.equal(
    simulated.lines().at(-1),
    "62000 epoch.taken 6",
    "after the switch it is taken again and nothing changes",
  );
});

test("an offer below the epoch in use is dropped by name and answered with the epoch in use", () => {
  const simulated = new SimulatedHeadend("key-server", offering(5));
  simulated.run(seconds(1));
  simulated.hear(offer(4, 3000));
  assert.equal(simulated.machine.status(simulated.now).drops["headend.offer-stale"], 1);
  assert.equal(simulated.lines().at(-1), "1000 epoch.wanted 5");
});

test("an offer whose key does not fit the suite is dropped by name", () => {
  const simulated = new SimulatedHeadend("key-server", silent);
  const bad = offer(6, 0);
  simulated.hear({ ...bad, key: { ...bad.key, masterKey: new Uint8Array(32) } });
  assert.equal(simulated.machine.status(simulated.now).drops["headend.offer-unusable"], 1);
  assert.equal(simulated.machine.status(simulated.now).epoch, undefined);
});

test("no offer after the interval: an alarm, the old key goes on, and the key server is reminded", () => {
  const simulated = new SimulatedHeadend("key-server", offering(5));
  simulated.runUntil(instant(10_000));
  simulated.answerer = silent;
  simulated.runUntil(instant(70_000));
  assert.ok(simulated.lines().includes("60020 alarm overdue raised"));
  assert.ok(simulated.lines().includes("65020 epoch.wanted 5"));
  assert.equal(simulated.machine.status(simulated.now).epoch, 5);
  simulated.answerer = offering(6);
  simulated.run(seconds(20));
  assert.equal(simulated.machine.status(simulated.now).epoch, 6);
  assert.equal(simulated.machine.status(simulated.now).alarm, undefined);
});

test("not authorised: an alarm, and asked again after 30 s", () => {
  const simulated = new SimulatedHeadend("key-server", refuse(0, "not-authorised"));
  simulated.run(seconds(40));
  assert.deepEqual(simulated.lines(), [
    "0 epoch.wanted first",
    "20 alarm not-authorised raised",
    "30020 epoch.wanted first",
  ]);
});

test("before its first epoch only the answer to its own question counts: an older offer may carry a key that was used before a restart", () => {
  const simulated = new SimulatedHeadend("key-server", silent);
  simulated.hear(offer(4, 0));
  assert.equal(simulated.machine.status(simulated.now).drops["headend.offer-unasked"], 1);
  simulated.answerer = offering(5);
  simulated.run(seconds(10));
  assert.equal(simulated.machine.status(simulated.now).epoch, 5);
  assert.ok(!simulated.lines().includes("0 install 4"));
});

test("an offer below the one that waits for its moment is stale", () => {
  const simulated = new SimulatedHeadend("key-server", offering(5));
  simulated.run(seconds(1));
  simulated.hear(offer(7, 3000));
  simulated.hear(offer(6, 3000));
  simulated.run(seconds(4));
  assert.equal(simulated.machine.status(simulated.now).epoch, 7);
  assert.equal(simulated.machine.status(simulated.now).drops["headend.offer-stale"], 1);
});

test("epoch numbers used up: an alarm of its own", () => {
  const simulated = new SimulatedHeadend("key-server", refuse(0xffff_ffff));
  simulated.run(seconds(1));
  assert.equal(simulated.machine.status(simulated.now).alarm, "epochs-exhausted");
});

test("a demand is not for this way of making keys, and dropped by name", () => {
  const simulated = new SimulatedHeadend("key-server", silent);
  simulated.hear(demand(1));
  assert.equal(simulated.machine.status(simulated.now).drops["headend.message-unexpected"], 1);
});

test("keys that are offered and not taken, or whose place another takes, are overwritten; the one that waits is not", () => {
  const simulated = new SimulatedHeadend("key-server", offering(5));
  simulated.runUntil(instant(55_000));
  simulated.answerer = silent;
  const [six, seven, stale, repeated] = [offer(6, 3000), offer(7, 3000), offer(6, 3000), offer(5, 3000)];
  for (const one of [six, seven, stale, repeated]) {
    one.key.masterKey.fill(1);
    simulated.hear(one);
    simulated.run(seconds(1));
  }
  const isOverwritten = ({ key }: typeof six): boolean => key.masterKey.every((octet) => octet === 0);
  assert.deepEqual([six, seven, stale, repeated].map(isOverwritten), [true, false, true, true]);
});
