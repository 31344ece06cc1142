import assert from "node:assert/strict";
import { test } from "node:test";
import { Backoff, type Chance, doubled, exactly, type Schedule, waitAfter } from "./backoff.ts";
import { instant, milliseconds, seconds } from "./time.ts";

/** Draws always this part of what is possible. */
const part = (of: number): Chance => ({ below: (limit) => of * limit });
const never: Chance = { below: () => assert.fail("something was drawn") };

const FAILURES = [0, 1, 2, 3, 4, 5, 6, 1_000_000];
const waits = (schedule: Schedule, chance: Chance): readonly number[] =>
  FAILURES.map((failures) => waitAfter(schedule, failures, chance));

test("doubled: 1, 2, 4 ... up to the most, however often", () => {
  const spans = FAILURES.map((times) => doubled(seconds(1), times, seconds(30)));
  assert.deepEqual(spans, [1000, 2000, 4000, 8000, 16_000, 30_000, 30_000, 30_000]);
});

test("exactly: the span itself, and nothing is drawn", () => {
  const schedule = { first: seconds(1), ceiling: seconds(30), range: exactly };
  assert.deepEqual(waits(schedule, never), [1000, 2000, 4000, 8000, 16_000, 30_000, 30_000, 30_000]);
});

test("a range from half of the span on: half is certain, half is drawn", () => {
  const schedule: Schedule = {
    first: milliseconds(250),
    ceiling: seconds(4),
    range: (span) => ({ from: milliseconds(span / 2), to: span }),
  };
  assert.deepEqual(waits(schedule, part(0)), [125, 250, 500, 1000, 2000, 2000, 2000, 2000]);
  assert.deepEqual(waits(schedule, part(1)), [250, 500, 1000, 2000, 4000, 4000, 4000, 4000]);
});

test("a range of its own for the first wait, and no wait shorter than the least", () => {
  const schedule: Schedule = {
    first: seconds(1),
    ceiling: seconds(30),
    range: (span, failures) => ({ from: milliseconds(failures === 0 ? 700 : 0), to: span }),
    least: milliseconds(200),
  };
  assert.deepEqual(waits(schedule, part(0)).slice(0, 3), [700, 200, 200]);
  assert.deepEqual(waits(schedule, part(0.5)).slice(0, 3), [850, 1000, 2000]);
});

const LASTING = { first: seconds(1), ceiling: seconds(60), range: exactly, lasting: seconds(10) };

/** Tries that work for so many seconds each (0: not at all), each after its wait: the waits. */
function waitsBetween(backoff: Backoff, lives: readonly number[]): readonly number[] {
  let now = 0;
  return lives.map((life) => {
    if (life > 0) backoff.works(instant(now));
    now += 1000 * life;
    const wait = backoff.failed(instant(now), never);
    now += wait;
    return wait / 1000;
  });
}

test("what works for a moment is one more failure; what lasts longer than is asked begins anew", () => {
  assert.deepEqual(waitsBetween(new Backoff(LASTING), [0, 1, 10, 10.001, 0]), [1, 2, 4, 1, 2]);
});

test("what lasts no longer than it was waited for is no success either", () => {
  assert.deepEqual(waitsBetween(new Backoff(LASTING), [0, 0, 0, 0, 0, 15, 31, 33]), [1, 2, 4, 8, 16, 32, 60, 60]);
  assert.deepEqual(waitsBetween(new Backoff(LASTING), [0, 0, 0, 0, 0, 15, 33]), [1, 2, 4, 8, 16, 32, 1]);
});

test("what worked once, long ago, shortens no wait of what has failed since", () => {
  assert.deepEqual(waitsBetween(new Backoff(LASTING), [100, 0, 0, 0]), [1, 2, 4, 8]);
});

test("where nothing counts as a success the waits only grow", () => {
  const { lasting: _, ...schedule } = LASTING;
  assert.deepEqual(waitsBetween(new Backoff(schedule), [1000, 1000, 1000]), [1, 2, 4]);
});
