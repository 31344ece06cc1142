import assert from "node:assert/strict";
import { test } from "node:test";
import { parseOptions, secondsOf } from "./options.mjs";

test("a time has a number and a unit", () => {
  assert.deepEqual(["90s", "10m", "1.5h"].map(secondsOf), [90, 600, 5400]);
  assert.deepEqual(["", "10", "m", "1d", "-1s"].map(secondsOf), Array(5).fill(undefined));
});

test("the command line of the fuzzing, and clear words for what it does not know", () => {
  assert.deepEqual(parseOptions([]), { seconds: 60, seed: undefined, parts: [] });
  assert.deepEqual(parseOptions(["--for", "10m", "igmp"]), { seconds: 600, seed: undefined, parts: ["igmp"] });
  assert.deepEqual(parseOptions(["--seed", "4711"]), { seconds: 60, seed: "4711", parts: [] });
  assert.throws(() => parseOptions(["--for", "ever"]), /--for takes a time as 90s, 10m or 2h, not "ever"\nusage/);
  assert.throws(() => parseOptions(["--seed", "x"]), /--seed takes a whole number/);
  assert.throws(() => parseOptions(["--nonsense"]), /--nonsense[\s\S]*usage: npm run fuzz/);
});
