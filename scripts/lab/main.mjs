// npm run lab: the patent's figure 2 with real kernels, its scenarios one after the other, told as sentences.
//   npm run lab [-- PART-OF-A-FILE-NAME...]

import { runTests } from "../checks/run.mjs";
import { step } from "../checks/steps.mjs";
import { apart, chooseTests, isRoot } from "../checks/tests.mjs";
import { sweep } from "./network.mjs";

if (!isRoot()) {
  process.stderr.write("lab: network namespaces need root: sudo npm run lab\n");
  process.exit(77);
}
if (!step("set-up", "./scripts/setup", []) || !step("types", "node_modules/.bin/tsc", ["-b"])) process.exit(1);
sweep();
const parts = process.argv.slice(2);
const lab = chooseTests([".lab.test."]).tests.filter(
  ({ file }) => parts.length === 0 || parts.some((part) => file.includes(part)),
);
const { failed } = await runTests(apart(lab), { timeout: 240_000 });
process.exit(failed === 0 ? 0 : 1);
