import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { test } from "node:test";
import { address } from "../../core/base/ipv4.ts";
import { seconds } from "../../core/base/time.ts";
import { SimulatedClock } from "../clock/simulated.ts";
import { SeededEntropy } from "../entropy/seeded.ts";
import { CABLE, eventually, inNamespace } from "../in-namespace.testkit.ts";
import { SimulatedNetwork } from "../simulation/network.ts";
import type { BridgeVlans, VlanRange } from "./bridge-vlans.ts";
import { linksContract } from "./contract.testkit.ts";
import { findNeighbour, linuxLinks, listLinks, watchLinks } from "./linux.ts";
import { commandMonitor } from "./monitor.ts";
import { simulatedLinks } from "./simulated.ts";

const network = new SimulatedNetwork(new SimulatedClock(), new SeededEntropy(1));
const node = network.node("router");
const [a, b] = [network.lan("a"), network.lan("b")];
node.attach("rt0", { address: address("10.9.1.1"), lan: a });
node.attach("br0", { address: address("10.9.2.1"), lan: { rt2: a, rt4: b } });
linksContract("simulated links", {
  links: simulatedLinks(node),
  plain: "rt0",
  address: address("10.9.1.1"),
  bridge: "br0",
  ports: ["rt2", "rt4"],
  setUp: (name, up) => node.interface(name)?.setUp(up),
  remove: (name) => node.remove(name),
  until: async (condition) => condition(),
});

test("a neighbour is found by address and device, incomplete entries are not", () => {
  const table = `IP address       HW type     Flags       HW address            Mask     Device
10.9.1.2         0x1         0x2         02:00:00:00:00:05     *        rt0
10.9.1.3         0x1         0x0         00:00:00:00:00:00     *        rt0`;
  assert.equal(findNeighbour(table, "rt0", address("10.9.1.2")), "02:00:00:00:00:05");
  assert.equal(findNeighbour(table, "rt1", address("10.9.1.2")), undefined);
  assert.equal(findNeighbour(table, "rt0", address("10.9.1.3")), undefined);
});

test("the MTU of a link is what the system says, unless no IPv4 packet would fit", (context) => {
  const folder = mkdtempSync(join(tmpdir(), "sealcast-links-"));
  context.after(() => rmSync(folder, { recursive: true }));
  for (const [name, mtu] of [
    ["rt1", "1400"],
    ["rt2", "0"],
    ["rt3", undefined],
  ] as const) {
    mkdirSync(join(folder, name));
    writeFileSync(join(folder, name, "ifindex"), "7\n");
    if (mtu !== undefined) writeFileSync(join(folder, name, "mtu"), `${mtu}\n`);
  }
  assert.deepEqual(
    listLinks({ folder, addresses: {}, vlans: new Map() }).map(({ mtu }) => mtu),
    [1400, undefined, undefined],
  );
});

test("a bridge says when a port begins or ceases to forward, and when its spanning tree has changed", (context) => {
  const folder = mkdtempSync(join(tmpdir(), "sealcast-links-"));
  context.after(() => rmSync(folder, { recursive: true }));
  const write = (path: string, text: string): void => {
    mkdirSync(dirname(join(folder, path)), { recursive: true });
    writeFileSync(join(folder, path), `${text}\n`);
  };
  for (const name of ["rt1", "br0"]) write(`${name}/ifindex`, "7");
  write("br0/brif/rt2/state", "3");
  write("br0/brif/rt3/state", "0");
  write("br0/bridge/topology_change", "0");
  const seen = (): unknown => listLinks({ folder, addresses: {}, vlans: new Map() }).map(({ topology }) => topology);
  assert.deepEqual(seen(), ["3 0 0", undefined]);
  write("br0/brif/rt3/state", "3");
  assert.deepEqual(seen(), ["3 3 0", undefined]);
  write("br0/bridge/topology_change", "1");
  assert.deepEqual(seen(), ["3 3 1", undefined]);
});

test("a bridge and its VLANs say whether it snoops by itself, another interface nothing", (context) => {
  const folder = mkdtempSync(join(tmpdir(), "sealcast-links-"));
  context.after(() => rmSync(folder, { recursive: true }));
  const write = (path: string, text: string): void => {
    mkdirSync(dirname(join(folder, path)), { recursive: true });
    writeFileSync(join(folder, path), `${text}\n`);
  };
  for (const name of ["eth0", "br0", "iptv"]) write(`${name}/ifindex`, "7");
  write("br0/brif/rt2/state", "3");
  const vlans = new Map([["iptv", { id: 10, lower: "br0" }]]);
  const seen = () => listLinks({ folder, addresses: {}, vlans }).map(({ name, snoops }) => [name, snoops]);
  for (const [setting, snoops] of [
    ["1", true],
    ["0", false],
  ] as const) {
    write("br0/bridge/multicast_snooping", setting);
    assert.deepEqual(seen(), [
      ["br0", snoops],
      ["eth0", undefined],
      ["iptv", snoops],
    ]);
  }
});

test("a VLAN of a bridge has the ports that carry it: all where the bridge does not look at tags, else those of which it is known", (context) => {
  const folder = mkdtempSync(join(tmpdir(), "sealcast-links-"));
  context.after(() => rmSync(folder, { recursive: true }));
  const put = (path: string, text = "") => {
    mkdirSync(join(folder, path, ".."), { recursive: true });
    writeFileSync(join(folder, path), text);
  };
  for (const [index, name] of ["br-lan", "lan1", "lan2", "iptv", "eth0.10"].entries())
    put(`${name}/ifindex`, `${index}`);
  for (const port of ["lan1", "lan2"]) put(`br-lan/brif/${port}`);
  const vlans = new Map([
    ["iptv", { id: 10, lower: "br-lan" }],
    ["eth0.10", { id: 10, lower: "eth0" }],
  ]);
  const links = (bridgeVlans?: BridgeVlans) => listLinks({ folder, addresses: {}, vlans, bridgeVlans });
  const ports = (bridgeVlans?: BridgeVlans) =>
    Object.fromEntries(links(bridgeVlans).map((one) => [one.name, [one.vlan, ...one.ports]]));
  const howIn = (name: string, bridgeVlans?: BridgeVlans) =>
    links(bridgeVlans).find((one) => one.name === name)?.portVlans;
  const all = { "br-lan": [undefined, "lan1", "lan2"], lan1: [undefined], lan2: [undefined], "eth0.10": [10] };
  put("br-lan/bridge/vlan_filtering", "0\n");
  assert.deepEqual(ports(), { ...all, iptv: [10, "lan1", "lan2"] });
  const [tagged, access] = [
    { pvid: false, untagged: false },
    { pvid: true, untagged: true },
  ];
  assert.deepEqual(howIn("iptv"), { lan1: tagged, lan2: tagged });
  assert.deepEqual(
    links().map(({ name, bridge }) => [name, bridge]),
    [
      ["br-lan", undefined],
      ["eth0.10", undefined],
      ["iptv", "br-lan"],
      ["lan1", undefined],
      ["lan2", undefined],
    ],
  );
  put("br-lan/bridge/vlan_filtering", "1\n");
  assert.deepEqual(ports(), { ...all, iptv: [10] }, "nobody can tell");
  const own = { first: 1, last: 1, ...access };
  const trunk = [own, { first: 5, last: 10, ...tagged }];
  const told =
    (bridge: VlanRange[], second: VlanRange[] = trunk) =>
    () =>
      new Map([
        [0, bridge],
        [1, [own]],
        [2, second],
      ]);
  assert.deepEqual(ports(told([own])), { ...all, "br-lan": [1, "lan1", "lan2"], iptv: [10, "lan2"] });
  assert.deepEqual(howIn("iptv", told([own])), { lan2: tagged });
  const accessPort = [
    { first: 1, last: 1, ...tagged },
    { first: 10, last: 10, ...access },
  ];
  assert.deepEqual(howIn("iptv", told([own], accessPort)), { lan2: access });
  assert.deepEqual(howIn("br-lan", told([own], accessPort)), { lan1: access, lan2: tagged }, "the bridge's own LAN");
  const without = told([{ first: 10, last: 10, ...tagged }]);
  assert.deepEqual(ports(without), { ...all, "br-lan": [undefined], iptv: [10, "lan2"] }, "it has none");
});

const BRIDGE = [
  "ip link add br0 type bridge",
  "ip link add rt2 type veth peer name rt3",
  "ip link add rt4 type veth peer name rt5",
  "ip link set rt2 master br0",
  "ip link set rt4 master br0",
];

if (inNamespace(import.meta.url, "linux links", [...CABLE, ...BRIDGE])) {
  const ip = (...args: string[]) => execFileSync("ip", args);
  test("linux links: without a monitor a change is seen within a look or two", async () => {
    const log: string[] = [];
    // No early look helps: what is seen, the look of every second sees.
    const looking = {
      monitor: commandMonitor(["rt-no-such-command"]),
      first: seconds(3600),
      last: seconds(3600),
    } as const;
    const stop = watchLinks(["rt2"], (name, link) => log.push(`${name} ${link === undefined}`), looking);
    ip("link", "del", "rt2");
    assert.ok(await eventually(() => log.length === 1, 5000));
    stop();
    ip("link", "add", "rt2", "type", "veth", "peer", "name", "rt3");
    ip("link", "set", "rt2", "master", "br0");
  });
  test("linux links: what changes before the monitor has begun to listen is seen all the same, soon", async () => {
    const log: string[] = [];
    const stop = watchLinks(["rt4"], (name, link) => log.push(`${name} ${link === undefined}`), {
      monitor: commandMonitor(["sleep", "60"]),
    });
    ip("link", "del", "rt4");
    assert.ok(await eventually(() => log.length === 1, 2500));
    stop();
    ip("link", "add", "rt4", "type", "veth", "peer", "name", "rt5");
    ip("link", "set", "rt4", "master", "br0");
  });
  test("linux links: what changes and changes back while a watch begins is told", async (context) => {
    const told: string[] = [];
    ip("link", "set", "rt0", "down");
    for (const stop of [
      linuxLinks.changes((links) => told.push(`all ${links.find(({ name }) => name === "rt0")?.up}`)),
      linuxLinks.watch(["rt0"], (name, link) => told.push(`${name} ${link?.up}`)),
    ])
      context.after(stop);
    ip("link", "set", "rt0", "up");
    ip("link", "set", "rt0", "down");
    assert.ok(await eventually(() => ["all false", "rt0 false"].every((one) => told.includes(one))), told.join());
    ip("link", "set", "rt0", "up");
    assert.ok(await eventually(() => told.includes("rt0 true")));
  });
  linksContract("linux links", {
    links: linuxLinks,
    plain: "rt0",
    address: address("10.9.1.1"),
    bridge: "br0",
    ports: ["rt2", "rt4"],
    setUp: (name, up) => void ip("link", "set", name, up ? "up" : "down"),
    remove: (name) => void ip("link", "del", name),
    until: eventually,
  });
}
