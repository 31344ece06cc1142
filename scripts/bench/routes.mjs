// A join on a router with 1,000 and with 10,000 routes, from the report to the route, the report upstream and the delivery; then the
// stream that arrives. Through Router, packets and upcalls in and effects out, without sockets.

import { ipv4 } from "../../build/core/base/ipv4.js";
import { instant } from "../../build/core/base/time.js";
import { reportLength, writeReport } from "../../build/core/igmp/messages/report.js";
import { IGMP } from "../../build/core/igmp/wire.js";
import { Router } from "../../build/core/router/router.js";
import { median } from "./support/measure.mjs";

const FULL = { sizes: [10_000, 50_000], rounds: 15, batch: 500 };
const QUICK = { sizes: [3000], rounds: 3, batch: 100 };
const SMALL = 1000;
/** Reports a second that one core is to take. */
const GOAL = 10_000;
const [GROUPS, HOSTS, SOURCE] = [0xef010000, 0x0a020002, ipv4(0x0a010002)];
const entropy = { bytes: (/** @type {number} */ n) => new Uint8Array(n), below: (/** @type {number} */ n) => n / 2 };

/** A router whose viewers watch so many groups, each its own host. @param {number} size */
function filled(size) {
  const igmp = {
    maxGroups: 65_536,
    maxHostMemberships: 1_000_000,
    joinsPerSecond: 10_000,
    newHostsPerMinute: Number.POSITIVE_INFINITY,
  };
  const downstreams = [{ name: "lan", igmp }, { name: "wifi" }];
  const router = new Router(IGMP, { upstreams: [{ name: "up" }], downstreams, maxRoutes: 65_536 }, entropy);
  for (const [name, address] of /** @type {const} */ ([
    ["up", 0x0a010001],
    ["lan", 0x0a020001],
    ["wifi", 0x0a030001],
  ]))
    router.receive(instant(0), { kind: "link", name, address: ipv4(address) });
  for (let i = 0; i < size; i++) watch(router, i, i);
  return router;
}

/**
 * @param {Router} router
 * @param {number} now
 * @param {number} number
 */
function watch(router, now, number) {
  say(router, now, number, "to-ex");
  router.receive(instant(now), { kind: "no-route", source: SOURCE, group: ipv4(GROUPS + number), inbound: "up" });
}

/**
 * @param {Router} router
 * @param {number} now
 * @param {number} number
 * @param {import("../../core/igmp/messages/report.ts").RecordType} type
 */
function say(router, now, number, type) {
  const records = [{ type, group: ipv4(GROUPS + number), sources: [] }];
  const bytes = writeReport(new Uint8Array(reportLength(records)), ipv4(HOSTS + number), records);
  router.receive(instant(now), { kind: "packet", name: "lan", bytes });
}

/**
 * Microseconds for a join with its route, the median of rounds; the groups end again between them.
 * @param {number} size
 * @param {typeof FULL} plan
 */
function cost(size, { rounds, batch }) {
  const router = filled(size);
  const taken = [];
  let now = size;
  for (let round = 0; round < rounds; round++) {
    const begin = process.hrtime.bigint();
    for (let i = 0; i < batch; i++) watch(router, now, size + i);
    taken.push(Number(process.hrtime.bigint() - begin) / 1000 / batch);
    for (let i = 0; i < batch; i++) say(router, now, size + i, "to-in");
    for (now += 3000; (router.nextDeadline() ?? now) < now; ) router.poll(instant(now));
    const delivering = router.routes().filter(({ outbound }) => outbound.length > 0).length;
    if (delivering !== size) throw new Error(`${delivering} of ${size} routes deliver`);
  }
  return median(taken);
}

/** @param {{ quick: boolean }} how */
export async function run({ quick }) {
  const plan = quick ? QUICK : FULL;
  cost(SMALL, plan);
  const few = cost(SMALL, plan);
  return plan.sizes.flatMap((size) => {
    const many = cost(size, plan);
    return [
      { name: `a join with its route among ${size}`, unit: "µs", ours: many, against: `among ${SMALL}`, theirs: few },
      {
        name: `joins with routes among ${size}`,
        unit: "1/s",
        ours: 1e6 / many,
        against: "the goal",
        theirs: GOAL,
      },
    ];
  });
}
