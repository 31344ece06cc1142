// What a router is asked for when its users' pictures stop: each case says whether it holds, and why.
import { record } from "../../build/targets/router/conformance/lab.testkit.js";
import { observe } from "../lab/waiting.mjs";
import { OTHER_SOURCE, RATE, SOURCE } from "./place.mjs";

/**
 * @typedef {import("./place.mjs").Place} Place
 * @typedef {{ holds: boolean, why: string }} Verdict
 * @typedef {{ name: string, fresh?: boolean, hears?: boolean, run(place: Place): Promise<Verdict> }} Case
 *   `fresh`: of a router that has just started; `hears`: nothing that a router of static routes can do
 */

const LONGEST_START = 20_000;
/** Milliseconds for which a viewer is watched. */
const WATCHED = 3000;

/** @param {boolean} holds @param {string} why @returns {Verdict} */
const verdict = (holds, why) => ({ holds, why });
const NEVER = verdict(false, "its stream never came");

/** Of what a viewer got while it was to lose nothing. @param {import("./place.mjs").Count} count @param {number} [span] */
function unbroken({ received, lost }, span = WATCHED) {
  const due = (RATE * span) / 1000;
  // A span is not measured to the packet.
  return lost === 0 && received > due * 0.8
    ? verdict(true, "no packet lost")
    : verdict(false, `${Math.round(Math.max(lost, due - received))} of ${Math.round(due)} packets lost`);
}

let groups = 0;
/** One that no other case uses, of those that the peers route. */
function fresh() {
  groups += 1;
  return `239.50.7.${groups}`;
}

/** Viewers of one stream, all of them watching. @param {Place} place @param {("a" | "b" | "c")[]} names */
async function watching(place, names) {
  const group = fresh();
  const send = await place.stream();
  send(group);
  const viewers = names.map((name) => place.viewer(name));
  for (const viewer of viewers) {
    await viewer.join(group);
    if ((await viewer.first(LONGEST_START)) === undefined) return undefined;
  }
  return { group, viewers };
}

/** Packets of both sources to a group, ten times, 50 ms apart. @param {any} wire @param {string} group */
async function sendBoth(wire, group) {
  for (let i = 0; i < 10; i++) {
    const of = (/** @type {string} */ src) => /** @type {const} */ ({ kind: "udp", src, dst: group, text: `${i}` });
    await wire.put("eth0", of(SOURCE), of(OTHER_SOURCE));
    await observe(50);
  }
}

/** How many of a source's packets a viewer's link carries while both send. @param {any} wire @param {any} source @param {string} group */
async function heardOf(wire, source, group) {
  const from = wire.now;
  await sendBoth(source, group);
  const of = (/** @type {string} */ src) =>
    wire.heard((/** @type {any} */ one) => one.kind === "udp" && one.dst === group && one.src === src, from).length;
  return [of(SOURCE), of(OTHER_SOURCE)];
}

/** Until the first source's packets come. @param {any} wire @param {any} source @param {string} group */
async function begins(wire, source, group) {
  const end = performance.now() + LONGEST_START;
  while (performance.now() < end) if (((await heardOf(wire, source, group))[0] ?? 0) > 5) return true;
  return false;
}

const VIEWER_A = "10.60.0.11";

/** @type {Case[]} */
export const CASES = [
  {
    name: "viewer B survives viewer A's leave",
    fresh: true,
    async run(place) {
      const watched = await watching(place, ["a", "b"]);
      if (watched === undefined) return NEVER;
      const [a, b] = watched.viewers;
      await b?.count();
      await a?.leave();
      return unbroken(/** @type {any} */ (await b?.watch(WATCHED)));
    },
  },
  {
    name: "two LANs with one group",
    async run(place) {
      const watched = await watching(place, ["a", "c"]);
      if (watched === undefined) return NEVER;
      const [a, c] = watched.viewers;
      await a?.leave();
      return unbroken(/** @type {any} */ (await c?.watch(WATCHED)));
    },
  },
  {
    name: "SSM: the source that was asked for, and no other",
    hears: true,
    async run(place) {
      const [source, wire] = await Promise.all([place.wire(place.source), place.wire(place.viewers.a)]);
      const group = "232.50.1.1";
      await wire.host("join", "eth0", VIEWER_A, group, SOURCE);
      if (!(await begins(wire, source, group))) return NEVER;
      const [, other = 0] = await heardOf(wire, source, group);
      return other === 0 ? verdict(true, "that source alone") : verdict(false, "the other source comes too");
    },
  },
  {
    name: "BLOCK: one source ends, the others stay",
    hears: true,
    async run(place) {
      const [source, wire] = await Promise.all([place.wire(place.source), place.wire(place.viewers.a)]);
      const group = fresh();
      await wire.host("join", "eth0", VIEWER_A, group);
      if (!(await begins(wire, source, group))) return NEVER;
      await wire.host("block", "eth0", VIEWER_A, group, OTHER_SOURCE);
      await observe(WATCHED);
      const [kept = 0, blocked = 0] = await heardOf(wire, source, group);
      if (blocked > 0) return verdict(false, "the blocked source comes on");
      return kept > 0 ? verdict(true, "the blocked source alone ended") : verdict(false, "both ended");
    },
  },
  {
    name: "500 groups of one LAN",
    hears: true,
    async run(place) {
      const [source, wire] = await Promise.all([place.wire(place.source), place.wire(place.viewers.a)]);
      const all = Array.from({ length: 500 }, (_, i) => `239.50.${100 + (i >> 8)}.${i & 255}`);
      // Ten hosts, fifty groups each, as in a house of ten flats.
      for (let host = 0; host < 10; host++) {
        const own = all.slice(50 * host, 50 * (host + 1));
        const records = own.map((group) => record("to-ex", group));
        const [mac, src] = [`02:00:00:00:02:0${host}`, `10.60.0.${100 + host}`];
        await wire.put("eth0", { kind: "report3", src, mac, records });
      }
      const got = new Set();
      const end = performance.now() + LONGEST_START;
      while (got.size < all.length && performance.now() < end) {
        const from = wire.now;
        for (let i = 0; i < all.length; i += 8) {
          const some = all
            .slice(i, i + 8)
            .map((dst) => /** @type {const} */ ({ kind: "udp", src: SOURCE, dst, text: "" }));
          await source.put("eth0", ...some);
        }
        await observe(200);
        for (const { dst } of wire.heard((/** @type {any} */ one) => one.kind === "udp", from))
          if (all.includes(dst)) got.add(dst);
      }
      return verdict(got.size === all.length, `${got.size} of 500 come`);
    },
  },
  {
    name: "a foreign querier: a lower address on the LAN, and 9.9.9.9",
    fresh: true,
    async run(place) {
      const watched = await watching(place, ["a"]);
      if (watched === undefined) return NEVER;
      const wire = await place.wire(place.viewers.b);
      for (const src of ["9.9.9.9", "10.60.0.2"]) await wire.put("eth0", { kind: "query3", src });
      return unbroken(/** @type {any} */ (await watched.viewers[0]?.watch(WATCHED)));
    },
  },
  {
    name: "election: whoever is lower asks, we do not",
    hears: true,
    async run(place) {
      const watched = await watching(place, ["a"]);
      if (watched === undefined) return NEVER;
      const wire = await place.wire(place.viewers.b);
      await wire.put("eth0", { kind: "query3", src: "10.60.0.2" });
      await observe(500);
      const from = wire.now;
      await watched.viewers[0]?.leave();
      await observe(WATCHED);
      const asked = wire.heard((/** @type {any} */ one) => one.kind === "query" && one.src === "10.60.0.254", from);
      return asked.length === 0 ? verdict(true, "it is silent") : verdict(false, "it asks on");
    },
  },
  {
    name: "link flap: the picture is back within a second",
    fresh: true,
    async run(place) {
      const watched = await watching(place, ["a"]);
      if (watched === undefined) return NEVER;
      place.router.ip("link", "set", "lan0", "down");
      await observe(1000);
      place.router.ip("link", "set", "lan0", "up");
      // The kernel sends nothing until it has told of the link itself, once a second at most (its link watch).
      while (place.router.run("cat", "/sys/class/net/lan0/operstate").trim() !== "up") await observe(5);
      const after = await watched.viewers[0]?.first(LONGEST_START);
      if (after === undefined) return verdict(false, `not back within ${LONGEST_START / 1000} s`);
      return verdict(after < 1000, `back after ${(after / 1000).toFixed(2)} s`);
    },
  },
  {
    name: "restart without a gap: kill -9, start",
    async run(place) {
      const watched = await watching(place, ["a"]);
      if (watched === undefined) return NEVER;
      const [viewer] = watched.viewers;
      await viewer?.count();
      const begin = performance.now();
      await place.kill();
      place.running = await place.kind.start(/** @type {any} */ (place), 2);
      await observe(WATCHED);
      return unbroken(/** @type {any} */ (await viewer?.count()), performance.now() - begin);
    },
  },
  {
    name: "redial: the upstream is a new interface with a new address",
    async run(place) {
      if (place.running === undefined || place.running.main.ended !== undefined) await place.start();
      const watched = await watching(place, ["a"]);
      if (watched === undefined) return NEVER;
      const wire = await place.wire(place.viewers.a);
      place.cutUpstream();
      await observe(500);
      place.connectUpstream("253");
      const source = await place.wire(place.source);
      const back = await begins(wire, source, watched.group);
      return back ? verdict(true, "the picture is back") : verdict(false, "dark until it is started again");
    },
  },
];
