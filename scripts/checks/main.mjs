// Type check, style check, bundles and every test, in that order; the exit code is 0 only when all of it held.
import { existsSync } from "node:fs";
import { runTests } from "./run.mjs";
import { step } from "./steps.mjs";
import { chooseTests } from "./tests.mjs";

const args = process.argv.slice(2);
const requireAll = args.includes("--require-all") || process.env.CI === "true";
const parts = args.filter((arg) => !arg.startsWith("--"));
const unknown = args.filter((arg) => arg.startsWith("--") && arg !== "--require-all");
if (unknown.length > 0) {
  process.stderr.write(
    `test: unknown option ${unknown.join(" ")}; usage: scripts/test [--require-all] [PART-OF-A-PATH...]\n`,
  );
  process.exit(64);
}

const checked = [
  step("types", "node_modules/.bin/tsc", ["-b"]),
  step("style", "node_modules/.bin/biome", ["ci", `--colors=${process.stdout.isTTY ? "force" : "off"}`, "."]),
  existsSync("dist") || step("bundles", "npm", ["run", "--silent", "build"]),
];

const chosen = chooseTests(parts);
const outcome = await runTests(chosen.files, { timeout: 240_000 });
for (const reason of chosen.skipped) process.stdout.write(`test: skipped: ${reason}\n`);

/** Captures from outside the repository are no part of it: without them their tests have nothing to read. */
const missed = outcome.skipped.filter((skipped) => !skipped.endsWith("the capture is not here"));

const faults = [];
if (checked.includes(false)) faults.push("types, style or bundles failed (see above)");
if (chosen.files.length === 0) faults.push("no test file matches");
if (outcome.failed > 0) faults.push(`${outcome.failed} tests failed`);
if (requireAll && missed.length > 0) faults.push(`skipped, but all were required: ${missed.join("; ")}`);
if (requireAll && chosen.skipped.length > 0)
  faults.push(`skipped, but all were required: ${chosen.skipped.join("; ")}`);
for (const fault of faults) process.stdout.write(`test: FAILED: ${fault}\n`);
process.exit(faults.length === 0 ? 0 : 1);
