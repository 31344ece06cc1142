import assert from "node:assert/strict";
import { test } from "node:test";
import { Afterwards } from "./afterwards.ts";

/** What was done, and the ends of turns that are asked for. */
function bench() {
  const done: number[] = [];
  const turns: (() => void)[] = [];
  const afterwards = new Afterwards<number>(
    (work) => turns.push(work),
    (effect) => done.push(effect),
    (effect) => effect < 0,
  );
  return { afterwards, done, turns };
}

test("what is added waits for the end of the turn, and comes about in order", () => {
  const { afterwards, done, turns } = bench();
  for (const effect of [1, 2, 3]) afterwards.add(effect);
  assert.deepEqual(done, []);
  assert.equal(turns.length, 1);
  for (const end of turns) end();
  assert.deepEqual(done, [1, 2, 3]);
});

test("what is pressing comes before the rest, in order too", () => {
  const { afterwards, done } = bench();
  for (const effect of [1, -1, 2, -2]) afterwards.add(effect);
  afterwards.finish();
  assert.deepEqual(done, [-1, -2, 1, 2]);
});

test("who wants to know how things stand finishes it first, and nothing comes about twice", () => {
  const { afterwards, done, turns } = bench();
  afterwards.add(1);
  afterwards.finish();
  assert.deepEqual(done, [1]);
  for (const end of turns) end();
  assert.deepEqual(done, [1]);
});

test("a flood does not fill the memory: beyond 1,024 nothing waits", () => {
  const { afterwards, done } = bench();
  for (let effect = 0; effect < 1030; effect++) afterwards.add(effect);
  assert.equal(done.length, 1024);
});
