import assert from "node:assert/strict";
import { test } from "node:test";
import { KeyRing } from "./key-ring.ts";
import type { Transform } from "./transform.ts";

/** A transform that tells when its key is overwritten. */
const transformOf = (name: number, erased: number[]): Transform => ({
  seal: () => assert.fail(),
  open: () => assert.fail(),
  erase: () => erased.push(name),
});

function ringOf(...epochs: readonly number[]) {
  const erased: number[] = [];
  const ring = new KeyRing();
  for (const epoch of epochs) ring.install(epoch, transformOf(epoch, erased));
  return { ring, erased, slots: () => [0, 1, 2].map((slot) => ring.epochAt(slot)) };
}

test("epochs stand in the order of their age, however they come", () => {
  assert.deepEqual(ringOf(8, 7, 9).slots(), [7, 8, 9]);
});

test("a fourth epoch is the owner's mistake: nothing of it stays, nothing of the others goes", () => {
  const { ring, erased, slots } = ringOf(7, 8, 9);
  assert.throws(() => ring.install(6, transformOf(6, erased)), /epoch 6 would be one too many beside 7,8,9/);
  assert.deepEqual([slots(), erased], [[7, 8, 9], [6]]);
});

test("what is retired, replaced or cleared is overwritten, once", () => {
  const { ring, erased, slots } = ringOf(7, 8, 9);
  ring.retire(8);
  ring.retire(8);
  assert.deepEqual([slots(), erased.splice(0)], [[7, 9, undefined], [8]]);
  ring.install(9, transformOf(90, erased));
  assert.deepEqual(erased.splice(0), [9]);
  ring.clear();
  assert.deepEqual([ring.size, erased], [0, [7, 90]]);
});
