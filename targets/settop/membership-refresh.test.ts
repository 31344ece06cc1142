// The set-top on a LAN without a querier, whose switch forgets.

import assert from "node:assert/strict";
import { test } from "node:test";
import { ANY, address, type Ipv4 } from "../../core/base/ipv4.ts";
import { after, type Instant, seconds } from "../../core/base/time.ts";
import type { RefreshPolicy } from "../../core/igmp/host/refresh.ts";
import { statementsIn } from "../../core/igmp/messages/host-statement.ts";
import { checkPacket } from "../../core/igmp/messages/packet.ts";
import { RouterInterface } from "../../core/igmp/router-interface.ts";
import { IGMP } from "../../core/igmp/wire.ts";
import { HalError } from "../../core/ports/errors.ts";
import type { IgmpSockets } from "../../core/ports/igmp-socket.ts";
import { SimulatedClock } from "../../hal/clock/simulated.ts";
import { SimulatedDatagrams } from "../../hal/datagram/simulated.ts";
import { SeededEntropy } from "../../hal/entropy/seeded.ts";
import { SimulatedIgmpSockets } from "../../hal/igmp/simulated.ts";
import { simulatedLinks } from "../../hal/links/simulated.ts";
import { attachKernelHost } from "../../hal/simulation/kernel-host.ts";
import { SimulatedNetwork } from "../../hal/simulation/network.ts";
import { createLogger } from "../shared/log.ts";
import { RefreshedDatagrams } from "./membership-refresh.ts";

const [GROUP, OTHER] = [address("239.255.77.1"), address("232.1.1.1")];
const BOX = "10.2.0.11";
const SOURCE = address("10.1.0.2");

interface Options {
  readonly policy?: RefreshPolicy;
  readonly igmp?: () => Promise<IgmpSockets>;
}

/** A box with the kernel's own host part, and what the switch hears of it. */
async function bench({ policy = "auto", igmp }: Options = {}) {
  const clock = new SimulatedClock();
  const network = new SimulatedNetwork(clock, new SeededEntropy(3));
  const lan = network.lan("lan");
  const box = network.node("box");
  const attach = (text: string) => box.attach("eth0", { address: address(text), lan });
  const card = attach(BOX);
  attachKernelHost(box);
  const heard = new Map<Ipv4, Instant>();
  const lines: string[] = [];
  const bridge = network.node("switch");
  const port = bridge.attach("p1", { address: address("10.2.0.2"), lan });
  bridge.receivers.add((packet) => {
    const checked = packet.kind === "igmp" ? checkPacket(packet.bytes) : "";
    if (typeof checked === "string") return;
    for (const { type, group, sources } of statementsIn(checked)) {
      heard.set(group, clock.now());
      lines.push(`${type} ${group & 255} ${sources.length}`);
    }
  });
  const datagrams = new RefreshedDatagrams(new SimulatedDatagrams(box), policy, {
    clock,
    entropy: network.entropy,
    links: simulatedLinks(box),
    igmp: igmp ?? (() => Promise.resolve(new SimulatedIgmpSockets(box))),
    log: createLogger({ level: "silent", format: "json", toStderr: true }, "settop", "simulated"),
  });
  const open = (group: Ipv4) => datagrams.open({ address: group, port: 5004 }, { datagram() {}, failed() {} });
  const settled = () => new Promise((resolve) => setImmediate(resolve));
  const remembers = (group: Ipv4, memory: number) =>
    clock.now() < after(heard.get(group) ?? (-1e9 as Instant), seconds(memory));
  const interfaceAddress = address(BOX);
  return { clock, datagrams, open, settled, remembers, lines, card, attach, port, interfaceAddress };
}

test("nobody asks and the switch forgets after 60 s: the membership is there for ten minutes, and ends with the leave", async () => {
  const { clock, datagrams, open, settled, remembers, lines, interfaceAddress } = await bench();
  const [socket, other] = [await open(GROUP), await open(OTHER)];
  socket.join({ group: GROUP, interfaceAddress });
  other.join({ group: OTHER, source: SOURCE, interfaceAddress });
  await settled();
  for (let s = 0; s < 600; s++) {
    clock.run(seconds(1));
    assert.ok(remembers(GROUP, 60) && remembers(OTHER, 60), `forgotten after ${s} s`);
  }
  assert.deepEqual(datagrams.status()[BOX], { state: "refreshing", interface: "eth0", asks: false, repeated: 31 });
  assert.equal(lines.includes("to-in 1 0"), false, "no leave-and-join");
  socket.close();
  lines.length = 0;
  clock.run(seconds(60));
  assert.deepEqual(new Set(lines), new Set(["to-in 1 0", "is-in 1 1"]), "the other group's refresh goes on");
  other.close();
  assert.deepEqual(datagrams.status(), {});
});

test("where a querier asks, the kernel answers alone", async () => {
  const { clock, datagrams, open, settled, port, lines, interfaceAddress } = await bench();
  const socket = await open(GROUP);
  socket.join({ group: GROUP, interfaceAddress });
  await settled();
  const querier = new RouterInterface(IGMP);
  const ask = (effects: ReturnType<typeof querier.poll>) => {
    for (const effect of effects)
      if (effect.kind === "send")
        port.transmit({ kind: "igmp", source: address("10.2.0.2"), destination: ALL, bytes: effect.packet });
  };
  ask(querier.receive(clock.now(), { kind: "up", address: address("10.2.0.2") }));
  for (let s = 0; s < 600; s++) {
    clock.run(seconds(1));
    ask(querier.poll(clock.now()));
  }
  const status = datagrams.status()[BOX];
  assert.deepEqual(status, { state: "refreshing", interface: "eth0", asks: true, repeated: 0 });
  // Two reports at the join, then one answer a query.
  assert.ok(lines.length >= 6 && lines.length <= 9, lines.join("; "));
});

const ALL = address("224.0.0.1");

test("without the permission the groups are joined all the same, and the status says what it takes", async () => {
  const refused = new HalError("igmp.permission", "not permitted", { needs: "root, or CAP_NET_RAW" });
  const { clock, datagrams, open, settled, lines, interfaceAddress } = await bench({
    igmp: () =>
      Promise.resolve({
        hearsUnjoined: true,
        open: () => {
          throw refused;
        },
      }),
  });
  (await open(GROUP)).join({ group: GROUP, interfaceAddress });
  await settled();
  clock.run(seconds(100));
  assert.deepEqual(lines, ["to-ex 1 0", "to-ex 1 0"]);
  const needs = "root, or CAP_NET_RAW";
  assert.deepEqual(datagrams.status()[BOX], { state: "cannot", why: "igmp.permission: not permitted", needs });
});

test("an interface that goes and comes back with another card is refreshed again", async () => {
  const { clock, datagrams, open, settled, remembers, card, attach, interfaceAddress } = await bench();
  (await open(GROUP)).join({ group: GROUP, interfaceAddress });
  await settled();
  clock.run(seconds(10));
  card.setUp(false);
  clock.run(seconds(10));
  await settled();
  assert.match(JSON.stringify(datagrams.status()[BOX]), /"cannot".*igmp/);
  attach(BOX);
  for (let i = 0; i < 60; i++) {
    clock.run(seconds(1));
    await settled();
  }
  assert.ok(remembers(GROUP, 25));
});

test("an interface that is chosen by its name is refreshed under whatever address it has", async () => {
  const { clock, datagrams, open, settled, remembers, attach } = await bench();
  const socket = await open(GROUP);
  socket.join({ group: GROUP, interfaceAddress: "eth0" });
  await settled();
  assert.deepEqual(datagrams.status().eth0, { state: "refreshing", interface: "eth0", asks: false, repeated: 0 });
  attach("10.2.0.77");
  for (let i = 0; i < 60; i++) {
    clock.run(seconds(1));
    await settled();
  }
  assert.ok(remembers(GROUP, 25));
  assert.deepEqual(Object.keys(datagrams.status()), ["eth0"]);
});

test("0.0.0.0 is the only interface there is; off opens nothing", async () => {
  const { clock, datagrams, open, settled } = await bench();
  (await open(GROUP)).join({ group: GROUP, interfaceAddress: ANY });
  await settled();
  clock.run(seconds(30));
  assert.equal(datagrams.status()["0.0.0.0"]?.state, "refreshing");
  const off = await bench({ policy: "off", igmp: () => assert.fail("not to be opened") });
  (await off.open(GROUP)).join({ group: GROUP, interfaceAddress: off.interfaceAddress });
  await off.settled();
  assert.deepEqual(off.datagrams.status(), {});
});
