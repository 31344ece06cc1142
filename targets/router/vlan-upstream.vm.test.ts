// The router bundle between VLAN devices: a plain one upstream, and downstream one with two tags (QinQ), as some access networks have it.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { type Actor, act, cable, inside, ip, makeNamespaces, removeNamespaces } from "./namespaces.testkit.ts";

const PREFIX = `vu-${process.pid}`;
const [ROUTER, SENDER, HOST] = ["r", "s", "h"].map((name) => `${PREFIX}-${name}`) as [string, string, string];
const NAMESPACES = [ROUTER, SENDER, HOST];
const [PORT, SOURCE, GROUP] = ["5004", "10.1.0.2", "239.1.79.1"];
const HELPER = "targets/router/lab-host.testkit.cjs";
const [UP, DOWN] = ["wan.7", "cust"];

const SETTINGS = [
  "id=lab-qinq",
  `socket=/tmp/${PREFIX}.sock`,
  "log.format=json",
  `upstream.interface=${UP}`,
  `downstreams.0.interface=${DOWN}`,
  "downstreams.0.queryInterval=2",
  "downstreams.0.queryResponseInterval=0.5",
  "downstreams.0.lastMemberQueryInterval=0.3",
  "rules.0.action=deny",
  "rules.0.vlan=30",
  "rules.0.groups.0=239.1.79.66",
].flatMap((setting) => ["--set", setting]);

let [router, host, sender, wire, wireUp]: (Actor | undefined)[] = [];
const the = (actor: Actor | undefined): Actor => actor ?? assert.fail("the lab is not built");

/** A VLAN device on each end of a cable. */
function vlan(one: string, name: string, other: string, otherName: string, id: number, ...more: string[]): void {
  for (const [namespace, lower, upper] of [
    [ROUTER, one, name],
    [other, "eth0", otherName],
  ] as const) {
    const on = upper === DOWN || upper === "inner" ? "outer" : lower;
    ip("-n", namespace, "link", "add", "link", on, "name", upper, "type", "vlan", ...more, "id", `${id}`);
    ip("-n", namespace, "link", "set", upper, "up");
  }
}

before(async () => {
  makeNamespaces(NAMESPACES);
  cable(ROUTER, "wan", SENDER, "eth0");
  cable(ROUTER, "lan", HOST, "eth0");
  vlan("wan", UP, SENDER, "eth0.7", 7);
  vlan("lan", "outer", HOST, "outer", 100, "proto", "802.1ad");
  vlan("lan", DOWN, HOST, "inner", 30);
  for (const [namespace, name, address] of [
    [ROUTER, UP, "10.1.0.1"],
    [SENDER, "eth0.7", SOURCE],
    [ROUTER, DOWN, "10.30.0.1"],
    [HOST, "inner", "10.30.0.11"],
  ] as const)
    ip("-n", namespace, "addr", "add", `${address}/24`, "dev", name);
  ip("-n", SENDER, "route", "add", "default", "dev", "eth0.7");
  wire = act(HOST, "tcpdump", "-l", "-n", "-e", "-i", "eth0", "-Q", "in");
  wireUp = act(SENDER, "tcpdump", "-l", "-n", "-e", "-v", "-i", "eth0", "-Q", "in", "igmp or (vlan and igmp)");
  host = act(HOST, process.execPath, HELPER, "host", "10.30.0.11", PORT);
  sender = act(SENDER, process.execPath, HELPER, "send", SOURCE, PORT);
  await the(sender).saw(/ready/, 15_000);
  for (const one of [wire, wireUp]) await the(one).saw(/listening on/, 15_000);
  router = act(ROUTER, process.execPath, "dist/router.cjs", ...SETTINGS);
  await the(router).saw(/"msg":"running"/, 30_000);
});

after(() => removeNamespaces(NAMESPACES));

const status = () => JSON.parse(inside(ROUTER, process.execPath, "dist/router.cjs", ...SETTINGS, "status", "--json"));

test("a host behind two tags joins, its VLAN is told, the upstream is asked in its VLAN, and the stream comes with both tags", async () => {
  the(sender).say(GROUP);
  the(host).say(`join ${GROUP}`);
  await the(host).sawTimes(50, new RegExp(`^${GROUP} \\d`), 15_000);
  const [{ hosts }] = status().interfaces;
  const [{ host: address, vlan: id, group }] = hosts;
  assert.deepEqual([address, id, group], ["10.30.0.11", 30, GROUP]);
  await the(wire).saw(new RegExp(`vlan 100,.*vlan 30,.*> ${GROUP.replaceAll(".", "\\.")}\\.${PORT}`), 15_000);
  await the(wire).saw(/vlan 100,.*vlan 30,.*igmp query v3/, 15_000);
  await the(wireUp).saw(/gaddr 239\.1\.79\.1 to_ex/, 15_000);
});

test("a rule for the VLAN holds there", async () => {
  the(host).say("join 239.1.79.66");
  const end = performance.now() + 15_000;
  while (status().refusals.length === 0) assert.ok(performance.now() < end, "nobody is refused");
  const [{ group, vlan: id, rule }] = status().refusals;
  assert.deepEqual([group, id, rule], ["239.1.79.66", 30, 1]);
});

test("the last leave is told upstream in its VLAN", async () => {
  const tagged = the(wireUp).lines.filter((line) => line.includes("ethertype"));
  assert.ok(tagged.length > 0 && tagged.every((line) => line.includes("vlan 7,")), tagged.join("\n"));
  const from = the(wireUp).lines.length;
  the(host).say(`leave ${GROUP}`);
  await the(wireUp).saw(new RegExp(`gaddr ${GROUP.replaceAll(".", "\\.")} to_in`), 15_000, from);
});
