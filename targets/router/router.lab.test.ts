// The router bundle between real kernels: hosts on two ports of its bridge, a sender behind its upstream. Needs root.

import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { after, before, test } from "node:test";
import { endedBy } from "../shared/processor-wait.testkit.ts";
import { type Actor, act, cable, inside, ip, makeNamespaces, removeNamespaces } from "./namespaces.testkit.ts";

const PREFIX = `rt-${process.pid}`;
const [ROUTER, HOST_A, HOST_B, SENDER] = ["r", "a", "b", "s"].map((name) => `${PREFIX}-${name}`) as [
  string,
  string,
  string,
  string,
];
const NAMESPACES = [ROUTER, HOST_A, HOST_B, SENDER];
const PORT = "5004";
const SOURCE = "10.1.0.2";
const SOCKET = `/tmp/${PREFIX}.sock`;
const root = process.getuid?.() === 0;
const skip = !root ? "needs root for network namespaces" : !existsSync("dist/router.cjs") && "needs npm run build";

function build(): void {
  makeNamespaces(NAMESPACES);
  cable(ROUTER, "up0", SENDER, "eth0");
  cable(ROUTER, "port-a", HOST_A, "eth0");
  cable(ROUTER, "port-b", HOST_B, "eth0");
  ip("-n", ROUTER, "link", "add", "br0", "type", "bridge", "mcast_querier", "1", "mcast_igmp_version", "3");
  for (const port of ["port-a", "port-b"]) ip("-n", ROUTER, "link", "set", port, "master", "br0");
  ip("-n", ROUTER, "link", "set", "br0", "up");
  for (const [namespace, name, address] of [
    [ROUTER, "up0", "10.1.0.1"],
    [ROUTER, "br0", "10.2.0.1"],
    [SENDER, "eth0", SOURCE],
    [HOST_A, "eth0", "10.2.0.11"],
    [HOST_B, "eth0", "10.2.0.12"],
  ] as const)
    ip("-n", namespace, "addr", "add", `${address}/24`, "dev", name);
  for (const [namespace, gateway] of [
    [SENDER, "10.1.0.1"],
    [HOST_A, "10.2.0.1"],
    [HOST_B, "10.2.0.1"],
  ] as const)
    ip("-n", namespace, "route", "add", "default", "via", gateway);
}

/** Seconds. */
const QUERY_INTERVAL = 2;
const RESPONSE_INTERVAL = 0.5;
/** RFC 3376 8.4, with the robustness 2: how long a membership lives that nobody repeats. */
const MEMBERSHIP_INTERVAL = 2 * QUERY_INTERVAL + RESPONSE_INTERVAL;

const SETTINGS = [
  "id=lab-router",
  `socket=${SOCKET}`,
  "upstream.interface=up0",
  "downstreams.0.interface=br0",
  `downstreams.0.queryInterval=${QUERY_INTERVAL}`,
  `downstreams.0.queryResponseInterval=${RESPONSE_INTERVAL}`,
  "downstreams.0.lastMemberQueryInterval=0.5",
  'downstreams.0.leave="standard"',
].flatMap((setting) => ["--set", setting]);

interface Status {
  readonly messages: Record<string, number>;
  readonly interfaces: readonly { readonly hosts: readonly Record<string, unknown>[] }[];
  readonly routes: readonly Record<string, unknown>[];
}

const status = (): Status =>
  JSON.parse(inside(ROUTER, process.execPath, "dist/router.cjs", ...SETTINGS, "status", "--json")) as Status;
const bridgeQuerier = (): string => inside(ROUTER, "cat", "/sys/class/net/br0/bridge/multicast_querier").trim();
const mac = (namespace: string): string => inside(namespace, "cat", "/sys/class/net/eth0/address").trim();

let [router, wire, a, b, sender]: (Actor | undefined)[] = [];
const the = (actor: Actor | undefined): Actor => actor ?? assert.fail("the lab is not built");

/** So many datagrams of `group`, at 50 a second, from now on or from that line of the actor; a busy machine may take its time. */
const received = (actor: Actor, group: string, packets: number, from = actor.lines.length): Promise<void> =>
  actor.sawTimes(packets, new RegExp(`^${group} `), 20_000 + packets * 20, from);

const delivery = (number: 72 | 82, group: string) => new RegExp(`"number":${number}.*"group":"${group}"`);
const GENERAL_QUERY = /igmp query v3(?!.*gaddr)/;
const asked = (group: string) => new RegExp(`igmp query v3.*gaddr ${group}`);

before(() => {
  if (skip !== false) return;
  build();
  wire = act(ROUTER, "tcpdump", "-l", "-n", "-i", "br0", "igmp");
  const node = process.execPath;
  a = act(HOST_A, node, "targets/router/lab-host.testkit.cjs", "host", "10.2.0.11", PORT);
  b = act(HOST_B, node, "targets/router/lab-host.testkit.cjs", "host", "10.2.0.12", PORT);
  sender = act(SENDER, node, "targets/router/lab-host.testkit.cjs", "send", SOURCE, PORT);
  router = act(ROUTER, node, "dist/router.cjs", ...SETTINGS, "--set", "log.level=debug", "--set", "log.format=json");
});

after(() => (root ? removeNamespaces(NAMESPACES) : undefined));

const ASM = "239.255.77.1";

test("the router asks, and the bridge's own querier is silent meanwhile", { skip }, async () => {
  await the(router).saw(/"msg":"running"/);
  await the(router).saw(/tap is listening/);
  assert.equal(bridgeQuerier(), "0");
  await the(sender).saw(/ready/);
  the(sender).say(ASM);
});

test("71 switches delivery on (72), and who joined is known by port, address and MAC", { skip }, async () => {
  the(a).say(`join ${ASM}`);
  await the(router).saw(delivery(72, ASM));
  await received(the(a), ASM, 25);
  // The capture hands frames on within its second.
  await the(router).saw(/"number":71/);
  const [host] = status().interfaces[0]?.hosts.filter(({ group }) => group === ASM) ?? [];
  assert.deepEqual(
    { host: host?.host, port: host?.port, mac: host?.mac },
    { host: "10.2.0.11", port: "port-a", mac: mac(HOST_A) },
  );
});

test("viewer B's stream goes on when viewer A leaves", { skip }, async () => {
  the(b).say(`join ${ASM}`);
  await received(the(b), ASM, 5);
  const from = the(b).lines.length;
  the(a).say(`leave ${ASM}`);
  await the(wire).saw(asked(ASM));
  await received(the(b), ASM, 100);
  const numbers = the(b)
    .lines.slice(from)
    .map((line) => Number(line.split(" ")[1]));
  assert.deepEqual(
    numbers,
    numbers.map((_, i) => (numbers[0] ?? 0) + i),
    "no packet is missing",
  );
  assert.equal(the(router).count(delivery(82, ASM)), 0);
});

test("the last leave (81) brings last-member queries, then the end of delivery (82)", { skip }, async () => {
  const before = the(wire).lines.length;
  the(b).say(`leave ${ASM}`);
  await the(router).saw(delivery(82, ASM));
  assert.ok(the(wire).count(asked(ASM), before) >= 2, "one query for each of the robustness variable");
  await the(router).saw(/"number":81.*"host":"10.2.0.12"/);
  const { messages, routes } = status();
  assert.ok((messages["81"] ?? 0) >= 2 && messages["82"] === 1, JSON.stringify(messages));
  assert.deepEqual(
    routes.map(({ outbound }) => outbound),
    [[]],
  );
});

test("an SSM join brings that source, and leaving it ends delivery", { skip }, async () => {
  const group = "232.1.77.1";
  the(sender).say(group);
  the(a).say(`join ${group} ${SOURCE}`);
  await received(the(a), group, 25);
  the(a).say(`leave ${group}`);
  await the(router).saw(delivery(82, group));
});

test("a v2 host joins and leaves", { skip }, async () => {
  inside(HOST_B, "sysctl", "-qw", "net.ipv4.conf.eth0.force_igmp_version=2");
  const group = "239.255.77.2";
  the(sender).say(group);
  the(b).say(`join ${group}`);
  await received(the(b), group, 25);
  await the(wire).saw(new RegExp(`igmp v2 report ${group}`));
  the(b).say(`leave ${group}`);
  await the(router).saw(delivery(82, group));
  inside(HOST_B, "sysctl", "-qw", "net.ipv4.conf.eth0.force_igmp_version=0");
});

test("the downstream goes away and comes back without a restart", { skip }, async () => {
  const group = "239.255.77.3";
  the(sender).say(group);
  the(a).say(`join ${group}`);
  await received(the(a), group, 5);
  const from = the(router).lines.length;
  ip("-n", ROUTER, "link", "set", "br0", "down");
  await the(router).saw(/out of use/, 5000, from);
  ip("-n", ROUTER, "link", "set", "br0", "up");
  await the(router).saw(/is in use/, 8000, from);
  await the(router).saw(delivery(72, group), 8000, from);
  await received(the(a), group, 25);
});

test("viewer and upstream keep the membership beyond two membership intervals: nothing stops after minutes", {
  skip,
}, async () => {
  const group = "239.255.77.4";
  const settings = [
    "id=upstream-router",
    `socket=${SOCKET}.up`,
    "forwarding=none",
    "downstreams.0.interface=eth0",
    `downstreams.0.queryInterval=${QUERY_INTERVAL}`,
    `downstreams.0.queryResponseInterval=${RESPONSE_INTERVAL}`,
  ].flatMap((setting) => ["--set", setting]);
  const upstream = act(SENDER, process.execPath, "dist/router.cjs", ...settings, "--set", "log.format=json");
  await upstream.saw(/"msg":"running"/);
  the(sender).say(group);
  the(a).say(`join ${group}`);
  await upstream.saw(new RegExp(`"number":71.*"group":"${group}"`));
  const upstreamWire = act(SENDER, "tcpdump", "-l", "-n", "-i", "eth0", "igmp");
  await upstreamWire.saw(/listening on eth0/);
  const [from, asks] = [the(a).lines.length, the(wire).lines.length];
  // Two of these queries are those of a querier's start, a quarter of the interval apart (RFC 3376 8.6).
  const queries = 2 + Math.ceil((2 * MEMBERSHIP_INTERVAL) / QUERY_INTERVAL);
  const limit = (queries + 2) * QUERY_INTERVAL * 1000;
  await Promise.all([
    the(wire).sawTimes(queries, GENERAL_QUERY, limit, asks),
    upstreamWire.sawTimes(queries, GENERAL_QUERY, limit),
    // The viewer's lines may come later than what they tell of.
    received(the(a), group, 2 * MEMBERSHIP_INTERVAL * 50 + 1, from),
  ]);
  const numbers = the(a)
    .lines.slice(from)
    .filter((line) => line.startsWith(`${group} `))
    .map((line) => Number(line.split(" ")[1]));
  assert.deepEqual(
    numbers,
    numbers.map((_, i) => (numbers[0] ?? 0) + i),
    "no packet is missing",
  );
  assert.equal(upstream.count(new RegExp(`"host":"10.1.0.1".*"group":"${group}".*"change":"(left|expired)"`)), 0);
  const ended = new Promise((resolve) => upstream.process.once("exit", resolve));
  upstream.process.kill();
  await ended;
});

test("SIGINT leaves the groups upstream and gives the bridge its querier back, in under 2 s", { skip }, async () => {
  const upstream = act(SENDER, "tcpdump", "-l", "-n", "-v", "-i", "eth0", "igmp");
  await upstream.saw(/listening on eth0/);
  const { process: child } = the(router);
  const { code, took } = await endedBy("SIGINT", child);
  assert.equal(code, 0);
  assert.ok(took < 2000, `${took} ms`);
  assert.equal(bridgeQuerier(), "1");
  await upstream.saw(/239\.255\.77\.3 to_in/, 3000);
});
