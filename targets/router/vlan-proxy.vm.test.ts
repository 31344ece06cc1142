// The router bundle routes into two VLANs of its bridge and, in one of them, speaks for its hosts to two routers behind other ports: one
// behind a trunk, which asks, and one without a tag, which yields to it and is named. Each is a kernel's bridge with a querier, whose table
// says what it has been told. Needs nft.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { type Actor, act, cable, inside, ip, makeNamespaces, removeNamespaces } from "./namespaces.testkit.ts";

const PREFIX = `vp-${process.pid}`;
const [ROUTER, TEN, TWENTY, FIRST, SECOND, OTHER, SENDER] = ["r", "a", "b", "x", "y", "o", "s"].map(
  (name) => `${PREFIX}-${name}`,
) as [string, string, string, string, string, string, string];
const NAMESPACES = [ROUTER, TEN, TWENTY, FIRST, SECOND, OTHER, SENDER];
const [PORT, SOURCE, GROUP, OTHERS] = ["5004", "10.1.0.2", "239.1.80.1", "239.1.80.2"];
const HELPER = "targets/router/lab-host.testkit.cjs";

const SETTINGS = [
  "id=lab-vlan-proxy",
  `socket=/tmp/${PREFIX}.sock`,
  "log.format=json",
  "upstream.interface=up0",
  "downstreams.0.interface=br-lan.10",
  "downstreams.0.proxyReporting=true",
  // A kernel's bridge yields even to a query of 0.0.0.0: neither is to hear what we ask before they are known.
  "downstreams.0.routerPorts.0=first",
  "downstreams.0.routerPorts.1=second",
  "downstreams.1.interface=br-lan.20",
  ...[0, 1].flatMap((i) =>
    ["snooping=true", "queryInterval=15", "queryResponseInterval=0.5", "lastMemberQueryInterval=0.3"].map(
      (entry) => `downstreams.${i}.${entry}`,
    ),
  ),
].flatMap((setting) => ["--set", setting]);

let [router, ten, twenty, sender, wireFirst, wireSecond, wireOther]: (Actor | undefined)[] = [];
const the = (actor: Actor | undefined): Actor => actor ?? assert.fail("the lab is not built");

async function until(what: string, condition: () => boolean, limit = 15_000): Promise<void> {
  const end = performance.now() + limit;
  while (!condition()) {
    assert.ok(performance.now() < end, what);
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

const gets = (host: Actor, group: string, count: number): Promise<void> =>
  host.sawTimes(count, new RegExp(`^${group} \\d`), 15_000, host.lines.length);
/** Whether the kernel of a router sends the group to our bridge. */
const isTold = (namespace: string, group: string): boolean =>
  inside(namespace, "bridge", "mdb", "show", "dev", "brr").includes(` grp ${group} `);
const told = (group: string): readonly boolean[] => [FIRST, SECOND].map((one) => isTold(one, group));

/** The lower address asks; the other has heard it, and is silent. */
const ask = (): void => {
  for (const namespace of [FIRST, SECOND])
    ip("-n", namespace, "link", "set", "brr", "type", "bridge", "mcast_querier", "1");
};

/** A port of our bridge in one VLAN, with a tag or without. */
function port(name: string, namespace: string, vlan: string, ...how: readonly string[]): void {
  cable(ROUTER, name, namespace, "eth0");
  ip("-n", ROUTER, "link", "set", name, "master", "br-lan");
  inside(ROUTER, "bridge", "vlan", "del", "dev", name, "vid", "1");
  inside(ROUTER, "bridge", "vlan", "add", "dev", name, "vid", vlan, ...how);
}
const ACCESS = ["pvid", "untagged"];

/** A bridge over the interface, which asks. */
function makeRouter(namespace: string, over: string, address: string): void {
  ip("-n", namespace, "link", "add", "brr", "type", "bridge");
  const times = { query_interval: 1500, startup_query_interval: 1500, query_response_interval: 50 };
  const settings = Object.entries(times).flatMap(([name, value]) => [`mcast_${name}`, String(value)]);
  const querier = ["mcast_query_use_ifaddr", "1", "mcast_igmp_version", "3", "mcast_last_member_interval", "30"];
  ip("-n", namespace, "link", "set", "brr", "type", "bridge", ...querier, ...settings);
  ip("-n", namespace, "link", "set", over, "master", "brr");
  ip("-n", namespace, "link", "set", "brr", "up");
  ip("-n", namespace, "addr", "add", `${address}/24`, "dev", "brr");
}

before(async () => {
  makeNamespaces(NAMESPACES);
  ip("-n", ROUTER, "link", "add", "br-lan", "type", "bridge", "vlan_filtering", "1", "mcast_snooping", "0");
  inside(ROUTER, "bridge", "vlan", "del", "dev", "br-lan", "vid", "1", "self");
  port("a10", TEN, "10", ...ACCESS);
  port("b20", TWENTY, "20", ...ACCESS);
  port("first", FIRST, "10");
  port("second", SECOND, "10", ...ACCESS);
  port("other", OTHER, "20");
  // What is of VLAN 20 passes a port of the routers' too.
  inside(ROUTER, "bridge", "vlan", "add", "dev", "first", "vid", "20");
  cable(ROUTER, "up0", SENDER, "eth0");
  ip("-n", ROUTER, "link", "set", "br-lan", "up");
  for (const id of ["10", "20"]) {
    inside(ROUTER, "bridge", "vlan", "add", "dev", "br-lan", "vid", id, "self");
    ip("-n", ROUTER, "link", "add", "link", "br-lan", "name", `br-lan.${id}`, "type", "vlan", "id", id);
    ip("-n", ROUTER, "link", "set", `br-lan.${id}`, "up");
  }
  ip("-n", FIRST, "link", "add", "link", "eth0", "name", "eth0.10", "type", "vlan", "id", "10");
  ip("-n", FIRST, "link", "set", "eth0.10", "up");
  makeRouter(FIRST, "eth0.10", "10.10.0.5");
  makeRouter(SECOND, "eth0", "10.10.0.6");
  for (const [namespace, name, address] of [
    [ROUTER, "up0", "10.1.0.1"],
    [ROUTER, "br-lan.10", "10.10.0.1"],
    [ROUTER, "br-lan.20", "10.20.0.1"],
    [TEN, "eth0", "10.10.0.12"],
    [TWENTY, "eth0", "10.20.0.12"],
    [SENDER, "eth0", SOURCE],
  ] as const)
    ip("-n", namespace, "addr", "add", `${address}/24`, "dev", name);
  ip("-n", SENDER, "route", "add", "default", "dev", "eth0");
  const dump = (namespace: string) => act(namespace, "tcpdump", "-l", "-n", "-e", "-v", "-Q", "in", "-i", "eth0");
  [wireFirst, wireSecond, wireOther] = [FIRST, SECOND, OTHER].map(dump);
  for (const one of [wireFirst, wireSecond, wireOther]) await the(one).saw(/listening on/, 15_000);
  ten = act(TEN, process.execPath, HELPER, "host", "10.10.0.12", PORT);
  twenty = act(TWENTY, process.execPath, HELPER, "host", "10.20.0.12", PORT);
  sender = act(SENDER, process.execPath, HELPER, "send", SOURCE, PORT);
  await the(sender).saw(/ready/, 15_000);
  for (const group of [GROUP, OTHERS]) the(sender).say(group);
  router = act(ROUTER, process.execPath, "dist/router.cjs", ...SETTINGS);
  await the(router).saw(/"msg":"running"/, 30_000);
  ask();
  await the(router).saw(/"port":"first".*a router is behind a bridge port"/, 20_000);
  await the(router).saw(/reports stay within the bridge/, 20_000);
});

after(() => removeNamespaces(NAMESPACES));

interface Shown {
  readonly name: string;
  readonly snooping: {
    readonly state: string;
    readonly counts: object;
    readonly perPort: readonly { readonly port: string; readonly router: boolean }[];
    readonly proxied?: {
      readonly state: string;
      readonly counts: object;
      readonly perPort: readonly { port: string }[];
    };
  };
}
const shown = (vlan: number): Shown =>
  (
    JSON.parse(inside(ROUTER, process.execPath, "dist/router.cjs", ...SETTINGS, "status", "--json"))
      .interfaces as readonly Shown[]
  ).find(({ name }) => name === `br-lan.${vlan}`) ?? assert.fail("no such interface");

test("both routers are known behind their ports, in their VLAN alone", () => {
  const { proxied } = shown(10).snooping;
  assert.deepEqual(
    [proxied?.state, proxied?.perPort.map(({ port: one }) => one).sort(), proxied?.counts],
    ["in force", ["first", "second"], {}],
  );
  assert.deepEqual(
    shown(20).snooping.perPort.filter((one) => one.router),
    [],
  );
});

test("a join is told to both, to each as frames of its port are, and the host itself is not heard there", async () => {
  const from = [wireFirst, wireSecond].map((wire) => the(wire).lines.length);
  the(ten).say(`join ${GROUP}`);
  await gets(the(ten), GROUP, 20);
  await until("both are told", () => told(GROUP).every((one) => one));
  const [first, second] = [wireFirst, wireSecond].map((wire, i) => the(wire).lines.slice(from[i]).join("\n"));
  assert.doesNotMatch(`${first}${second}`, /10\.10\.0\.12 > 224\.0\.0\.22/);
  const header = (text = "") =>
    /^.*length \d+: (.*?ethertype IPv4|\(tos).*\n? *0\.0\.0\.0 > 224\.0\.0\.22/m.exec(text)?.[0] ?? text;
  assert.match(header(first), /vlan 10,/);
  assert.doesNotMatch(header(second), /vlan/);
});

test("what hosts of the other VLAN say crosses the bridge as ever, by a port of the routers' too", async () => {
  const from = [wireFirst, wireOther].map((wire) => the(wire).lines.length);
  const said = /10\.20\.0\.12 > 224\.0\.0\.22/;
  inside(TWENTY, "ip", "addr", "add", "10.20.0.13/24", "dev", "eth0");
  the(twenty).say(`join ${OTHERS}`);
  await gets(the(twenty), OTHERS, 20);
  // The bridge itself keeps reports from all but ports of routers; there is one on the trunk, of the other VLAN.
  await the(wireFirst).saw(said, 15_000, from[0]);
  assert.deepEqual(told(OTHERS), [false, false]);
  const reports = the(wireFirst).lines.slice(from[0]).join("\n");
  assert.match(reports, /vlan 20,[^\n]*\n? *10\.20\.0\.12 > 224\.0\.0\.22/);
});

test("the last leave is told to both, and the other VLAN's viewer goes on", async () => {
  const from = the(twenty).lines.length;
  the(ten).say(`leave ${GROUP}`);
  await until("both stop", () => told(GROUP).every((one) => !one));
  await gets(the(twenty), OTHERS, 50);
  const seen = the(twenty)
    .lines.slice(from)
    .filter((line) => line.startsWith(`${OTHERS} `))
    .map((line) => Number(line.split(" ")[1]));
  assert.deepEqual(
    seen,
    seen.map((_, i) => (seen[0] ?? 0) + i),
    "no packet is missing",
  );
});
