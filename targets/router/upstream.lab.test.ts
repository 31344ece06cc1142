// The router bundle between real kernels: a viewer on one LAN, a forger on the other, an access network that never asks. Needs root.
import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { after, before, test } from "node:test";
import { type Actor, act, cable, inside, ip, makeNamespaces, removeNamespaces } from "./namespaces.testkit.ts";

const PREFIX = `up-${process.pid}`;
const [ROUTER, VIEWER, FORGER, HEADEND] = ["r", "v", "f", "h"].map((name) => `${PREFIX}-${name}`) as [
  string,
  string,
  string,
  string,
];
const NAMESPACES = [ROUTER, VIEWER, FORGER, HEADEND];
const [PORT, SOURCE, LAN_HOST] = ["5004", "10.1.0.2", "10.3.0.66"];
const GROUP = "239.255.77.1";
const HELPER = "targets/router/lab-host.testkit.cjs";
const root = process.getuid?.() === 0;
const skip = !root ? "needs root for network namespaces" : !existsSync("dist/router.cjs") && "needs npm run build";

const SETTINGS = [
  "id=lab-upstream",
  `socket=/tmp/${PREFIX}.sock`,
  "log.format=json",
  "upstream.interface=up0",
  "upstream.refresh=1",
  "downstreams.0.interface=lan0",
  "downstreams.1.interface=lan1",
].flatMap((setting) => ["--set", setting]);

interface Status {
  readonly intruders: readonly Readonly<Record<string, unknown>>[];
  readonly upstream: { readonly asks: boolean; readonly refreshes: number };
}

const status = (): Status =>
  JSON.parse(inside(ROUTER, process.execPath, "dist/router.cjs", ...SETTINGS, "status", "--json")) as Status;
const sender = (namespace: string, address: string): Actor =>
  act(namespace, process.execPath, HELPER, "send", address, PORT);

before(async () => {
  if (skip !== false) return;
  makeNamespaces(NAMESPACES);
  cable(ROUTER, "up0", HEADEND, "eth0");
  cable(ROUTER, "lan0", VIEWER, "eth0");
  cable(ROUTER, "port7", FORGER, "eth0");
  ip("-n", ROUTER, "link", "add", "lan1", "type", "bridge");
  ip("-n", ROUTER, "link", "set", "port7", "master", "lan1");
  ip("-n", ROUTER, "link", "set", "lan1", "up");
  for (const [namespace, name, address] of [
    [ROUTER, "up0", "10.1.0.1/24"],
    [ROUTER, "lan0", "10.2.0.1/24"],
    [ROUTER, "lan1", "10.3.0.1/24"],
    [HEADEND, "eth0", `${SOURCE}/24`],
    [VIEWER, "eth0", "10.2.0.11/24"],
    [FORGER, "eth0", `${LAN_HOST}/24`],
    [FORGER, "eth0", `${SOURCE}/32`],
  ] as const)
    ip("-n", namespace, "addr", "add", address, "dev", name);
  for (const namespace of [VIEWER, FORGER, HEADEND]) ip("-n", namespace, "route", "add", "default", "dev", "eth0");
});

after(() => (root ? removeNamespaces(NAMESPACES) : undefined));

test("a forger under the headend's address, before anybody watches, gets neither the ingress nor the uplink", {
  skip,
}, async () => {
  const router = act(ROUTER, process.execPath, "dist/router.cjs", ...SETTINGS);
  await router.saw(/"msg":"running"/);
  const wire = act(HEADEND, "tcpdump", "-l", "-n", "-Q", "in", "-i", "eth0", "udp or igmp");
  await wire.saw(/listening on eth0/);
  const forger = sender(FORGER, SOURCE);
  await forger.saw(/ready/);
  forger.say(GROUP);
  await router.saw(/"interface":"lan1","source":"10\.1\.0\.2".*"expected":"up0".*not routed/);
  // The neighbour table knows nobody by that address; the next packet shows whose card it is, the bridge where.
  const card = inside(FORGER, "cat", "/sys/class/net/eth0/address").trim();
  await router.saw(new RegExp(`"source":"10\\.1\\.0\\.2".*"mac":"${card}","port":"port7".*this card sends`));
  const viewer = act(VIEWER, process.execPath, HELPER, "host", "10.2.0.11", PORT);
  viewer.say(`join ${GROUP}`);
  await router.saw(new RegExp(`"number":71.*"interface":"lan0".*"group":"${GROUP}"`));
  const ours = sender(FORGER, LAN_HOST);
  await ours.saw(/ready/);
  for (const group of ["239.255.255.250", "239.1.1.1"]) ours.say(group);
  await wire.sawTimes(20, /10\.3\.0\.66\.\d+ > 239\.1\.1\.1\.5004/, 5000);
  assert.equal(wire.count(/> 239\.255\.255\.250|> 239\.255\.77\.1/), 0, "neither SSDP nor the forged stream");
  assert.equal(viewer.count(new RegExp(`^${GROUP} \\d`)), 0, "nothing forged reaches the viewer");
  const delivered = new RegExp(`"number":72.*"interface":"lan0".*"group":"${GROUP}"`);
  assert.equal(router.count(delivered), 0, "by a route that a forgery made nothing is delivered");
  const headend = sender(HEADEND, SOURCE);
  await headend.saw(/ready/);
  headend.say(GROUP);
  await viewer.sawTimes(100, new RegExp(`^${GROUP} \\d`), 5000);
  const [intruder] = status().intruders;
  assert.deepEqual([intruder?.interface, intruder?.source, intruder?.expected], ["lan1", SOURCE, "up0"]);
  assert.deepEqual([intruder?.mac, intruder?.port], [card, "port7"]);
  // Nobody asks on the uplink: the membership is reported again and again, and never left.
  await wire.sawTimes(4, /igmp v3 report/, 8000, wire.lines.length);
  assert.equal(status().upstream.asks, false);
  assert.ok(status().upstream.refreshes > 3);
});
