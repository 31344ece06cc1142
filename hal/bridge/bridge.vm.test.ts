// The multicast table of a bridge that keeps VLANs apart, on a kernel that has such: each VLAN's own, in what they share and what they do not.
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { address, type Ipv4 } from "../../core/base/ipv4.ts";
import { seconds } from "../../core/base/time.ts";
import { ANY_SOURCE, filterOf, NO_SOURCE } from "../../core/igmp/filter.ts";
import { datagram } from "../forwarding/linux.testkit.ts";
import { eventually, inNamespace } from "../in-namespace.testkit.ts";
import { internetAddress, openMulticastSender } from "../native/multicast-sender.ts";
import { ReceiveRoom } from "../native/socket.ts";
import { loadSockets } from "../native.ts";
import { interfaceIndex } from "../socket-options.ts";
import { bridgeContract } from "./contract.testkit.ts";
import { LinuxBridgeTables } from "./linux.ts";
import { BridgeSettings } from "./settings.ts";

const [SOURCE, GROUP] = [address("10.9.1.1"), address("239.255.77.1")];
const PORTS = ["p0", "p1", "p2"] as const;
const VLANS = [10, 20] as const;

/** VLANs 10 and 20 on every port, with tags but for VLAN 10 on p1. */
const BRIDGE = [
  "sysctl -qw net.ipv6.conf.all.disable_ipv6=1 net.ipv6.conf.default.disable_ipv6=1",
  "ip link add br0 type bridge vlan_filtering 1 mcast_query_response_interval 1 mcast_snooping 0 mcast_igmp_version 2",
  "ip link set br0 type bridge mcast_querier 1",
  ...PORTS.flatMap((port) => [
    `ip link add ${port} type veth peer name far-${port}`,
    `ip link set ${port} master br0 up`,
    `ip link set far-${port} up`,
  ]),
  "ip link add flat type bridge",
  "ip addr add 10.9.9.1/24 dev br0",
  "ip link set br0 up",
  ...VLANS.flatMap((vlan) => [
    `bridge vlan add dev br0 vid ${vlan} self`,
    ...PORTS.map((port) => `bridge vlan add dev ${port} vid ${vlan}`),
    `ip link add link br0 name br0.${vlan} type vlan id ${vlan}`,
    `ip addr add 10.9.${vlan}.1/24 dev br0.${vlan}`,
    `ip link set br0.${vlan} up`,
  ]),
  "bridge vlan add dev p1 vid 10 pvid untagged",
];

if (inNamespace(import.meta.url, "a bridge with VLANs", BRIDGE, ["bridge"])) {
  const native = await loadSockets("test");
  const setting = (path: string): string => readFileSync(`/sys/class/net/${path}`, "latin1").trim();
  const sent = (): readonly number[] => PORTS.map((port) => Number(setting(`${port}/statistics/tx_bytes`)));
  const PROBE = "x".repeat(1000);
  const senders = new Map(
    VLANS.map((vlan) => {
      const name = `br0.${vlan}`;
      const sender = openMulticastSender(native, new ReceiveRoom(1), { name, index: interfaceIndex(name) ?? 0 });
      return [vlan as number, sender] as const;
    }),
  );

  /** A bridge has handed the packet to its ports when the send returns; nothing else here is so long. */
  const reached = async (vlan: number, source: Ipv4, group: Ipv4): Promise<readonly string[]> => {
    const before = sent();
    senders.get(vlan)?.send(datagram(source, group, PROBE), internetAddress(group));
    const now = sent();
    return PORTS.filter((_, i) => (now[i] ?? 0) - (before[i] ?? 0) > PROBE.length);
  };
  const both = async (group: Ipv4) => [await reached(10, SOURCE, group), await reached(20, SOURCE, group)];
  const entries = (): readonly string[] =>
    execFileSync("bridge", ["mdb", "show", "dev", "br0"], { encoding: "utf8" })
      .split("\n")
      .flatMap((line) => /port (\S+) grp (239\S+).* vid (\d+)/.exec(line)?.slice(1).join(" ") ?? [])
      .sort();
  const routerSettings = () => PORTS.map((port) => setting(`${port}/brport/multicast_router`)).join("");

  const tables = await LinuxBridgeTables.load(new BridgeSettings());
  const FORWARDING = "3";
  assert.ok(await eventually(() => PORTS.every((port) => setting(`${port}/brport/state`) === FORWARDING)));
  // The bridge looks into its table once its querier's response time is over.
  const first = tables.open("br0", { vlan: 10 });
  await eventually(() => false, 200);
  first.close();

  bridgeContract("a VLAN of a linux bridge", {
    tables: { open: (bridge) => tables.open(bridge, { vlan: 10 }) },
    bridge: "br0",
    ports: PORTS,
    source: SOURCE,
    group: GROUP,
    reached: (source, group) => reached(10, source, group),
  });

  test("the same group in two VLANs: what a port gets in one it does not get in the other, and a leave of one leaves the other", async () => {
    const group = address("239.255.80.1");
    const [ten, twenty] = VLANS.map((vlan) => tables.open("br0", { vlan }));
    ten?.set("p0", group, ANY_SOURCE);
    ten?.set("p1", group, ANY_SOURCE);
    twenty?.set("p0", group, filterOf("include", [SOURCE]));
    assert.deepEqual(await both(group), [["p0", "p1"], ["p0"]]);
    assert.deepEqual(entries(), ["p0 239.255.80.1 10", "p0 239.255.80.1 20", "p1 239.255.80.1 10"]);
    ten?.set("p0", group, NO_SOURCE);
    twenty?.set("p2", group, ANY_SOURCE);
    assert.deepEqual(await both(group), [["p1"], ["p0", "p2"]]);
    twenty?.restore();
    ten?.restore();
    assert.deepEqual(await both(group), [["p1"], ["p0", "p2"]]);
    twenty?.close();
    await Promise.resolve();
    assert.deepEqual([await reached(10, SOURCE, group), entries()], [["p1"], ["p1 239.255.80.1 10"]]);
    ten?.close();
    assert.deepEqual(entries(), []);
  });

  test("tables that close one after the other give the bridge back together, as it was found", async () => {
    const group = address("239.255.80.2");
    const names = ["multicast_snooping", "multicast_igmp_version", "multicast_router", "hash_max"];
    const settings = () => names.map((name) => setting(`br0/bridge/${name}`)).join();
    const found = settings();
    const [ten, twenty] = VLANS.map((vlan) => tables.open("br0", { vlan }));
    for (const table of [ten, twenty]) table?.set("p0", group, ANY_SOURCE);
    const ours = settings();
    assert.notEqual(ours, found);
    ten?.close();
    assert.deepEqual([settings(), entries().length], [ours, 2], "nobody misses what the other is to have for a moment");
    twenty?.close();
    assert.deepEqual([settings(), entries()], [found, []]);
    await Promise.resolve();
    const again = tables.open("br0", { vlan: 20 });
    assert.equal(settings(), ours);
    again.close();
    assert.equal(settings(), found);
  });

  test("a port that is refused a group in one VLAN has it in the other, and may be given it again", async () => {
    const group = address("239.255.80.4");
    const [ten, twenty] = VLANS.map((vlan) => tables.open("br0", { vlan }));
    for (const table of [ten, twenty]) table?.set("p0", group, ANY_SOURCE);
    ten?.refuse("p0", group);
    assert.deepEqual(await both(group), [[], ["p0"]]);
    for (const table of [ten, twenty]) table?.restore();
    assert.deepEqual(await both(group), [[], ["p0"]]);
    ten?.set("p0", group, ANY_SOURCE);
    twenty?.refuse("p0", group);
    assert.deepEqual(await both(group), [["p0"], []]);
    twenty?.close();
    await Promise.resolve();
    assert.deepEqual(entries(), ["p0 239.255.80.4 10"]);
    ten?.close();
    assert.deepEqual(entries(), []);
  });

  test("a bridge that snooped before us has what each VLAN asked for, of one that ends alone as of the last one", async () => {
    const group = address("239.255.80.5");
    const bridge = (...words: string[]) => execFileSync("ip", ["link", "set", "br0", "type", "bridge", ...words]);
    const left = () =>
      execFileSync("bridge", ["mdb", "show", "dev", "br0"], { encoding: "utf8" })
        .split("\n")
        .flatMap(
          (line) => /port (\S+) grp 239.255.80.5 (temp|permanent).* vid (\d+)/.exec(line)?.slice(1).join(" ") ?? [],
        )
        .sort();
    bridge("mcast_snooping", "1");
    await eventually(() => false, 200);
    const [ten, twenty] = VLANS.map((vlan) => tables.open("br0", { vlan }));
    ten?.set("p0", group, ANY_SOURCE);
    twenty?.set("p1", group, filterOf("include", [SOURCE]));
    twenty?.close();
    await Promise.resolve();
    assert.deepEqual(
      [left(), await both(group)],
      [
        ["p0 permanent 10", "p1 temp 20"],
        [["p0"], ["p1"]],
      ],
    );
    ten?.close();
    assert.deepEqual(
      [left(), await both(group)],
      [
        ["p0 temp 10", "p1 temp 20"],
        [["p0"], ["p1"]],
      ],
    );
    bridge("mcast_snooping", "0");
  });

  test("the bridge waits for a query as long as the VLAN that is asked most seldom", () => {
    const interval = (): number => Number(setting("br0/bridge/multicast_querier_interval"));
    const found = interval();
    const [ten, twenty] = [seconds(400), seconds(315)].map((silence, i) =>
      tables.open("br0", { vlan: VLANS[i], silence }),
    );
    assert.equal(interval(), 40_000);
    ten?.close();
    twenty?.close();
    assert.equal(interval(), found);
  });

  test("a router port of one VLAN is the port's: it gets every group of the VLANs that it carries", async () => {
    const group = address("239.255.80.3");
    const [ten, twenty] = VLANS.map((vlan) => tables.open("br0", { vlan }));
    ten?.routerPorts(["p0"], ["p1", "p2"]);
    assert.equal(routerSettings(), "200");
    twenty?.routerPorts(["p2"], ["p0", "p1"]);
    assert.equal(routerSettings(), "202");
    for (const table of [ten, twenty]) table?.set("p1", group, ANY_SOURCE);
    assert.deepEqual(await both(group), [PORTS, PORTS]);
    ten?.close();
    await Promise.resolve();
    assert.equal(routerSettings(), "002");
    twenty?.close();
    assert.equal(routerSettings(), "111");
  });

  test("a VLAN of a bridge that does not keep them apart is refused by name", () => {
    assert.throws(() => tables.open("flat", { vlan: 10 }), { code: "bridge.mixed-vlans" });
    tables.open("flat").close();
  });

  test("close the sockets", () => {
    for (const sender of senders.values()) sender.close();
  });
}
