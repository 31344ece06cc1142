// The whole router process on simulated links, hosts and time.
import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, rmSync, symlinkSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { pino } from "pino";
import * as v from "valibot";
import { ALL_SYSTEMS, ANY, address } from "../../core/base/ipv4.ts";
import { milliseconds, seconds } from "../../core/base/time.ts";
import { query } from "../../core/igmp/igmp.testkit.ts";
import { BridgeSettings } from "../../hal/bridge/settings.ts";
import { SimulatedClock } from "../../hal/clock/simulated.ts";
import { SimulatedDatagrams } from "../../hal/datagram/simulated.ts";
import { SeededEntropy } from "../../hal/entropy/seeded.ts";
import { SimulatedForwarding } from "../../hal/forwarding/simulated.ts";
import { SimulatedIgmpSockets } from "../../hal/igmp/simulated.ts";
import { BridgeQueriers } from "../../hal/links/bridge-querier.ts";
import { simulatedLinks } from "../../hal/links/simulated.ts";
import { attachKernelHost } from "../../hal/simulation/kernel-host.ts";
import type { Faults } from "../../hal/simulation/lan.ts";
import { SimulatedNetwork } from "../../hal/simulation/network.ts";
import { SimulatedTaps } from "../../hal/tap/simulated.ts";
import { createLogger } from "../shared/log.ts";
import { routerConfig } from "./config.ts";
import { type RouterPlatform, RouterService } from "./service.ts";
import { CONNECTED, laterBy } from "./simulated.testkit.ts";

const GROUP = address("239.255.77.1");
const config = v.parse(routerConfig, {
  id: "simulated",
  upstream: { interface: "wan" },
  downstreams: [{ interface: "br-lan", queryInterval: 20, queryResponseInterval: 5 }],
});

interface StatusHost {
  readonly host: string;
  readonly port?: string;
  readonly mac?: string;
  readonly exact: boolean;
}

interface Status {
  readonly routes: readonly { readonly outbound: readonly string[] }[];
  readonly messages: Record<string, number>;
  readonly interfaces: readonly {
    readonly hosts: readonly StatusHost[];
    readonly querier: { readonly state: string; readonly mac?: string };
  }[];
  readonly refusals: readonly {
    interface: string;
    host: string;
    port?: string;
    reason: string;
    group?: string;
    rule?: number;
  }[];
  readonly upstream: { readonly groups: readonly string[] };
}

/** Sender - wan - router - br-lan with host a on port lan1 and host b on port lan2; 50 datagrams a second. */
async function bench(
  seed: number,
  faults: Partial<Faults> = {},
  platform: Partial<RouterPlatform> = {},
  before: (forwarding: SimulatedForwarding) => void = () => {},
) {
  const clock = new SimulatedClock();
  const network = new SimulatedNetwork(clock, new SeededEntropy(seed));
  const [wan, lan1, lan2] = [network.lan("wan", faults), network.lan("lan1", faults), network.lan("lan2", faults)];
  const router = network.node("router");
  router.attach("wan", { address: address("10.1.0.1"), lan: wan });
  const bridge = router.attach("br-lan", { address: address("10.2.0.1"), lan: { lan1, lan2 } });
  const forwarding = new SimulatedForwarding(router);
  before(forwarding);
  const service = new RouterService(config, {
    clock,
    entropy: network.entropy,
    later: laterBy(clock),
    links: simulatedLinks(router),
    igmp: new SimulatedIgmpSockets(router),
    forwarding,
    taps: new SimulatedTaps(router),
    membershipReports: undefined,
    bridgeQueriers: new BridgeQueriers(new BridgeSettings({ root: "/nonexistent" })),
    log: createLogger({ level: "silent", format: "json", toStderr: true }, "router", "simulated"),
    fatal: (error) => assert.fail(error.message),
    ...platform,
  });
  const host = async (name: string, text: string, lan: typeof lan1) => {
    const node = network.node(name);
    node.attach("eth0", { address: address(text), lan });
    attachKernelHost(node);
    const heard: number[] = [];
    const socket = await new SimulatedDatagrams(node).open(
      { address: GROUP, port: 5000 },
      { datagram: (payload) => heard.push((payload[0] ?? 0) * 256 + (payload[1] ?? 0)), failed() {} },
    );
    const membership = { group: GROUP, interfaceAddress: ANY };
    return {
      heard,
      join: (group = GROUP) => socket.join({ ...membership, group }),
      leave: () => socket.leave(membership),
    };
  };
  const [a, b] = [await host("a", "10.2.0.11", lan1), await host("b", "10.2.0.12", lan2)];
  const source = network.node("sender");
  source.attach("eth0", { address: address("10.1.0.2"), lan: wan });
  const multicast = { interfaceAddress: address("10.1.0.2"), ttl: 8 };
  const sender = await new SimulatedDatagrams(source).open(
    { address: ANY, port: 0, multicast },
    { datagram() {}, failed() {} },
  );
  const wire = network.node("stranger").attach("eth0", { address: address("10.2.0.13"), lan: lan1 });
  const asks = (from: string): void =>
    wire.transmit({ kind: "igmp", source: address(from), destination: ALL_SYSTEMS, bytes: query(from) });
  let n = 0;
  const run = (span: number): void => {
    for (let i = 0; i < span * 50; i++) {
      sender.send(Uint8Array.of(n >> 8, n), GROUP, 5000);
      n++;
      clock.run(milliseconds(20));
    }
  };
  return {
    service,
    network,
    clock,
    forwarding,
    a,
    b,
    run,
    bridge,
    asks,
    status: () => service.status() as unknown as Status,
  };
}

test("a route is in the kernel before the join that wants it is logged and reported", async () => {
  const turns: (() => void)[] = [];
  const lines: string[] = [];
  const log = pino({ level: "info" }, { write: (line) => void lines.push(JSON.parse(line).msg) });
  const { a, run, service, clock } = await bench(1, {}, { log, later: (work) => turns.push(work) });
  const endTurn = (): void => {
    for (const end of turns.splice(0)) end();
  };
  run(1);
  endTurn();
  a.join();
  clock.run(milliseconds(0));
  run(1);
  assert.ok(a.heard.length > 40, `${a.heard.length} of 50 packets`);
  assert.ok(!lines.includes("a host has joined a group"), lines.join());
  endTurn();
  assert.ok(lines.includes("a host has joined a group"), lines.join());
  await Promise.all([service.stop(), clock.run(seconds(1))]);
});

test("when it hands over, what waited for the end of the turn is done, and the leaves are left to the keeper", async () => {
  const turns: (() => void)[] = [];
  const told: string[] = [];
  const lines: string[] = [];
  const log = pino({ level: "info" }, { write: (line) => void lines.push(JSON.parse(line).msg) });
  const membershipReports: RouterPlatform["membershipReports"] = {
    add: ({ change }) => void told.push(change),
    refused() {},
    inquire() {},
    policy() {},
    status: () => CONNECTED,
    close: async () => void told.push("closed"),
  };
  const platform = { log, membershipReports, later: (work: () => void) => void turns.push(work) };
  const { a, run, service, forwarding } = await bench(1, {}, platform);
  for (const end of turns.splice(0)) end();
  a.join();
  run(1);
  assert.deepEqual(told, []);
  assert.equal(await service.handOver(), true);
  assert.deepEqual(told, ["joined", "closed"]);
  assert.ok(lines.includes("a host has joined a group"), lines.join());
  const { leaves, tables } = JSON.parse(forwarding.farewell ?? "") as {
    leaves: [string, string][];
    tables: object[];
  };
  assert.deepEqual([leaves.map(([name]) => name), tables], [["wan"], []]);
  assert.match(leaves[0]?.[1] ?? "", /efff4d01$/, "a record of 239.255.77.1 ends the packet");
  run(1);
  assert.equal(a.heard.length > 90, true, `the route stays: ${a.heard.length}`);
});

test("where nothing can be left a handing over is a stop, and a second signal does not stop it again", async () => {
  let closed = 0;
  const membershipReports: RouterPlatform["membershipReports"] = {
    add() {},
    refused() {},
    inquire() {},
    policy() {},
    status: () => CONNECTED,
    close: async () => void closed++,
  };
  const { service, clock } = await bench(1, {}, { forwarding: undefined, membershipReports });
  const ended = [service.handOver(), service.stop(), service.stop()];
  clock.run(seconds(1));
  assert.deepEqual(await Promise.all(ended), [false, undefined, undefined]);
  assert.equal(closed, 1);
});

test("join, delivery, leave, end of delivery: 71, 72, 81, 82, and the upstream follows", async () => {
  const { a, run, status, service } = await bench(1);
  run(1);
  assert.equal(a.heard.length, 0);
  a.join();
  run(2);
  assert.ok(a.heard.length > 95);
  assert.deepEqual(status().messages, { "71": 1, "72": 1 });
  assert.deepEqual(status().upstream.groups, ["239.255.77.1"]);
  const [host] = status().interfaces[0]?.hosts ?? [];
  assert.deepEqual([host?.host, host?.port], ["10.2.0.11", "lan1"]);
  a.leave();
  run(4);
  assert.deepEqual(status().messages, { "71": 1, "72": 1, "81": 1, "82": 1 });
  assert.deepEqual(status().upstream.groups, []);
  void service;
});

test("a host that asks for more than it may have is refused, and status says who and what", async () => {
  const { a, b, run, status, service } = await bench(1);
  const downstreams = config.downstreams.map((one) => ({ ...one, maxGroupsPerHost: 1 }));
  service.reload({ ...config, downstreams });
  a.join();
  run(1);
  a.join(address("239.255.77.2"));
  b.join();
  run(1);
  assert.deepEqual(status().upstream.groups, ["239.255.77.1"]);
  assert.deepEqual(
    status().interfaces[0]?.hosts.map(({ host, exact }) => [host, exact]),
    [
      ["10.2.0.11", true],
      ["10.2.0.12", true],
    ],
  );
  const refusals = status().refusals.map((one) => [one.interface, one.host, one.port, one.reason]);
  assert.deepEqual(refusals.sort(), [
    ["br-lan", "10.2.0.11", undefined, "igmp.host-groups"],
    ["br-lan", "10.2.0.11", "lan1", "tracking.refused"],
  ]);
});

test("a rule for a bridge port lets in one host and not its neighbour, and status names rule, port and group", async () => {
  const { a, b, run, status, service } = await bench(1);
  const rules = [{ action: "allow", port: "lan1" }, { action: "deny" }];
  const changed = { id: "simulated", upstream: { interface: "wan" }, downstreams: [{ interface: "br-lan" }], rules };
  service.reload(v.parse(routerConfig, changed));
  a.join();
  b.join();
  run(3);
  assert.ok(a.heard.length > 50, `${a.heard.length}`);
  assert.deepEqual(
    status().interfaces[0]?.hosts.map(({ host }) => host),
    ["10.2.0.11"],
  );
  const denied = status().refusals.find(({ host, reason }) => host === "10.2.0.12" && reason === "policy.denied");
  assert.deepEqual([denied?.group, denied?.rule], ["239.255.77.1", 2]);
  a.leave();
  run(5);
  const before = a.heard.length;
  run(2);
  assert.equal(a.heard.length, before, "what the neighbour says keeps nothing alive");
});

test("a reload judges members by the port and card that their frames showed: who may watch watches on", async () => {
  const { a, run, status, service } = await bench(1);
  const rules = [{ action: "allow", port: "lan1" }, { action: "deny" }];
  const changed = { id: "simulated", upstream: { interface: "wan" }, downstreams: [{ interface: "br-lan" }], rules };
  service.reload(v.parse(routerConfig, changed));
  a.join();
  run(3);
  const before = a.heard.length;
  service.reload(v.parse(routerConfig, { ...changed, rules: [...rules, { action: "allow" }] }));
  run(4);
  assert.equal(a.heard.length - before, 200);
  service.reload(v.parse(routerConfig, { ...changed, rules: [{ action: "deny", port: "lan1" }] }));
  run(4);
  assert.deepEqual([status().upstream.groups, status().interfaces[0]?.hosts], [[], []]);
});

test("a rule that denies a bridge port ends what a packet began, whose port was not known yet", async () => {
  const { a, b, run, status, service } = await bench(1);
  const rules = [{ action: "deny", port: "lan2" }];
  const changed = { id: "simulated", upstream: { interface: "wan" }, downstreams: [{ interface: "br-lan" }], rules };
  service.reload(v.parse(routerConfig, changed));
  b.join();
  run(4);
  assert.deepEqual(status().upstream.groups, []);
  assert.deepEqual(status().interfaces[0]?.hosts, []);
  a.join();
  run(2);
  assert.deepEqual(status().upstream.groups, ["239.255.77.1"]);
});

test("joins with their certainty, leaves and refusals become evidence, a refusal once for each packet", async () => {
  const told: string[] = [];
  const membershipReports: RouterPlatform["membershipReports"] = {
    add: ({ host, group, change, certainty }) => void told.push([host, group, change, certainty].join(" ")),
    refused: ({ host, group, reason }) => void told.push([host, group, reason].join(" ")),
    inquire() {},
    policy() {},
    status: () => CONNECTED,
    close: async () => {},
  };
  const { a, run, service } = await bench(1, {}, { membershipReports });
  service.reload({ ...config, downstreams: config.downstreams.map((one) => ({ ...one, maxGroupsPerHost: 1 })) });
  a.join();
  run(1);
  a.join(address("239.255.77.2"));
  run(0.5);
  a.leave();
  run(1);
  const [host, one, two] = [address("10.2.0.11"), GROUP, address("239.255.77.2")];
  assert.deepEqual(
    [...new Set(told)],
    [`${host} ${one} joined exact`, `${host} ${two} igmp.host-groups`, `${host} ${one} left exact`],
  );
});

test("B keeps its stream when A leaves, on links that lose one packet in ten", async () => {
  const { a, b, run, status } = await bench(3, { loss: 0.1 });
  a.join();
  b.join();
  run(5);
  a.leave();
  const before = b.heard.length;
  run(60);
  assert.ok(b.heard.length - before > 60 * 50 * 0.75, `${b.heard.length - before} of 3000`);
  assert.equal(status().messages["82"], undefined);
});

test("an interface that flaps is served again at once, without a restart and without a question to its viewer", async () => {
  const { a, run, bridge, status } = await bench(1);
  a.join();
  run(2);
  bridge.setUp(false);
  run(2);
  assert.equal(status().messages["82"], 1);
  assert.deepEqual(status().upstream.groups, ["239.255.77.1"]);
  const before = a.heard.length;
  bridge.setUp(true);
  run(1);
  assert.equal(a.heard.length - before, 50);
  // The viewer answers the questions that follow, and stays.
  run(60);
  assert.equal(a.heard.length - before, 61 * 50);
  assert.equal(status().messages["72"], 2);
});

test("a foreign querier on the LAN takes no viewer's stream; status and log name it, its MAC, and since when", async () => {
  const lines: Record<string, unknown>[] = [];
  const log = pino({ level: "info" }, { write: (line: string) => void lines.push(JSON.parse(line)) });
  const { a, run, status, asks } = await bench(1, {}, { log });
  a.join();
  run(2);
  const before = a.heard.length;
  asks("10.2.0.0");
  asks("9.9.9.9");
  run(5);
  assert.equal(a.heard.length - before, 250);
  const { mac, ...querier } = status().interfaces[0]?.querier ?? {};
  assert.deepEqual(querier, { state: "non-querier", address: "10.2.0.0", port: "lan1", seconds: 5, refused: 1 });
  assert.match(mac ?? "", /^([0-9a-f]{2}:){5}[0-9a-f]{2}$/);
  const warnings = lines.filter(({ level }) => level === 40);
  assert.deepEqual(warnings.map(({ msg, address: from, port, reason }) => [msg, from, port, reason]).at(-1), [
    "somebody asks who may not be the querier here",
    "9.9.9.9",
    "lan1",
    "igmp.query-off-subnet",
  ]);
  assert.ok(warnings.some(({ msg, address: from }) => msg === "we are not the querier" && from === "10.2.0.0"));
});

test("no drop in ten minutes of viewing: queries keep the membership", async () => {
  const { a, run, clock, status } = await bench(1);
  a.join();
  for (let minute = 0; minute < 10; minute++) {
    run(1);
    clock.run(seconds(59));
  }
  assert.equal(status().messages["82"], undefined);
  assert.equal(status().interfaces[0]?.hosts.length, 1);
});

test("a reload changes how the downstream is asked while the viewer watches, and what is denied ends", async () => {
  const { a, run, status, service } = await bench(1);
  a.join();
  run(2);
  const before = a.heard.length;
  const downstream = { interface: "br-lan", queryInterval: 60, leave: "standard" };
  service.reload(v.parse(routerConfig, { id: "simulated", upstream: { interface: "wan" }, downstreams: [downstream] }));
  run(2);
  assert.equal(a.heard.length - before, 100);
  assert.equal(status().messages["82"], undefined);
  const denied = { ...downstream, deny: ["239.255.77.0/24"] };
  service.reload(v.parse(routerConfig, { id: "simulated", upstream: { interface: "wan" }, downstreams: [denied] }));
  assert.equal(status().messages["82"], 1);
});

test("the same seed gives the same log of the whole network", async () => {
  const log = async (seed: number): Promise<string> => {
    const { a, b, run, network } = await bench(seed, { loss: 0.05, jitter: milliseconds(5) });
    a.join();
    run(1);
    b.join();
    a.leave();
    run(5);
    return network.text();
  };
  const [one, again, other] = [await log(5), await log(5), await log(6)];
  assert.equal(one, again);
  assert.notEqual(one, other);
});

test("what a router that died forwarded goes on, and ends when the startup queries bring nobody", async () => {
  const died = (forwarding: SimulatedForwarding): void => {
    const table = forwarding.open({ noRoute() {}, wrongInterface() {}, igmp() {}, failed() {} });
    for (const name of ["wan", "br-lan"]) table.addInterface(name);
    table.set({ source: address("10.1.0.2"), group: GROUP, inbound: "wan", outbound: ["br-lan"] });
    forwarding.kill();
  };
  const { run, status } = await bench(1, {}, {}, died);
  const delivered = () => ({ outbound: status().routes.map(({ outbound }) => outbound), ...status().messages });
  // A quarter of 20 s between the two startup queries, and 5 s for the answers to the second.
  run(9.9);
  assert.deepEqual(delivered(), { outbound: [["br-lan"]] });
  assert.deepEqual(status().upstream.groups, ["239.255.77.1"]);
  run(0.2);
  assert.deepEqual(delivered(), { outbound: [[]], "82": 1 });
  assert.deepEqual(status().upstream.groups, []);
});

test("a bridge whose own querier may not be turned off is warned of once, and we ask all the same", async (context) => {
  const root = mkdtempSync(join(tmpdir(), "sealcast-router-"));
  context.after(() => rmSync(root, { recursive: true }));
  mkdirSync(join(root, "br-lan", "bridge"), { recursive: true });
  // Of the kernel, reads "1", and nobody may write it.
  symlinkSync("/sys/class/net/lo/ifindex", join(root, "br-lan", "bridge", "multicast_querier"));
  const lines: Record<string, unknown>[] = [];
  const log = pino({ level: "info" }, { write: (line: string) => void lines.push(JSON.parse(line)) });
  const { bridge, run } = await bench(1, {}, { bridgeQueriers: new BridgeQueriers(new BridgeSettings({ root })), log });
  run(1);
  bridge.setUp(false);
  run(1);
  bridge.setUp(true);
  run(1);
  assert.equal(lines.filter(({ msg }) => msg === "we are the querier").length, 2);
  const warnings = lines.filter(({ level, code }) => level === 40 && code === "bridge.permission");
  assert.equal(warnings.length, 1, JSON.stringify(lines));
  assert.equal(warnings[0]?.interface, "br-lan");
  assert.match(
    String(warnings[0]?.msg),
    /bridge.permission: cannot turn off the querier of bridge br-lan .*\n?.*write access/s,
  );
});
