// The router bundle as a switch with a querier, and two viewers behind one port of its bridge: a switch of theirs that floods, so that they
// hear each other's reports. Needs root.
import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { after, before, test } from "node:test";
import { type Actor, act, cable, inside, ip, makeNamespaces, removeNamespaces } from "./namespaces.testkit.ts";

const PREFIX = `op-${process.pid}`;
const [ROUTER, SWITCH, SENDER] = [`${PREFIX}-r`, `${PREFIX}-w`, `${PREFIX}-s`] as const;
const [PORT, SOURCE] = ["5004", "10.2.0.2"];
/** By address. */
const VIEWERS = { "10.2.0.11": `${PREFIX}-a`, "10.2.0.12": `${PREFIX}-b` } as const;
type Viewer = keyof typeof VIEWERS;
const ADDRESSES = Object.keys(VIEWERS) as Viewer[];
const NAMESPACES = [ROUTER, SWITCH, SENDER, ...Object.values(VIEWERS)];
const HELPER = "targets/router/lab-host.testkit.cjs";
const root = process.getuid?.() === 0;
const skip = !root ? "needs root for network namespaces" : !existsSync("dist/router.cjs") && "needs npm run build";

const SETTINGS = [
  "id=lab-one-port",
  `socket=/tmp/${PREFIX}.sock`,
  "log.format=json",
  "forwarding=bridge",
  "downstreams.0.interface=br0",
  "downstreams.0.queryInterval=4",
  "downstreams.0.queryResponseInterval=0.5",
  "downstreams.0.lastMemberQueryInterval=0.3",
].flatMap((setting) => ["--set", setting]);

let [wire, portWire, sender]: (Actor | undefined)[] = [];
const hosts = new Map<Viewer, Actor>();
const the = (actor: Actor | undefined): Actor => actor ?? assert.fail("the lab is not built");
const host = (address: Viewer): Actor => the(hosts.get(address));
const other = (address: Viewer): Viewer => ADDRESSES.find((one) => one !== address) ?? assert.fail();

const GENERAL_QUERY = /igmp query v3(?!.*gaddr)/;
const literal = (text: string): string => text.replaceAll(".", "\\.");
const isForwarded = (group: string): boolean =>
  inside(ROUTER, "bridge", "mdb", "show", "dev", "br0").includes(`port port-x grp ${group} `);
/** By the kernel's stamps: the lines come later, and how much later depends on who else runs. */
const shownSince = (seconds: number, group: string): number =>
  the(portWire).lines.filter((line) => line.includes(`> ${group}.`) && Number(line.split(" ", 1)[0]) > seconds).length;
const gets = (address: Viewer, group: string, count: number): Promise<void> =>
  host(address).sawTimes(count, new RegExp(`^${literal(group)} \\d`), 10_000, host(address).lines.length);
const numbers = (address: Viewer, group: string, from: number): readonly number[] =>
  host(address)
    .lines.slice(from)
    .filter((line) => line.startsWith(`${group} `))
    .map((line) => Number(line.split(" ")[1]));

before(async () => {
  if (skip !== false) return;
  makeNamespaces(NAMESPACES);
  cable(ROUTER, "port-x", SWITCH, "uplink");
  cable(ROUTER, "port-s", SENDER, "eth0");
  ip("-n", ROUTER, "link", "add", "br0", "type", "bridge", "mcast_snooping", "0");
  for (const port of ["port-x", "port-s"]) ip("-n", ROUTER, "link", "set", port, "master", "br0");
  ip("-n", SWITCH, "link", "add", "sw0", "type", "bridge", "mcast_snooping", "0");
  ip("-n", SWITCH, "link", "set", "uplink", "master", "sw0");
  for (const [address, namespace] of Object.entries(VIEWERS)) {
    const port = `p${address.split(".").at(-1)}`;
    cable(SWITCH, port, namespace, "eth0");
    ip("-n", SWITCH, "link", "set", port, "master", "sw0");
  }
  ip("-n", ROUTER, "link", "set", "br0", "up");
  ip("-n", SWITCH, "link", "set", "sw0", "up");
  ip("-n", ROUTER, "addr", "add", "10.2.0.1/24", "dev", "br0");
  for (const [address, namespace] of [...Object.entries(VIEWERS), [SOURCE, SENDER] as const]) {
    ip("-n", namespace, "addr", "add", `${address}/24`, "dev", "eth0");
    ip("-n", namespace, "route", "add", "default", "dev", "eth0");
  }
  wire = act(ROUTER, "tcpdump", "-l", "-n", "-i", "br0", "igmp");
  portWire = act(ROUTER, "tcpdump", "-l", "-n", "-tt", "-Q", "out", "-i", "port-x", "udp");
  for (const address of ADDRESSES)
    hosts.set(address, act(VIEWERS[address], process.execPath, HELPER, "host", address, PORT));
  sender = act(SENDER, process.execPath, HELPER, "send", SOURCE, PORT);
  await sender.saw(/ready/, 20_000);
  for (const one of [wire, portWire]) await one.saw(/listening on/, 20_000);
  act(ROUTER, process.execPath, "dist/router.cjs", ...SETTINGS);
  // From then on the bridge looks into its table: it has known a querier for the response time.
  await wire.sawTimes(3, GENERAL_QUERY, 30_000);
});

after(() => (root ? removeNamespaces(NAMESPACES) : undefined));

/** Both are in after two rounds of questions, which in v2 one of them answers for both: who did last. */
async function bothWatch(group: string): Promise<Viewer> {
  the(sender).say(group);
  for (const address of ADDRESSES) host(address).say(`join ${group}`);
  await Promise.all(ADDRESSES.map((address) => gets(address, group, 5)));
  for (let round = 0; round < 2; round++) {
    const from = the(wire).lines.length;
    await the(wire).saw(GENERAL_QUERY, 10_000, from);
  }
  const from = the(wire).lines.findLastIndex((line) => GENERAL_QUERY.test(line));
  const report = /IP ([\d.]+) > .*igmp v[23] report/;
  await the(wire).saw(report, 5000, from);
  const [, last] = report.exec(the(wire).lines.findLast((line) => report.test(line)) ?? "") ?? [];
  return ADDRESSES.find((address) => address === last) ?? assert.fail(`${last} is no viewer`);
}

/** The one leaves, is asked about and more than the last member's time passes: the other has every packet. Then it leaves, too. */
async function oneLeaves(group: string, said: (leaver: Viewer) => RegExp): Promise<void> {
  const leaver = await bothWatch(group);
  const stayer = other(leaver);
  const [seen, asked] = [host(stayer).lines.length, the(wire).lines.length];
  host(leaver).say(`leave ${group}`);
  await the(wire).saw(said(leaver), 5000, asked);
  await gets(stayer, group, 150);
  const came = numbers(stayer, group, seen);
  assert.deepEqual(
    came,
    came.map((_, i) => (came[0] ?? 0) + i),
    "no packet is missing",
  );
  assert.ok(isForwarded(group));
  host(stayer).say(`leave ${group}`);
  await the(wire).saw(said(stayer), 5000, asked);
  const end = performance.now() + 10_000;
  while (isForwarded(group)) {
    assert.ok(performance.now() < end, "with the last the port is cut");
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  const cut = Date.now() / 1000;
  await the(wire).saw(GENERAL_QUERY, 10_000, the(wire).lines.length);
  assert.equal(shownSince(cut, group), 0, "and gets nothing more");
}

const leave = (group: string) => (leaver: Viewer) =>
  new RegExp(`IP ${literal(leaver)} > 224\\.0\\.0\\.2: igmp leave ${literal(group)}`);

test("two v2 viewers behind one port: the one that answers for both leaves, the other loses no packet", {
  skip,
}, async () => {
  const group = "239.255.78.2";
  for (const namespace of Object.values(VIEWERS))
    inside(namespace, "sysctl", "-qw", "net.ipv4.conf.eth0.force_igmp_version=2");
  await oneLeaves(group, leave(group));
  for (const namespace of Object.values(VIEWERS))
    inside(namespace, "sysctl", "-qw", "net.ipv4.conf.eth0.force_igmp_version=0");
});

test("two v3 viewers behind one port: one leaves, the other loses no packet", { skip }, async () => {
  await oneLeaves("239.255.78.3", (leaver) => new RegExp(`IP ${literal(leaver)} > 224\\.0\\.0\\.22: igmp v3 report`));
});
