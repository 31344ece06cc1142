// Types and bundles, then style, code and every test; the exit code is 0 only when all of it held.
import { isReady, VERSIONS } from "../nodes/install.mjs";
import { Beside } from "./beside.mjs";
import { optionsOf } from "./command-line.mjs";
import { faultsOf } from "./judgement.mjs";
import { parseOptions } from "./options.mjs";
import { runTests, together } from "./run.mjs";
import { step } from "./steps.mjs";
import { apart, chooseTests, isMeasuring, others, sharing } from "./tests.mjs";

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
const notOfLab = chosen.tests.filter(({ kind }) => kind !== "lab");
/** Whoever chose looks for one fault and wants to know soon: then there are no parts beside the lab, and no other versions of Node. */
const absent = isWhole ? VERSIONS.filter((version) => !isReady(version)) : [];
const hasOtherNodes = isWhole && absent.length === 0;
if (absent.length > 0)
  chosen.skipped.push(`Node ${absent.join(" and ")} is not set up: node scripts/nodes/prepare.mjs says why`);

const beside = new Beside({ isLow: ofLab.length > 0 });
/** @type {string[]} */
const faults = [];

/** @param {string} name @param {string} program @param {string[]} args */
async function holdBeside(name, program, ...args) {
  if (!(await beside.step(name, program, args))) faults.push(`${name} failed (see above)`);
}

/** @param {string} name @param {string[]} args */
const partBeside = (name, ...args) =>
  holdBeside(name, process.execPath, ...args, ...(requireAll ? ["--require-all"] : []));

/** What computes and waits for nothing, or does not mind to wait. */
async function judgeBeside() {
  await holdBeside("style", "node_modules/.bin/biome", "ci", `--colors=${process.stdout.isTTY ? "force" : "off"}`, ".");
  await holdBeside("code", process.execPath, "scripts/checks/code/main.mjs");
  if (!isWhole) return;
  await partBeside("tests that compute", "scripts/checks/part.mjs", "computing");
  if (hasOtherNodes)
    await partBeside("tests that compute, on other versions of Node", "scripts/nodes/main.mjs", "computing");
  await partBeside("tests on other processors", "scripts/checks/part.mjs", "foreign");
}

/**
 * The lab, then what needs its share of the machine as well. Beside the lab there is nothing of ordinary priority: a viewer that does not
 * get the processor for a tenth of a second loses packets, as on a machine that is too small.
 */
async function judgeTests() {
  const watching = ofLab.filter((test) => !isMeasuring(test));
  const lab = together(
    await runTests(apart(watching), { timeout: LIMIT, atOnce: LAB_AT_ONCE }),
    await runTests(apart(ofLab.filter(isMeasuring)), { timeout: LIMIT }),
  );
  beside.hurry();
  const rest = isWhole ? others(notOfLab.filter(({ kind }) => kind !== "foreign")) : sharing(notOfLab);
  return together(lab, await runTests(rest, { timeout: LIMIT }));
}

const [outcome] = await Promise.all([judgeTests(), judgeBeside()]);
if (hasOtherNodes) await partBeside("other versions of Node", "scripts/nodes/main.mjs", "others");
for (const { file, seconds } of outcome.took.slice(0, SLOWEST_SHOWN)) {
  process.stdout.write(`test: ${seconds.toFixed(1).padStart(5)} s ${file}\n`);
}
for (const reason of chosen.skipped) process.stdout.write(`test: skipped: ${reason}\n`);

faults.push(...faultsOf(outcome, { requireAll }));
if (requireAll && chosen.skipped.length > 0)
  faults.push(`skipped, but all were required: ${chosen.skipped.join("; ")}`);
end(faults);
