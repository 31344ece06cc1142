import assert from "node:assert/strict";
import { test } from "node:test";
import { indexOf, nearestIndex } from "./packet-index.ts";

test("RFC 3711 Appendix A: the guess stays in the turn, enters the next, or falls back to the one before", () => {
  assert.equal(nearestIndex(indexOf(5, 1000), 1001), indexOf(5, 1001));
  assert.equal(nearestIndex(indexOf(5, 65535), 0), indexOf(6, 0));
  assert.equal(nearestIndex(indexOf(6, 0), 65535), indexOf(5, 65535));
  assert.equal(nearestIndex(indexOf(5, 40000), 7000), indexOf(6, 7000));
  assert.equal(nearestIndex(indexOf(5, 40000), 8000), indexOf(5, 8000));
});

test("the guess is never further away than half a turn, and is right for every distance below that", () => {
  for (let base = indexOf(3, 0); base < indexOf(4, 0); base += 977) {
    for (const distance of [-32767, -1024, -1, 0, 1, 1024, 32767]) {
      const index = base + distance;
      assert.equal(nearestIndex(base, index % 0x10000), index);
    }
  }
});

test("before the first turn the guess is negative, not huge", () => {
  assert.ok(nearestIndex(10, 65530) < 0);
});
