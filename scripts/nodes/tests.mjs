// Run by another version of Node in its tree: every unit and bundle test of the product. What only checks the checkout is not repeated.
//   node scripts/nodes/tests.mjs [--require-all] [PART-OF-A-PATH...]
import { parseArgs } from "node:util";
import { faultsOf } from "../checks/judgement.mjs";
import { runTests } from "../checks/run.mjs";
import { chooseTests, sharing } from "../checks/tests.mjs";

/** Milliseconds for one test file. */
const LIMIT = 240_000;

const { values, positionals } = parseArgs({
  options: { "require-all": { type: "boolean", default: false } },
  allowPositionals: true,
});
const { tests } = chooseTests(positionals, ["unit", "bundle"]);
const ofProduct = tests.filter(({ source }) => !source.startsWith("scripts/"));
const outcome = await runTests(sharing(ofProduct), { timeout: LIMIT, brief: true });
const { passed, failed, skipped } = outcome;
process.stdout.write(
  `test: Node ${process.version}: ${passed} passed, ${failed} failed, ${skipped.length} skipped\n${skipped.map((one) => `test: skipped: ${one}\n`).join("")}`,
);
const faults = faultsOf(outcome, { requireAll: values["require-all"] });
for (const fault of faults) process.stdout.write(`test: Node ${process.version}: FAILED: ${fault}\n`);
process.exit(faults.length === 0 ? 0 : 1);
