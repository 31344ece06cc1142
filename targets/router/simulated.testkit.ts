// For tests: a whole router process on a simulated network, with hosts behind two bridge ports and a sender upstream.
import assert from "node:assert/strict";
import * as v from "valibot";
import { ALL_IGMPV3_ROUTERS, ALL_SYSTEMS, ANY, address, type Ipv4, ipv4 } from "../../core/base/ipv4.ts";
import { milliseconds, seconds } from "../../core/base/time.ts";
import { type IgmpVersion, type Query, queryLength, writeQuery } from "../../core/igmp/messages/query.ts";
import { type ReportRecord, reportLength, writeReport } from "../../core/igmp/messages/report.ts";
import type { Clock } from "../../core/ports/clock.ts";
import type { FrameTaps } from "../../core/ports/frame-tap.ts";
import { BridgeSettings } from "../../hal/bridge/settings.ts";
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
import { formatMac } from "../../hal/simulation/packet.ts";
import { SimulatedTaps } from "../../hal/tap/simulated.ts";
import { createLogger } from "../shared/log.ts";
import { routerConfig } from "./config.ts";
import { type RouterPlatform, RouterService } from "./service.ts";
import type { ControlStatus } from "./status.ts";
import type { WhyAnswer } from "./why-words.ts";

/** The channel that the sender sends. */
export const CHANNEL = address("239.255.77.1");
/** One that nobody sends. */
export const DARK = address("239.255.77.9");

/** A way to control on which all is well. */
export const CONNECTED: ControlStatus = {
  connected: true,
  broker: "connected",
  waiting: 0,
  evidence: "on disk",
  drops: {},
};

/** Work that comes after all that is due at the same time, as with `setImmediate`. */
export const laterBy =
  (clock: Clock): RouterPlatform["later"] =>
  (work) =>
    void clock.alarm(clock.now(), work);

type Entries = Readonly<Record<string, unknown>>;

/**
 * sender - wan - router - br-lan with host a on port lan1 (10.2.0.11) and b on lan2 (10.2.0.12); the router's own address there is
 * 10.2.0.5. `downstream`, `upstream` and `entries` are further parts of the configuration.
 */
export async function simulatedRouter({
  downstream = {},
  upstream = {},
  entries = {},
  platform = () => ({}),
}: {
  readonly downstream?: Entries;
  readonly upstream?: Entries;
  readonly entries?: Entries;
  readonly platform?: (
    forwarding: SimulatedForwarding,
    taps: FrameTaps,
    clock: SimulatedClock,
    node: SimulatedNode,
  ) => Partial<RouterPlatform>;
} = {}) {
  const clock = new SimulatedClock();
  const network = new SimulatedNetwork(clock, new SeededEntropy(1));
  const [wan, lan1, lan2] = [network.lan("wan"), network.lan("lan1"), network.lan("lan2")];
  const router = network.node("router");
  const uplink = router.attach("wan", { address: address("10.1.0.1"), lan: wan });
  const bridge = router.attach("br-lan", { address: address("10.2.0.5"), lan: { lan1, lan2 } });
  const [forwarding, taps] = [new SimulatedForwarding(router), new SimulatedTaps(router)];
  const configured = (more: Entries) =>
    v.parse(routerConfig, {
      id: "simulated",
      upstream: { interface: "wan", ...upstream },
      downstreams: [{ interface: "br-lan", queryInterval: 20, queryResponseInterval: 5, ...downstream }],
      ...entries,
      ...more,
    });
  const service = new RouterService(configured({}), {
    clock,
    entropy: network.entropy,
    later: laterBy(clock),
    links: simulatedLinks(router),
    igmp: new SimulatedIgmpSockets(router),
    forwarding,
    taps,
    membershipReports: undefined,
    bridgeQueriers: new BridgeQueriers(new BridgeSettings({ root: "/nonexistent" })),
    log: createLogger({ level: "silent", format: "json", toStderr: true }, "router", "simulated"),
    fatal: (error) => assert.fail(error.message),
    ...platform(forwarding, taps, clock, router),
  });
  const host = async (name: string, text: string, lan: typeof lan1) => {
    const node = network.node(name);
    const wire = node.attach("eth0", { address: address(text), lan });
    attachKernelHost(node);
    const socket = await new SimulatedDatagrams(node).open(
      { address: ANY, port: 5000 },
      { datagram() {}, failed() {} },
    );
    const membership = (group: Ipv4, source?: Ipv4) => ({
      group,
      interfaceAddress: ANY,
      ...(source === undefined ? {} : { source }),
    });
    return {
      wire,
      mac: formatMac(wire.mac),
      join: (group = CHANNEL, source?: Ipv4) => socket.join(membership(group, source)),
      leave: (group = CHANNEL, source?: Ipv4) => socket.leave(membership(group, source)),
    };
  };
  const sender = async (name: string, text: string, lan: typeof lan1) => {
    const node = network.node(name);
    node.attach("eth0", { address: address(text), lan });
    const multicast = { interfaceAddress: address(text), ttl: 8 };
    const socket = await new SimulatedDatagrams(node).open(
      { address: ANY, port: 0, multicast },
      { datagram() {}, failed() {} },
    );
    return (group: Ipv4) => socket.send(new Uint8Array(972), group, 5000);
  };
  const [a, b] = [await host("a", "10.2.0.11", lan1), await host("b", "10.2.0.12", lan2)];
  const send = await sender("sender", "10.1.0.2", wan);
  /** `span` seconds in which the channel has 50 packets a second of 1000 octets, IP header included. */
  const run = (span: number): void => {
    for (let i = 0; i < span * 50; i++) {
      send(CHANNEL);
      clock.run(milliseconds(20));
    }
  };
  /** The same without a stream. */
  const idle = (span: number): void => void clock.run(seconds(span));
  return {
    service,
    clock,
    bridge,
    uplink,
    a,
    b,
    run,
    idle,
    /** Another configuration, as by SIGHUP. */
    reload: (more: Entries) => service.reload(configured(more)),
    /** One packet to a group. */
    send,
    sendFromLan: await sender("camera", "10.2.0.13", lan2),
    /** Under an address of the network upstream. */
    forgeFromLan: await sender("forger", "10.1.0.66", lan2),
    /** A router on lan2 asks once, as one with this address would. */
    otherQuerier(text: string, version: IgmpVersion = 3): void {
      const wire = network.node("other").attach("eth0", { address: address(text), lan: lan2 });
      wire.transmit({
        kind: "igmp",
        source: address(text),
        destination: ALL_SYSTEMS,
        bytes: generalQuery(address(text), version),
      });
    },
    /** So many hosts behind lan1 that nobody knows want a group each; `from` tells them from others. */
    strangers(from: number, count: number): void {
      for (let n = from; n < from + count; n++) {
        const wire = network.node(`stranger ${n}`).attach("eth0", { address: address("10.2.0.66"), lan: lan1 });
        const records: readonly ReportRecord[] = [{ type: "is-ex", group: ipv4(0xef070000 + n), sources: [] }];
        const source = ipv4(0x0a020100 + n);
        const bytes = writeReport(new Uint8Array(reportLength(records)), source, records);
        wire.transmit({ kind: "igmp", source, destination: ALL_IGMPV3_ROUTERS, bytes });
      }
    },
    /** Calls `spy` for every IGMP packet that hosts of the port, or the router, put on its LAN. */
    overhear: (port: "lan1" | "lan2", spy: (packet: Uint8Array) => void) =>
      (port === "lan1" ? lan1 : lan2).capture((packet) => {
        if (packet.kind === "igmp") spy(packet.bytes);
      }),
    /** Asks `--why`, and lets time pass while it looks. */
    async why(group: string, who: string, during: (span: number) => void = run): Promise<WhyAnswer> {
      const answer = Promise.resolve(service.commands.why?.({ group, host: who }));
      during(2);
      return (await answer) as WhyAnswer;
    },
  };
}

function generalQuery(source: Ipv4, version: IgmpVersion): Uint8Array {
  const query: Query = {
    version,
    group: ANY,
    sources: [],
    suppress: false,
    maxResponse: seconds(5),
    robustness: 2,
    queryInterval: seconds(20),
  };
  return writeQuery(new Uint8Array(queryLength(query)), source, query);
}
