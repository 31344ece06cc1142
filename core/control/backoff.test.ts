import assert from "node:assert/strict";
import { test } from "node:test";
import { seconds } from "../base/time.ts";
import type { Entropy } from "../ports/entropy.ts";
import { repeatWait } from "./backoff.ts";

/** Dice that always fall at this part of the range. */
const loaded = (part: number): Entropy => ({
  bytes: (length) => new Uint8Array(length),
  below: (limit) => part * limit,
});

const waits = (part: number): readonly number[] =>
  [1, 2, 3, 4, 5, 6, 7, 1_000_000].map((sent) => repeatWait(loaded(part), sent, seconds(30)));

test("the highest throw: 1.3 s, then doubled from 2 s on up to the longest wait", () => {
  assert.deepEqual(waits(1), [1300, 2000, 4000, 8000, 16_000, 30_000, 30_000, 30_000]);
});

test("a throw in the middle is half the range: full jitter", () => {
  assert.deepEqual(waits(0.5), [1000, 1000, 2000, 4000, 8000, 15_000, 15_000, 15_000]);
});

test("the lowest throw: 0.7 s, and never less than 0.2 s later on", () => {
  assert.deepEqual(waits(0), [700, 200, 200, 200, 200, 200, 200, 200]);
});
