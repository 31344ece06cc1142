// A router that has just started, with sockets that are none, and 50 viewers who join at once: node started-router.mjs [rehearsed]
// [routes-first]. Says on standard output how many microseconds the first and the last of them waited for their routes; the log goes
// to standard error.
import * as v from "valibot";
import { ipv4 } from "../../../build/core/base/ipv4.js";
import { reportLength, writeReport } from "../../../build/core/igmp/report.js";
import { systemClock } from "../../../build/hal/clock/system.js";
import { systemEntropy } from "../../../build/hal/entropy/system.js";
import { routerConfig } from "../../../build/targets/router/config.js";
import { rehearse } from "../../../build/targets/router/rehearsal.js";
import { RouterService } from "../../../build/targets/router/service.js";
import { createLogger } from "../../../build/targets/shared/log.js";

const VIEWERS = 50;
const [ADDRESS, SOURCE, HOSTS, GROUPS] = [ipv4(0x0a010001), ipv4(0x0a010002), 0x0a020002, 0xef010000];

const isRehearsed = process.argv.includes("rehearsed");
const routesFirst = process.argv.includes("routes-first");
const config = v.parse(routerConfig, {
  id: "bench",
  upstream: { interface: "up" },
  downstreams: [{ interface: "lan" }],
});

/** @type {import("../../../core/ports/igmp-socket.ts").IgmpListener | undefined} */
let hosts;
/** @type {import("../../../core/ports/forwarding.ts").ForwardingListener | undefined} */
let upcalls;
/** @type {bigint[]} */
const served = [];

const link = (/** @type {string} */ name) => ({
  name,
  index: 1,
  up: true,
  addresses: [{ address: ADDRESS, prefixLength: 8 }],
  ports: [],
});

new RouterService(config, {
  clock: systemClock,
  entropy: systemEntropy,
  links: { get: link, list: () => [], changes: () => () => {}, watch: () => () => {}, neighbour: () => undefined },
  igmp: {
    hearsUnjoined: true,
    open(interfaceName, listener) {
      if (interfaceName === "lan") hosts = listener;
      return { interfaceName, send() {}, dropped: () => 0, close() {} };
    },
  },
  forwarding: {
    open(listener) {
      upcalls = listener;
      return {
        addInterface() {},
        removeInterface() {},
        set: ({ outbound }) => void (outbound.length > 0 && served.push(process.hrtime.bigint())),
        remove() {},
        inherited: () => [],
        use: () => [],
        counts: () => ({}),
        dropped: () => 0,
        handOver: () => false,
        close() {},
      };
    },
  },
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
for (const number of reports.keys()) upcalls?.noRoute(SOURCE, ipv4(GROUPS + number), "up");
await new Promise((resolve) => setImmediate(resolve));

const begin = process.hrtime.bigint();
for (const report of reports) hosts?.packet(report, {});
const micros = (/** @type {bigint | undefined} */ at) => (at === undefined ? undefined : Number(at - begin) / 1000);
process.stdout.write(JSON.stringify({ first: micros(served[0]), last: micros(served.at(-1)), served: served.length }));
process.exit();
