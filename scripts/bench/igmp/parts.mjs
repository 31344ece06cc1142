// The parts of bench:igmp: RFC 2432's and RFC 3918's multicast metrics, and what else tells routers apart. Each is measured on a fresh
// router, so that no part bears what another one left.
import { spawn } from "node:child_process";
import { once } from "node:events";
import { answersOf } from "./load.mjs";
import { ready, residentOf, use } from "./routers.mjs";

/**
 * @typedef {import("./routers.mjs").Router} Router
 * @typedef {import("./load.mjs").Answer} Answer
 * @typedef {import("./load.mjs").Settings} Settings
 * @typedef {{ name: string, unit: string, value: number, atLeast?: boolean } | { name: string, unit: string, cannot: string }} Value
 *   `atLeast`: the tester could not ask for more
 * @typedef {import("./site.mjs").Site} Site
 * @typedef {import("./routers.mjs").Running} Running
 * @typedef {{ site: Site, router: Router, quick: boolean }} Measurement
 * @typedef {import("./routers.mjs").PartName} PartName
 * @typedef {{ what: string, measure(measurement: Measurement): Promise<Value[]>, beside?: () => Promise<{ name: string, values: Value[] }> }} Part
 *   `beside`: something to compare with that is no router
 */

/** A router with thousands of groups may take its time. */
const STOPPING = 30_000;

/**
 * With the router started; it is ended whatever comes of it.
 * @template T
 * @param {Pick<Measurement, "site" | "router">} what
 * @param {number} lans that a router of static routes forwards to
 * @param {(running: Running) => Promise<T>} work
 */
async function withStarted({ site, router }, lans, work) {
  /** @type {Running | undefined} */
  let running;
  try {
    running = await router.start(site, lans);
    return await work(running);
  } catch (error) {
    throw new Error(`${error instanceof Error ? error.message : error}\n${tailsOf(running)}`, { cause: error });
  } finally {
    await Promise.all((running?.all ?? []).map((one) => one.stop(STOPPING)));
    await site.clear();
  }
}

const tailsOf = (/** @type {Running | undefined} */ running) =>
  (running?.all ?? []).map((one) => `--- ${one.name}\n${one.tail(5)}`).join("\n");

/**
 * With the router forwarding.
 * @template T
 * @param {Measurement} measurement
 * @param {(site: Site, running: Running) => Promise<T>} work
 * @param {number} [lans]
 */
const withRouter = ({ site, router }, work, lans = 1) =>
  withStarted({ site, router }, lans, async (running) => {
    await ready(site, router, running);
    return work(site, running);
  });

/** @param {string} name @param {string} unit @param {number} value @param {boolean} [atLeast] @returns {Value} */
const value = (name, unit, value, atLeast = false) => ({ name, unit, value, ...(atLeast ? { atLeast } : {}) });

/** The numbers under a key of the tester's answers, smallest first; what did not happen (null) is left out. */
const sorted = (/** @type {Answer[]} */ answers, /** @type {string} */ key) =>
  answers
    .map((answer) => answer[key])
    .filter((one) => typeof one === "number")
    .sort((a, b) => a - b);

/** @param {number[]} ordered @param {number} part 0 to 1 */
const quantile = (ordered, part) =>
  ordered[Math.min(ordered.length - 1, Math.floor(ordered.length * part))] ?? Number.NaN;

const UNITS = /** @type {const} */ ({ ms: 1e6, us: 1e3 });

/**
 * Minimum, median, 95th percentile and maximum.
 * @param {string} name
 * @param {number[]} ordered nanoseconds
 * @param {keyof typeof UNITS} [unit]
 * @returns {Value[]}
 */
function spread(name, ordered, unit = "ms") {
  const parts = {
    min: quantile(ordered, 0),
    p50: quantile(ordered, 0.5),
    p95: quantile(ordered, 0.95),
    max: quantile(ordered, 1),
  };
  return Object.entries(parts).map(([part, span]) =>
    ordered.length === 0
      ? { name: `${name}, ${part}`, unit, cannot: "none came to an end in the time given" }
      : value(`${name}, ${part}`, unit, span / UNITS[unit]),
  );
}

/** How many did not happen. @param {string} name @param {Answer[]} answers @param {string} key */
const missing = (name, answers, key) =>
  value(
    name,
    `of ${answers.filter((answer) => key in answer).length}`,
    answers.filter((answer) => answer[key] === null).length,
  );

/** To the first packet at all, which may be one that the kernel has kept; and to the first that left the source later than the report. */
const joinValues = (/** @type {string} */ what, /** @type {Answer[]} */ answers, /** @type {string} */ key) => [
  ...spread(`join delay, ${what}`, sorted(answers, key)),
  ...spread(
    `join delay to a live packet, ${what}`,
    sorted(
      answers.filter((answer) => key in answer),
      "live",
    ),
  ),
  missing(`joins without a stream, ${what}`, answers, key),
];

const leaveValues = (/** @type {string} */ what, /** @type {Answer[]} */ answers, /** @type {string} */ key) => [
  ...spread(`leave delay, ${what}`, sorted(answers, key)),
  missing(`leaves not ended, ${what}`, answers, key),
];

/** Packets a second. */
const BURDEN = 20_000;
const RUNS = [
  { burden: "", first: 0, beside: 0 },
  { burden: " burdened", first: 100, beside: BURDEN },
];
/** Of what was sent beside, so much has to come through: else the router was not burdened as the figures say. */
const CAME = 0.9;

/**
 * Joins and leaves of groups from `first` on, with so many unicast packets a second beside them.
 * @param {Site} site
 * @param {boolean} quick
 * @param {{ first: number, beside: number }} how
 */
async function joinsAndLeaves(site, quick, how) {
  const span = quick ? { count: 3, patience: 3 } : { count: 30, patience: 21 };
  const answers = await site.load.measure("joins", { ...span, ...how });
  const { beside, of } = answers.find((answer) => "beside" in answer) ?? {};
  if (how.beside > 0 && !(beside >= of * CAME)) throw new Error(`${beside} of ${of} packets beside came through`);
  return answers;
}

/** @type {Part} */
const join = {
  what:
    "one join at a time: the report on the wire to the first packet on the LAN (5,000 packets/s); the leave to the last one, within 21 s " +
    "(200 packets/s); first with the groups' own streams alone, then burdened: with 20,000 unicast packets/s beside them",
  measure: (measurement) =>
    withRouter(measurement, async (site) => {
      const values = [];
      for (const { burden, ...how } of RUNS) {
        const answers = await joinsAndLeaves(site, measurement.quick, how);
        for (const version of ["3", "2"])
          values.push(
            ...joinValues(`IGMPv${version}${burden}`, answers, `join${version}`),
            ...leaveValues(`IGMPv${version}${burden}`, answers, `leave${version}`),
          );
      }
      return values;
    }),
};

/** @type {Part} */
const burst = {
  what: "50 IGMPv2 joins at once, of groups that have 400 packets/s each",
  measure: (measurement) =>
    withRouter(measurement, async (site) => {
      const answers = await site.load.measure(
        "burst",
        measurement.quick ? { count: 5, rounds: 1 } : { count: 50, rounds: 4 },
      );
      return joinValues("50 at once", answers, "join");
    }),
};

/** @type {Part} */
const zap = {
  what: "20 IGMPv2 hosts that change channel once a second each, 100 groups of 200 packets/s; leaves within 3 s after the end",
  measure: (measurement) =>
    withRouter(measurement, async (site) => {
      const answers = await site.load.measure(
        "zap",
        measurement.quick ? { hosts: 4, count: 20, ms: 1000 } : { ms: 8000 },
      );
      const unfree = answers.filter((answer) => "unfree" in answer).length;
      return [
        ...joinValues("zapping", answers, "join"),
        ...leaveValues("zapping", answers, "leave"),
        value("zaps while no group had ended", "zaps", unfree),
      ];
    }),
};

/** What a router of static routes needs instead of reports. @param {Router} router */
const heard = (router) => ({ static: router.static ? 1 : 0 });

const CAPACITIES = [1000, 3000, 10_000];

/** @type {Part} */
const capacity = {
  what: "groups forwarded at the same time; hosts ask by IGMPv2, 2,000 reports/s, and up to three times for what does not come",
  measure: (measurement) =>
    withRouter(measurement, async (site) => {
      let most = 0;
      for (const count of measurement.quick ? [20] : CAPACITIES) {
        const settings = { count, rate: 2000, rounds: 3, limit: 2000, ...heard(measurement.router) };
        const [answer] = await site.load.measure("hold", settings);
        most = Math.max(most, answer?.forwarded ?? 0);
        if (most < count) return [value("group capacity", "groups", most)];
      }
      return [value("group capacity", "groups", most, true)];
    }),
};

/** Packets of the first trial, as fast as the tester can; seconds of the others. */
const FASTEST = { packets: 40_000, rate: 10_000_000 };
const TRIAL = 0.3;
const TRIALS = 5;
/** The quickest of so many: what else the machine does makes a trial slower, never quicker. */
const FASTEST_OF = 3;

/**
 * RFC 2544 26.1: the highest rate, found by halving, at which nothing is lost on any of `links`; multicast and unicast alike.
 * @param {Site} site
 * @param {Settings} settings of the trials
 * @param {{ links: number, quick: boolean }} how
 * @returns {Promise<{ rate: number, atLeast: boolean }>} packets a second that the source sent
 */
async function losslessRate(site, settings, { links, quick }) {
  const one = (/** @type {Settings} */ how) => trial(site, { ...settings, ...how }, links);
  const fastest = [];
  for (let left = quick ? 1 : FASTEST_OF; left > 0; left--)
    fastest.push(await one(quick ? { ...FASTEST, packets: 500 } : FASTEST));
  const most = Math.max(...fastest.map(({ rate }) => rate));
  if (fastest.every(({ lost }) => lost === 0)) return { rate: most, atLeast: true };
  let [held, lost] = [0, most];
  for (let left = TRIALS; left > 0; left--) {
    const rate = (held + lost) / 2;
    const result = await one({ rate, packets: rate * TRIAL });
    if (result.lost === 0) held = result.rate;
    else lost = rate;
  }
  return { rate: held, atLeast: false };
}

/** @param {Site} site @param {Settings} settings @param {number} links */
async function trial(site, settings, links) {
  const [answer] = await site.load.measure("trial", settings);
  if (answer === undefined) throw new Error("the trial said nothing");
  const { sent, unicastSent, took, received, unicastReceived, unread } = answer;
  const came = received.slice(0, links).reduce((/** @type {number} */ sum, /** @type {number} */ one) => sum + one, 0);
  // What the tester was too slow to read has come too; a query may be among it.
  const lost = Math.max(0, sent * links + unicastSent - came - unicastReceived - unread);
  return { rate: ((sent + unicastSent) * 1e9) / took, lost };
}

/** @param {string} name @param {{ rate: number, atLeast: boolean }} found @param {number} [links] */
const rateValue = (name, { rate, atLeast }, links = 1) => value(name, "packets/s", rate * links, atLeast);

/** Members for the groups, on so many LANs, and all of them forwarded. @param {Site} site @param {Router} router @param {Settings} settings */
async function member(site, router, settings) {
  const [answer] = await site.load.measure("hold", {
    rate: 1000,
    rounds: 4,
    limit: 5000,
    ...settings,
    ...heard(router),
  });
  if (answer?.forwarded !== settings.count)
    throw new Error(`${answer?.forwarded} of ${settings.count} groups were forwarded`);
}

const SCALES = [1, 100, 1000];

/** @type {Part} */
const scale = {
  what: "scaled group forwarding: packets/s of 1,316 octets without loss, spread over so many groups",
  measure: (measurement) =>
    withRouter(measurement, async (site) => {
      const values = [];
      for (const count of measurement.quick ? [1, 5] : SCALES) {
        await member(site, measurement.router, { count });
        values.push(
          rateValue(`throughput of ${count} groups`, await losslessRate(site, { count }, { links: 1, ...measurement })),
        );
      }
      return values;
    }),
};

/** @type {Part} */
const throughput = {
  what: "aggregated throughput without loss: one group to two LANs, packets/s of 1,316 octets on both together",
  measure: (measurement) =>
    withRouter(
      measurement,
      async (site) => {
        await member(site, measurement.router, { count: 1, links: 2 });
        const found = await losslessRate(site, { count: 1 }, { links: 2, ...measurement });
        return [rateValue("aggregated throughput", found, 2)];
      },
      2,
    ),
};

/** @type {Part} */
const mixed = {
  what: "mixed unicast and multicast without loss: half of the packets are unicast to a host of the LAN, half belong to 10 groups",
  measure: (measurement) =>
    withRouter(measurement, async (site) => {
      await member(site, measurement.router, { count: 10 });
      return [
        rateValue(
          "mixed throughput",
          await losslessRate(site, { count: 10, unicast: 50 }, { links: 1, ...measurement }),
        ),
      ];
    }),
};

/** @type {Part} */
const latency = {
  what: "forwarding latency: from the source's wire to the LAN's, 1,000 packets/s",
  measure: (measurement) =>
    withRouter(measurement, async (site) => {
      await member(site, measurement.router, { count: 1 });
      const answers = await site.load.measure("latency", { rate: 1000, ms: measurement.quick ? 100 : 1000 });
      return [
        ...spread("forwarding latency", sorted(answers, "latency"), "us"),
        missing("packets lost", answers, "latency"),
      ];
    }),
};

const MEBI = 2 ** 20;
/** Of /proc/PID/stat's ticks (USER_HZ, 100 on every Linux). */
const TICK = 1e7;

/** @type {Part} */
const memory = {
  what: "RSS of all the router's processes and their share of one processor while 1,000 groups of 10 packets/s are held, each confirmed once in 5 s",
  measure: (measurement) =>
    withRouter(measurement, async (site, running) => {
      const count = measurement.quick ? 10 : 1000;
      const settings = { count, rounds: 4, limit: 5000, pps: count * 10, ms: measurement.quick ? 500 : 5000 };
      const load = site.load.start("hold", { ...settings, ...heard(measurement.router) });
      await load.line(/holding/, 30_000);
      const before = use(running);
      await load.line(/held/, 30_000);
      const after = use(running);
      await load.exited;
      const answers = answersOf(load);
      const forwarded = answers.find((answer) => "forwarded" in answer)?.forwarded;
      if (forwarded !== count) throw new Error(`${forwarded} of ${count} groups were forwarded`);
      const span = answers.find((answer) => "held" in answer)?.held;
      return [
        value("RSS at 1,000 groups", "MiB", after.resident / MEBI),
        value("CPU at 1,000 groups", "%", (100 * (after.ticks - before.ticks) * TICK) / span),
      ];
    }),
  async beside() {
    const child = spawn(process.execPath, ["-e", 'setInterval(() => {}, 1e8); console.log("here")'], {
      stdio: ["ignore", "pipe", "ignore"],
    });
    try {
      await once(child.stdout, "data");
      return {
        name: "bare node",
        values: [
          value("RSS at 1,000 groups", "MiB", residentOf(Number(child.pid)) / MEBI),
          { name: "CPU at 1,000 groups", unit: "%", cannot: "it does nothing" },
        ],
      };
    } finally {
      child.kill();
      await once(child, "exit");
    }
  },
};

const REPORT_RATES = [1000, 2000, 5000, 10_000, 20_000, 50_000];
/** Seconds. */
const REPORT_SPAN = 0.2;

/** @type {Part} */
const reports = {
  what: "IGMPv2 reports/s, each for a new group, for 0.2 s, of which none is missed: each group is forwarded within 3 s",
  measure: (measurement) =>
    withRouter(measurement, async (site) => {
      let [first, held] = [0, 0];
      for (const rate of measurement.quick ? [100] : REPORT_RATES) {
        const count = rate * REPORT_SPAN;
        const [answer] = await site.load.measure("hold", { first, count, rate, settle: 500, limit: 2500, pps: 10_000 });
        if (answer?.forwarded !== count) return [value("reports without a miss", "reports/s", held)];
        held = (count * 1e9) / Math.max(answer.askedIn, REPORT_SPAN * 1e9);
        first += count;
      }
      return [value("reports without a miss", "reports/s", held, true)];
    }),
};

/** @type {Part} */
const start = {
  what: "from the router's start to its first general query on the LAN (pimd's own start, its zebra runs already)",
  async measure({ site, router, quick }) {
    const spans = [];
    for (let left = quick ? 1 : 3; left > 0; left--) spans.push(await toFirstQuery(site, router));
    return spread(
      "start to first query",
      spans.sort((a, b) => a - b),
    );
  },
};

/** Nanoseconds. @param {Site} site @param {Router} router */
async function toFirstQuery(site, router) {
  const listener = site.load.start("query", { limit: 20_000 });
  await listener.line(/listening/);
  const started = await withStarted({ site, router }, 1, async (running) => {
    await listener.exited;
    return running.started;
  });
  const query = answersOf(listener).find((answer) => "query" in answer)?.query;
  if (typeof query !== "number") throw new Error("no query in 20 s");
  return query - started * 1e6;
}

/** In the order in which they are measured. @type {Record<PartName, Part>} */
export const PARTS = { join, burst, zap, capacity, scale, throughput, mixed, latency, memory, reports, start };
