import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { test } from "node:test";

for (const [script, name] of [
  ["scripts/checks/main.mjs", "test"],
  ["scripts/fuzz/main.mjs", "fuzz"],
  ["scripts/show/main.mjs", "demo"],
]) {
  test(`${script} says what it does not know, and ends with 64`, () => {
    const { status, stdout, stderr } = spawnSync(process.execPath, [script ?? "", "--nonsense"], { encoding: "utf8" });
    assert.deepEqual([status, stdout], [64, ""]);
    assert.match(stderr, new RegExp(`^${name}: .*--nonsense[\\s\\S]*usage: `));
  });
}
