import assert from "node:assert/strict";
import { test } from "node:test";
import { ANY, address } from "../../core/base/ipv4.ts";
import { SimulatedClock } from "../clock/simulated.ts";
import { SeededEntropy } from "../entropy/seeded.ts";
import { SimulatedNetwork } from "../simulation/network.ts";
import { simulatedLinks } from "./simulated.ts";
import { choiceLack, lackOf } from "./words.ts";

const network = new SimulatedNetwork(new SimulatedClock(), new SeededEntropy(1));
const node = network.node("router");
const lan = network.lan("lan");
node.attach("br-lan", { address: address("10.0.0.1"), lan });
node.attach("wan", { address: address("10.1.0.1"), lan });
node.attach("eth1", { address: ANY, lan });
const links = simulatedLinks(node);

test("an interface that does not exist is told with those that do, and with the one that is meant", () => {
  assert.equal(lackOf("wna", links), "interface wna does not exist; there are br-lan, wan, eth1 (is wan meant?)");
  assert.equal(
    lackOf("brlan", links),
    "interface brlan does not exist; there are br-lan, wan, eth1 (is br-lan meant?)",
  );
  assert.equal(lackOf("eth0", links), "interface eth0 does not exist; there are br-lan, wan, eth1 (is eth1 meant?)");
  assert.equal(lackOf("tun7", links), "interface tun7 does not exist; there are br-lan, wan, eth1");
});

test("one that is down or has no address is told so; one that is ready lacks nothing", () => {
  assert.equal(lackOf("eth1", links), "interface eth1 has no IPv4 address");
  node.interface("wan")?.setUp(false);
  assert.equal(lackOf("wan", links), "interface wan is down");
  node.interface("wan")?.setUp(true);
  assert.equal(lackOf("wan", links), undefined);
});

test("an address that nobody has is told with those that there are; of many, the first", () => {
  const wanted = address("10.9.9.9");
  assert.equal(
    choiceLack(wanted, links.list()),
    "no interface has the address 10.9.9.9; there are 10.0.0.1 (br-lan), 10.1.0.1 (wan)",
  );
  assert.match(choiceLack(wanted, []), /there are none$/);
  const many = Array.from({ length: 40 }, () => links.list()[0]).filter((one) => one !== undefined);
  assert.match(choiceLack(wanted, many), / and 8 more$/);
});
