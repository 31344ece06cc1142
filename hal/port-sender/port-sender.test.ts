import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { toHex } from "../../core/base/bytes.ts";
import { address } from "../../core/base/ipv4.ts";
import { seconds } from "../../core/base/time.ts";
import { v1v2Message } from "../../core/igmp/igmp.testkit.ts";
import { SimulatedClock } from "../clock/simulated.ts";
import { SeededEntropy } from "../entropy/seeded.ts";
import { otherEnd } from "../frame-sender/other-end.testkit.ts";
import { inNamespace } from "../in-namespace.testkit.ts";
import { SimulatedNetwork } from "../simulation/network.ts";
import { portSenderContract } from "./contract.testkit.ts";
import { PacketPortSender } from "./packet.ts";
import { SimulatedPortSender } from "./simulated.ts";

{
  const clock = new SimulatedClock();
  const network = new SimulatedNetwork(clock, new SeededEntropy(1));
  const [lan1, lan2, spare] = [network.lan("lan1"), network.lan("lan2"), network.lan("spare")];
  const node = network.node("switch");
  const bridge = node.attach("br0", { address: address("10.9.1.1"), lan: { lan1, lan2 } });
  node.attach("spare", { address: address("10.9.2.1"), lan: spare });
  const seen = { lan1: 0, lan2: 0 };
  lan1.capture(() => seen.lan1++);
  lan2.capture(() => seen.lan2++);
  portSenderContract("simulated", {
    sender: new SimulatedPortSender(node),
    ports: ["lan1", "lan2"],
    spare: "spare",
    cameOut: (port) => seen[port as keyof typeof seen],
    settle: () => void clock.run(seconds(0.1)),
    takeDown: () => bridge.setUp(false),
  });
}

const MAC = [0x02, 0, 0, 0, 0, 0x0b];
const BRIDGE = [
  "sysctl -qw net.ipv6.conf.all.disable_ipv6=1 net.ipv6.conf.default.disable_ipv6=1",
  `ip link add br0 address 02:00:00:00:00:0b type bridge mcast_snooping 0`,
  ...["lan1", "lan2", "spare"].flatMap((port) => [
    `ip link add ${port} type veth peer name ${port}far`,
    `ip link set ${port} up`,
    `ip link set ${port}far up`,
  ]),
  ...["lan1", "lan2"].map((port) => `ip link set ${port} master br0`),
  "ip link set br0 up",
];

if (inNamespace(import.meta.url, "packet port sender", BRIDGE)) {
  const packet = v1v2Message("v2Report", "10.9.1.1", "239.129.1.2");

  test("packet: the frame is the bridge's, to the group's own address, and with the tag of a VLAN where it is to bear one", async (t) => {
    const sender = await PacketPortSender.load();
    const end = await otherEnd("lan1far", MAC);
    t.after(() => {
      sender.close();
      end.close();
    });
    sender.send({ bridge: "br0", port: "lan1", packet });
    sender.send({ bridge: "br0", port: "lan1", packet, vlan: 258 });
    const header = `01005e010102${toHex(Uint8Array.from(MAC))}`;
    // The kernel takes the tag out of what it hands to the far end.
    assert.deepEqual(
      end.look().map((frame) => frame.slice(0, 28 + 2 * packet.length)),
      [`${header}0800${toHex(packet)}`, `${header}0800${toHex(packet)}`],
    );
  });

  const sender = await PacketPortSender.load();
  portSenderContract("packet", {
    sender,
    ports: ["lan1", "lan2"],
    spare: "spare",
    cameOut: (port) => Number(readFileSync(`/sys/class/net/${port}far/statistics/rx_packets`, "utf8")),
    settle: () => {},
    // The far end: spanning tree and a pulled cable hold a port back in the same way.
    takeDown: (port) => void execFileSync("ip", ["link", "set", `${port}far`, "down"]),
  });
}
