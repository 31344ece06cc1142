// What the router does upstream, on simulated links, hosts and time: access networks as people have them.
import assert from "node:assert/strict";
import { test } from "node:test";
import * as v from "valibot";
import { ANY, address, type Ipv4 } from "../../core/base/ipv4.ts";
import { after, type Instant, milliseconds, seconds } from "../../core/base/time.ts";
import { wantsNothing } from "../../core/igmp/filter.ts";
import { statementsIn } from "../../core/igmp/host-statement.ts";
import { checkPacket } from "../../core/igmp/packet.ts";
import { SimulatedClock } from "../../hal/clock/simulated.ts";
import { SimulatedDatagrams } from "../../hal/datagram/simulated.ts";
import { SeededEntropy } from "../../hal/entropy/seeded.ts";
import { SimulatedForwarding } from "../../hal/forwarding/simulated.ts";
import { SimulatedIgmpSockets } from "../../hal/igmp/simulated.ts";
import { BridgeQueriers } from "../../hal/links/bridge-querier.ts";
import { simulatedLinks } from "../../hal/links/simulated.ts";
import { attachKernelHost } from "../../hal/simulation/kernel-host.ts";
import { SimulatedNetwork } from "../../hal/simulation/network.ts";
import type { SimulatedNode } from "../../hal/simulation/node.ts";
import { createLogger } from "../shared/log.ts";
import { routerConfig } from "./config.ts";
import { RouterService } from "./service.ts";

const GROUP = address("239.255.77.1");
const HEADEND = "10.1.0.2";

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
  router.attach("wan", { address: address("10.1.0.1"), lan: wan });
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
    links: simulatedLinks(router),
    igmp: new SimulatedIgmpSockets(router),
    forwarding: new SimulatedForwarding(router),
    taps: undefined,
    membershipReports: undefined,
    bridgeQueriers: new BridgeQueriers("/nonexistent"),
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
  headend.attach("eth0", { address: address(HEADEND), lan: wan });
  const multicast = { interfaceAddress: address(HEADEND), ttl: 8 };
  const sender = await new SimulatedDatagrams(headend).open(
    { address: ANY, port: 0, multicast },
    { datagram() {}, failed() {} },
  );
  return {
    service,
    network,
    clock,
    heard,
    access: new SilentNetwork(headend, clock),
    join: () => socket.join(membership),
    leave: () => socket.leave(membership),
    send: () => sender.send(Uint8Array.of(1), GROUP, 5000),
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

test("refresh off: the router speaks when it is asked, and the status says that nobody asks", async () => {
  const { access, clock, join, service } = await bench({ refresh: "off" });
  join();
  clock.run(seconds(200));
  assert.equal(access.serves(GROUP, 140), false);
  const { upstream } = service.status() as { upstream: { asks: boolean; refreshes: number } };
  assert.deepEqual([upstream.asks, upstream.refreshes], [false, 0]);
});
