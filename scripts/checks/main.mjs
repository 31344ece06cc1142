// Style, code and type check, bundles and every test, in that order; the exit code is 0 only when all of it held.
import { isReady, VERSIONS } from "../nodes/install.mjs";
import { optionsOf } from "./command-line.mjs";
import { faultsOf } from "./judgement.mjs";
import { parseOptions } from "./options.mjs";
import { runTests } from "./run.mjs";
import { step } from "./steps.mjs";
import { chooseTests } from "./tests.mjs";

/** Milliseconds for one test file. */
const LIMIT = 240_000;
const SLOWEST_SHOWN = 5;

const { requireAll, kinds, parts, isWhole } = optionsOf("test", () => parseOptions(process.argv.slice(2), process.env));

/** @param {string[]} faults what did not hold, in words */
function end(faults) {
  for (const fault of faults) process.stdout.write(`test: FAILED: ${fault}\n`);
  process.exit(faults.length === 0 ? 0 : 1);
}

const style = step("style", "node_modules/.bin/biome", [
  "ci",
  `--colors=${process.stdout.isTTY ? "force" : "off"}`,
  ".",
]);
const code = step("code", process.execPath, ["scripts/checks/code/main.mjs"]);
// Always: what was built before is not what would be judged.
const built =
  step("types", "node_modules/.bin/tsc", ["-b"]) &&
  step("socket addon", process.execPath, ["scripts/native/build.mjs"]) &&
  (kinds.every((kind) => kind === "unit") || step("bundles", process.execPath, ["esbuild.config.mjs"]));
if (!built) end(["types or bundles failed (see above): no test was run, it would judge what was built before"]);

const chosen = chooseTests(parts, kinds);
const outcome = await runTests(chosen.files, { timeout: LIMIT });
for (const { file, seconds } of outcome.took.slice(0, SLOWEST_SHOWN)) {
  process.stdout.write(`test: ${seconds.toFixed(1).padStart(5)} s ${file}\n`);
}

/** Only when nothing was chosen: whoever looks for one fault wants to know soon. @returns {boolean} */
function holdsOnOtherNodes() {
  const absent = VERSIONS.filter((version) => !isReady(version));
  if (!isWhole) return true;
  if (absent.length === 0) {
    const more = requireAll ? ["--require-all"] : [];
    return step("other versions of Node", process.execPath, ["scripts/nodes/main.mjs", ...more]);
  }
  chosen.skipped.push(`Node ${absent.join(" and ")} is not set up: node scripts/nodes/prepare.mjs says why`);
  return true;
}
const onOtherNodes = holdsOnOtherNodes();
for (const reason of chosen.skipped) process.stdout.write(`test: skipped: ${reason}\n`);

const faults = [];
if (!style || !code) faults.push("style or code failed (see above)");
if (chosen.files.length === 0) faults.push("no test file matches");
else faults.push(...faultsOf(outcome, { requireAll }));
if (!onOtherNodes) faults.push("not everything holds on the other versions of Node (see above)");
if (requireAll && chosen.skipped.length > 0)
  faults.push(`skipped, but all were required: ${chosen.skipped.join("; ")}`);
end(faults);
