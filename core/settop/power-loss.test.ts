import assert from "node:assert/strict";
import { test } from "node:test";
import { toHex } from "../base/bytes.ts";
import { acknowledgement, calendar, denial, grant, notice, Rig } from "./settop.testkit.ts";

/** What the reception server would know: receptions that were opened and not closed. */
function ledger(rig: Rig, answering = true): { readonly live: Map<string, string>; readonly closed: string[] } {
  const live = new Map<string, string>();
  const closed: string[] = [];
  rig.server = (message) => {
    if (message.type === "key.request") {
      const name = toHex(message.reception);
      if (closed.includes(name)) {
        if (answering) rig.feed({ kind: "answer", message: denial(message, "reception.ended") });
        return;
      }
      live.set(name, message.channel);
      if (answering) rig.feed({ kind: "answer", message: grant(message, [7]) });
    }
    if (message.type === "stop") {
      if (live.delete(toHex(message.reception))) closed.push(toHex(message.reception));
      if (answering) rig.feed({ kind: "answer", message: acknowledgement(message) });
    }
  };
  return { live, closed };
}

/** An evening: two channels, a rekey, zaps, and the end. */
function evening(rig: Rig): void {
  rig.feed({ kind: "broker", up: true });
  rig.feed({ kind: "tune", channel: "one" });
  rig.run(500);
  rig.feed({ kind: "notice", notice: notice(rig.now, "one", 8) });
  rig.run(2500);
  rig.feed({ kind: "zap", channel: "two" });
  rig.run(100);
  rig.feed({ kind: "tune", channel: "three" });
  rig.run(100);
  rig.feed({ kind: "zap", channel: "one", from: "two" });
  rig.run(1000);
  rig.feed({ kind: "quit" });
  rig.run(1000);
}

function effectsOfAnEvening(answering: boolean): number {
  const rig = new Rig();
  ledger(rig, answering);
  evening(rig);
  return rig.effects.length;
}

for (const answering of [true, false]) {
  const server = answering ? "answers" : "is silent";
  test(`whenever the power goes while the key server ${server}: no reception it knows of is forgotten`, () => {
    const steps = effectsOfAnEvening(answering);
    assert.ok(steps > 30);
    for (let step = 1; step <= steps; step++) {
      const rig = new Rig();
      const { live } = ledger(rig, answering);
      rig.fuse = step;
      evening(rig);
      // The device comes back once more, and this time the server hears it.
      rig.powerCut();
      for (const name of live.keys())
        assert.ok(
          rig.journal.some(({ reception }) => toHex(reception) === name),
          `cut after effect ${step}: the journal has lost ${name}`,
        );
      const again = ledger(rig);
      for (const [name, channel] of live) again.live.set(name, channel);
      rig.feed({ kind: "broker", up: true });
      rig.run(120_000);
      assert.deepEqual([...again.live.values()], [], `cut after effect ${step}`);
      assert.deepEqual(rig.journal, [], `cut after effect ${step}`);
    }
  });
}

test("after a power cut every entry of the journal becomes a stop with cause power-lost, without an end it does not know", () => {
  const rig = new Rig().watching(7);
  const { reception } = rig.lastRequest();
  rig.run(10_000);
  rig.powerCut();
  rig.feed({ kind: "broker", up: true });
  const [stop] = rig.stops();
  assert.ok(stop !== undefined);
  assert.deepEqual([stop.cause, stop.endedAgo, toHex(stop.reception)], ["power-lost", undefined, toHex(reception)]);
});

test("a stop that was pending when the power went is sent at the next start, and says when it was", () => {
  const rig = new Rig().watching(7);
  rig.feed({ kind: "stop", channel: "one" });
  rig.run(5000);
  rig.powerCut();
  rig.run(60_000);
  rig.feed({ kind: "broker", up: true });
  const stop = rig.stops().at(-1);
  assert.deepEqual([stop?.cause, stop?.endedAgo], ["power-lost", 65_000]);
  assert.ok(stop !== undefined);
  rig.feed({ kind: "answer", message: acknowledgement(stop) });
  assert.deepEqual(rig.journal, []);
});

test("a box whose calendar starts in the past again does not claim to know when the reception ended", () => {
  const rig = new Rig();
  const tomorrow = calendar.unix(rig.now) + 86_400_000;
  rig.journal = [{ reception: new Uint8Array(16).fill(3), channel: "one", ended: tomorrow as never }];
  rig.powerCut();
  rig.feed({ kind: "broker", up: true });
  assert.equal(rig.stops()[0]?.endedAgo, undefined);
  assert.equal(rig.stops()[0]?.cause, "power-lost");
});

test("a journal that cannot be written changes nothing while the device lives: the stop is still sent", () => {
  const rig = new Rig().watching(7);
  rig.journal = [];
  rig.feed({ kind: "stop", channel: "one" });
  assert.equal(rig.stops().length, 1);
});

test("the journal is written when something changes, and not by repeats, rekeys or refreshes", () => {
  const rig = new Rig();
  ledger(rig);
  rig.feed({ kind: "broker", up: true });
  rig.feed({ kind: "tune", channel: "one" });
  for (let epoch = 8; epoch < 40; epoch++) {
    rig.feed({ kind: "notice", notice: notice(rig.now, "one", epoch) });
    rig.run(10_000);
  }
  assert.equal(rig.kinds().filter((kind) => kind === "remember").length, 1);
  rig.feed({ kind: "stop", channel: "one" });
  assert.equal(rig.kinds().filter((kind) => kind === "remember").length, 2);
});
