import assert from "node:assert/strict";
import { test } from "node:test";
import { fuzz } from "./fuzz.testkit.ts";
import { ReplayWindow, WINDOW } from "./replay-window.ts";

/** The slow obvious model: everything ever accepted. */
class Model {
  readonly #seen = new Set<number>();
  #highest = -1;

  check(index: number): string {
    if (index <= this.#highest - WINDOW) return "too-old";
    return this.#seen.has(index) ? "replayed" : "fresh";
  }

  accept(index: number): void {
    this.#seen.add(index);
    this.#highest = Math.max(this.#highest, index);
  }
}

const AGREES = "the window agrees with a set of everything accepted, over indices that jump, repeat and come late";

fuzz(AGREES, { seed: 20021117, rounds: 200_000 }, ({ below, rounds }) => {
  const window = new ReplayWindow();
  const model = new Model();
  let base = 2 ** 47 - 500_000;
  for (let i = 0; i < rounds; i++) {
    const step = below(100);
    if (step < 2) base += below(3 * WINDOW);
    else if (step < 60) base += 1;
    const index = step < 70 ? base : base - below(2 * WINDOW);
    const verdict = window.check(index);
    assert.equal(verdict, model.check(index), `index ${index} in step ${i}`);
    if (verdict !== "fresh") continue;
    window.accept(index);
    model.accept(index);
  }
});

test("a check moves nothing", () => {
  const window = new ReplayWindow();
  window.accept(5);
  assert.equal(window.check(9_000_000), "fresh");
  assert.equal(window.check(5), "replayed");
  assert.equal(window.highest, 5);
});

test("numbers beyond 2^32 are told apart", () => {
  const window = new ReplayWindow();
  for (const index of [2 ** 32 - 1, 2 ** 32, 2 ** 40, 2 ** 53 - 1]) {
    assert.equal(window.check(index), "fresh");
    window.accept(index);
    assert.equal(window.check(index), "replayed");
  }
  assert.equal(window.check(2 ** 32), "too-old", "far below the window");
});
