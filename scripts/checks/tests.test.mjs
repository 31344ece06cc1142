import assert from "node:assert/strict";
import { test } from "node:test";
import { allTests, chooseTests } from "./tests.mjs";

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
