// A part of the tests in a process of its own: by another version of Node, or at another priority.
//   node scripts/checks/part.mjs computing|others|foreign [--require-all]
//     computing: of the product, those that wait for nothing, several to a process; others: every other unit and bundle test of the
//     product; foreign: on other processors. What only checks the checkout is in none.
import { parseArgs } from "node:util";
import { faultsOf } from "./judgement.mjs";
import { runTests } from "./run.mjs";
import { apart, chooseTests, computing, others } from "./tests.mjs";

/** Milliseconds for one process. Beside the lab it may have little of a core for as long as the lab takes. */
const LIMIT = 240_000;
const LIMIT_BESIDE = 900_000;

const ofProduct = () =>
  chooseTests([], ["unit", "bundle"]).tests.filter(({ source }) => !source.startsWith("scripts/"));

const PARTS = {
  computing: () => ({ processes: computing(ofProduct()), timeout: LIMIT_BESIDE, atOnce: 2 }),
  others: () => ({ processes: others(ofProduct()), timeout: LIMIT }),
  foreign: () => ({ processes: apart(chooseTests([], ["foreign"]).tests), timeout: LIMIT_BESIDE, atOnce: 2 }),
};

/** @param {string | undefined} name @returns {name is keyof typeof PARTS} */
const isPart = (name) => name !== undefined && Object.hasOwn(PARTS, name);

const { values, positionals } = parseArgs({
  options: { "require-all": { type: "boolean", default: false } },
  allowPositionals: true,
});
const [name] = positionals;
if (!isPart(name)) throw new Error(`which part: ${Object.keys(PARTS).join(", ")}?`);
const { processes, ...how } = PARTS[name]();
const outcome = await runTests(processes, { ...how, brief: true });
const { passed, failed, skipped } = outcome;
const title = `test: Node ${process.version}, ${name}:`;
process.stdout.write(`${title} ${passed} passed, ${failed} failed, ${skipped.length} skipped\n`);
for (const reason of skipped) process.stdout.write(`test: skipped: ${reason}\n`);
const faults = faultsOf(outcome, { requireAll: values["require-all"] });
for (const fault of faults) process.stdout.write(`${title} FAILED: ${fault}\n`);
process.exit(faults.length === 0 ? 0 : 1);
