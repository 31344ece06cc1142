import assert from "node:assert/strict";
import { test } from "node:test";
import { ANY, address } from "../../core/base/ipv4.ts";
import { milliseconds, seconds } from "../../core/base/time.ts";
import { SimulatedClock } from "../clock/simulated.ts";
import { SimulatedDatagrams } from "../datagram/simulated.ts";
import { SeededEntropy } from "../entropy/seeded.ts";
import { attachKernelHost } from "./kernel-host.ts";
import type { Faults } from "./lan.ts";
import { SimulatedNetwork } from "./network.ts";

const GROUP = address("239.255.77.1");
const deaf = { datagram() {}, failed() {} };

/** A sender and a member on one LAN; a hundred numbered datagrams, 10 ms apart. */
async function hundred(seed: number, faults: Partial<Faults>): Promise<{ numbers: number[]; text: string }> {
  const clock = new SimulatedClock();
  const network = new SimulatedNetwork(clock, new SeededEntropy(seed));
  const lan = network.lan("lan", faults);
  const [tx, rx] = [network.node("tx"), network.node("rx")];
  tx.attach("eth0", { address: address("10.0.0.1"), lan });
  rx.attach("eth0", { address: address("10.0.0.2"), lan });
  attachKernelHost(rx);
  const numbers: number[] = [];
  const member = await new SimulatedDatagrams(rx).open(
    { address: GROUP, port: 5000 },
    { ...deaf, datagram: (payload) => numbers.push(payload[0] ?? -1) },
  );
  member.join({ group: GROUP, interfaceAddress: ANY });
  const sender = await new SimulatedDatagrams(tx).open({ address: ANY, port: 0 }, deaf);
  for (let n = 0; n < 100; n++) {
    sender.send(Uint8Array.of(n), GROUP, 5000);
    clock.run(milliseconds(10));
  }
  clock.run(seconds(15));
  return { numbers, text: network.text() };
}

const FAULTS = {
  jitter: milliseconds(3),
  loss: 0.1,
  duplicate: 0.1,
  reorder: 0.1,
  reorderBy: milliseconds(25),
} as const;

test("a clean network delivers everything, in order", async () => {
  const { numbers } = await hundred(1, {});
  assert.deepEqual(
    numbers,
    Array.from({ length: 100 }, (_, n) => n),
  );
});

test("faults lose, repeat and reorder", async () => {
  const { numbers, text } = await hundred(1, FAULTS);
  assert.ok(new Set(numbers).size < 100, "some are lost");
  assert.match(text, / lost to rx\/eth0 udp /);
  assert.ok(numbers.length > new Set(numbers).size, "some are repeated");
  assert.ok(
    numbers.some((n, i) => n < (numbers[i - 1] ?? 0)),
    "some are overtaken",
  );
});

test("the same seed gives the same log, another seed another one", async () => {
  const [one, again, other] = [await hundred(7, FAULTS), await hundred(7, FAULTS), await hundred(8, FAULTS)];
  assert.equal(one.text, again.text);
  assert.notEqual(one.text, other.text);
});

test("a join is reported by the node's kernel: TO_EX at once and once more", async () => {
  const { text } = await hundred(1, {});
  const reports = text.split("\n").filter((line) => line.includes("igmp 10.0.0.2 > 224.0.0.22"));
  assert.equal(reports.length, 2);
  for (const line of reports) assert.match(line, /2200[0-9a-f]{4}0000000104000000efff4d01$/);
});

test("an interface that is down neither sends nor hears", async () => {
  const clock = new SimulatedClock();
  const network = new SimulatedNetwork(clock, new SeededEntropy(1));
  const lan = network.lan("lan");
  const [tx, rx] = [network.node("tx"), network.node("rx")];
  tx.attach("eth0", { address: address("10.0.0.1"), lan });
  const far = rx.attach("eth0", { address: address("10.0.0.2"), lan });
  let heard = 0;
  await new SimulatedDatagrams(rx).open({ address: ANY, port: 5000 }, { ...deaf, datagram: () => heard++ });
  const sender = await new SimulatedDatagrams(tx).open({ address: ANY, port: 0 }, deaf);
  far.setUp(false);
  sender.send(Uint8Array.of(1), address("10.0.0.2"), 5000);
  clock.run(seconds(1));
  far.setUp(true);
  sender.send(Uint8Array.of(2), address("10.0.0.2"), 5000);
  clock.run(seconds(1));
  assert.equal(heard, 1);
});
