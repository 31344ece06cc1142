import assert from "node:assert/strict";
import { test } from "node:test";
import { toHex } from "../base/bytes.ts";
import { acknowledgement, calendar, denial, grant, notice, SimulatedSettop } from "./settop.testkit.ts";

/** What the reception server would know: receptions that were opened and not closed. */
function ledger(
  simulated: SimulatedSettop,
  answering = true,
): { readonly live: Map<string, string>; readonly closed: string[] } {
  const live = new Map<string, string>();
  const closed: string[] = [];
  simulated.server = (message) => {
    if (message.type === "key.request") {
      const name = toHex(message.reception);
      if (closed.includes(name)) {
        if (answering) simulated.feed({ kind: "answer", message: denial(message, "reception.ended") });
        return;
      }
      live.set(name, message.channel);
      if (answering) simulated.feed({ kind: "answer", message: grant(message, [7]) });
    }
    if (message.type === "stop") {
      if (live.delete(toHex(message.reception))) closed.push(toHex(message.reception));
      if (answering) simulated.feed({ kind: "answer", message: acknowledgement(message) });
    }
  };
  return { live, closed };
}

/** An evening: two channels, a rekey, zaps, and the end. */
function evening(simulated: SimulatedSettop): void {
  simulated.feed({ kind: "broker", up: true });
  simulated.feed({ kind: "tune", channel: "one" });
  simulated.run(500);
  simulated.feed({ kind: "notice", notice: notice(simulated.now, "one", 8) });
  simulated.run(2500);
  simulated.feed({ kind: "zap", channel: "two" });
  simulated.run(100);
  simulated.feed({ kind: "tune", channel: "three" });
  simulated.run(100);
  simulated.feed({ kind: "zap", channel: "one", from: "two" });
  simulated.run(1000);
  simulated.feed({ kind: "quit" });
  simulated.run(1000);
}

function effectsOfAnEvening(answering: boolean): number {
  const simulated = new SimulatedSettop();
  ledger(simulated, answering);
  evening(simulated);
  return simulated.effects.length;
}

for (const answering of [true, false]) {
  const server = answering ? "answers" : "is silent";
  test(`whenever the power goes while the key server ${server}: no reception it knows of is forgotten`, () => {
    const steps = effectsOfAnEvening(answering);
    assert.ok(steps > 30);
    for (let step = 1; step <= steps; step++) {
      const simulated = new SimulatedSettop();
      const { live } = ledger(simulated, answering);
      simulated.fuse = step;
      evening(simulated);
      // The device comes back once more, and this time the server hears it.
      simulated.powerCut();
      for (const name of live.keys())
        assert.ok(
          simulated.journal.some(({ reception }) => toHex(reception) === name),
          `cut after effect ${step}: the journal has lost ${name}`,
        );
      const again = ledger(simulated);
      for (const [name, channel] of live) again.live.set(name, channel);
      simulated.feed({ kind: "broker", up: true });
      simulated.run(120_000);
      assert.deepEqual([...again.live.values()], [], `cut after effect ${step}`);
      assert.deepEqual(simulated.journal, [], `cut after effect ${step}`);
    }
  });
}

test("after a power cut every entry of the journal becomes a stop with cause power-lost, without an end it does not know", () => {
  const simulated = new SimulatedSettop().watching(7);
  const { reception } = simulated.lastRequest();
  simulated.run(10_000);
  simulated.powerCut();
  simulated.feed({ kind: "broker", up: true });
  const [stop] = simulated.stops();
  assert.ok(stop !== undefined);
  assert.deepEqual([stop.cause, stop.endedAgo, toHex(stop.reception)], ["power-lost", undefined, toHex(reception)]);
});

test("a stop that was pending when the power went is sent at the next start, and says when it was", () => {
  const simulated = new SimulatedSettop().watching(7);
  simulated.feed({ kind: "stop", channel: "one" });
  simulated.run(5000);
  simulated.powerCut();
  simulated.run(60_000);
  simulated.feed({ kind: "broker", up: true });
  const stop = simulated.stops().at(-1);
  assert.deepEqual([stop?.cause, stop?.endedAgo], ["power-lost", 65_000]);
  assert.ok(stop !== undefined);
  simulated.feed({ kind: "answer", message: acknowledgement(stop) });
  assert.deepEqual(simulated.journal, []);
});

test("a box whose calendar starts in the past again does not claim to know when the reception ended", () => {
  const simulated = new SimulatedSettop();
  const tomorrow = calendar.unix(simulated.now) + 86_400_000;
  simulated.journal = [{ reception: new Uint8Array(16).fill(3), channel: "one", ended: tomorrow as never }];
  simulated.powerCut();
  simulated.feed({ kind: "broker", up: true });
  assert.equal(simulated.stops()[0]?.endedAgo, undefined);
  assert.equal(simulated.stops()[0]?.cause, "power-lost");
});

test("a journal that cannot be written changes nothing while the device lives: the stop is still sent", () => {
  const simulated = new SimulatedSettop().watching(7);
  simulated.journal = [];
  simulated.feed({ kind: "stop", channel: "one" });
  assert.equal(simulated.stops().length, 1);
});

test("the journal is written when something changes, and not by repeats, rekeys or refreshes", () => {
  const simulated = new SimulatedSettop();
  ledger(simulated);
  simulated.feed({ kind: "broker", up: true });
  simulated.feed({ kind: "tune", channel: "one" });
  for (let epoch = 8; epoch < 40; epoch++) {
    simulated.feed({ kind: "notice", notice: notice(simulated.now, "one", epoch) });
    simulated.run(10_000);
  }
  assert.equal(simulated.kinds().filter((kind) => kind === "remember").length, 1);
  simulated.feed({ kind: "stop", channel: "one" });
  assert.equal(simulated.kinds().filter((kind) => kind === "remember").length, 2);
});
