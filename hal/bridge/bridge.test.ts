import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { address, formatIpv4, type Ipv4, ipv4 } from "../../core/base/ipv4.ts";
import { seconds } from "../../core/base/time.ts";
import { ANY_SOURCE, filterOf, NO_SOURCE } from "../../core/igmp/filter.ts";
import { ethernet, report, v1v2Message } from "../../core/igmp/igmp.testkit.ts";
import { datagram } from "../forwarding/linux.testkit.ts";
import { eventually, inNamespace } from "../in-namespace.testkit.ts";
import { bridgeContract } from "./contract.testkit.ts";
import { LinuxBridgeTables, MOST_REFUSED } from "./linux.ts";
import { MOST_SOURCES } from "./port-entries.ts";
import { BridgeSettings } from "./settings.ts";
import { SimulatedBridges } from "./simulated.ts";

const [SOURCE, GROUP] = [address("10.9.1.1"), address("239.255.77.1")];
const PORTS = ["p0", "p1", "p2"] as const;

const simulated = new SimulatedBridges({ br0: PORTS });
bridgeContract("simulated bridge", {
  tables: simulated,
  bridge: "br0",
  ports: PORTS,
  source: SOURCE,
  group: GROUP,
  reached: async (source, group) => simulated.tables.get("br0")?.delivers(source, group) ?? [],
});

/** The bridge's own querier makes it look into its table; its answers are waited for 10 ms only. */
const BRIDGE = [
  "sysctl -qw net.ipv6.conf.all.disable_ipv6=1",
  "ip link add br0 type bridge mcast_query_response_interval 1 mcast_snooping 0 mcast_igmp_version 2",
  "ip link set br0 type bridge mcast_querier 1",
  "ip addr add 10.9.1.1/24 dev br0",
  "ip link set br0 up",
  ...PORTS.flatMap((port) => [
    `ip link add ${port} type veth peer name far-${port}`,
    `ip link set ${port} master br0 up`,
    `ip link set far-${port} up`,
  ]),
];

if (inNamespace(import.meta.url, "linux bridge", BRIDGE)) {
  const { loadSockets } = await import("../native.ts");
  const { internetAddress, openMulticastSender } = await import("../native/multicast-sender.ts");
  const { frameSender } = await import("../native/frame-sender.testkit.ts");
  const { ReceiveRoom } = await import("../native/socket.ts");
  const { interfaceIndex } = await import("../socket-options.ts");
  const native = await loadSockets("test");
  const sender = openMulticastSender(native, new ReceiveRoom(1), { name: "br0", index: interfaceIndex("br0") ?? 0 });
  const setting = (path: string): string => readFileSync(`/sys/class/net/${path}`, "latin1").trim();
  const sent = (): readonly number[] => PORTS.map((port) => Number(setting(`${port}/statistics/tx_bytes`)));
  const PROBE = "x".repeat(1000);

  /** A bridge has handed the packet to its ports when the send returns; nothing else here is so long. */
  const reached = async (source: Ipv4, group: Ipv4): Promise<readonly string[]> => {
    const before = sent();
    sender.send(datagram(source, group, PROBE), internetAddress(group));
    const now = sent();
    return PORTS.filter((_, i) => (now[i] ?? 0) - (before[i] ?? 0) > PROBE.length);
  };

  const settings = new BridgeSettings();
  const tables = await LinuxBridgeTables.load(settings);
  /** Of another process, before or after, which finds in the file what this one had found. */
  const elsewhere = () => new LinuxBridgeTables(native, settings).open("br0");
  const SETTINGS = ["multicast_snooping", "multicast_igmp_version", "multicast_router", "hash_max"].map(
    (one) => `br0/bridge/${one}`,
  );
  const routerSetting = (port: string): string => setting(`${port}/brport/multicast_router`);
  const entries = (): string => execFileSync("bridge", ["mdb", "show", "dev", "br0"], { encoding: "utf8" });

  // The kernel tells of cables that are plugged in once a second at most; until then a port carries nothing.
  const FORWARDING = "3";
  assert.ok(await eventually(() => PORTS.every((port) => setting(`${port}/brport/state`) === FORWARDING)));
  // The bridge looks into its table once its querier's response time is over.
  const first = tables.open("br0");
  await eventually(() => false, 200);
  first.close();

  const bench = { bridge: "br0", ports: PORTS, source: SOURCE, group: GROUP, reached };
  bridgeContract("linux bridge", { ...bench, tables });
  bridgeContract("linux bridge before 6.2", {
    ...bench,
    tables: new LinuxBridgeTables(native, new BridgeSettings(), "plain"),
  });

  test("linux bridge: who names more sources than are told apart gets the whole group, and that is counted", async () => {
    const table = tables.open("br0");
    const many = (length: number) =>
      filterOf(
        "include",
        Array.from({ length }, (_, i) => ipv4(SOURCE + 1 + i)),
      );
    const group = address("239.255.79.1");
    table.set("p0", group, many(MOST_SOURCES));
    assert.deepEqual([table.counts(), await reached(SOURCE, group)], [{}, []]);
    table.set("p0", group, many(MOST_SOURCES + 1));
    assert.deepEqual([table.counts(), await reached(SOURCE, group)], [{ "bridge.not-filtered": 1 }, ["p0"]]);
    table.close();
  });

  test("linux bridge: what a host reports opens no port that is refused, with or without us, until it is given the group", async () => {
    const group = address("239.255.81.1");
    const table = tables.open("br0");
    table.refuse("p0", group);
    table.set("p1", group, ANY_SOURCE);
    const host = await frameSender("far-p0");
    const join = v1v2Message("v2Report", "10.9.1.11", "239.255.81.1");
    const reports = [
      join,
      report("10.9.1.11", ["to-ex", "239.255.81.1"]),
      report("10.9.1.11", ["allow", "239.255.81.1", SOURCE]),
      v1v2Message("leave", "10.9.1.11", "239.255.81.1"),
      report("10.9.1.11", ["is-ex", "239.255.81.1"]),
    ];
    for (const said of reports) {
      host.send(ethernet("02:00:00:00:00:0b", said));
      assert.deepEqual(await reached(SOURCE, group), ["p1"]);
    }
    // As who is killed: nothing is given back.
    const successor = elsewhere();
    successor.set("p1", group, ANY_SOURCE);
    successor.confirm();
    host.send(ethernet("02:00:00:00:00:0b", join));
    assert.deepEqual(await reached(SOURCE, group), ["p1"]);
    execFileSync("ip", ["link", "set", "p0", "nomaster"]);
    execFileSync("ip", ["link", "set", "p0", "master", "br0"]);
    successor.restore();
    host.send(ethernet("02:00:00:00:00:0b", join));
    assert.deepEqual(await reached(SOURCE, group), ["p1"]);
    successor.set("p0", group, ANY_SOURCE);
    assert.deepEqual(await reached(SOURCE, group), ["p0", "p1"]);
    successor.refuse("p0", group);
    successor.close();
    assert.doesNotMatch(entries(), /239\.255\.81\.1/);
    for (const one of [table, host]) one.close();
  });

  test("linux bridge: who is refused beyond what is kept takes the place of who was refused first", () => {
    const table = tables.open("br0");
    for (let i = 0; i <= MOST_REFUSED; i++) table.refuse("p0", ipv4(address("239.254.0.0") + i));
    assert.deepEqual(
      [/239\.254\.0\.0/, /239\.254\.0\.1 /, /239\.254\.4\.0/].map((one) => one.test(entries())),
      [false, true, true],
    );
    table.close();
    assert.doesNotMatch(entries(), /239\.254\./);
  });

  test("linux bridge: no querier is missed for less long than asked, and longer where it was so", () => {
    const interval = (): string => setting("br0/bridge/multicast_querier_interval");
    const found = interval();
    for (const [silence, seen] of [
      [seconds(315), "31500"],
      [seconds(10), found],
    ] as const) {
      const table = tables.open("br0", { silence });
      assert.equal(interval(), seen);
      table.close();
      assert.equal(interval(), found);
    }
  });

  test("linux bridge: every setting is given back, and no entry of ours stays", () => {
    const found = SETTINGS.map(setting);
    assert.deepEqual(found, ["0", "2", "1", "4096"]);
    const table = tables.open("br0");
    assert.deepEqual(SETTINGS.map(setting), ["1", "3", "2", "65536"]);
    for (const again of [() => table.restore(), () => table.set("p0", GROUP, ANY_SOURCE)]) {
      execFileSync("ip", ["link", "set", "br0", "type", "bridge", "mcast_snooping", "0"]);
      again();
      assert.equal(setting("br0/bridge/multicast_snooping"), "1", "turned off by somebody else");
    }
    table.set("p1", GROUP, filterOf("include", [SOURCE]));
    table.routerPorts(["p2"], ["p0"]);
    assert.deepEqual(["p0", "p1", "p2"].map(routerSetting), ["0", "1", "2"]);
    assert.match(entries(), /239\.255\.77\.1/);
    table.close();
    assert.doesNotMatch(entries(), /239\.255\.77\.1/);
    assert.deepEqual(SETTINGS.map(setting), found);
    assert.deepEqual(["p0", "p1", "p2"].map(routerSetting), ["1", "1", "1"]);
  });

  for (const version of [2, 3])
    test(`linux bridge: one that snooped before us, in version ${version}, has what the ports asked for until it times out`, async () => {
      const [group, other] = [address(`239.255.8${version}.1`), ipv4(SOURCE + 1)];
      const bridge = (...words: string[]) => execFileSync("ip", ["link", "set", "br0", "type", "bridge", ...words]);
      bridge("mcast_snooping", "1", "mcast_igmp_version", String(version));
      await eventually(() => false, 200);
      const table = tables.open("br0");
      table.set("p0", group, ANY_SOURCE);
      table.set("p1", group, filterOf("include", [SOURCE]));
      table.close();
      assert.deepEqual(await reached(SOURCE, group), ["p0", "p1"]);
      assert.deepEqual(await reached(other, group), version === 3 ? ["p0"] : ["p0", "p1"]);
      const ours = entries()
        .split("\n")
        .filter((line) => line.includes(formatIpv4(group)));
      assert.deepEqual([ours.length > 0, ours.filter((line) => !line.includes("temp"))], [true, []]);
      const next = tables.open("br0");
      next.set("p0", group, ANY_SOURCE);
      next.set("p0", group, NO_SOURCE);
      assert.deepEqual(await reached(other, group), version === 3 ? [] : ["p1"], "whoever comes after goes on with it");
      next.close();
      bridge("mcast_snooping", "0", "mcast_igmp_version", "2");
    });

  test("linux bridge: what a killed predecessor left serves until it is confirmed or not, and an operator's entry stays", async () => {
    const killed = elsewhere();
    execFileSync("bridge", ["mdb", "add", "dev", "br0", "port", "p2", "grp", "239.255.77.1", "permanent"]);
    killed.set("p0", GROUP, ANY_SOURCE);
    killed.set("p1", GROUP, ANY_SOURCE);
    const successor = tables.open("br0");
    assert.deepEqual(await reached(SOURCE, GROUP), ["p0", "p1", "p2"]);
    successor.set("p0", GROUP, ANY_SOURCE);
    successor.confirm();
    assert.deepEqual(await reached(SOURCE, GROUP), ["p0", "p2"]);
    successor.close();
    assert.deepEqual(entries().match(/port \S+ grp 239\.255\.77\.1 /g), ["port p2 grp 239.255.77.1 "]);
    // Nothing is taken out of a table that is not in use.
    execFileSync("ip", ["link", "set", "br0", "type", "bridge", "mcast_snooping", "1"]);
    execFileSync("bridge", ["mdb", "del", "dev", "br0", "port", "p2", "grp", "239.255.77.1"]);
    execFileSync("ip", ["link", "set", "br0", "type", "bridge", "mcast_snooping", "0"]);
    killed.close();
  });

  test("linux bridge: a port that left and came back has its entries again, and one that is gone leaves nothing behind", async () => {
    const group = address("239.255.80.1");
    const table = tables.open("br0");
    table.set("p0", group, ANY_SOURCE);
    table.set("p1", group, filterOf("include", [SOURCE]));
    execFileSync("ip", ["link", "set", "p0", "nomaster"]);
    execFileSync("ip", ["link", "set", "p0", "master", "br0"]);
    assert.doesNotMatch(entries(), /port p0 grp 239.255.80.1/);
    table.restore();
    assert.deepEqual(await reached(SOURCE, group), ["p0", "p1"]);
    execFileSync("ip", ["link", "add", "p3", "type", "veth", "peer", "name", "far-p3"]);
    execFileSync("ip", ["link", "set", "p3", "master", "br0", "up"]);
    table.set("p3", group, ANY_SOURCE);
    execFileSync("ip", ["link", "del", "p3"]);
    table.set("p3", group, NO_SOURCE);
    table.restore();
    assert.deepEqual([table.counts(), await reached(SOURCE, group)], [{}, ["p0", "p1"]]);
    table.close();
  });

  test("linux bridge: a port that an operator gave to a router stays one, and is found as one", () => {
    execFileSync("ip", ["link", "set", "p1", "type", "bridge_slave", "mcast_router", "2"]);
    const table = tables.open("br0");
    assert.deepEqual(table.routersFound(), ["p1"]);
    table.routerPorts(["p0"], ["p1", "p2"]);
    assert.deepEqual(PORTS.map(routerSetting), ["2", "2", "0"]);
    const other = tables.open("br0");
    assert.deepEqual([...other.routersFound()].sort(), ["p0", "p1"]);
    other.routerPorts([], PORTS);
    assert.deepEqual(PORTS.map(routerSetting), ["0", "2", "0"]);
    for (const one of [other, table]) one.close();
    assert.deepEqual(PORTS.map(routerSetting), ["1", "2", "1"]);
    execFileSync("ip", ["link", "set", "p1", "type", "bridge_slave", "mcast_router", "1"]);
  });

  test("linux bridge: what the kernel refuses is counted", () => {
    const table = tables.open("br0");
    table.set("lo", GROUP, ANY_SOURCE);
    table.routerPorts(["lo"], []);
    assert.deepEqual(table.counts(), { "bridge.router-port-failed": 1, "bridge.set-failed": 1 });
    table.close();
  });

  test("close the socket", () => sender.close());
}
