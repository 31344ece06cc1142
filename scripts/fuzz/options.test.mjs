import assert from "node:assert/strict";
import { test } from "node:test";
import { parseOptions, secondsOf } from "./options.mjs";

test("a time has a number and a unit", () => {
  assert.deepEqual(["90s", "10m", "1.5h"].map(secondsOf), [90, 600, 5400]);
  assert.deepEqual(["", "10", "m", "1d", "-1s"].map(secondsOf), Array(5).fill(undefined));
});

test("the command line of the fuzzing, and clear words for what it does not know", () => {
  assert.deepEqual(parseOptions([]), { seconds: 60, seed: undefined, rounds: undefined, parts: [] });
  assert.deepEqual(parseOptions(["--for", "10m", "igmp"]), {
    seconds: 600,
    seed: undefined,
    rounds: undefined,
    parts: ["igmp"],
  });
  assert.deepEqual(parseOptions(["--seed", "4711"]), { seconds: 60, seed: "4711", rounds: undefined, parts: [] });
  const million = ["--rounds", "1000000", "router/mutations"];
  const asked = { seconds: 60, seed: undefined, rounds: "1000000", parts: ["router/mutations"] };
  assert.deepEqual(parseOptions(million), asked);
  assert.throws(() => parseOptions(["--rounds", "1e6"]), /--rounds takes a whole number, not "1e6"/);
  assert.throws(() => parseOptions(["--rounds", "1", "--for", "1m"]), /--for or --rounds/);
  assert.throws(() => parseOptions(["--for", "ever"]), /--for takes a time as 90s, 10m or 2h, not "ever"\nusage/);
  assert.throws(() => parseOptions(["--seed", "x"]), /--seed takes a whole number/);
  assert.throws(() => parseOptions(["--nonsense"]), /--nonsense[\s\S]*usage: npm run fuzz/);
});
