// The router bundle as a switch with a querier (`forwarding: "bridge"`): viewers and a sender on the ports of its bridge. Needs root.
import assert from "node:assert/strict";
import { existsSync, readFileSync } from "node:fs";
import { after, before, test } from "node:test";
import { isDeepStrictEqual } from "node:util";
import { toHex } from "../../core/base/bytes.ts";
import { query } from "../../core/igmp/igmp.testkit.ts";
import { numbers, withoutGap } from "./lab-host.testkit.ts";
import { type Actor, act, cable, inside, ip, makeNamespaces, removeNamespaces } from "./namespaces.testkit.ts";

const PREFIX = `sn-${process.pid}`;
const [ROUTER, HOST_A, HOST_B, SENDER] = ["r", "a", "b", "s"].map((name) => `${PREFIX}-${name}`) as [
  string,
  string,
  string,
  string,
];
const NAMESPACES = [ROUTER, HOST_A, HOST_B, SENDER];
const [PORT, SOURCE] = ["5004", "10.2.0.2"];
/** Waits end when it happens; a busy machine may take its time. */
const LIMIT = 60_000;
const HELPER = "targets/router/lab-host.testkit.cjs";
const root = process.getuid?.() === 0;
const skip = !root ? "needs root for network namespaces" : !existsSync("dist/router.cjs") && "needs npm run build";

const SETTINGS = [
  "id=lab-snooping",
  `socket=/tmp/${PREFIX}.sock`,
  "log.format=json",
  "forwarding=bridge",
  "downstreams.0.interface=br0",
  "downstreams.0.queryInterval=2",
  "downstreams.0.queryResponseInterval=0.5",
  "downstreams.0.lastMemberQueryInterval=0.3",
  "downstreams.0.staticGroups.0.group=239.255.77.200",
].flatMap((setting) => ["--set", setting]);

interface Snooped {
  readonly state: string;
  readonly counts: object;
  readonly perPort: readonly {
    readonly port: string;
    readonly router: boolean;
    readonly groups: readonly { readonly group: string; readonly mode: string }[];
  }[];
}

const snooping = (): Snooped =>
  JSON.parse(inside(ROUTER, process.execPath, "dist/router.cjs", ...SETTINGS, "status", "--json")).interfaces[0]
    .snooping;
const portsOf = (group: string): readonly string[] =>
  snooping()
    .perPort.filter(({ groups }) => groups.some((one) => one.group === group))
    .map(({ port }) => port)
    .sort();
const entries = (group: string): readonly string[] =>
  Array.from(inside(ROUTER, "bridge", "mdb", "show", "dev", "br0").matchAll(/port (\S+) grp (\S+)/g), ([, port, of]) =>
    of === group ? [port ?? ""] : [],
  ).flat();
const setting = (name: string): string => inside(ROUTER, "cat", `/sys/class/net/br0/bridge/${name}`).trim();

async function until(what: string, condition: () => boolean): Promise<void> {
  const end = performance.now() + LIMIT;
  while (!condition()) {
    assert.ok(performance.now() < end, what);
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

let [router, wire, a, b, wireA, wireB, sender]: (Actor | undefined)[] = [];
const the = (actor: Actor | undefined): Actor => actor ?? assert.fail("the lab is not built");
const GENERAL_QUERY = /igmp query v3(?!.*gaddr)/;
/** By the kernel's stamps: the lines come later, and how much later depends on who else runs. */
const shownSince = (seconds: number, { lines }: Actor, group: string): number =>
  lines.filter((line) => streamOf(group).test(line) && Number(line.split(" ", 1)[0]) > seconds).length;
const streamOf = (group: string) => new RegExp(`> ${group.replaceAll(".", "\\.")}\\.${PORT}: UDP`);
const FOUND = { multicast_snooping: "0", multicast_igmp_version: "2", multicast_router: "1", multicast_querier: "0" };
const settings = () => Object.fromEntries(Object.keys(FOUND).map((name) => [name, setting(name)]));

const gets = (host: Actor, group: string, count: number): Promise<void> =>
  host.sawTimes(count, new RegExp(`^${group} \\d`), LIMIT, host.lines.length);

const start = (...more: string[]): Actor => act(ROUTER, process.execPath, "dist/router.cjs", ...SETTINGS, ...more);
async function ended(actor: Actor, signal: NodeJS.Signals): Promise<void> {
  const { process: child } = actor;
  assert.equal(
    child.exitCode ?? child.signalCode,
    null,
    `it has ended by itself:\n${actor.lines.slice(-5).join("\n")}`,
  );
  const end = new Promise((resolve) => child.once("exit", resolve));
  child.kill(signal);
  await end;
}

before(async () => {
  if (skip !== false) return;
  makeNamespaces(NAMESPACES);
  cable(ROUTER, "port-a", HOST_A, "eth0");
  cable(ROUTER, "port-b", HOST_B, "eth0");
  cable(ROUTER, "port-s", SENDER, "eth0");
  ip("-n", ROUTER, "link", "add", "br0", "type", "bridge", "mcast_snooping", "0");
  for (const port of ["port-a", "port-b", "port-s"]) ip("-n", ROUTER, "link", "set", port, "master", "br0");
  ip("-n", ROUTER, "link", "set", "br0", "up");
  for (const [namespace, name, address] of [
    [ROUTER, "br0", "10.2.0.1"],
    [HOST_A, "eth0", "10.2.0.11"],
    [HOST_B, "eth0", "10.2.0.12"],
    [SENDER, "eth0", SOURCE],
  ] as const)
    ip("-n", namespace, "addr", "add", `${address}/24`, "dev", name);
  for (const namespace of [HOST_A, HOST_B, SENDER]) ip("-n", namespace, "route", "add", "default", "dev", "eth0");
  assert.deepEqual(settings(), FOUND);
  wire = act(ROUTER, "tcpdump", "-l", "-n", "-i", "br0", "igmp");
  [wireA, wireB] = [HOST_A, HOST_B].map((host) =>
    act(host, "tcpdump", "-l", "-n", "-tt", "-Q", "in", "-i", "eth0", "udp or igmp"),
  );
  a = act(HOST_A, process.execPath, HELPER, "host", "10.2.0.11", PORT);
  b = act(HOST_B, process.execPath, HELPER, "host", "10.2.0.12", PORT);
  sender = act(SENDER, process.execPath, HELPER, "send", SOURCE, PORT);
  await the(sender).saw(/ready/, LIMIT);
  for (const one of [wire, wireA, wireB]) await the(one).saw(/listening on/, LIMIT);
  router = start();
  // From then on the bridge looks into its table: it has known a querier for the response time.
  await the(wire).sawTimes(3, GENERAL_QUERY, LIMIT);
});

after(() => (root ? removeNamespaces(NAMESPACES) : undefined));

const GROUP = "239.255.77.1";

test("one group, two viewers on two ports: only the port that joined gets it", { skip }, async () => {
  the(sender).say(GROUP);
  the(a).say(`join ${GROUP}`);
  await until("the port's membership is known", () => portsOf(GROUP).length > 0);
  const from = the(wireB).lines.length;
  await gets(the(a), GROUP, 100);
  assert.deepEqual(portsOf(GROUP), ["port-a"]);
  assert.equal(the(wireB).count(streamOf(GROUP), from), 0, "nothing of it reaches the neighbour");
  assert.deepEqual(snooping().counts, {});
});

test("a static group reaches every port, whoever is there", { skip }, async () => {
  const group = "239.255.77.200";
  const from = [the(wireA), the(wireB)].map((wire) => [wire, wire.lines.length] as const);
  the(sender).say(group);
  for (const [wire, line] of from) await wire.sawTimes(100, streamOf(group), LIMIT, line);
  assert.deepEqual(portsOf(group), ["port-a", "port-b", "port-s"]);
});

test("a leave cuts its port only: the other viewer loses no packet", { skip }, async () => {
  the(b).say(`join ${GROUP}`);
  await gets(the(b), GROUP, 5);
  const from = the(b).lines.length;
  the(a).say(`leave ${GROUP}`);
  await until("the port is cut", () => entries(GROUP).join() === "port-b");
  const cut = Date.now() / 1000;
  await gets(the(b), GROUP, 100);
  assert.equal(shownSince(cut, the(wireA), GROUP), 0, "nothing more reaches who has left");
  withoutGap(numbers(the(b), GROUP, from));
});

test("whoever asks under an address that is not of the LAN gets his port nothing", { skip }, async () => {
  const group = "239.255.77.5";
  the(sender).say(group);
  the(a).say(`join ${group}`);
  await gets(the(a), group, 5);
  const flood = act(HOST_B, process.execPath, "hal/igmp/lab-flood.testkit.cjs", "eth0", toHex(query("9.9.9.9")));
  await the(router).saw(/"reason":"igmp.query-off-subnet"/, LIMIT);
  const from = the(wireB).lines.length;
  await gets(the(a), group, 100);
  await ended(flood, "SIGKILL");
  assert.equal(the(wireB).count(streamOf(group), from), 0);
  the(a).say(`leave ${group}`);
  await until("the port is cut", () => entries(group).length === 0);
});

test("of a source-specific group a port gets the sources that it asked for", { skip }, async () => {
  const group = "232.1.77.1";
  the(sender).say(group);
  the(a).say(`join ${group} 10.2.0.99`);
  the(b).say(`join ${group} ${SOURCE}`);
  const from = the(wireA).lines.length;
  await gets(the(b), group, 50);
  assert.deepEqual(portsOf(group), ["port-a", "port-b"]);
  assert.equal(the(wireA).count(streamOf(group), from), 0, "of another source nothing");
});

test("v2 hosts do not hear each other's reports, so that each is known", { skip }, async () => {
  const group = "239.255.77.2";
  for (const host of [HOST_A, HOST_B]) inside(host, "sysctl", "-qw", "net.ipv4.conf.eth0.force_igmp_version=2");
  const from = [the(wireA).lines.length, the(wireB).lines.length];
  for (const host of [a, b]) the(host).say(`join ${group}`);
  await until("both ports are known", () => portsOf(group).length === 2);
  await the(wire).sawTimes(3, GENERAL_QUERY, LIMIT, the(wire).lines.length);
  for (const [i, one] of [wireA, wireB].entries()) assert.equal(the(one).count(/igmp v2 report/, from[i]), 0);
  for (const host of [a, b]) the(host).say(`leave ${group}`);
  await until("both are cut", () => entries(group).length === 0);
  for (const host of [HOST_A, HOST_B]) inside(host, "sysctl", "-qw", "net.ipv4.conf.eth0.force_igmp_version=0");
});

test("a port whose cable is plugged in again, or that is new, is asked at once (RFC 4541 2.1.1)", {
  skip,
}, async () => {
  const state = (): string => inside(ROUTER, "cat", "/sys/class/net/port-a/brport/state").trim();
  const asksAtOnce = async (change: () => void): Promise<void> => {
    const from = the(wire).lines.length;
    change();
    await the(wire).saw(GENERAL_QUERY, LIMIT, from);
  };
  await ended(the(router), "SIGINT");
  ip("-n", HOST_A, "link", "set", "eth0", "down");
  await until("the port is down", () => state() === "0");
  const from = the(wire).lines.length;
  // Each time it asks once, and the next regular question is minutes away: that of the start, and that for hosts that it flooded.
  router = start("--set", "downstreams.0.queryInterval=600", "--set", "downstreams.0.robustness=1");
  await the(wire).sawTimes(2, GENERAL_QUERY, LIMIT, from);
  await asksAtOnce(() => ip("-n", HOST_A, "link", "set", "eth0", "up"));
  ip("-n", ROUTER, "link", "add", "port-n", "type", "veth", "peer", "name", "spare");
  ip("-n", ROUTER, "link", "set", "port-n", "up");
  await asksAtOnce(() => ip("-n", ROUTER, "link", "set", "port-n", "master", "br0"));
  ip("-n", ROUTER, "link", "del", "port-n");
  ip("-n", HOST_A, "route", "add", "default", "dev", "eth0");
  await ended(the(router), "SIGINT");
  const again = the(wire).lines.length;
  router = start();
  await the(wire).sawTimes(3, GENERAL_QUERY, LIMIT, again);
});

test("a port that leaves the bridge and comes back gets its viewer's group again at once", { skip }, async () => {
  const group = "239.255.77.3";
  the(sender).say(group);
  for (const host of [a, b]) the(host).say(`join ${group}`);
  await until("both ports have it", () => entries(group).length === 2);
  const from = the(b).lines.length;
  ip("-n", ROUTER, "link", "set", "port-a", "nomaster");
  ip("-n", ROUTER, "link", "set", "port-a", "master", "br0");
  await gets(the(a), group, 20);
  ip("-n", ROUTER, "link", "set", "port-a", "nomaster");
  await until("the port is forgotten", () => portsOf(group).join() === "port-b");
  ip("-n", ROUTER, "link", "set", "port-a", "master", "br0");
  await gets(the(a), group, 20);
  withoutGap(numbers(the(b), group, from));
  assert.deepEqual(snooping().counts, {});
});

test("a stop leaves the bridge as it was found", { skip }, async () => {
  await ended(the(router), "SIGINT");
  assert.deepEqual([settings(), entries(GROUP)], [FOUND, []]);
  const asked = the(wire).lines.length;
  router = start();
  await the(wire).sawTimes(3, GENERAL_QUERY, LIMIT, asked);
});

test("a killed router leaves a bridge that goes on, and the next takes it over without a gap", { skip }, async () => {
  const from = the(b).lines.length;
  the(a).say(`join ${GROUP}`);
  await until("both ports have it", () => entries(GROUP).length === 2);
  await ended(the(router), "SIGKILL");
  assert.deepEqual([...entries(GROUP)].sort(), ["port-a", "port-b"]);
  the(a).say(`leave ${GROUP}`);
  const asked = the(wire).lines.length;
  router = start();
  await the(wire).sawTimes(2, GENERAL_QUERY, LIMIT, asked);
  await until("who has left meanwhile is cut", () => entries(GROUP).join() === "port-b");
  await gets(the(b), GROUP, 20);
  withoutGap(numbers(the(b), GROUP, from));
});

test("a tap's process that is killed comes back, and nothing else notices", { skip }, async () => {
  await ended(the(router), "SIGINT");
  // Nobody's time runs out while no tap listens, however long that takes: what becomes of them then is `hearsAgain`'s to decide.
  router = start("--set", "hal.tap=cap", "--set", "downstreams.0.queryInterval=125");
  await the(router).sawTimes(3, /tap is listening/, LIMIT);
  the(a).say(`join ${GROUP}`);
  await until("both ports have it", () => portsOf(GROUP).length === 2);
  const from = [the(a).lines.length, the(b).lines.length];
  const said = the(router).lines.length;
  const { pid } = the(router).process;
  const children = readFileSync(`/proc/${pid}/task/${pid}/children`, "latin1").trim().split(" ");
  const taps = children.filter((child) => readFileSync(`/proc/${child}/cmdline`, "latin1").includes("__tap"));
  assert.equal(taps.length, 3);
  for (const tap of taps) process.kill(Number(tap), "SIGKILL");
  await the(router).sawTimes(3, /"code":"tap.ended"/, LIMIT, said);
  await the(router).sawTimes(3, /tap is listening/, LIMIT, said);
  await gets(the(a), GROUP, 150);
  assert.deepEqual(portsOf(GROUP), ["port-a", "port-b"]);
  withoutGap(numbers(the(a), GROUP, from[0] ?? 0));
  withoutGap(numbers(the(b), GROUP, from[1] ?? 0));
  assert.equal(the(router).count(/"change":"(left|expired)"|out of use/, said), 0);
});

const ROUTED = ["forwarding=kernel", "upstream.interface=port-s", "downstreams.0.snooping=true"].flatMap((setting) => [
  "--set",
  setting,
]);

test("what the kernel routes to a bridge reaches the ports that asked for it, and no other", { skip }, async () => {
  await ended(the(router), "SIGINT");
  const group = "239.1.77.9";
  ip("-n", ROUTER, "link", "set", "port-s", "nomaster");
  ip("-n", ROUTER, "addr", "add", "10.1.0.1/24", "dev", "port-s");
  ip("-n", SENDER, "addr", "add", "10.1.0.2/24", "dev", "eth0");
  const headend = act(SENDER, process.execPath, HELPER, "send", "10.1.0.2", PORT);
  await headend.saw(/ready/, LIMIT);
  headend.say(group);
  const asked = the(wire).lines.length;
  router = start(...ROUTED);
  await the(wire).sawTimes(3, GENERAL_QUERY, LIMIT, asked);
  the(a).say(`join ${group}`);
  await until("the port's membership is known", () => portsOf(group).length > 0);
  const from = the(wireB).lines.length;
  await gets(the(a), group, 100);
  assert.equal(the(wireB).count(streamOf(group), from), 0);
  the(b).say(`join ${group}`);
  await gets(the(b), group, 5);
  the(a).say(`leave ${group}`);
  await until("the port is cut", () => entries(group).join() === "port-b");
  await gets(the(b), group, 50);
});

test("however often it is killed or handed over, the next stop gives back what the first one found, and so does a farewell", {
  skip,
}, async () => {
  await ended(the(router), "SIGINT");
  ip("-n", ROUTER, "link", "set", "br0", "type", "bridge", "mcast_querier", "1");
  const all = (): object => ({
    ...settings(),
    ports: ["port-a", "port-b"].map((port) => inside(ROUTER, "cat", `/sys/class/net/${port}/brport/multicast_router`)),
  });
  const found = all();
  const runs = async (takeover: number): Promise<void> => {
    router = start(...ROUTED, "--set", `takeover=${takeover}`);
    await the(router).saw(/"msg":"running/, LIMIT);
    await until("the bridge's own querier is silent", () => setting("multicast_querier") === "0");
    assert.notDeepEqual(all(), found);
  };
  for (const signal of ["SIGKILL", "SIGTERM"] as const) {
    await runs(5);
    await ended(the(router), signal);
    await runs(5);
    await ended(the(router), "SIGINT");
    assert.deepEqual(all(), found, signal);
  }
  await runs(1);
  await ended(the(router), "SIGTERM");
  await until("the farewell is bidden", () => isDeepStrictEqual(all(), found));
});
