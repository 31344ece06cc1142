// The one place that knows which epochs are held, against what the design says of it.
import assert from "node:assert/strict";
import { test } from "node:test";
import { fuzz } from "../base/fuzz.testkit.ts";
import { instant, seconds } from "../base/time.ts";
import { LIVE_EPOCHS } from "../stream/key-ring.ts";
import { HeldEpochs } from "./held-epochs.ts";

function holding(...epochs: readonly number[]): HeldEpochs {
  const held = new HeldEpochs();
  held.grant(epochs);
  return held;
}

test("an older epoch is held for one overlap from the first packet under a newer one, not from a later one", () => {
  const held = holding(6, 7, 8);
  held.switchedTo(instant(1000), 7, seconds(2));
  held.switchedTo(instant(2000), 7, seconds(2));
  assert.equal(held.nextDeadline(), 3000);
  assert.deepEqual(held.expire(instant(2999)), []);
  assert.deepEqual([held.expire(instant(3000)), held.epochs], [[6], [7, 8]]);
  assert.equal(held.nextDeadline(), undefined);
});

test("after a new beginning of the sender nothing older is held, not for what is left of an overlap either", () => {
  const held = holding(6, 7, 8);
  held.switchedTo(instant(0), 7, seconds(2));
  held.beganAnew(instant(1), 8);
  assert.deepEqual([held.expire(instant(1)), held.epochs], [[6, 7], [8]]);
});

const HELD = "of any grants all that is granted is held, of the rest the newest that fit, and each change is told once";

fuzz(HELD, { seed: 5, rounds: 10_000 }, ({ below, rounds }) => {
  const held = new HeldEpochs();
  const installed = new Set<number>();
  for (let n = 0; n < rounds; n++) {
    const first = below(40);
    const granted = Array.from({ length: 1 + below(LIVE_EPOCHS) }, (_, i) => first + i);
    const others = held.epochs.filter((epoch) => !granted.includes(epoch));
    const kept = others.slice(Math.max(0, others.length + granted.length - LIVE_EPOCHS));
    const change = held.grant(granted);
    for (const epoch of change.dropped) assert.ok(installed.delete(epoch));
    for (const epoch of change.installed) assert.ok(!installed.has(epoch) && installed.add(epoch));
    assert.deepEqual(
      held.epochs,
      [...kept, ...granted].sort((a, b) => a - b),
    );
    assert.deepEqual(
      [...installed].sort((a, b) => a - b),
      held.epochs,
    );
  }
});
