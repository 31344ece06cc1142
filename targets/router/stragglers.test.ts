// What the routing socket hears without an interface, and interfaces that change what they are while the router runs.
import assert from "node:assert/strict";
import { test } from "node:test";
import * as v from "valibot";
import { writeUint16 } from "../../core/base/bytes.ts";
import { internetChecksum } from "../../core/base/checksum.ts";
import { address } from "../../core/base/ipv4.ts";
import { milliseconds, seconds } from "../../core/base/time.ts";
import { query } from "../../core/igmp/igmp.testkit.ts";
import { checkPacket } from "../../core/igmp/messages/packet.ts";
import { reportLength, writeReport } from "../../core/igmp/messages/report.ts";
import { V1_V2_LENGTH, writeV1V2Message } from "../../core/igmp/messages/v1-v2-message.ts";
import { HalError } from "../../core/ports/errors.ts";
import type { ForwardingListener } from "../../core/ports/forwarding.ts";
import type { TapListener } from "../../core/ports/frame-tap.ts";
import type { IgmpListener } from "../../core/ports/igmp-socket.ts";
import type { Link } from "../../core/ports/links.ts";
import { BridgeSettings } from "../../hal/bridge/settings.ts";
import { SimulatedClock } from "../../hal/clock/simulated.ts";
import { SeededEntropy } from "../../hal/entropy/seeded.ts";
import { withoutAlert } from "../../hal/forwarding/without-alert.testkit.ts";
import { BridgeQueriers } from "../../hal/links/bridge-querier.ts";
import { createLogger } from "../shared/log.ts";
import { routerConfig } from "./config.ts";
import { RouterService } from "./service.ts";
import { laterBy } from "./simulated.testkit.ts";

const GROUP = address("239.255.77.1");
const config = v.parse(routerConfig, {
  id: "one",
  upstream: { interface: "wan" },
  downstreams: [{ interface: "br-lan", queryInterval: 20, queryResponseInterval: 5 }],
});

interface Status {
  readonly interfaces: readonly {
    readonly querier: { readonly state: string };
    readonly hosts: readonly { host: string; port?: string }[];
    readonly groups: readonly { group: string }[];
    readonly taps: Readonly<Record<string, string>>;
  }[];
  readonly drops: Readonly<Record<string, number>>;
  readonly messages: Readonly<Record<string, number>>;
}

const link = (name: string, text: string, ports: readonly string[] = [], index = 1): Link => ({
  name,
  index,
  up: true,
  addresses: [{ address: address(text), prefixLength: 24 }],
  ports,
});

/** The service on drivers of which the test holds both ends. */
function bench() {
  const clock = new SimulatedClock();
  const links = new Map([["wan", link("wan", "10.1.0.1")]]);
  const sent: string[] = [];
  const sockets = new Map<string, IgmpListener>();
  const taps = new Map<string, TapListener>();
  let changed: (name: string, link: Link | undefined) => void = () => {};
  let routing: ForwardingListener | undefined;
  const service = new RouterService(config, {
    clock,
    entropy: new SeededEntropy(1),
    later: laterBy(clock),
    links: {
      get: (name) => links.get(name),
      list: () => [...links.values()],
      changes: () => () => {},
      watch(_, call) {
        changed = call;
        return () => {};
      },
      neighbour: () => undefined,
    },
    igmp: {
      hearsUnjoined: false,
      open(interfaceName, listener) {
        sockets.set(interfaceName, listener);
        const send = (packet: Uint8Array) => void sent.push(`${interfaceName} ${kindOf(packet)}`);
        return { interfaceName, send, dropped: () => 0, close: () => void sockets.delete(interfaceName) };
      },
    },
    forwarding: {
      open(listener) {
        routing = listener;
        const nothing = () => {};
        return {
          addInterface: nothing,
          removeInterface: nothing,
          set: nothing,
          prepare: nothing,
          remove: nothing,
          inherited: () => [],
          use: () => [],
          dropped: () => 0,
          handOver: () => false,
          counts: () => ({}),
          close: nothing,
        };
      },
    },
    taps: {
      open(interfaceName, listener) {
        taps.set(interfaceName, listener);
        return { interfaceName, dropped: () => 0, close: () => void taps.delete(interfaceName) };
      },
    },
    membershipReports: undefined,
    bridgeQueriers: new BridgeQueriers(new BridgeSettings({ root: "/nonexistent" })),
    log: createLogger({ level: "silent", format: "json", toStderr: true }, "router", "one"),
    fatal: (error) => assert.fail(error.message),
  });
  const appear = (one: Link): void => {
    links.set(one.name, one);
    changed(one.name, one);
  };
  return {
    clock,
    sent,
    taps,
    appear,
    hears: (name: string, packet: Uint8Array) => sockets.get(name)?.packet(packet, {}),
    routingHears: (packet: Uint8Array) => routing?.igmp(packet),
    status: () => service.status() as unknown as Status,
  };
}

function kindOf(bytes: Uint8Array): string {
  const packet = checkPacket(bytes);
  return typeof packet === "string" ? packet : packet.kind;
}

function join(from: string, group = GROUP): Uint8Array {
  const records = [{ type: "to-ex", group, sources: [] }] as const;
  return writeReport(new Uint8Array(reportLength(records)), address(from), records);
}

const questionFrom = (from: string): Uint8Array => query(from, { version: 2, group: GROUP, maxResponse: seconds(1) });

/** An Ethernet frame to the IGMPv3 routers. */
const frameOf = (packet: Uint8Array): Uint8Array =>
  Uint8Array.from([1, 0, 0x5e, 0, 0, 22, 2, 0, 0, 0, 0, 9, 8, 0, ...packet]);

test("the upstream's question about a group without Router Alert is answered, though only the routing socket hears it", () => {
  const { appear, hears, routingHears, clock, sent } = bench();
  appear(link("br-lan", "10.2.0.1"));
  hears("br-lan", join("10.2.0.11"));
  clock.run(seconds(5));
  sent.length = 0;
  routingHears(withoutAlert(questionFrom("10.1.0.254")));
  clock.run(seconds(1));
  assert.deepEqual(sent, ["wan v3Report"]);
});

test("a report without Router Alert counts where its sender's subnet is; from nowhere, or to our own address, it does not", () => {
  const { appear, routingHears, status } = bench();
  appear(link("br-lan", "10.2.0.1"));
  const v1v2 = (from: string): Uint8Array =>
    withoutAlert(writeV1V2Message(new Uint8Array(V1_V2_LENGTH), address(from), "v2Report", GROUP));
  const unicast = withoutAlert(writeV1V2Message(new Uint8Array(V1_V2_LENGTH), address("10.2.0.66"), "v2Report", GROUP));
  unicast.set([10, 1, 0, 1], 16);
  writeUint16(unicast, 10, 0);
  writeUint16(unicast, 10, internetChecksum(unicast, 0, 20));
  routingHears(unicast);
  assert.deepEqual(status().interfaces[0]?.groups, [], "from the upstream side, with a forged sender");
  routingHears(v1v2("172.16.0.9"));
  assert.equal(status().drops["router.off-subnet"], 1);
  routingHears(v1v2("10.2.0.11"));
  assert.deepEqual(
    status().interfaces[0]?.hosts.map(({ host }) => host),
    ["10.2.0.11"],
  );
});

test("a question that only the routing socket hears does not decide who asks on a downstream", () => {
  const { appear, routingHears, status } = bench();
  appear(link("br-lan", "10.2.0.9"));
  routingHears(withoutAlert(questionFrom("10.2.0.1")));
  assert.equal(status().interfaces[0]?.querier.state, "querier");
  assert.equal(status().drops["router.query-from-nowhere"], 1);
});

test("a report without Router Alert from a subnet that two interfaces have counts on neither", () => {
  const { appear, routingHears, status } = bench();
  appear(link("br-lan", "10.1.0.9"));
  routingHears(withoutAlert(writeV1V2Message(new Uint8Array(V1_V2_LENGTH), address("10.1.0.11"), "v2Report", GROUP)));
  assert.deepEqual(status().interfaces[0]?.groups, []);
  assert.equal(status().drops["router.two-subnets"], 1);
});

test("a bridge that gets its first port after the start is tapped from then on, and its hosts are known by port", () => {
  const { appear, hears, taps, status } = bench();
  appear(link("br-lan", "10.2.0.1"));
  assert.deepEqual([...taps.keys()], []);
  appear(link("br-lan", "10.2.0.1", ["lan1"]));
  assert.deepEqual(status().interfaces[0]?.taps, { lan1: "starting" });
  taps.get("lan1")?.resumed();
  hears("br-lan", join("10.2.0.11"));
  taps.get("lan1")?.frame(frameOf(join("10.2.0.11")));
  assert.deepEqual(
    status().interfaces[0]?.hosts.map(({ host, port }) => [host, port]),
    [["10.2.0.11", "lan1"]],
  );
  appear(link("br-lan", "10.2.0.1", ["lan1", "lan2"]));
  taps.get("lan1")?.interrupted(new HalError("tap.ended", "the tap on lan1 ended (by a signal)"));
  assert.deepEqual(status().interfaces[0]?.taps, { lan1: "tap.ended", lan2: "starting" });
  assert.equal(status().interfaces[0]?.hosts.length, 1, "another port disturbs nobody");
});

test("who joins a link-local group, as every machine does for mDNS, asks for no delivery and is no evidence", () => {
  const { appear, hears, status } = bench();
  appear(link("br-lan", "10.2.0.1"));
  hears("br-lan", join("10.2.0.11", address("224.0.0.251")));
  assert.deepEqual(status().messages, {});
  hears("br-lan", join("10.2.0.11"));
  assert.deepEqual(status().messages, { "71": 1 });
});

test("an interface that comes back with another index is opened again, and its members are asked", () => {
  const { appear, hears, clock, sent, status } = bench();
  appear(link("br-lan", "10.2.0.1", [], 4));
  hears("br-lan", join("10.2.0.11"));
  clock.run(milliseconds(0));
  sent.length = 0;
  appear(link("br-lan", "10.2.0.1", [], 9));
  clock.run(milliseconds(0));
  assert.ok(sent.includes("br-lan v3Query"));
  assert.equal(status().interfaces[0]?.groups.length, 1);
  hears("br-lan", join("10.2.0.11"));
  assert.equal(status().interfaces[0]?.groups.length, 1);
});
