// The routers that are measured, each started as its users start it, but for what OURS says: the bundle, and Debian's igmpproxy, smcroute and FRR's pimd.
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { bundle, TargetProcess } from "../../lab/bundle.mjs";
import { command } from "../../lab/command.mjs";
import * as configuration from "../../lab/configuration.mjs";
import { ask } from "../../lab/waiting.mjs";
import { ADDRESSES, DOWNSTREAMS, GROUPS, UPSTREAM } from "./site.mjs";

/**
 * @typedef {"join" | "burst" | "zap" | "capacity" | "scale" | "throughput" | "mixed" | "latency" | "memory" | "reports" | "start"} PartName
 * @typedef {import("./site.mjs").Site} Site
 * @typedef {import("../../lab/process.mjs").Process} Process
 * @typedef {{ main: Process, all: Process[], started: number }} Running `started`: when `main` was, in milliseconds since 1970
 * @typedef {{
 *   name: string, package?: string, program: string, static?: boolean,
 *   cannot: Partial<Record<PartName, string>>, start(site: Site, lans?: number): Promise<Running>,
 * }} Router `static`: its routes are configured, to the first `lans` LANs: it hears no hosts
 */

const now = () => performance.timeOrigin + performance.now();

/**
 * @param {Site} site
 * @param {string} name
 * @param {string} program
 * @param {string[]} args
 */
const startIn = (site, name, program, args) => site.run.start(name, { place: site.router, program, args });

/** @param {Site} site @param {string} name @param {string[]} lines */
function configure(site, name, lines) {
  const file = site.run.path(name);
  writeFileSync(file, `${lines.join("\n")}\n`);
  return file;
}

/**
 * Everything as it comes, but for limits that the peers do not have: the tester invents a host for each group, by the thousand, and
 * asks for more groups than a house has. `usual`: the default.
 */
export const OURS = [
  { setting: "maxRoutes", value: 65_536, usual: 1024 },
  { setting: "downstreams.maxGroups", value: 65_536, usual: 4096 },
  { setting: "downstreams.newHostsPerMinute", value: 1_000_000, usual: 60 },
];

const DOWNSTREAM = "downstreams.";

/** The part of OURS for the whole router, or for each downstream. @param {boolean} downstream */
const changes = (downstream) =>
  Object.fromEntries(
    OURS.filter(({ setting }) => setting.startsWith(DOWNSTREAM) === downstream).map(({ setting, value }) => [
      setting.replace(DOWNSTREAM, ""),
      value,
    ]),
  );

/** OURS in words for people. */
export const changesText = () =>
  `sealcast as it comes, but for ${OURS.map(({ setting, value, usual }) => `${setting} ${value} (default ${usual})`).join(", ")}`;

/** @type {Router} */
const sealcast = {
  name: "sealcast",
  program: bundle("router"),
  cannot: {},
  async start(site) {
    const plain = configuration.router("bench", undefined, { upstream: UPSTREAM, downstream: DOWNSTREAMS });
    const downstreams = plain.downstreams.map((one) => ({ ...one, ...changes(true) }));
    const config = { ...plain, ...changes(false), downstreams };
    const started = now();
    const router = await new TargetProcess(site.run, {
      target: "router",
      id: "bench",
      place: site.router,
      config,
    }).start();
    return { main: router.process, all: [router.process], started };
  },
};

/** @type {Router} */
const igmpproxy = {
  name: "igmpproxy",
  package: "igmpproxy",
  program: "/usr/sbin/igmpproxy",
  cannot: {},
  async start(site) {
    const file = configure(site, "igmpproxy.conf", [
      `phyint ${UPSTREAM} upstream ratelimit 0 threshold 1`,
      ...DOWNSTREAMS.map((name) => `phyint ${name} downstream ratelimit 0 threshold 1`),
    ]);
    const started = now();
    const main = startIn(site, "igmpproxy", this.program, ["-n", file]);
    return { main, all: [main], started };
  },
};

const DEAF = "its routes are static: it hears no host";

/** @type {Router} */
const smcroute = {
  name: "smcroute",
  package: "smcroute",
  program: "/usr/sbin/smcrouted",
  static: true,
  cannot: { join: DEAF, burst: DEAF, zap: DEAF, reports: DEAF, start: "it sends no queries" },
  async start(site, lans = 1) {
    const file = configure(site, "smcroute.conf", [
      ...[UPSTREAM, ...DOWNSTREAMS].map((name) => `phyint ${name} enable`),
      `mroute from ${UPSTREAM} group ${GROUPS} to ${DOWNSTREAMS.slice(0, lans).join(" ")}`,
    ]);
    const files = ["-P", site.run.path("smcroute.pid"), "-u", site.run.path("smcroute.sock")];
    const started = now();
    const main = startIn(site, "smcrouted", this.program, ["-n", "-N", "-f", file, ...files]);
    return { main, all: [main], started };
  },
};

/** FRR's daemons insist on a user of their own, who owns what they write. New, so that no socket of an earlier one is in it. */
function frrFolder(/** @type {Site} */ site) {
  const folder = site.run.path("frr");
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder);
  command("chown", ["frr:frr", folder]);
  command("chmod", ["755", site.run.directory, folder]);
  return folder;
}

/** @type {Router} */
const pimd = {
  name: "pimd",
  package: "frr",
  program: "/usr/lib/frr/pimd",
  cannot: {},
  async start(site) {
    const folder = frrFolder(site);
    const file = configure(site, "frr/pimd.conf", [
      `ip pim rp ${ADDRESSES[UPSTREAM]} ${GROUPS}`,
      ...[UPSTREAM, ...DOWNSTREAMS].flatMap((name) => [
        `interface ${name}`,
        " ip pim",
        ...(name === UPSTREAM ? [] : [" ip igmp"]),
      ]),
    ]);
    const zebraFile = configure(site, "frr/zebra.conf", ["log stdout"]);
    const socket = `${folder}/zserv.api`;
    const common = (/** @type {string} */ name) => [
      "-z",
      socket,
      "-i",
      `${folder}/${name}.pid`,
      "--vty_socket",
      folder,
    ];
    const quiet = ["-A", "127.0.0.1", "-P", "0"];
    const zebra = startIn(site, "zebra", "/usr/lib/frr/zebra", ["-f", zebraFile, ...common("zebra"), ...quiet]);
    await ask("zebra's socket", () => (existsSync(socket) ? true : undefined), { every: 20 });
    const started = now();
    const main = startIn(site, "pimd", this.program, ["-f", file, ...common("pimd"), ...quiet]);
    return { main, all: [main, zebra], started };
  },
};

/** Ours first. */
export const ROUTERS = [sealcast, igmpproxy, smcroute, pimd];

/** Only the probe of `ready` is about this group. */
const PROBE = 65_535;

/** Resolves when a host that joins gets its stream. @param {Site} site @param {Router} router @param {Running} running */
export async function ready(site, router, running) {
  const probe = { first: PROBE, count: 1, pps: 100, limit: 3000, static: router.static ? 1 : 0 };
  await ask(
    `${router.name} to forward the probe`,
    async () => {
      if (running.main.ended !== undefined) throw new Error(`${router.name} ended: ${running.main.tail()}`);
      const [answer] = await site.load.measure("hold", probe);
      return answer?.forwarded === 1 ? true : undefined;
    },
    { limit: 30_000 },
  );
}

/** Every process below these, and themselves. @param {Process[]} roots @returns {number[]} */
function family(roots) {
  /** @type {Map<number, number>} */
  const parents = new Map();
  for (const pid of readdirSync("/proc").filter((name) => /^\d+$/.test(name))) {
    const stat = readStat(Number(pid));
    if (stat !== undefined) parents.set(Number(pid), Number(stat[1]));
  }
  const found = new Set(roots.map(({ pid }) => pid));
  for (let before = -1; before !== found.size; ) {
    before = found.size;
    for (const [pid, parent] of parents) if (found.has(parent)) found.add(pid);
  }
  return [...found].filter((pid) => pid !== undefined);
}

/** The fields of /proc/PID/stat after the name; undefined when it is gone. */
function readStat(/** @type {number} */ pid) {
  try {
    const text = readFileSync(`/proc/${pid}/stat`, "latin1");
    return text.slice(text.lastIndexOf(")") + 2).split(" ");
  } catch {
    return undefined;
  }
}

/** A process's resident memory in octets. @param {number} pid */
export function residentOf(pid) {
  const [, kibibytes] = /^VmRSS:\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/status`, "latin1")) ?? [];
  return Number(kibibytes) * 1024;
}

const sum = (/** @type {number[]} */ values) => values.reduce((total, value) => total + value, 0);

/** What a router's processes hold and have used: octets, and ticks of 10 ms. @param {Running} running */
export function use({ all }) {
  const pids = family(all);
  const stats = pids.map(readStat).filter((stat) => stat !== undefined);
  return { resident: sum(pids.map(residentOf)), ticks: sum(stats.map((stat) => Number(stat[11]) + Number(stat[12]))) };
}
