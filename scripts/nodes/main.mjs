// The unit and bundle tests on Node 22 and 24, the bundles built by each.
//   node scripts/nodes/main.mjs computing|others [--require-all]
//     computing: those that wait for nothing, in trees made anew; others: every other one, in the trees that `computing` has made.
import { step } from "../checks/steps.mjs";
import { isReady, nodeOf, treeOf, VERSIONS } from "./install.mjs";
import { makeTree } from "./tree.mjs";

const args = process.argv.slice(2);

/** @param {string} version */
function testsOn(version) {
  const [cwd, node] = [treeOf(version), nodeOf(version)];
  if (args[0] === "computing") makeTree(version);
  else if (!step(`bundles by Node ${version}`, node, ["esbuild.config.mjs"], { cwd, quiet: true })) return false;
  return step(`tests on Node ${version}`, node, ["scripts/checks/part.mjs", ...args], { cwd });
}

const missing = VERSIONS.filter((version) => !isReady(version));
if (missing.length > 0) {
  process.stdout.write(`test: Node ${missing.join(" and ")} is not set up: node scripts/nodes/prepare.mjs says why\n`);
  process.exit(69);
}
process.exit(VERSIONS.map(testsOn).includes(false) ? 1 : 0);
