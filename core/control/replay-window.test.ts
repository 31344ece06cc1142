import assert from "node:assert/strict";
import { test } from "node:test";
import { Recent } from "./recent.ts";
import { REPLAY_WINDOW, ReplayWindow } from "./replay-window.ts";

test("the window agrees with a set that forgets nothing inside it", () => {
  let state = 11;
  const roll = (sides: number): number => {
    state = (state * 48_271) % 2_147_483_647;
    return state % sides;
  };
  const window = new ReplayWindow();
  const seen = new Set<number>();
  let highest = 0;
  for (let round = 0; round < 100_000; round++) {
    const jump = roll(50) === 0 ? roll(3 * REPLAY_WINDOW) : roll(8);
    const sequence = roll(2) === 0 ? highest + jump : Math.max(0, highest - roll(REPLAY_WINDOW + 50));
    const fresh = !seen.has(sequence) && sequence > highest - REPLAY_WINDOW;
    const expected = seen.size === 0 ? true : fresh;
    assert.equal(window.isFresh(sequence), expected, `round ${round}: ${sequence} with ${highest}`);
    if (!expected) continue;
    window.mark(sequence);
    seen.add(sequence);
    highest = Math.max(highest, sequence);
  }
});

test("numbers beyond 2^32 are told apart", () => {
  const window = new ReplayWindow();
  for (const sequence of [2 ** 32 - 1, 2 ** 32, 2 ** 40, 2 ** 53 - 1]) {
    assert.equal(window.isFresh(sequence), true);
    window.mark(sequence);
    assert.equal(window.isFresh(sequence), false);
  }
  assert.equal(window.isFresh(2 ** 32), false, "far below the window");
});

test("a cache forgets the least recently used entry, and counts it", () => {
  const cache = new Recent<string, number>(2);
  cache.set("a", 1);
  cache.set("b", 2);
  assert.equal(cache.get("a"), 1);
  cache.set("c", 3);
  assert.equal(cache.get("b"), undefined);
  assert.equal(cache.get("a"), 1);
  assert.equal(cache.size, 2);
  assert.equal(cache.forgotten, 1);
});

test("a cache for nothing is our own mistake", () => {
  assert.throws(() => new Recent(0), RangeError);
});
