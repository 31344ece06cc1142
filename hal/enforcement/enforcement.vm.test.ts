// The guard on a bridge that keeps VLANs apart: what it sends in a VLAN, out by a port with the tag and by one without.
import assert from "node:assert/strict";
import { createSocket } from "node:dgram";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { address, formatIpv4, type Ipv4 } from "../../core/base/ipv4.ts";
import { minutes, seconds } from "../../core/base/time.ts";
import { eventually, inNamespace } from "../in-namespace.testkit.ts";
import { NftEnforcement } from "./nft.ts";

const PORTS = ["trunk", "access"] as const;

const BRIDGE = [
  "sysctl -qw net.ipv6.conf.all.disable_ipv6=1 net.ipv6.conf.default.disable_ipv6=1",
  "ip link add br0 type bridge vlan_filtering 1 mcast_snooping 0",
  ...PORTS.flatMap((port) => [
    `ip link add ${port} type veth peer name ${port}far`,
    `ip link set ${port} master br0 up`,
    `ip link set ${port}far up`,
  ]),
  "ip link set br0 up",
  "bridge vlan add dev br0 vid 10 self",
  "bridge vlan add dev trunk vid 10",
  "bridge vlan add dev access vid 10 pvid untagged",
  "ip link add link br0 name br0.10 type vlan id 10",
  "ip addr add 10.9.1.1/24 dev br0.10",
  "ip link set br0.10 up",
];

if (inNamespace(import.meta.url, "enforcement on a VLAN", BRIDGE, ["nft", "bridge"])) {
  const read = (path: string) => readFileSync(`/sys/class/net/${path}`, "latin1").trim();
  const FORWARDING = "3";
  assert.ok(await eventually(() => PORTS.every((port) => read(`${port}/brport/state`) === FORWARDING)));
  const received = (port: string) => Number(read(`${port}far/statistics/rx_packets`));
  const socket = createSocket("udp4");
  await new Promise<void>((resolve) => socket.bind(0, "10.9.1.1", resolve));

  const send = (group: Ipv4) => new Promise((resolve) => socket.send("x", 5000, formatIpv4(group), resolve));
  /** Where a packet to the group comes out, told by one behind it that nobody guards and that comes out everywhere. */
  const reached = async (group: Ipv4): Promise<string> => {
    // A send calls back before the loop turns, and the driver waits for its child.
    await new Promise((resolve) => setImmediate(resolve));
    const before = PORTS.map(received);
    for (const one of [group, FREE]) await send(one);
    const counts = () => PORTS.map((port, i) => received(port) - (before[i] ?? 0));
    assert.ok(await eventually(() => counts().every((count) => count > 0)), "what nobody guards comes out");
    return PORTS.filter((_, i) => (counts()[i] ?? 0) > 1).join();
  };
  const [FILM, NEWS, FREE] = [address("239.1.1.1"), address("239.1.1.2"), address("239.2.1.1")];
  const groups = [{ address: address("239.1.0.0"), prefixLength: 16 }];

  for (const [port, other] of [
    ["trunk", "access"],
    ["access", "trunk"],
  ] as const)
    test(`what the machine sends in a VLAN leaves by the ${port} port with a pass, and by no other`, async () => {
      const rules = { groups, afterwards: "closed", ports: PORTS } as const;
      const failed = (error: Error): never => assert.fail(error.message);
      const guard = new NftEnforcement(minutes(60)).open(rules, { failed, restored: () => {} });
      assert.equal(await reached(FILM), "", "before the first word");
      guard.stand(seconds(60));
      guard.change([{ port, group: FILM }], []);
      const end = performance.now() + 20_000;
      while ((await reached(FILM)) !== port) assert.ok(performance.now() < end);
      assert.equal(await reached(NEWS), "");
      guard.guard(other, false);
      while ((await reached(NEWS)) !== other) assert.ok(performance.now() < end);
      await guard.close();
      assert.equal(await reached(NEWS), PORTS.join());
    });

  test("close the socket", () => {
    socket.close();
  });
}
