// Types and bundles, then style, code and every test; the exit code is 0 only when all of it held.
import { isReady, VERSIONS } from "../nodes/install.mjs";
import { optionsOf } from "./command-line.mjs";
import { faultsOf } from "./judgement.mjs";
import { parseOptions } from "./options.mjs";
import { runTests, together } from "./run.mjs";
import { step, stepBeside } from "./steps.mjs";
import { apart, chooseTests, sharing } from "./tests.mjs";

/** Milliseconds for one test file. */
const LIMIT = 240_000;
/** Files of the lab: each needs a sixth of a core in the mean, and a whole one when its programs start. */
const LAB_AT_ONCE = 4;
const SLOWEST_SHOWN = 5;

const { requireAll, kinds, parts, isWhole } = optionsOf("test", () => parseOptions(process.argv.slice(2), process.env));

/** @param {string[]} faults what did not hold, in words */
function end(faults) {
  for (const fault of faults) process.stdout.write(`test: FAILED: ${fault}\n`);
  process.exit(faults.length === 0 ? 0 : 1);
}

// Always: what was built before is not what would be judged.
const built =
  step("types", "node_modules/.bin/tsc", ["-b"]) &&
  step("socket addon", process.execPath, ["scripts/native/build.mjs"]) &&
  (kinds.every((kind) => kind === "unit") || step("bundles", process.execPath, ["esbuild.config.mjs"]));
if (!built) end(["types or bundles failed (see above): no test was run, it would judge what was built before"]);

const chosen = chooseTests(parts, kinds);
if (chosen.tests.length === 0) end([...chosen.skipped, "no test file matches"]);
const ofLab = chosen.tests.filter(({ kind }) => kind === "lab");
const others = chosen.tests.filter(({ kind }) => kind !== "lab");

/** @returns {Promise<boolean>} */
async function holdsStyle() {
  const color = `--colors=${process.stdout.isTTY ? "force" : "off"}`;
  const [style, code] = await Promise.all([
    stepBeside("style", "node_modules/.bin/biome", ["ci", color, "."]),
    stepBeside("code", process.execPath, ["scripts/checks/code/main.mjs"]),
  ]);
  return style && code;
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

const style = await holdsStyle();
// The lab by itself: a viewer that does not get the processor for a tenth of a second loses packets, as on a machine that is too small.
const outcomeOfLab = await runTests(apart(ofLab), { timeout: LIMIT, atOnce: LAB_AT_ONCE });
const outcomeOfOthers = await runTests(sharing(others), { timeout: LIMIT });
const onOtherNodes = holdsOnOtherNodes();
const outcome = together(outcomeOfLab, outcomeOfOthers);
for (const { file, seconds } of outcome.took.slice(0, SLOWEST_SHOWN)) {
  process.stdout.write(`test: ${seconds.toFixed(1).padStart(5)} s ${file}\n`);
}
for (const reason of chosen.skipped) process.stdout.write(`test: skipped: ${reason}\n`);

const faults = faultsOf(outcome, { requireAll });
if (!style) faults.unshift("style or code failed (see above)");
if (!onOtherNodes) faults.push("not everything holds on the other versions of Node (see above)");
if (requireAll && chosen.skipped.length > 0)
  faults.push(`skipped, but all were required: ${chosen.skipped.join("; ")}`);
end(faults);
