// The router bundle between an upstream and a bridge with proxy reporting, behind whose ports are two viewers and two routers: one with the
// kernel's own querier, and a silent one that is named. Their tables say what they have been told. Needs root, and nft.
import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { after, before, test } from "node:test";
import { whyNotWithNft } from "./lab-host.testkit.ts";
import { type Actor, act, cable, inside, ip, makeNamespaces, removeNamespaces } from "./namespaces.testkit.ts";
import type { RouterStatus } from "./status.ts";

const PREFIX = `rp-${process.pid}`;
const [SWITCH, HOST_A, HOST_B, ASKS, SILENT, SENDER] = ["s", "a", "b", "q", "n", "u"].map(
  (name) => `${PREFIX}-${name}`,
) as [string, string, string, string, string, string];
const NAMESPACES = [SWITCH, HOST_A, HOST_B, ASKS, SILENT, SENDER];
const HELPER = "targets/router/lab-host.testkit.cjs";
const [PORT, STREAM, BEHIND] = ["5004", "239.6.0.1", "239.6.0.2"];
/** Nothing waits so long unless it waits for ever. */
const LIMIT = 30_000;
const skip = whyNotWithNft() || (!existsSync("dist/router.cjs") && "needs npm run build");

const SETTINGS = [
  "id=lab-routed-proxy",
  `socket=/tmp/${PREFIX}.sock`,
  "log.format=json",
  "upstream.interface=up0",
  "downstreams.0.interface=br0",
  "downstreams.0.snooping=true",
  "downstreams.0.proxyReporting=true",
  'downstreams.0.routerPorts=["port-n"]',
  "downstreams.0.queryInterval=15",
  "downstreams.0.queryResponseInterval=0.5",
  "downstreams.0.lastMemberQueryInterval=0.3",
].flatMap((setting) => ["--set", setting]);

const status = (): RouterStatus =>
  JSON.parse(inside(SWITCH, process.execPath, "dist/router.cjs", ...SETTINGS, "status", "--json")) as RouterStatus;
/** Whether the kernel of a router has been told by the switch that the group is wanted. */
const isTold = (router: string, group: string): boolean =>
  inside(router, "bridge", "mdb", "show", "dev", "brr").includes(`port eth0 grp ${group} `);

async function until(what: string, condition: () => boolean): Promise<void> {
  const end = performance.now() + LIMIT;
  while (!condition()) {
    assert.ok(performance.now() < end, what);
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

/** A bridge of its own on its cable, with an address and, where it asks, the kernel's querier. */
function makeRouter(namespace: string, address: string, asks: boolean): void {
  // In hundredths of a second.
  const times = { query_interval: 1500, startup_query_interval: 1500, query_response_interval: 50 };
  const settings = Object.entries(times).flatMap(([name, value]) => [`mcast_${name}`, String(value)]);
  ip("-n", namespace, "link", "add", "brr", "type", "bridge", "mcast_igmp_version", "3", ...settings);
  ip("-n", namespace, "link", "set", "eth0", "master", "brr");
  ip("-n", namespace, "link", "set", "brr", "up");
  ip("-n", namespace, "addr", "add", `${address}/24`, "dev", "brr");
  ip("-n", namespace, "route", "add", "default", "dev", "brr");
  const querier = ["mcast_query_use_ifaddr", "1", "mcast_querier", asks ? "1" : "0"];
  ip("-n", namespace, "link", "set", "brr", "type", "bridge", ...querier);
}

let [router, sender, a, b, behind, wireB]: (Actor | undefined)[] = [];
const the = (actor: Actor | undefined): Actor => actor ?? assert.fail("the lab is not built");
const gets = (host: Actor, group: string, count: number): Promise<void> =>
  host.sawTimes(count, new RegExp(`^${group} \\d`), LIMIT, host.lines.length);

before(async () => {
  if (skip !== false) return;
  makeNamespaces(NAMESPACES);
  ip("-n", SWITCH, "link", "add", "br0", "type", "bridge");
  for (const [port, namespace] of [
    ["port-a", HOST_A],
    ["port-b", HOST_B],
    ["port-q", ASKS],
    ["port-n", SILENT],
  ] as const) {
    cable(SWITCH, port, namespace, "eth0");
    ip("-n", SWITCH, "link", "set", port, "master", "br0");
  }
  ip("-n", SWITCH, "link", "set", "br0", "up");
  cable(SWITCH, "up0", SENDER, "eth0");
  for (const [namespace, name, address] of [
    [SWITCH, "br0", "10.6.0.1"],
    [SWITCH, "up0", "10.7.0.1"],
    [SENDER, "eth0", "10.7.0.2"],
    [HOST_A, "eth0", "10.6.0.11"],
    [HOST_B, "eth0", "10.6.0.12"],
  ] as const)
    ip("-n", namespace, "addr", "add", `${address}/24`, "dev", name);
  for (const namespace of [HOST_A, HOST_B, SENDER]) ip("-n", namespace, "route", "add", "default", "dev", "eth0");
  makeRouter(ASKS, "10.6.0.9", true);
  makeRouter(SILENT, "10.6.0.8", false);
  a = act(HOST_A, process.execPath, HELPER, "host", "10.6.0.11", PORT);
  b = act(HOST_B, process.execPath, HELPER, "host", "10.6.0.12", PORT);
  behind = act(ASKS, process.execPath, HELPER, "host", "10.6.0.9", PORT);
  sender = act(SENDER, process.execPath, HELPER, "send", "10.7.0.2", PORT);
  wireB = act(HOST_B, "tcpdump", "-l", "-n", "-i", "eth0", "udp");
  await sender.saw(/ready/, LIMIT);
  await wireB.saw(/listening on/, LIMIT);
  router = act(SWITCH, process.execPath, "dist/router.cjs", ...SETTINGS);
  await router.saw(/hosts' reports stay within the bridge/, LIMIT);
  await until("the querier is known", () => status().interfaces[0]?.querier.port === "port-q");
  sender.say(STREAM);
});

after(() => (skip === false ? removeNamespaces(NAMESPACES) : undefined));

test("a viewer's channel is asked for upstream and routed to its port, and both routers hear of it from us", {
  skip,
}, async () => {
  the(a).say(`join ${STREAM}`);
  await gets(the(a), STREAM, 20);
  await until("both routers are told", () => isTold(ASKS, STREAM) && isTold(SILENT, STREAM));
  const { upstream, interfaces } = status();
  assert.deepEqual(upstream?.groups, [STREAM]);
  const told = interfaces[0]?.snooping?.proxied?.perPort.map(({ port, groups }) => [port, groups.length]).sort();
  assert.deepEqual(told, [
    ["port-n", 1],
    ["port-q", 1],
  ]);
  // tcpdump tells of a packet up to a second late.
  await gets(the(a), STREAM, 60);
  const before = the(wireB).count(/> 239\.6\.0\.1\.5004/);
  await gets(the(a), STREAM, 100);
  assert.equal(the(wireB).count(/> 239\.6\.0\.1\.5004/), before, "the other port gets nothing");
});

test("what is wanted behind one router's port the other one is told, and not that one itself", { skip }, async () => {
  the(behind).say(`join ${BEHIND}`);
  await until("the silent router is told", () => isTold(SILENT, BEHIND));
  assert.equal(isTold(ASKS, BEHIND), false);
  the(b).say(`join ${BEHIND}`);
  await until("a viewer behind a third port is told of to both", () => isTold(ASKS, BEHIND));
});

test("after the last leave both routers are told, and the upstream", { skip }, async () => {
  for (const host of [a, b, behind]) for (const group of [STREAM, BEHIND]) the(host).say(`leave ${group}`);
  // The silent one asks nobody about a leave: the querier's questions reach it.
  await until("both routers end both", () =>
    [ASKS, SILENT].every((one) => !isTold(one, STREAM) && !isTold(one, BEHIND)),
  );
  await until("the upstream is left", () => status().upstream?.groups.length === 0);
  assert.deepEqual(status().warnings, []);
});
