import assert from "node:assert/strict";
import { test } from "node:test";
import { instant, milliseconds, seconds } from "../../core/base/time.ts";
import { clockContract } from "./contract.testkit.ts";
import { SimulatedClock } from "./simulated.ts";
import { systemClock } from "./system.ts";

clockContract(
  "system clock",
  systemClock,
  (span) => new Promise((resolve) => void systemClock.alarm(instant(systemClock.now() + span), resolve)),
);

const simulated = new SimulatedClock();
clockContract("simulated clock", simulated, async (span) => simulated.run(span));

test("simulated alarms ring in order of time, equals in the order they were set, nested ones too", () => {
  const clock = new SimulatedClock();
  const log: string[] = [];
  for (const [at, name] of [
    [30, "c"],
    [10, "a"],
    [20, "b1"],
    [20, "b2"],
  ] as const)
    clock.alarm(instant(at), () => log.push(`${clock.now()} ${name}`));
  clock.alarm(instant(15), () => clock.alarm(instant(17), () => log.push(`${clock.now()} nested`)));
  clock.run(seconds(1));
  assert.deepEqual(log, ["10 a", "17 nested", "20 b1", "20 b2", "30 c"]);
  assert.equal(clock.now(), 1000);
});

test("a step of the simulated calendar moves unix time and leaves the monotonic clock alone", () => {
  const clock = new SimulatedClock();
  const before = clock.unix(clock.now());
  clock.stepCalendar(-5000);
  assert.equal(clock.unix(clock.now()), before - 5000);
  clock.run(milliseconds(1));
  assert.equal(clock.now(), 1);
});
