// What the router does upstream, on simulated links, hosts and time: access networks as people have them.
import assert from "node:assert/strict";
import { test } from "node:test";
import * as v from "valibot";
import { ALL_SYSTEMS, ANY, address, formatIpv4, type Ipv4 } from "../../core/base/ipv4.ts";
import { after, type Instant, milliseconds, seconds } from "../../core/base/time.ts";
import { wantsNothing } from "../../core/igmp/filter.ts";
import { query } from "../../core/igmp/igmp.testkit.ts";
import { statementsIn } from "../../core/igmp/messages/host-statement.ts";
import { checkPacket } from "../../core/igmp/messages/packet.ts";
import type { IgmpVersion } from "../../core/igmp/messages/query.ts";
import { BridgeSettings } from "../../hal/bridge/settings.ts";
import { SimulatedClock } from "../../hal/clock/simulated.ts";
import { SimulatedDatagrams } from "../../hal/datagram/simulated.ts";
import { SeededEntropy } from "../../hal/entropy/seeded.ts";
import { SimulatedForwarding } from "../../hal/forwarding/simulated.ts";
import { SimulatedIgmpSockets } from "../../hal/igmp/simulated.ts";
import { BridgeQueriers } from "../../hal/links/bridge-querier.ts";
import { simulatedLinks } from "../../hal/links/simulated.ts";
import { simulatedOrigins } from "../../hal/origin/simulated.ts";
import { attachKernelHost } from "../../hal/simulation/kernel-host.ts";
import { SimulatedNetwork } from "../../hal/simulation/network.ts";
import type { SimulatedNode } from "../../hal/simulation/node.ts";
import { createLogger } from "../shared/log.ts";
import { routerConfig } from "./config.ts";
import { RouterService } from "./service.ts";
import { laterBy } from "./simulated.testkit.ts";

const GROUP = address("239.255.77.1");
const HEADEND = "10.1.0.2";
const [REAL, FORGED] = [1, 2];

interface Status {
  readonly upstream: {
    readonly version: number;
    readonly asks: boolean;
    readonly refreshes: number;
    readonly groups: readonly string[];
    readonly counts: Readonly<Record<string, number>>;
  };
  readonly intruders: readonly { interface: string; source: string; mac?: string; expected?: string; times: number }[];
}

/** The access network's side of a line: it never asks, and forgets what was not reported for so long. */
class SilentNetwork {
  readonly leaves: Ipv4[] = [];
  readonly #reported = new Map<Ipv4, Instant>();
  readonly #clock: SimulatedClock;

  constructor(node: SimulatedNode, clock: SimulatedClock) {
    this.#clock = clock;
    node.receivers.add((packet) => {
      const checked = packet.kind === "igmp" ? checkPacket(packet.bytes) : "";
      if (typeof checked === "string") return;
      for (const { group, type, sources } of statementsIn(checked))
        if (wantsNothing({ mode: type === "to-in" ? "include" : "exclude", sources })) this.#leave(group);
        else this.#reported.set(group, clock.now());
    });
  }

  serves(group: Ipv4, memory: number): boolean {
    const reported = this.#reported.get(group);
    return reported !== undefined && this.#clock.now() < after(reported, seconds(memory));
  }

  #leave(group: Ipv4): void {
    this.leaves.push(group);
    this.#reported.delete(group);
  }
}

/** Headend and access network - wan - router - lan with a viewer and a stranger. */
async function bench(upstream: object = {}, more: object = {}) {
  const clock = new SimulatedClock();
  const network = new SimulatedNetwork(clock, new SeededEntropy(1));
  const [wan, lan] = [network.lan("wan"), network.lan("lan")];
  const router = network.node("router");
  const uplink = router.attach("wan", { address: address("10.1.0.1"), lan: wan });
  const redial = (text: string) => router.attach("wan", { address: address(text), lan: wan });
  router.attach("lan", { address: address("10.2.0.1"), lan });
  const config = v.parse(routerConfig, {
    id: "simulated",
    upstream: { interface: "wan", ...upstream },
    downstreams: [{ interface: "lan", queryInterval: 20, queryResponseInterval: 5 }],
    ...more,
  });
  const service = new RouterService(config, {
    clock,
    entropy: network.entropy,
    later: laterBy(clock),
    // As a kernel's table: nobody has asked for the address that is forged.
    links: { ...simulatedLinks(router), neighbour: () => undefined },
    origins: simulatedOrigins(router),
    igmp: new SimulatedIgmpSockets(router),
    forwarding: new SimulatedForwarding(router),
    taps: undefined,
    membershipReports: undefined,
    bridgeQueriers: new BridgeQueriers(new BridgeSettings({ root: "/nonexistent" })),
    log: createLogger({ level: "silent", format: "json", toStderr: true }, "router", "simulated"),
    fatal: (error) => assert.fail(error.message),
  });
  const viewer = network.node("viewer");
  viewer.attach("eth0", { address: address("10.2.0.11"), lan });
  attachKernelHost(viewer);
  const heard: number[] = [];
  const socket = await new SimulatedDatagrams(viewer).open(
    { address: GROUP, port: 5000 },
    { datagram: (payload) => heard.push(payload[0] ?? 0), failed() {} },
  );
  const membership = { group: GROUP, interfaceAddress: ANY };
  const headend = network.node("headend");
  const line = headend.attach("eth0", { address: address(HEADEND), lan: wan });
  const leaked: string[] = [];
  headend.receivers.add((packet) => {
    if (packet.kind === "udp" && packet.bytes[0] === FORGED) leaked.push(formatIpv4(packet.destination));
  });
  const forger = network.node("forger").attach("eth0", { address: address("10.2.0.66"), lan });
  const card = Buffer.from(forger.mac)
    .toString("hex")
    .replace(/..(?!$)/g, "$&:");
  const multicast = { interfaceAddress: address(HEADEND), ttl: 8 };
  const sender = await new SimulatedDatagrams(headend).open(
    { address: ANY, port: 0, multicast },
    { datagram() {}, failed() {} },
  );
  return {
    network,
    clock,
    uplink,
    redial,
    heard,
    access: new SilentNetwork(headend, clock),
    /** A General Query of the access network. */
    ask: (version: IgmpVersion = 3) =>
      line.transmit({
        kind: "igmp",
        source: address(HEADEND),
        destination: ALL_SYSTEMS,
        bytes: query(HEADEND, { version, queryInterval: seconds(60) }),
      }),
    join: () => socket.join(membership),
    leave: () => socket.leave(membership),
    send: (group = GROUP) => sender.send(Uint8Array.of(REAL), group, 5000),
    /** A LAN host that sends under any address, as often as it is called. */
    forge: (from: string, group = GROUP, ttl = 8) =>
      forger.transmit({
        kind: "udp",
        source: address(from),
        destination: group,
        ttl,
        sourcePort: 5000,
        destinationPort: 5000,
        bytes: Uint8Array.of(FORGED),
      }),
    /** What the access network sees of packets from below. */
    leaked,
    card,
    handOver: () => service.handOver(),
    stop: () => service.stop(),
    status: () => service.status() as unknown as Status,
  };
}

test("an access network that never asks and forgets after 140 s: the stream does not drop in ten minutes", async () => {
  const { access, clock, heard, join, send } = await bench();
  join();
  clock.run(seconds(1));
  for (let n = 0; n < 6000; n++) {
    if (access.serves(GROUP, 140)) send();
    clock.run(milliseconds(100));
  }
  assert.equal(heard.length, 6000);
  assert.deepEqual(access.leaves, [], "and nothing was left to be joined again");
});

test("an access network that asks every minute and forgets after 140 s: the stream does not drop in ten minutes", async () => {
  const { access, ask, clock, heard, join, send, status } = await bench();
  join();
  clock.run(seconds(1));
  for (let n = 0; n < 6000; n++) {
    if (n % 600 === 0) ask();
    if (access.serves(GROUP, 140)) send();
    clock.run(milliseconds(100));
  }
  assert.equal(heard.length, 6000);
  assert.deepEqual(access.leaves, []);
  const { asks, refreshes } = status().upstream;
  assert.deepEqual([asks, refreshes], [true, 0], "its answers are enough");
});

for (const [refresh, memory] of [
  ["auto", 30],
  [5, 8],
] as const)
  test(`refresh ${refresh} keeps the membership where the network forgets after ${memory} s`, async () => {
    const { access, clock, join } = await bench({ refresh });
    join();
    clock.run(seconds(1));
    for (let s = 0; s < 300; s++) {
      assert.ok(access.serves(GROUP, memory), `forgotten after ${s} s`);
      clock.run(seconds(1));
    }
  });

for (const [forceVersion, version] of [
  [false, 2],
  [true, 3],
] as const)
  test(`after one v2 query of the access network the router speaks v${version} there (forceVersion ${forceVersion})`, async () => {
    const { clock, join, status, ask } = await bench({ forceVersion });
    join();
    ask(2);
    clock.run(seconds(20));
    assert.equal(status().upstream.version, version);
  });

test("refresh off: the router speaks when it is asked, and the status says that nobody asks", async () => {
  const { access, clock, join, status } = await bench({ refresh: "off" });
  join();
  clock.run(seconds(200));
  assert.equal(access.serves(GROUP, 140), false);
  const { upstream } = status();
  assert.deepEqual([upstream.asks, upstream.refreshes], [false, 0]);
});

test("a forger on the LAN, once a second under the headend's address before anybody watches: the true stream is delivered", async () => {
  const { clock, forge, join, send, heard, leaked, status, card } = await bench();
  for (let s = 0; s < 5; s++) {
    forge(HEADEND);
    clock.run(seconds(1));
  }
  join();
  clock.run(seconds(1));
  for (let n = 0; n < 500; n++) {
    if (n % 50 === 0) forge(HEADEND);
    send();
    clock.run(milliseconds(20));
  }
  // The LAN itself carries the forger's packets to the viewer; the router must add the true ones.
  assert.equal(heard.filter((mark) => mark === REAL).length, 500);
  assert.deepEqual(leaked, [], "and nothing forged leaves by the uplink");
  const [intruder, ...more] = status().intruders;
  assert.deepEqual([intruder?.interface, intruder?.source, intruder?.expected], ["lan", HEADEND, "wan"]);
  assert.equal(intruder?.mac, card);
  assert.deepEqual(more, []);
});

test("SSDP with TTL 4 from the LAN does not leave by the uplink, nor does the LAN's membership; other groups go up", async () => {
  const { clock, forge, leaked } = await bench();
  const ssdp = address("239.255.255.250");
  forge("10.2.0.66", ssdp, 4);
  forge("10.2.0.66", address("239.255.1.1"), 4);
  forge("10.2.0.66", address("239.1.1.1"), 4);
  clock.run(seconds(5));
  assert.deepEqual(leaked, ["239.1.1.1"]);
});

test("linger and bound: fast zapping stays below so many changes a second upstream, and the status counts what was spared", async () => {
  const { clock, join, leave, access, status } = await bench({ linger: 30, changesPerSecond: 5 });
  for (let n = 0; n < 10; n++) {
    join();
    clock.run(seconds(1));
    leave();
    clock.run(seconds(4));
  }
  assert.deepEqual(access.leaves, []);
  assert.deepEqual(status().upstream.counts, { "upstream.leave-lingered": 10, "upstream.leave-spared": 9 });
  clock.run(seconds(31));
  assert.ok(access.leaves.length > 0, "nobody watches any more");
});

test("a router that stops leaves its groups at once, those that linger too", async () => {
  const { clock, join, leave, access, stop } = await bench({ linger: 600 });
  join();
  clock.run(seconds(1));
  leave();
  clock.run(seconds(5));
  const stopped = stop();
  clock.run(seconds(1));
  await stopped;
  assert.deepEqual(access.leaves, [GROUP]);
});

test("a router that hands over leaves no group, and its routes forward on; a stop that follows leaves them all", async () => {
  const { clock, join, send, heard, access, handOver, stop } = await bench();
  const sendOne = () => {
    send();
    clock.run(milliseconds(10));
  };
  join();
  clock.run(seconds(1));
  sendOne();
  assert.equal(await handOver(), true);
  clock.run(seconds(1));
  sendOne();
  assert.deepEqual([heard.length, access.leaves], [2, []]);
  const stopped = stop();
  clock.run(seconds(1));
  await stopped;
  sendOne();
  assert.deepEqual([heard.length, access.leaves], [2, [GROUP]]);
});

test("the upstream's link flaps, then comes back with another address: everything is asked for again at once", async () => {
  const { clock, join, uplink, redial, access, send, heard } = await bench();
  join();
  clock.run(seconds(1));
  const forget = () => clock.run(seconds(1));
  uplink.setUp(false);
  forget();
  uplink.setUp(true);
  clock.run(seconds(1));
  send();
  clock.run(milliseconds(10));
  assert.equal(heard.length, 1);
  redial("10.1.0.77");
  clock.run(seconds(1));
  send();
  clock.run(milliseconds(10));
  assert.equal(heard.length, 2);
  assert.ok(access.serves(GROUP, 2), "reported within the last two seconds");
});
