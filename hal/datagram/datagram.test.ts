import assert from "node:assert/strict";
import { test } from "node:test";
import { ANY, address } from "../../core/base/ipv4.ts";
import { seconds } from "../../core/base/time.ts";
import { SimulatedClock } from "../clock/simulated.ts";
import { SeededEntropy } from "../entropy/seeded.ts";
import { SimulatedNetwork } from "../simulation/network.ts";
import { datagramContract } from "./contract.testkit.ts";
import { NativeDatagrams } from "./native.ts";
import { NodeDatagrams } from "./node.ts";
import { SimulatedDatagrams } from "./simulated.ts";

const turn = () => new Promise((resolve) => setImmediate(resolve));

const ofTheKernel = {
  local: address("127.0.0.1"),
  localName: "lo",
  async until(condition: () => boolean) {
    const limit = performance.now() + 3000;
    while (!condition() && performance.now() < limit) await turn();
  },
};
datagramContract("node datagrams", { datagrams: new NodeDatagrams(), ...ofTheKernel });
datagramContract("native datagrams", { datagrams: await NativeDatagrams.load(), ...ofTheKernel });

const clock = new SimulatedClock();
const network = new SimulatedNetwork(clock, new SeededEntropy(1));
const node = network.node("host");
node.attach("eth0", { address: address("10.0.0.1"), lan: network.lan("lan") });
datagramContract("simulated datagrams", {
  datagrams: new SimulatedDatagrams(node),
  local: address("10.0.0.1"),
  localName: "eth0",
  async until() {
    await turn();
    clock.run(seconds(1));
  },
});

test("node datagrams count what could not be sent", async () => {
  const datagrams = new NodeDatagrams();
  const socket = await datagrams.open({ address: ANY, port: 0 }, { datagram() {}, failed() {} });
  socket.close();
  socket.send(new Uint8Array(1), address("127.0.0.1"), 9);
  assert.deepEqual(datagrams.counts.snapshot(), { "datagram.send-failed": 1 });
});
