// A router that has just started, with sockets that are none, and 50 viewers who join at once: node started-router.mjs [rehearsed]
// [routes-first]. Says on standard output how many microseconds the first and the last of them waited for their routes; the log goes
// to standard error.
import * as v from "valibot";
import { ipv4 } from "../../../build/core/base/ipv4.js";
import { reportLength, writeReport } from "../../../build/core/igmp/messages/report.js";
import { systemClock } from "../../../build/hal/clock/system.js";
import { systemEntropy } from "../../../build/hal/entropy/system.js";
import { routerConfig } from "../../../build/targets/router/config.js";
import { rehearse } from "../../../build/targets/router/rehearsal.js";
import { RouterService } from "../../../build/targets/router/service.js";
import { Stage } from "../../../build/targets/router/stage.js";
import { createLogger } from "../../../build/targets/shared/log.js";

const VIEWERS = 50;
const [HOSTS, GROUPS] = [0x0a020002, 0xef010000];

const isRehearsed = process.argv.includes("rehearsed");
const routesFirst = process.argv.includes("routes-first");
const config = v.parse(routerConfig, {
  id: "bench",
  upstream: { interface: "up" },
  downstreams: [{ interface: "lan" }],
});

/** @type {bigint[]} */
const served = [];

const stage = new Stage(() => served.push(process.hrtime.bigint()));
const { igmp, forwarding, links } = stage;

new RouterService(config, {
  clock: systemClock,
  entropy: systemEntropy,
  links,
  igmp,
  forwarding,
  taps: undefined,
  membershipReports: undefined,
  bridgeQueriers: { silence: () => false, restore() {} },
  log: createLogger({ level: "info", format: "json", toStderr: true }, "router", "bench"),
  later: routesFirst ? setImmediate : (work) => work(),
  fatal(error) {
    throw error;
  },
});

if (isRehearsed) await rehearse(config, { clock: systemClock, entropy: systemEntropy }, setImmediate);

const reports = Array.from({ length: VIEWERS }, (_, number) => {
  const records = [{ type: /** @type {const} */ ("to-ex"), group: ipv4(GROUPS + number), sources: [] }];
  return writeReport(new Uint8Array(reportLength(records)), ipv4(HOSTS + number), records);
});
for (const number of reports.keys()) stage.stream("up", ipv4(GROUPS + number));
await new Promise((resolve) => setImmediate(resolve));

const begin = process.hrtime.bigint();
for (const report of reports) stage.hear("lan", report);
const micros = (/** @type {bigint | undefined} */ at) => (at === undefined ? undefined : Number(at - begin) / 1000);
process.stdout.write(JSON.stringify({ first: micros(served[0]), last: micros(served.at(-1)), served: served.length }));
process.exit();
