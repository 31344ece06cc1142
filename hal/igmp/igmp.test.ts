import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { test } from "node:test";
import { address } from "../../core/base/ipv4.ts";
import { seconds } from "../../core/base/time.ts";
import { SimulatedClock } from "../clock/simulated.ts";
import { SeededEntropy } from "../entropy/seeded.ts";
import { CABLE, eventually, inNamespace } from "../in-namespace.testkit.ts";
import { SimulatedNetwork } from "../simulation/network.ts";
import { igmpContract, PEER } from "./contract.testkit.ts";
import { RawIgmpSockets } from "./raw.ts";
import { SimulatedIgmpSockets } from "./simulated.ts";

function simulatedBench() {
  const clock = new SimulatedClock();
  const network = new SimulatedNetwork(clock, new SeededEntropy(1));
  const lan = network.lan("lan");
  const [a, b] = [network.node("a"), network.node("b")];
  a.attach("rt0", { address: address("10.9.1.1"), lan });
  b.attach("rt1", { address: PEER, lan });
  return {
    sockets: new SimulatedIgmpSockets(a),
    peerSockets: new SimulatedIgmpSockets(b),
    here: "rt0",
    peer: "rt1",
    until: async (condition: () => boolean) => {
      clock.run(seconds(1));
      return condition();
    },
    removeHere: () => a.remove("rt0"),
  };
}

igmpContract("simulated igmp", simulatedBench);

if (inNamespace(import.meta.url, "raw igmp", CABLE)) {
  const sockets = await RawIgmpSockets.load();
  // A multicast routing socket on the link, as the router has it, lets reports to unknown groups through.
  const { LinuxForwarding } = await import("../forwarding/linux.ts");
  const table = (await LinuxForwarding.load()).open({ noRoute() {}, wrongInterface() {}, igmp() {}, failed() {} });
  table.addInterface("rt0");
  const removeHere = () => execFileSync("ip", ["link", "del", "rt0"]);
  igmpContract("raw igmp", () => ({
    sockets,
    peerSockets: sockets,
    here: "rt0",
    peer: "rt1",
    until: eventually,
    removeHere,
  }));
  test("raw igmp: what is no IPv4 multicast packet is counted, not sent", () => {
    execFileSync("ip", ["link", "add", "rt8", "type", "veth", "peer", "name", "rt9"]);
    const socket = sockets.open("rt8", { packet() {}, failed() {} });
    socket.send(new Uint8Array(3));
    socket.close();
    assert.equal(sockets.counts.of("igmp.not-a-packet"), 1);
    table.close();
  });
}
