// npm run bench:igmp [-- --json FILE] [-- --only PART...] [-- --peers NAME...] [-- --quick] [-- --as-built]: the router as it
// comes, but for the limits that the run names, beside Debian's igmpproxy, smcroute and FRR's pimd, in network namespaces, in one run.
// Needs root. A run without --only takes about six minutes. --quick shows that the measuring works; its figures mean nothing. --as-built measures what is in dist/.
import { writeFileSync } from "node:fs";
import { cpus, loadavg, release } from "node:os";
import { parseArgs } from "node:util";
import { step } from "../../checks/steps.mjs";
import { isRoot } from "../../checks/tests.mjs";
import { Run } from "../../lab/run.mjs";
import { absence, measurePart } from "./columns.mjs";
import { linesOf } from "./figures.mjs";
import { compileTester } from "./load.mjs";
import { PARTS } from "./parts.mjs";
import { changesText, OURS, ROUTERS } from "./routers.mjs";
import { Site } from "./site.mjs";

/** @typedef {import("./parts.mjs").PartName} PartName */

const { values, positionals } = parseArgs({
  options: {
    json: { type: "string" },
    only: { type: "string", multiple: true, default: [] },
    peers: { type: "string", multiple: true },
    quick: { type: "boolean", default: false },
    "as-built": { type: "boolean", default: false },
  },
  allowPositionals: true,
});

const say = (/** @type {string} */ line) => process.stdout.write(`${line}\n`);

/** @returns {never} */
function refuse(/** @type {string} */ why) {
  process.stderr.write(`bench:igmp: ${why}\n`);
  process.exit(64);
}

/** `--only join zap` and `--only join --only zap` are the same. @returns {PartName[]} */
function chosenParts() {
  const names = /** @type {PartName[]} */ (Object.keys(PARTS));
  const wanted = [...values.only, ...positionals];
  const unknown = wanted.find((name) => !names.some((one) => one === name));
  if (unknown !== undefined) refuse(`no part is named ${unknown}; there are ${names.join(", ")}`);
  return names.filter((name) => wanted.length === 0 || wanted.includes(name));
}

function chosenPeers() {
  const peers = ROUTERS.slice(1);
  const wanted = values.peers?.flatMap((names) => names.split(","));
  const unknown = wanted?.find((name) => !peers.some((peer) => peer.name === name));
  if (unknown !== undefined)
    refuse(`no peer is named ${unknown}; there are ${peers.map(({ name }) => name).join(", ")}`);
  return peers.filter(({ name }) => wanted?.includes(name) ?? true);
}

/** Each router with its namespaces. @param {Run} run */
async function places(run) {
  const tester = compileTester(run.directory);
  const measurements = [...ROUTERS.slice(0, 1), ...peers].map((router) => {
    const site = new Site(run, router.name, tester);
    return { site, router, quick: values.quick };
  });
  await Promise.all(measurements.map(({ site }) => site.up()));
  return measurements;
}

/** What was measured, and how many parts failed. */
async function measureAll() {
  const run = new Run();
  const figures = [];
  let failed = 0;
  try {
    const measurements = await places(run);
    for (const name of parts) {
      say(`${name}: ${PARTS[name].what}`);
      try {
        const measured = await measurePart(name, PARTS[name], measurements);
        figures.push(...measured);
        for (const line of linesOf(measured)) say(line);
      } catch (error) {
        failed += 1;
        say(`  FAILED: ${error instanceof Error ? error.message : error}`);
      }
    }
  } finally {
    await run.close();
  }
  return { figures, failed };
}

const parts = chosenParts();
const peers = chosenPeers();
if (!isRoot()) refuse("network namespaces need root");
if (!values["as-built"] && !step("set-up", "./scripts/setup", [])) process.exit(1);

const conditions = {
  node: process.version,
  kernel: release(),
  processors: cpus().length,
  load: loadavg()[0] ?? 0,
  ours: OURS,
};
say(
  `Node ${conditions.node}, Linux ${conditions.kernel}, ${conditions.processors} processors, load ${conditions.load}`,
);
if (conditions.load > conditions.processors / 2)
  say("The machine is busy: these figures are worth little beside those of another run.");
say(changesText());
for (const peer of peers) {
  const why = absence(peer);
  if (why !== undefined) say(`Left out: ${why}`);
}

const { figures, failed } = await measureAll();
if (values.json !== undefined) writeFileSync(values.json, `${JSON.stringify({ conditions, figures }, undefined, 2)}\n`);
process.exit(failed === 0 ? 0 : 1);
