// npm run fuzz [-- --for 10m | --seed N | --rounds N [--seed N]] [PART-OF-A-PATH...]: the fuzz tests with new seeds, the time shared
// among all of them. What is found is told with its seed; --seed N runs that one alone. --rounds N: so many rounds of each test, from
// its own seed on or from N, the same in every run.
import { readFileSync } from "node:fs";
import { availableParallelism } from "node:os";
import { optionsOf } from "../checks/command-line.mjs";
import { runTests } from "../checks/run.mjs";
import { step } from "../checks/steps.mjs";
import { apart, chooseTests } from "../checks/tests.mjs";
import { parseOptions } from "./options.mjs";

/** Milliseconds that a file may take beyond its share: the last pass of each test is finished. */
const MARGIN = 120_000;
const NAME = /^fuzz: /;

/** How often `fuzz(` is called in a test file; in a loop it may be more often, so that a share is an upper bound. */
const callsIn = (/** @type {string} */ source) => readFileSync(source, "utf8").match(/^(?: {2})?fuzz\(/gm)?.length ?? 0;

const { seconds, seed, rounds, parts } = optionsOf("fuzz", () => parseOptions(process.argv.slice(2)));
if (!step("types", "node_modules/.bin/tsc", ["-b"])) process.exit(1);
const chosen = chooseTests(parts).tests.filter(({ source }) => callsIn(source) > 0);
if (chosen.length === 0) {
  process.stderr.write("fuzz: no fuzz test matches\n");
  process.exit(64);
}

if (seed !== undefined) process.env.SEALCAST_FUZZ_SEED = seed;
const files = apart(chosen);
if (rounds !== undefined) {
  process.env.SEALCAST_FUZZ_ROUNDS = rounds;
  const { failed } = await runTests(files, { timeout: Number.POSITIVE_INFINITY, only: NAME });
  process.exit(failed === 0 ? 0 : 1);
}

// The first passes say how many fuzz tests there really are.
process.env.SEALCAST_FUZZ_FOR = "0";
const begin = performance.now();
const first = await runTests(files, { timeout: MARGIN, only: NAME });
const left = seconds - (performance.now() - begin) / 1000;
const share = (left * availableParallelism()) / first.passed;
if (seed === undefined && first.failed === 0 && share > 0) {
  process.stdout.write(`fuzz: ${first.passed} tests, ${share.toFixed(1)} s each\n`);
  process.env.SEALCAST_FUZZ_FOR = String(share);
  const { failed } = await runTests(files, { timeout: seconds * 1000 + MARGIN, only: NAME });
  process.exit(failed === 0 ? 0 : 1);
}
process.exit(first.failed === 0 ? 0 : 1);
