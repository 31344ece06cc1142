import assert from "node:assert/strict";
import { test } from "node:test";
import { faultsOf } from "./judgement.mjs";

const HELD = { passed: 3, failed: 0, skipped: [], empty: [], unended: [], left: [] };
const optional = { requireAll: false };
const required = { requireAll: true };

test("a run in which every test passed has no fault", () => {
  assert.deepEqual(faultsOf(HELD, required), []);
});

test("a skipped test is a fault when all are required, told with its number and its reason", () => {
  const skipped = { ...HELD, skipped: ["a: no network", "b: no addon"] };
  assert.deepEqual(faultsOf(skipped, optional), []);
  assert.deepEqual(faultsOf(skipped, required), ["2 skipped, but all were required: a: no network; b: no addon"]);
});

test("a capture from outside the repository is not required", () => {
  assert.deepEqual(faultsOf({ ...HELD, skipped: ["a: the capture is not here"] }, required), []);
});

test("what tests leave in the temporary folder is a fault, unless one failed", () => {
  const found = { ...HELD, left: ["sealcast-store-abc"] };
  assert.deepEqual(faultsOf(found, optional), ["a test that passed left sealcast-store-abc in the temporary folder"]);
  assert.deepEqual(faultsOf({ ...found, failed: 1 }, optional), ["1 tests failed"]);
});

test("failed tests, files without a test or without an end, and a run of nothing are faults in any case", () => {
  const found = { ...HELD, failed: 2, empty: ["none.test.mjs"], unended: ["hangs.test.mjs"] };
  assert.deepEqual(faultsOf(found, optional), [
    "2 tests failed",
    "none.test.mjs has no test in it",
    "hangs.test.mjs did not come to its end",
  ]);
  assert.deepEqual(faultsOf({ ...HELD, passed: 0 }, optional), ["no test ran"]);
});
