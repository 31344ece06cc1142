// Run by another version of Node in its tree: every unit and bundle test of the product. What only checks the checkout is not repeated.
import { runTests } from "../checks/run.mjs";
import { chooseTests } from "../checks/tests.mjs";

/** Milliseconds for one test file. */
const LIMIT = 240_000;

const { tests } = chooseTests(process.argv.slice(2), ["unit", "bundle"]);
const files = tests.filter(({ source }) => !source.startsWith("scripts/")).map(({ file }) => file);
const { passed, failed } = await runTests(files, { timeout: LIMIT, brief: true });
process.stdout.write(`test: Node ${process.version}: ${passed} passed, ${failed} failed\n`);
process.exit(failed === 0 && passed > 0 ? 0 : 1);
