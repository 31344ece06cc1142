import assert from "node:assert/strict";
import { test } from "node:test";
import { SimulatedClock } from "../../hal/clock/simulated.ts";
import type { Machine } from "./machine.ts";
import { Runner } from "./runner.ts";
import { type Instant, instant, milliseconds } from "./time.ts";

/** Says each event, and asks to be polled at each number it was given. */
class Echo implements Machine<string | number, string> {
  readonly #due: number[] = [];

  receive(_now: Instant, event: string | number): readonly string[] {
    if (typeof event === "number") this.#due.push(event);
    return [`<${event}`, `>${event}`];
  }

  poll(now: Instant): readonly string[] {
    const ripe = this.#due.filter((at) => at <= now);
    for (const at of ripe) this.#due.splice(this.#due.indexOf(at), 1);
    return ripe.map((at) => `polled ${at}`);
  }

  nextDeadline(): Instant | undefined {
    return this.#due.length === 0 ? undefined : instant(Math.min(...this.#due));
  }
}

test("an event fed while effects are applied waits until they are", () => {
  const log: string[] = [];
  const runner: Runner<string | number, string> = new Runner(new SimulatedClock(), new Echo(), (effect) => {
    log.push(effect);
    if (effect === "<a") runner.feed("b");
  });
  runner.feed("a");
  assert.deepEqual(log, ["<a", ">a", "<b", ">b"]);
});

test("one alarm follows the machine's next deadline", () => {
  const clock = new SimulatedClock();
  const log: string[] = [];
  const runner = new Runner(clock, new Echo(), (effect) => log.push(effect));
  runner.feed(500);
  runner.feed(200);
  assert.equal(clock.nextAlarm(), 200);
  clock.run(milliseconds(1000));
  assert.deepEqual(log.slice(4), ["polled 200", "polled 500"]);
  assert.equal(clock.nextAlarm(), undefined);
});

test("a stopped runner neither rings nor hears", () => {
  const clock = new SimulatedClock();
  const log: string[] = [];
  const runner = new Runner(clock, new Echo(), (effect) => log.push(effect));
  runner.feed(500);
  runner.stop();
  runner.feed("late");
  clock.run(milliseconds(1000));
  assert.deepEqual(log, ["<500", ">500"]);
});

test("an apply that throws leaves the runner fit for the next event", () => {
  const log: string[] = [];
  const runner = new Runner(new SimulatedClock(), new Echo(), (effect) => {
    if (effect === "<bad") throw new Error("no such interface");
    log.push(effect);
  });
  assert.throws(() => runner.feed("bad"), /no such interface/);
  runner.feed("good");
  assert.deepEqual(log, ["<good", ">good"]);
});
