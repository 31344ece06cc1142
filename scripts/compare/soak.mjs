// npm run soak:igmp [-- --minutes N] [--peers NAME...] [--as-built]: a viewer watches for ten minutes, once behind an access network with a
// querier and at the same time behind one that never asks; both forget a membership that was not reported for 140 s. Needs root.
import { parseArgs } from "node:util";
import { removeNamespaces } from "../../build/targets/router/namespaces.testkit.js";
import { absence } from "../bench/igmp/columns.mjs";
import { ROUTERS } from "../bench/igmp/routers.mjs";
import { step } from "../checks/steps.mjs";
import { isRoot } from "../checks/tests.mjs";
import { Run } from "../lab/run.mjs";
import { observe } from "../lab/waiting.mjs";
import { Place, SOURCE } from "./place.mjs";

/** Milliseconds. */
const MEMORY = 140_000;
const QUERY_EVERY = 60_000;
const PACKET_EVERY = 20;
const LONGEST_START = 20_000;
const GROUP = "239.50.7.7";

const { values } = parseArgs({
  options: {
    minutes: { type: "string", default: "10" },
    peers: { type: "string", multiple: true, default: [] },
    "as-built": { type: "boolean", default: false },
  },
});

/** @returns {never} */
function refuse(/** @type {string} */ why) {
  process.stderr.write(`soak:igmp: ${why}\n`);
  process.exit(64);
}

const joins = (/** @type {import("../../build/targets/router/conformance/wire.testkit.js").Heard} */ one) =>
  ((one.kind === "report1" || one.kind === "report2") && one.group === GROUP) ||
  (one.records?.some(([type, group]) => group === GROUP && type !== "to-in" && type !== "block") ?? false);

/** The access network's end of a line: it sends to whoever has reported lately. */
class AccessNetwork {
  #reported = Number.NEGATIVE_INFINITY;
  #read = 0;
  #asked = Number.NEGATIVE_INFINITY;
  sent = 0;
  /** Packets for which nobody was a member. */
  withheld = 0;

  /** @param {import("../../build/targets/router/conformance/wire.testkit.js").Wire} wire @param {boolean} asks */
  constructor(wire, asks) {
    this.wire = wire;
    this.asks = asks;
  }

  async tick() {
    const now = performance.now();
    const from = this.#read;
    this.#read = this.wire.now;
    if (this.wire.heard(joins, from).length > 0) this.#reported = now;
    if (this.asks && now - this.#asked >= QUERY_EVERY) {
      this.#asked = now;
      await this.wire.put("eth0", { kind: "query3", src: SOURCE, qqic: QUERY_EVERY / 1000 });
    }
    if (now - this.#reported > MEMORY) this.withheld += 1;
    else await this.wire.put("eth0", { kind: "udp", src: SOURCE, dst: GROUP, text: String(this.sent++) });
  }

  /** Until `end` (ms of performance.now), at an even rate. @param {number} end */
  async serve(end) {
    for (let due = performance.now(); due < end; due += PACKET_EVERY) {
      await observe(Math.max(0, due - performance.now()));
      await this.tick();
    }
  }
}

/** In a run of its own: two processes of one router have their files there. @param {Kind} kind @param {boolean} asks */
async function watch(kind, asks) {
  const run = new Run();
  try {
    return await watchIn(run, kind, asks);
  } finally {
    await run.close();
  }
}

/** @typedef {import("../bench/igmp/routers.mjs").Router} Kind @param {Run} run @param {Kind} kind @param {boolean} asks */
async function watchIn(run, kind, asks) {
  const place = new Place(run, kind, asks ? "q" : "s");
  await place.up();
  await place.start();
  const [viewer, network] = [place.viewer("a"), new AccessNetwork(await place.wire(place.source), asks)];
  await viewer.join(GROUP);
  await network.serve(performance.now() + LONGEST_START / 4);
  await viewer.count();
  const before = { sent: network.sent, withheld: network.withheld };
  await network.serve(performance.now() + minutes * 60_000);
  await observe(1000);
  const { received, lost } = await viewer.count();
  const withheld = network.withheld - before.withheld;
  const due = network.sent - before.sent + withheld;
  // The count is not taken at the same moment at both ends.
  const holds = lost === 0 && withheld === 0 && received >= due - 2;
  const name = `${kind.name}, ${asks ? "an upstream that asks" : "an upstream that never asks"}`;
  say(`  ${holds ? "yes" : "no "}  ${name}: ${received} of ${due} packets in ${minutes} minutes`);
  await place.stop();
  return holds;
}

const say = (/** @type {string} */ line) => process.stdout.write(`${line}\n`);
const minutes = Number(values.minutes);
if (!(minutes > 0 && minutes <= 1440)) refuse("--minutes takes more than 0 and at most 1440");
const wanted = values.peers.flatMap((names) => names.split(","));
const unknown = wanted.find((name) => !ROUTERS.some((one) => one.name === name));
if (unknown !== undefined) refuse(`no router is named ${unknown}`);
if (!isRoot()) refuse("network namespaces need root");
if (!values["as-built"] && !(step("set-up", "./scripts/setup", []) && step("types", "node_modules/.bin/tsc", ["-b"]))) {
  process.exit(1);
}

try {
  const routers = ROUTERS.filter((one, i) => (i === 0 || wanted.includes(one.name)) && absence(one) === undefined);
  const held = await Promise.all(
    routers.flatMap((kind) => [true, false].map(async (asks) => ({ kind, holds: await watch(kind, asks) }))),
  );
  process.exitCode = held.every(({ kind, holds }) => holds || kind !== ROUTERS[0]) ? 0 : 1;
} finally {
  await removeNamespaces([]);
}
