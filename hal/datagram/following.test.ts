// Sockets whose interface is not there yet, or goes and comes back with another index.
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { after, test } from "node:test";
import { ANY, address, formatIpv4, type Ipv4 } from "../../core/base/ipv4.ts";
import { milliseconds, seconds } from "../../core/base/time.ts";
import { HalError } from "../../core/ports/errors.ts";
import { SimulatedClock } from "../clock/simulated.ts";
import { systemClock } from "../clock/system.ts";
import { SeededEntropy } from "../entropy/seeded.ts";
import { systemEntropy } from "../entropy/system.ts";
import { eventually, inNamespace } from "../in-namespace.testkit.ts";
import { linuxLinks } from "../links/linux.ts";
import { openLinks } from "../links/open.ts";
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
  const inner = new SimulatedDatagrams(node);
  const datagrams = new FollowingDatagrams(inner, own, { joinAway, clock, entropy: network.entropy });
  const peer = network.node("peer");
  peer.attach("eth0", { address: address("10.0.0.2"), lan });
  return { clock, lan, node, attach, told, own, inner, datagrams, peerDatagrams: new SimulatedDatagrams(peer) };
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
    await new Promise(setImmediate);
    if (joinAway === "fail") join();
    send(1);
    node.remove("eth0");
    send(2);
    attach();
    await new Promise(setImmediate);
    send(3);
    socket.leave(membership);
    send(4);
    assert.deepEqual(heard, [1, 3]);
    socket.close();
  });

test("a membership that is left while its link is down is none when the link comes up", async () => {
  const { node, datagrams } = bench("fail", true);
  const socket = await datagrams.open({ address: GROUP, port: PORT }, deaf);
  const membership = { group: GROUP, interfaceAddress: LOCAL };
  socket.join(membership);
  node.interface("eth0")?.setUp(false);
  socket.leave(membership);
  node.interface("eth0")?.setUp(true);
  assert.deepEqual(node.memberships.groups("eth0"), []);
});

test("a membership that the kernel cannot end while its address is gone ends when the address is back", async () => {
  const { node, attach, datagrams } = bench("wait", true);
  const socket = await datagrams.open({ address: GROUP, port: PORT }, deaf);
  const [left, kept] = [GROUP, address("239.255.77.8")].map((group) => ({ group, interfaceAddress: LOCAL }));
  assert.ok(left !== undefined && kept !== undefined);
  for (const membership of [left, kept]) socket.join(membership);
  node.remove("eth0");
  socket.leave(left);
  attach();
  await new Promise(setImmediate);
  assert.deepEqual(node.memberships.groups("eth0"), [kept.group]);
  socket.join(left);
  assert.deepEqual(node.memberships.groups("eth0"), [kept.group, left.group]);
});

test("a socket that cannot be opened anew says why, tries again after 1 s, 2 s, 4 s, and works when it can", async () => {
  const { clock, attach, inner, datagrams } = bench("wait", false);
  const told: string[] = [];
  const listener = { datagram() {}, failed: (error: HalError) => void told.push(`${clock.now()} ${error.code}`) };
  const socket = await datagrams.open({ address: LOCAL, port: PORT }, listener);
  socket.join({ group: GROUP, interfaceAddress: LOCAL });
  const other = await inner.open({ address: ANY, port: PORT }, deaf);
  const settle = () => new Promise(setImmediate);
  const send = (): Promise<string | undefined> =>
    new Promise((resolve) => {
      socket.send(Uint8Array.of(1), GROUP, PORT, (error) => resolve(error?.code));
      clock.run(milliseconds(0));
    });
  attach();
  await settle();
  assert.equal(await send(), "datagram.in-use");
  for (let second = 0; second < 7; second++) {
    clock.run(seconds(1));
    await settle();
  }
  assert.deepEqual(
    told,
    ["0", "1000", "3000", "7000"].map((at) => `${at} datagram.in-use`),
  );
  other.close();
  clock.run(seconds(8));
  await settle();
  assert.equal(await send(), undefined);
  assert.equal(told.length, 4);
  socket.close();
});

test("a socket that is closed, or whose address goes, is not tried again", async () => {
  for (const end of ["close", "remove"] as const) {
    const { clock, node, attach, inner, datagrams } = bench("wait", false);
    const told: string[] = [];
    const socket = await datagrams.open(
      { address: LOCAL, port: PORT },
      { datagram() {}, failed: ({ code }) => void told.push(code) },
    );
    await inner.open({ address: ANY, port: PORT }, deaf);
    attach();
    await new Promise(setImmediate);
    if (end === "close") socket.close();
    else node.remove("eth0");
    clock.run(seconds(60));
    await new Promise(setImmediate);
    assert.deepEqual(told, ["datagram.in-use"], end);
  }
});

test("a membership that cannot be joined anew is told, each one, and keeps no other from it", async () => {
  const [first, last] = [address("239.1.0.1"), address("239.1.0.2")];
  const unicast = [address("10.9.9.9"), address("10.9.9.8")];
  // The socket's own address comes anew, and that of its memberships alone.
  for (const own of [LOCAL, ANY]) {
    const { node, attach, datagrams } = bench("wait", false);
    const told: string[] = [];
    const listener = { datagram() {}, failed: (error: HalError) => void told.push(error.message) };
    const socket = await datagrams.open({ address: own, port: PORT }, listener);
    const groups = [...unicast.slice(0, 1), first, ...unicast.slice(1), last];
    for (const group of groups) socket.join({ group, interfaceAddress: LOCAL });
    attach();
    await new Promise(setImmediate);
    assert.deepEqual(told, ["10.9.9.9 is not multicast", "10.9.9.8 is not multicast"]);
    assert.deepEqual(node.memberships.groups("eth0"), [first, last]);
  }
});

test("a membership whose own address is away is joined when that comes, not when the socket is opened", async () => {
  const { lan, node, attach, own, datagrams } = bench("wait", false);
  const second = address("10.0.7.1");
  own.follow([LOCAL, second]);
  const socket = await datagrams.open({ address: LOCAL, port: PORT }, deaf);
  socket.join({ group: GROUP, interfaceAddress: second });
  attach();
  await new Promise(setImmediate);
  node.attach("eth1", { address: second, lan });
  await new Promise(setImmediate);
  assert.deepEqual(node.memberships.groups("eth1"), [GROUP]);
});

test("a socket follows the interface that it is told by name, whatever address that has", async () => {
  const { clock, lan, node, own, told, datagrams, peerDatagrams } = bench("wait", false);
  own.follow(["eth0"]);
  const seen: string[] = [];
  const listener = {
    datagram: (payload: Uint8Array, from: Ipv4) => void seen.push(`${payload[0]} from ${formatIpv4(from)}`),
    failed: deaf.failed,
  };
  const peer = await peerDatagrams.open({ address: ANY, port: PORT, multicast: { interfaceAddress: ANY } }, listener);
  peer.join({ group: GROUP, interfaceAddress: ANY });
  const sender = await datagrams.open({ address: ANY, port: 0, multicast: { interfaceAddress: "eth0" } }, deaf);
  const receiver = await datagrams.open({ address: GROUP, port: PORT }, listener);
  receiver.join({ group: GROUP, interfaceAddress: "eth0" });
  for (const [number, text] of [
    [1, "10.0.0.1"],
    [2, "10.0.0.77"],
  ] as const) {
    node.attach("eth0", { address: address(text), lan });
    await new Promise(setImmediate);
    sender.send(Uint8Array.of(number), GROUP, PORT);
    peer.send(Uint8Array.of(10 + number), GROUP, PORT);
    clock.run(seconds(1));
  }
  // Each is heard by both: who sends hears itself.
  assert.deepEqual(seen.sort(), [
    "1 from 10.0.0.1",
    "1 from 10.0.0.1",
    "11 from 10.0.0.2",
    "11 from 10.0.0.2",
    "12 from 10.0.0.2",
    "12 from 10.0.0.2",
    "2 from 10.0.0.77",
    "2 from 10.0.0.77",
  ]);
  const away = ["interface eth0 does not exist; there are lo0", "waiting for interface eth0"];
  assert.deepEqual(told.slice(2), [...away, "back on eth0", "running", ...away, "back on eth0", "running"]);
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
  localName: "eth0",
  async until() {
    await new Promise(setImmediate);
    clock.run(seconds(1));
  },
});

if (inNamespace(import.meta.url, "following datagrams", [])) {
  const OPTIONS = { joinAway: "wait", clock: systemClock, entropy: systemEntropy } as const;
  /** 239.255.77.7, the lowest octet first. */
  const GROUP_IN_PROC = /^\s+074DFFEF\s/m;
  const ip = (...args: string[]) => execFileSync("ip", args);
  const linksNow = await openLinks();
  const make = (): void => {
    ip("link", "add", "rt0", "type", "veth", "peer", "name", "rt1");
    ip("addr", "add", "10.0.0.1/24", "dev", "rt0");
    for (const name of ["rt0", "rt1"]) ip("link", "set", name, "up");
  };
  test("in the kernel: a socket opened before its interface sends and hears when it comes, and when it comes anew", async () => {
    const own = new OwnAddresses([LOCAL], linuxLinks, { away: () => {}, back: () => {} });
    const following = new FollowingDatagrams(new NodeDatagrams(), own, OPTIONS);
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

  test("in the kernel: a card made anew more often than a socket may have memberships, and another address", async () => {
    const own = new OwnAddresses(["rt0"], linksNow, { away() {}, back() {} });
    const following = new FollowingDatagrams(new NodeDatagrams(), own, OPTIONS);
    const heard: string[] = [];
    const listener = {
      datagram: (payload: Uint8Array, from: Ipv4) => void heard.push(`${payload[0]} ${formatIpv4(from)}`),
      failed: deaf.failed,
    };
    const sender = await following.open({ address: ANY, port: 0, multicast: { interfaceAddress: "rt0" } }, deaf);
    const receiver = await following.open({ address: GROUP, port: PORT }, listener);
    receiver.join({ group: GROUP, interfaceAddress: "rt0" });
    after(() => {
      for (const socket of [sender, receiver]) socket.close();
      own.close();
    });
    const arrives = async (round: number, from: string): Promise<void> => {
      const arrived = (): boolean => {
        sender.send(Uint8Array.of(round), GROUP, PORT);
        return heard.includes(`${round} ${from}`);
      };
      assert.ok(await eventually(arrived, 10_000), `round ${round} from ${from}`);
    };
    const most = Number(readFileSync("/proc/sys/net/ipv4/igmp_max_memberships", "utf8"));
    for (let round = 1; round <= most + 2; round++) {
      make();
      await arrives(round, "10.0.0.1");
      ip("link", "del", "rt0");
    }
    make();
    await arrives(200, "10.0.0.1");
    ip("addr", "add", "10.0.5.9/24", "dev", "rt0");
    ip("addr", "del", "10.0.0.1/24", "dev", "rt0");
    await arrives(201, "10.0.5.9");
    ip("link", "del", "rt0");
  });

  test("in the kernel: a membership that is left while its link is down is none when the link comes up", async () => {
    make();
    const own = new OwnAddresses([LOCAL], linuxLinks, { away() {}, back() {} });
    const following = new FollowingDatagrams(new NodeDatagrams(), own, OPTIONS);
    const socket = await following.open({ address: GROUP, port: PORT }, deaf);
    after(() => {
      socket.close();
      own.close();
    });
    const membership = { group: GROUP, interfaceAddress: LOCAL };
    socket.join(membership);
    const isMember = (): boolean => GROUP_IN_PROC.test(readFileSync("/proc/net/igmp", "utf8"));
    // The carrier of a link that was just made comes a moment later, and the membership with it.
    assert.ok(await eventually(isMember, 10_000));
    ip("link", "set", "rt0", "down");
    assert.ok(await eventually(() => own.isAway(LOCAL), 10_000));
    socket.leave(membership);
    ip("link", "set", "rt0", "up");
    assert.ok(await eventually(() => !own.isAway(LOCAL), 10_000));
    assert.equal(isMember(), false);
  });
}
