// The unit and bundle tests on Node 22 and 24, the bundles built by each: node scripts/nodes/main.mjs [--require-all] [PART-OF-A-PATH...]
import { step } from "../checks/steps.mjs";
import { isReady, nodeOf, VERSIONS } from "./install.mjs";
import { makeTree } from "./tree.mjs";

/** @param {string} version */
function testsOn(version) {
  const [cwd, node] = [makeTree(version), nodeOf(version)];
  return (
    step(`bundles by Node ${version}`, node, ["esbuild.config.mjs"], { cwd, quiet: true }) &&
    step(`tests on Node ${version}`, node, ["scripts/nodes/tests.mjs", ...process.argv.slice(2)], { cwd })
  );
}

const missing = VERSIONS.filter((version) => !isReady(version));
if (missing.length > 0) {
  process.stdout.write(`test: Node ${missing.join(" and ")} is not set up: node scripts/nodes/prepare.mjs says why\n`);
  process.exit(69);
}
process.exit(VERSIONS.map(testsOn).includes(false) ? 1 : 0);
