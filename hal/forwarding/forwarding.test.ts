import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { toHex } from "../../core/base/bytes.ts";
import { address, formatIpv4, type Ipv4 } from "../../core/base/ipv4.ts";
import { seconds } from "../../core/base/time.ts";
import { query } from "../../core/igmp/igmp.testkit.ts";
import { V1_V2_LENGTH, writeV1V2Message } from "../../core/igmp/messages/v1-v2-message.ts";
import { SimulatedClock } from "../clock/simulated.ts";
import { SeededEntropy } from "../entropy/seeded.ts";
import { eventually, inNamespace } from "../in-namespace.testkit.ts";
import { ReceiveRoom } from "../native/socket.ts";
import { loadSockets } from "../native.ts";
import { SimulatedNetwork } from "../simulation/network.ts";
import { type ForwardingBench, forwardingContract } from "./contract.testkit.ts";
import { igmpSockets } from "./keeper.ts";
import { parseCache, parseUnresolved, parseVifs } from "./kernel-tables.ts";
import { LinuxForwarding } from "./linux.ts";
import { type MrouteSocket, type MrouteSockets, nativeMrouteSockets, rawMrouteSockets } from "./mroute-socket.ts";
import { RelayForwarding } from "./relay.ts";
import { SimulatedForwarding } from "./simulated.ts";
import { withoutAlert } from "./without-alert.testkit.ts";

const SOURCE = address("10.9.1.2");
const GROUP = address("239.255.77.1");
const INTERFACES = ["rt0", "rt2", "rt4"] as const;
const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes);

async function simulatedBench(): Promise<ForwardingBench> {
  const clock = new SimulatedClock();
  const network = new SimulatedNetwork(clock, new SeededEntropy(1));
  const router = network.node("router");
  const seen = new Map<string, string[]>();
  const outside = new Map(
    INTERFACES.map((name, i) => {
      const lan = network.lan(name);
      router.attach(name, { address: address(`10.9.${i + 1}.1`), lan });
      const texts: string[] = [];
      seen.set(name, texts);
      const peer = network.node(`peer${i}`);
      peer.receivers.add((packet) => texts.push(text(packet.bytes)));
      return [name, peer.attach("eth0", { address: address(`10.9.${i + 1}.2`), lan })] as const;
    }),
  );
  const udp = {
    kind: "udp",
    source: SOURCE,
    destination: GROUP,
    sourcePort: 5000,
    destinationPort: 5000,
    ttl: 8,
  } as const;
  return {
    forwarding: new SimulatedForwarding(router),
    interfaces: INTERFACES,
    source: SOURCE,
    group: GROUP,
    inject: (on, what, source = SOURCE) =>
      outside
        .get(on as (typeof INTERFACES)[number])
        ?.transmit({ ...udp, source, bytes: new TextEncoder().encode(what) }),
    left: (on) => seen.get(on) ?? [],
    async until(condition) {
      clock.run(seconds(1));
      return condition();
    },
  };
}

forwardingContract("simulated forwarding", simulatedBench);

test("a table that cannot be opened says why, and is the kernel's fault only where it is", () => {
  const rows = [
    { fault: "Too many open files", code: "mroute.open-failed" },
    { fault: "Protocol not available", code: "mroute.unsupported" },
    { fault: "Operation not permitted", code: "mroute.permission" },
  ];
  for (const { fault, code } of rows) {
    const createSocket = (): never => {
      throw new Error(fault);
    };
    const message = new RegExp(`: ${fault}$`);
    assert.throws(() => new LinuxForwarding(rawMrouteSockets({ createSocket })).open(nothing), { code, message });
  }
});

test("the kernel's cache is read line by line, unresolved entries left out", () => {
  const cache = readFileSync("hal/forwarding/vectors/ip_mr_cache.txt", "latin1");
  assert.deepEqual(parseCache(cache), [
    {
      source: address("10.9.1.2"),
      group: address("239.255.77.1"),
      inbound: 0,
      outbound: [2],
      packets: 3,
      bytes: 136,
      wrong: 1,
    },
  ]);
  const unresolved = parseUnresolved(cache).map(({ source, group }) => [formatIpv4(source), formatIpv4(group)]);
  assert.deepEqual(unresolved, [["10.9.1.2", "239.255.77.2"]]);
});

test("the kernel's virtual interfaces are read line by line, with the index in the place of an address", () => {
  const vifs = readFileSync("hal/forwarding/vectors/ip_mr_vif.txt", "latin1");
  assert.deepEqual(parseVifs(vifs), [
    { number: 0, name: "in0", index: 2 },
    { number: 1, name: "out0", index: 3 },
    { number: 13, name: "a-name-of-14chr", index: 266 },
  ]);
});

test("of the kernel's raw sockets those of IGMP are found", () => {
  assert.deepEqual(igmpSockets(readFileSync("hal/forwarding/vectors/raw.txt", "latin1")), [3227835]);
});

test("what a router that died held is the next one's, and goes on in between", async () => {
  const bench = await simulatedBench();
  const table = bench.forwarding.open(nothing);
  for (const name of INTERFACES) table.addInterface(name);
  const route = { source: SOURCE, group: GROUP, inbound: "rt0", outbound: ["rt2"] };
  table.set(route);
  (bench.forwarding as SimulatedForwarding).kill();
  bench.inject("rt0", "between");
  await bench.until(() => true);
  const next = bench.forwarding.open(nothing);
  assert.deepEqual(next.inherited(), [route]);
  bench.inject("rt0", "after");
  await bench.until(() => true);
  assert.deepEqual(bench.left("rt2"), ["between", "after"]);
});

const CABLES = [
  "sysctl -qw net.ipv6.conf.all.disable_ipv6=1 net.ipv4.conf.all.rp_filter=0 net.ipv4.conf.default.rp_filter=0",
  "sysctl -qw net.ipv4.ip_forward=1",
  ...INTERFACES.flatMap((name, i) => [
    `ip link add ${name} type veth peer name rt${2 * i + 1}`,
    `ip addr add 10.9.${i + 1}.1/24 dev ${name}`,
    `ip link set ${name} up`,
    `ip link set rt${2 * i + 1} up`,
  ]),
];

const waiting = () => parseUnresolved(readFileSync("/proc/net/ip_mr_cache", "latin1"));
const unresolved = (): number => waiting().length;
const isUnresolved = (group: Ipv4): boolean => waiting().some((one) => one.group === group);

/** Of our addon, but that as many upcalls as `lose` says are not heard, as if the queue had been full. */
async function losingSockets() {
  const sockets = nativeMrouteSockets(await loadSockets("test"), new ReceiveRoom(128));
  let [toLose, lost] = [0, 0];
  const losing = (socket: MrouteSocket): MrouteSocket => ({
    ...socket,
    listen: (heard, failed) =>
      socket.listen((packet) => {
        if (toLose === 0) heard(packet);
        else [toLose, lost] = [toLose - 1, lost + 1];
      }, failed),
    dropped: () => lost,
  });
  const made: MrouteSockets = { make: () => losing(sockets.make()), take: (keeper) => sockets.take(keeper) };
  return { sockets: made, lose: (count: number) => (toLose = count), lost: () => lost };
}

const nothing = { noRoute() {}, wrongInterface() {}, igmp() {}, failed() {} };

if (inNamespace(import.meta.url, "linux forwarding", CABLES)) {
  const { datagram, linuxBench } = await import("./linux.testkit.ts");
  const [forwarding, native] = [await LinuxForwarding.load(), await LinuxForwarding.loadNative()];
  const relay = await RelayForwarding.load();
  const bench = await linuxBench(INTERFACES, SOURCE, GROUP, forwarding, eventually);
  const nativeBench = await linuxBench(INTERFACES, SOURCE, GROUP, native, eventually);
  forwardingContract("linux forwarding", bench.open);
  forwardingContract("linux forwarding on our addon", nativeBench.open);
  const relayBench = await linuxBench(INTERFACES, SOURCE, GROUP, relay, eventually);
  forwardingContract("relay", relayBench.open);

  test("relay: not beside a kernel that forwards: viewers would get every packet twice", () => {
    const table = native.open(nothing);
    table.addInterface("rt0");
    assert.throws(() => relay.open(nothing), { code: "mroute.in-use" });
    table.close();
    relay.open(nothing).close();
  });

  test("relay: what stays on its link, and what is no packet to forward, is dropped by name", async () => {
    const { left } = await relayBench.open();
    const table = relay.open(nothing);
    for (const name of INTERFACES) table.addInterface(name);
    table.set({ source: SOURCE, group: GROUP, inbound: "rt0", outbound: ["rt2"] });
    const lastHop = datagram(SOURCE, GROUP, "last hop");
    lastHop[8] = 1;
    const packets = [lastHop, datagram(address("127.0.0.1"), GROUP, "loop"), datagram(SOURCE, GROUP, "x".repeat(1200))];
    execFileSync("ip", ["link", "set", "rt2", "mtu", "1000"]);
    for (const packet of [...packets, datagram(SOURCE, GROUP, "good")]) relayBench.inject("rt0", packet);
    await eventually(() => left("rt2").length > 0);
    assert.deepEqual(left("rt2"), ["good"]);
    assert.deepEqual(table.counts(), { "relay.source": 1, "relay.too-big": 1, "relay.ttl": 1 });
    execFileSync("ip", ["link", "set", "rt2", "mtu", "1500"]);
    table.close();
  });

  test("relay: a packet that nobody has a route for waits with three more, is asked for once, and is not kept for ever", async () => {
    const { left, inject } = await relayBench.open();
    const asked: string[] = [];
    const table = relay.open({
      ...nothing,
      noRoute: (source, group, inbound) => asked.push(`${source} ${group} ${inbound}`),
    });
    for (const name of INTERFACES) table.addInterface(name);
    for (const number of [1, 2, 3, 4, 5, 6]) inject("rt0", String(number));
    await eventually(() => table.counts()["relay.unresolved"] === 2);
    assert.deepEqual(asked, [`${SOURCE} ${GROUP} rt0`]);
    table.set({ source: SOURCE, group: GROUP, inbound: "rt0", outbound: ["rt2"] });
    await eventually(() => left("rt2").length === 4);
    assert.deepEqual(left("rt2"), ["1", "2", "3", "4"]);
    for (let group = 0; group < 12; group++)
      relayBench.inject("rt0", datagram(SOURCE, address(`239.255.78.${group}`), "asks"));
    await eventually(() => table.counts()["relay.unresolved"] === 4);
    assert.equal(asked.length, 11, "ten at a time");
    table.close();
  });

  test("linux forwarding: of IGMP the routing socket hears only what no interface's own socket does", async () => {
    const heard: string[] = [];
    const table = forwarding.open({ ...nothing, igmp: (packet) => heard.push(toHex(packet.subarray(12, 20))) });
    table.addInterface("rt0");
    const general = query(formatIpv4(SOURCE));
    const report = withoutAlert(writeV1V2Message(new Uint8Array(V1_V2_LENGTH), SOURCE, "v2Report", GROUP));
    for (const packet of [general, report]) bench.inject("rt0", Buffer.from(packet));
    await eventually(() => heard.length > 0);
    assert.deepEqual(heard, [toHex(report.subarray(12, 20))]);
    table.close();
  });

  test("linux forwarding on our addon: the routing socket hears no IGMP, only the kernel's questions", async () => {
    const told: string[] = [];
    const table = native.open({
      ...nothing,
      igmp: (packet) => told.push(toHex(packet)),
      noRoute: (_source, _group, inbound) => told.push(inbound),
    });
    table.addInterface("rt0");
    const report = withoutAlert(writeV1V2Message(new Uint8Array(V1_V2_LENGTH), SOURCE, "v2Report", GROUP));
    bench.inject("rt0", Buffer.from(report));
    bench.inject("rt0", datagram(SOURCE, GROUP, "asks"));
    await eventually(() => told.length > 0);
    assert.deepEqual(told, ["rt0"]);
    assert.equal(table.dropped(), 0);
    table.close();
  });

  test("linux forwarding on our addon: a report with Router Alert is no packet that wants a route", async () => {
    const asked: string[] = [];
    const table = native.open({ ...nothing, noRoute: (source) => asked.push(formatIpv4(source)) });
    table.addInterface("rt0");
    const host = address("10.9.1.77");
    const report = writeV1V2Message(new Uint8Array(V1_V2_LENGTH), host, "v2Report", GROUP);
    bench.inject("rt0", Buffer.from(report));
    bench.inject("rt0", datagram(SOURCE, GROUP, "asks"));
    await eventually(() => asked.length > 0);
    assert.deepEqual(asked, [formatIpv4(SOURCE)]);
    table.close();
  });

  for (const driver of [forwarding, native])
    test("linux forwarding: a report with Router Alert is no stream, and leaves nothing in the kernel", async () => {
      const asked: string[] = [];
      const table = driver.open({ ...nothing, noRoute: (_source, group) => asked.push(formatIpv4(group)) });
      table.addInterface("rt0");
      // The kernel keeps ten questions: those about reports must not stay among them.
      for (let round = 0; round < 3; round++) {
        for (let n = 0; n < 8; n++) {
          const group = address(`239.255.79.${8 * round + n}`);
          bench.inject("rt0", Buffer.from(writeV1V2Message(new Uint8Array(V1_V2_LENGTH), SOURCE, "v2Report", group)));
        }
        bench.inject("rt0", datagram(SOURCE, address(`239.255.78.${round}`), "asks"));
        await eventually(() => asked.length > round);
      }
      assert.deepEqual(asked, ["239.255.78.0", "239.255.78.1", "239.255.78.2"]);
      assert.doesNotMatch(readFileSync("/proc/net/ip_mr_cache", "latin1"), /4FFFEF/);
      table.close();
    });

  for (const driver of [forwarding, native])
    test("linux forwarding: an upcall of an interface that was taken out is not another's that got its number", async () => {
      const asked: string[] = [];
      const table = driver.open({
        ...nothing,
        noRoute: (_source, group, inbound) => asked.push(`${group} ${inbound}`),
      });
      table.addInterface("rt0");
      const other = address("239.255.77.2");
      await new Promise<void>((resolve) => bench.inject("rt0", datagram(SOURCE, GROUP, "early"), resolve));
      // The upcall waits. By now every number is rt2's once.
      table.removeInterface("rt0");
      for (let times = 0; times < 32; times++) table.addInterface("rt2");
      bench.inject("rt2", datagram(SOURCE, other, "late"));
      await eventually(() => asked.length > 0);
      assert.deepEqual(asked, [`${other} rt2`]);
      table.close();
    });

  for (const driver of [forwarding, native])
    test("linux forwarding: a source that was asked about as its interface went is asked about again at once", async () => {
      const asked: string[] = [];
      const table = driver.open({ ...nothing, noRoute: (_source, _group, inbound) => asked.push(inbound) });
      table.addInterface("rt0");
      await new Promise<void>((resolve) => bench.inject("rt0", datagram(SOURCE, GROUP, "as it goes"), resolve));
      table.removeInterface("rt0");
      await eventually(() => unresolved() === 0, 1000);
      assert.equal(unresolved(), 0, "the kernel waits for no answer");
      table.addInterface("rt0");
      bench.inject("rt0", datagram(SOURCE, GROUP, "again"));
      await eventually(() => asked.length > 0);
      assert.deepEqual(asked, ["rt0"]);
      table.close();
    });

  for (const whenAsked of ["another interface comes", "the queue is seen to have lost some"] as const)
    test(`linux forwarding on our addon: a question that was lost is asked again once ${whenAsked}`, async () => {
      const { sockets, lose, lost } = await losingSockets();
      const asked: string[] = [];
      const table = new LinuxForwarding(sockets).open({
        ...nothing,
        noRoute: (_source, group) => asked.push(formatIpv4(group)),
      });
      table.addInterface("rt0");
      lose(1);
      bench.inject("rt0", datagram(SOURCE, GROUP, "lost"));
      await eventually(() => lost() === 1);
      if (whenAsked === "another interface comes") table.addInterface("rt2");
      else bench.inject("rt0", datagram(SOURCE, address("239.255.77.9"), "heard"));
      await eventually(() => !isUnresolved(GROUP), 3000);
      bench.inject("rt0", datagram(SOURCE, GROUP, "again"));
      await eventually(() => asked.includes(formatIpv4(GROUP)), 3000);
      assert.ok(asked.includes(formatIpv4(GROUP)), asked.join());
      table.close();
    });

  test("close the benches", () => {
    for (const { close } of [bench, nativeBench, relayBench]) close();
  });
}
