import assert from "node:assert/strict";
import { test } from "node:test";
import { Recent } from "./recent.ts";

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
