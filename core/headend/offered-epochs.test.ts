// Claim 7: the key server makes the keys.
import assert from "node:assert/strict";
import { test } from "node:test";
import { instant, seconds } from "../base/time.ts";
import { type Answerer, demand, offer, Rig, refuse, silent } from "./headend.testkit.ts";

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
  const rig = new Rig("key-server", offering(5));
  rig.run(seconds(1));
  assert.deepEqual(rig.lines(), ["0 epoch.wanted first", "20 install 5", "20 epoch.taken 5", "20 switch 5"]);
});

test("a renewed key is taken, and used when the key server said", () => {
  const rig = new Rig("key-server", offering(5));
  rig.runUntil(instant(55_000));
  rig.hear(offer(6, 3000));
  rig.run(seconds(4));
  assert.deepEqual(rig.lines(4), ["55000 epoch.taken 6", "55020 install 6", "58000 switch 6"]);
});

test("without the word that the notice is out there is no switch: the old key goes on, an alarm, and taken is said again", () => {
  const rig = new Rig("key-server", offering(5));
  rig.runUntil(instant(55_000));
  rig.answerer = silent;
  rig.hear(offer(6, 3000));
  assert.equal(rig.machine.status(rig.now).next, 6);
  rig.runUntil(instant(70_000));
  assert.equal(rig.machine.status(rig.now).epoch, 5);
  assert.ok(rig.lines().includes("60020 alarm overdue raised"));
  assert.ok(rig.of("epoch.taken").filter(({ epoch }) => epoch === 6).length > 3);
  rig.answerer = accepting;
  rig.run(seconds(6));
  assert.equal(rig.machine.status(rig.now).epoch, 6, "late, but then at once");
  assert.equal(rig.machine.status(rig.now).alarm, undefined);
});

test("an acceptance of what is not waiting changes nothing", () => {
  const rig = new Rig("key-server", offering(5));
  rig.run(seconds(1));
  rig.answerer = silent;
  const six = offer(6, 3000);
  rig.hear(six);
  rig.hear({ type: "epoch.accepted", id: six.id, channel: "news", epoch: 7 });
  rig.run(seconds(10));
  assert.equal(rig.machine.status(rig.now).epoch, 5);
});

test("an offer again means that no notice went out yet: the countdown starts anew, so the switch never precedes it", () => {
  const rig = new Rig("key-server", offering(5));
  rig.runUntil(instant(55_000));
  const again = offer(6, 3000);
  rig.answerer = silent;
  rig.hear(again);
  rig.run(seconds(2));
  rig.answerer = accepting;
  rig.hear(again);
  rig.run(seconds(5));
  assert.deepEqual(
    rig.lines().filter((line) => line.includes("switch")),
    ["20 switch 5", "60000 switch 6"],
  );
  rig.hear(again);
  assert.equal(rig.lines().at(-1), "62000 epoch.taken 6", "after the switch it is taken again and nothing changes");
});

test("an offer below the epoch in use is dropped by name and answered with the epoch in use", () => {
  const rig = new Rig("key-server", offering(5));
  rig.run(seconds(1));
  rig.hear(offer(4, 3000));
  assert.equal(rig.machine.status(rig.now).drops["headend.offer-stale"], 1);
  assert.equal(rig.lines().at(-1), "1000 epoch.wanted 5");
});

test("an offer whose key does not fit the suite is dropped by name", () => {
  const rig = new Rig("key-server", silent);
  const bad = offer(6, 0);
  rig.hear({ ...bad, key: { ...bad.key, masterKey: new Uint8Array(32) } });
  assert.equal(rig.machine.status(rig.now).drops["headend.offer-unusable"], 1);
  assert.equal(rig.machine.status(rig.now).epoch, undefined);
});

test("no offer after the interval: an alarm, the old key goes on, and the key server is reminded", () => {
  const rig = new Rig("key-server", offering(5));
  rig.runUntil(instant(10_000));
  rig.answerer = silent;
  rig.runUntil(instant(70_000));
  assert.ok(rig.lines().includes("60020 alarm overdue raised"));
  assert.ok(rig.lines().includes("65020 epoch.wanted 5"));
  assert.equal(rig.machine.status(rig.now).epoch, 5);
  rig.answerer = offering(6);
  rig.run(seconds(20));
  assert.equal(rig.machine.status(rig.now).epoch, 6);
  assert.equal(rig.machine.status(rig.now).alarm, undefined);
});

test("not authorised: an alarm, and asked again after 30 s", () => {
  const rig = new Rig("key-server", refuse(0, "not-authorised"));
  rig.run(seconds(40));
  assert.deepEqual(rig.lines(), ["0 epoch.wanted first", "20 alarm not-authorised raised", "30020 epoch.wanted first"]);
});

test("before its first epoch only the answer to its own question counts: an older offer may carry a key that was used before a restart", () => {
  const rig = new Rig("key-server", silent);
  rig.hear(offer(4, 0));
  assert.equal(rig.machine.status(rig.now).drops["headend.offer-unasked"], 1);
  rig.answerer = offering(5);
  rig.run(seconds(10));
  assert.equal(rig.machine.status(rig.now).epoch, 5);
  assert.ok(!rig.lines().includes("0 install 4"));
});

test("an offer below the one that waits for its moment is stale", () => {
  const rig = new Rig("key-server", offering(5));
  rig.run(seconds(1));
  rig.hear(offer(7, 3000));
  rig.hear(offer(6, 3000));
  rig.run(seconds(4));
  assert.equal(rig.machine.status(rig.now).epoch, 7);
  assert.equal(rig.machine.status(rig.now).drops["headend.offer-stale"], 1);
});

test("epoch numbers used up: an alarm of its own", () => {
  const rig = new Rig("key-server", refuse(0xffff_ffff));
  rig.run(seconds(1));
  assert.equal(rig.machine.status(rig.now).alarm, "epochs-exhausted");
});

test("a demand is not for this way of making keys, and dropped by name", () => {
  const rig = new Rig("key-server", silent);
  rig.hear(demand(1));
  assert.equal(rig.machine.status(rig.now).drops["headend.message-unexpected"], 1);
});
