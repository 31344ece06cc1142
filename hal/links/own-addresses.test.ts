import assert from "node:assert/strict";
import { test } from "node:test";
import { ANY, address } from "../../core/base/ipv4.ts";
import type { InterfaceChoice } from "../../core/ports/datagrams.ts";
import { HalError } from "../../core/ports/errors.ts";
import type { Links } from "../../core/ports/links.ts";
import { SimulatedClock } from "../clock/simulated.ts";
import { SeededEntropy } from "../entropy/seeded.ts";
import { SimulatedNetwork } from "../simulation/network.ts";
import { OwnAddresses } from "./own-addresses.ts";
import { simulatedLinks } from "./simulated.ts";

const [HERE, ABSENT, OTHER] = [address("10.0.0.1"), address("10.0.0.9"), address("10.0.0.8")];
const WAITING = "waiting for interface address 10.0.0.9";

/** A machine with eth0 (10.0.0.1), which is told to use these addresses. */
function bench(...choices: readonly InterfaceChoice[]) {
  const network = new SimulatedNetwork(new SimulatedClock(), new SeededEntropy(1));
  const node = network.node("box");
  const attach = (name: string, own: typeof HERE) => node.attach(name, { address: own, lan: network.lan(name) });
  attach("eth0", HERE);
  const counts = { lists: 0 };
  const links: Links = {
    ...simulatedLinks(node),
    list() {
      counts.lists++;
      return simulatedLinks(node).list();
    },
  };
  const told: (string | undefined)[] = [];
  const own = new OwnAddresses(choices, links, { away() {}, back() {}, changed: (waiting) => told.push(waiting) });
  return { node, attach, own, told, counts };
}

test("an address that was waited for and is dropped: what is waited for is told", () => {
  for (const next of [[HERE], [ANY], [address("127.0.0.1")], []]) {
    const { own, told } = bench(ABSENT);
    own.follow(next);
    assert.equal(own.waiting, undefined);
    assert.deepEqual(told, [WAITING, undefined]);
  }
});

test("what is waited for is told only when it is another thing", () => {
  const { own, told, attach } = bench(HERE, ABSENT);
  own.follow([ABSENT]);
  own.follow([OTHER, ABSENT]);
  own.follow([HERE, OTHER]);
  attach("eth1", OTHER);
  assert.deepEqual(told, [WAITING, `${WAITING}, 10.0.0.8`, "waiting for interface address 10.0.0.8", undefined]);
});

test("a change that is made: both are followed meanwhile, then the new addresses alone", async () => {
  const { own, told } = bench(ABSENT);
  await own.followFor([OTHER], async () => {
    assert.deepEqual([own.isAway(ABSENT), own.isAway(OTHER)], [true, true]);
  });
  assert.deepEqual([own.isAway(ABSENT), own.isAway(OTHER)], [false, true]);
  assert.equal(told.at(-1), "waiting for interface address 10.0.0.8");
});

test("a change that is refused: the earlier addresses go on being followed, and when they come their users hear of it", async () => {
  const { own, told, attach } = bench(ABSENT);
  const moved: unknown[] = [];
  own.onMove((one) => moved.push(one));
  const refusal = new HalError("output.failed", "no such folder");
  await assert.rejects(
    own.followFor([OTHER], () => Promise.reject(refusal)),
    (error) => error === refusal,
  );
  assert.equal(own.isAway(OTHER), false);
  assert.equal(own.waiting, WAITING);
  assert.equal(told.at(-1), WAITING);
  attach("eth1", OTHER);
  attach("eth2", ABSENT);
  assert.deepEqual(moved, [ABSENT]);
});

test("an interface by its name: moved by another address or another card, away without either, by what it lacks", () => {
  const { node, attach, own, told } = bench("eth0");
  const moved: unknown[] = [];
  own.onMove((one) => moved.push(one));
  attach("eth0", OTHER);
  assert.deepEqual(moved, ["eth0"]);
  attach("eth0", OTHER);
  assert.deepEqual(moved, ["eth0", "eth0"]);
  assert.deepEqual(told, ["waiting for interface eth0", undefined, "waiting for interface eth0", undefined]);
  node.interface("eth0")?.setUp(false);
  assert.equal(own.lackOf("eth0"), "interface eth0 is down");
  node.remove("eth0");
  assert.equal(own.lackOf("eth0"), "interface eth0 does not exist; there are none");
  own.follow(["eth0", ABSENT]);
  assert.equal(own.waiting, "waiting for interface eth0, interface address 10.0.0.9");
});

test("a look takes the links that it is told, and lists them for none of the addresses", () => {
  const { node, own, counts } = bench(HERE, ABSENT, OTHER);
  const before = counts.lists;
  node.interface("eth0")?.setUp(false);
  assert.equal(own.isAway(HERE), true);
  assert.equal(counts.lists, before);
});
