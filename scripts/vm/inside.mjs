//   node scripts/vm/inside.mjs LIST
// Runs the test files of a list in the lab's machine, one at a time: it has one processor. Exit code 0: all of them held, and none was left out.
import { readFileSync } from "node:fs";
import { faultsOf } from "../checks/judgement.mjs";
import { runTests } from "../checks/run.mjs";

/** Milliseconds for one file, far beyond what it takes: on a busy host the machine gets a small part of one processor. */
const LIMIT = 900_000;

const [, , list = ""] = process.argv;
const files = readFileSync(list, "utf8").split("\n").filter(Boolean);
const outcome = await runTests(
  files.map((file) => [file]),
  { timeout: LIMIT, atOnce: 1 },
);
const faults = faultsOf(outcome, { requireAll: true });
for (const fault of faults) process.stdout.write(`lab:vm: FAILED: ${fault}\n`);
process.exit(faults.length === 0 ? 0 : 1);
