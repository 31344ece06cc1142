// No test file is left out of a whole run but what needs another kernel, and none runs twice in it.
import assert from "node:assert/strict";
import { test } from "node:test";
import { allTests, chooseTests, computing, KINDS, others, sharing } from "./tests.mjs";

/** @param {readonly import("./tests.mjs").Kind[]} kinds */
const ofKinds = (...kinds) => chooseTests([], kinds).tests;
const files = (/** @type {import("./tests.mjs").TestFile[]} */ tests) => tests.map(({ file }) => file).sort();

test("every file is of one kind", () => {
  const kinds = /** @type {const} */ ([...KINDS, "vm"]);
  assert.deepEqual(files(kinds.flatMap((kind) => ofKinds(kind))), files(allTests()));
  for (const kind of KINDS.filter((kind) => kind !== "lab")) assert.ok(ofKinds(kind).length > 0, kind);
});

test("those that compute and the others are all, however they are dealt to processes", () => {
  const tests = ofKinds("unit", "bundle");
  assert.ok(computing(tests).flat().length > 100 && others(tests).length > 50);
  assert.deepEqual([...computing(tests), ...others(tests)].flat().sort(), files(tests));
  assert.deepEqual(sharing(tests).flat().sort(), files(tests));
});

test("what needs a machine with another kernel is in no run unless it is asked for", () => {
  const inMachine = allTests().filter(({ kind }) => kind === "vm");
  assert.ok(inMachine.length > 0 && inMachine.every(({ source }) => source.includes(".vm.test.")));
  for (const { source } of inMachine) {
    assert.deepEqual(chooseTests([source]).tests, []);
    assert.deepEqual(
      chooseTests([source], ["vm"]).tests.map((one) => one.source),
      [source],
    );
  }
});
