// npm run compare:igmp [-- --peers NAME...] [-- --as-built]: what becomes of a viewer's picture behind our router and behind Debian's
// igmpproxy, smcroute and FRR's pimd, each in network namespaces of its own, with the least configuration that routes. Needs root; takes
// about three minutes. --as-built compares what is in dist/.
import { parseArgs } from "node:util";
import { removeNamespaces } from "../../build/targets/router/namespaces.testkit.js";
import { absence } from "../bench/igmp/columns.mjs";
import { ROUTERS } from "../bench/igmp/routers.mjs";
import { step } from "../checks/steps.mjs";
import { isRoot } from "../checks/tests.mjs";
import { Run } from "../lab/run.mjs";
import { columnOf } from "./table.mjs";

const { values, positionals } = parseArgs({
  options: { peers: { type: "string", multiple: true }, "as-built": { type: "boolean", default: false } },
  allowPositionals: true,
});

/** @returns {never} */
function refuse(/** @type {string} */ why) {
  process.stderr.write(`compare:igmp: ${why}\n`);
  process.exit(64);
}

/** Ours first, then those that were asked for, or all. */
function chosen() {
  const wanted = values.peers && [...values.peers.flatMap((names) => names.split(",")), ...positionals];
  const names = ROUTERS.map(({ name }) => name);
  const unknown = wanted?.find((name) => !names.includes(name));
  if (unknown !== undefined) refuse(`no router is named ${unknown}; there are ${names.join(", ")}`);
  return ROUTERS.filter(({ name }, i) => i === 0 || (wanted?.includes(name) ?? true));
}

const routers = chosen();
if (!isRoot()) refuse("network namespaces need root");
if (!values["as-built"] && !(step("set-up", "./scripts/setup", []) && step("types", "node_modules/.bin/tsc", ["-b"]))) {
  process.exit(1);
}

const say = (/** @type {string} */ line) => process.stdout.write(`${line}\n`);
const run = new Run();
let failed = 0;
try {
  for (const router of routers) {
    const why = absence(router);
    say(`${router.name}${why === undefined ? "" : `: left out: ${why}`}`);
    if (why !== undefined) continue;
    await columnOf(run, router, ({ name, holds, why: reason }) => {
      if (router === ROUTERS[0] && !holds) failed += 1;
      say(`  ${holds ? "yes" : "no "}  ${name}: ${reason}`);
    });
  }
} finally {
  await removeNamespaces([]);
  await run.close();
}
process.exit(failed === 0 ? 0 : 1);
