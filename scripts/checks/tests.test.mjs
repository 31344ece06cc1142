// No test file is left out of a whole run, and none runs twice in it.
import assert from "node:assert/strict";
import { test } from "node:test";
import { chooseTests, computing, KINDS, others, sharing } from "./tests.mjs";

/** @param {readonly import("./tests.mjs").Kind[]} kinds */
const ofKinds = (...kinds) => chooseTests([], kinds).tests;
const files = (/** @type {import("./tests.mjs").TestFile[]} */ tests) => tests.map(({ file }) => file).sort();

test("every file is of one kind", () => {
  assert.deepEqual(files(KINDS.flatMap((kind) => ofKinds(kind))), files(ofKinds(...KINDS)));
  for (const kind of KINDS.filter((kind) => kind !== "lab")) assert.ok(ofKinds(kind).length > 0, kind);
});

test("those that compute and the others are all, however they are dealt to processes", () => {
  const tests = ofKinds("unit", "bundle");
  assert.ok(computing(tests).flat().length > 100 && others(tests).length > 50);
  assert.deepEqual([...computing(tests), ...others(tests)].flat().sort(), files(tests));
  assert.deepEqual(sharing(tests).flat().sort(), files(tests));
});
