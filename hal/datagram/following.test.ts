// Sockets whose interface is not there yet, or goes and comes back with another index.
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { after, test } from "node:test";
import { ANY, address } from "../../core/base/ipv4.ts";
import { seconds } from "../../core/base/time.ts";
import { HalError } from "../../core/ports/errors.ts";
import { SimulatedClock } from "../clock/simulated.ts";
import { SeededEntropy } from "../entropy/seeded.ts";
import { eventually, inNamespace } from "../in-namespace.testkit.ts";
import { linuxLinks } from "../links/linux.ts";
import { OwnAddresses } from "../links/own-addresses.ts";
import { simulatedLinks } from "../links/simulated.ts";
import { SimulatedNetwork } from "../simulation/network.ts";
import { datagramContract } from "./contract.testkit.ts";
import { FollowingDatagrams } from "./following.ts";
import { NodeDatagrams } from "./node.ts";
import { SimulatedDatagrams } from "./simulated.ts";

const LOCAL = address("10.0.0.1");
const GROUP = address("239.255.77.7");
const PORT = 5004;

/** A host whose eth0 is there or not, another one that hears, and a sender on the same network. */
function bench(joinAway: "wait" | "fail", attached: boolean) {
  const clock = new SimulatedClock();
  const network = new SimulatedNetwork(clock, new SeededEntropy(1));
  const lan = network.lan("lan");
  const node = network.node("host");
  node.attach("lo0", { address: address("10.250.0.1"), lan: network.lan("nowhere") });
  const attach = (): void => void node.attach("eth0", { address: LOCAL, lan });
  if (attached) attach();
  const told: string[] = [];
  const own = new OwnAddresses([LOCAL, ANY, address("127.0.0.5")], simulatedLinks(node), {
    away: (_, lack) => told.push(lack),
    back: (_, name) => told.push(`back on ${name}`),
    changed: (waiting) => told.push(waiting ?? "running"),
  });
  const datagrams = new FollowingDatagrams(new SimulatedDatagrams(node), own, { joinAway });
  const peer = network.node("peer");
  peer.attach("eth0", { address: address("10.0.0.2"), lan });
  return { clock, node, attach, told, own, datagrams, peerDatagrams: new SimulatedDatagrams(peer) };
}

const deaf = { datagram() {}, failed: (error: HalError) => assert.fail(error.message) };
const LACK = "no interface has the address 10.0.0.1; there are 10.250.0.1 (lo0)";

test("an outgoing socket waits for its interface, sends when it is there, and again after it was made anew", async () => {
  const { clock, node, attach, told, own, datagrams, peerDatagrams } = bench("wait", false);
  const heard: number[] = [];
  const listener = { datagram: (payload: Uint8Array) => void heard.push(payload[0] ?? 0), failed: deaf.failed };
  const peer = await peerDatagrams.open({ address: GROUP, port: PORT }, listener);
  peer.join({ group: GROUP, interfaceAddress: ANY });
  const multicast = { interfaceAddress: LOCAL, ttl: 4 };
  const socket = await datagrams.open({ address: ANY, port: 0, multicast }, deaf);
  const send = (number: number): Promise<string | undefined> =>
    new Promise((resolve) => {
      socket.send(Uint8Array.of(number), GROUP, PORT, (error) => resolve(error?.code));
      clock.run(seconds(1));
    });
  assert.equal(await send(1), "datagram.interface-away");
  assert.equal(own.waiting, "waiting for interface address 10.0.0.1");
  attach();
  await new Promise(setImmediate);
  assert.equal(await send(2), undefined);
  node.remove("eth0");
  await send(3);
  attach();
  await new Promise(setImmediate);
  assert.equal(await send(4), undefined);
  assert.deepEqual(heard, [2, 4]);
  const waiting = "waiting for interface address 10.0.0.1";
  const once = [LACK, waiting, "back on eth0", "running"];
  assert.deepEqual(told, [...once, ...once]);
});

for (const joinAway of ["wait", "fail"] as const)
  test(`a membership where the address is away: ${joinAway}`, async () => {
    const { clock, node, attach, datagrams, peerDatagrams } = bench(joinAway, false);
    const heard: number[] = [];
    const listener = { datagram: (payload: Uint8Array) => void heard.push(payload[0] ?? 0), failed: deaf.failed };
    const socket = await datagrams.open({ address: GROUP, port: PORT }, listener);
    const membership = { group: GROUP, interfaceAddress: LOCAL };
    const join = () => socket.join(membership);
    if (joinAway === "wait") join();
    else
      assert.throws(
        join,
        (error) => error instanceof HalError && error.code === "datagram.interface-away" && error.message === LACK,
      );
    const peer = await peerDatagrams.open({ address: ANY, port: 0 }, deaf);
    const send = (number: number): void => {
      peer.send(Uint8Array.of(number), GROUP, PORT);
      clock.run(seconds(1));
    };
    attach();
    if (joinAway === "fail") join();
    send(1);
    node.remove("eth0");
    send(2);
    attach();
    send(3);
    socket.leave(membership);
    send(4);
    assert.deepEqual(heard, [1, 3]);
    socket.close();
  });

test("addresses that are always there are not watched, and others can be named later", () => {
  const { own, told } = bench("fail", true);
  assert.deepEqual([own.waiting, told], [undefined, []]);
  own.follow([address("10.3.0.1")]);
  assert.equal(own.waiting, "waiting for interface address 10.3.0.1");
  own.follow([ANY]);
  assert.equal(own.waiting, undefined);
});

const { clock, datagrams } = bench("fail", true);
datagramContract("following datagrams on simulated ones", {
  datagrams,
  local: LOCAL,
  async until() {
    await new Promise(setImmediate);
    clock.run(seconds(1));
  },
});

if (inNamespace(import.meta.url, "following datagrams", [])) {
  const ip = (...args: string[]) => execFileSync("ip", args);
  const make = (): void => {
    ip("link", "add", "rt0", "type", "veth", "peer", "name", "rt1");
    ip("addr", "add", "10.0.0.1/24", "dev", "rt0");
    for (const name of ["rt0", "rt1"]) ip("link", "set", name, "up");
  };
  test("in the kernel: a socket opened before its interface sends and hears when it comes, and when it comes anew", async () => {
    const own = new OwnAddresses([LOCAL], linuxLinks, { away: () => {}, back: () => {} });
    const following = new FollowingDatagrams(new NodeDatagrams(), own, { joinAway: "wait" });
    const heard: string[] = [];
    const listener = { datagram: (payload: Uint8Array) => void heard.push(String(payload[0])), failed: deaf.failed };
    const sender = await following.open({ address: ANY, port: 0, multicast: { interfaceAddress: LOCAL } }, deaf);
    const receiver = await following.open({ address: GROUP, port: PORT }, listener);
    receiver.join({ group: GROUP, interfaceAddress: LOCAL });
    after(() => {
      for (const socket of [sender, receiver]) socket.close();
      own.close();
    });
    for (const round of [1, 2]) {
      assert.equal(own.isAway(LOCAL), true);
      make();
      assert.ok(await eventually(() => !own.isAway(LOCAL), 10_000));
      const arrived = (): boolean => {
        sender.send(Uint8Array.of(round), GROUP, PORT);
        return heard.includes(String(round));
      };
      assert.ok(await eventually(arrived), `round ${round}`);
      ip("link", "del", "rt0");
      assert.ok(await eventually(() => own.isAway(LOCAL), 10_000));
    }
  });
}
