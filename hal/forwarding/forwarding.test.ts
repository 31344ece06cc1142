import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { address } from "../../core/base/ipv4.ts";
import { seconds } from "../../core/base/time.ts";
import { SimulatedClock } from "../clock/simulated.ts";
import { SeededEntropy } from "../entropy/seeded.ts";
import { eventually, inNamespace } from "../in-namespace.testkit.ts";
import { SimulatedNetwork } from "../simulation/network.ts";
import { type ForwardingBench, forwardingContract } from "./contract.testkit.ts";
import { LinuxForwarding, parseCache } from "./linux.ts";
import { SimulatedForwarding } from "./simulated.ts";

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
    inject: (on, what) =>
      outside.get(on as (typeof INTERFACES)[number])?.transmit({ ...udp, bytes: new TextEncoder().encode(what) }),
    left: (on) => seen.get(on) ?? [],
    async until(condition) {
      clock.run(seconds(1));
      return condition();
    },
  };
}

forwardingContract("simulated forwarding", simulatedBench);

test("the kernel's cache is read line by line, unresolved entries left out", () => {
  const cache = readFileSync("hal/forwarding/vectors/ip_mr_cache.txt", "latin1");
  assert.deepEqual(parseCache(cache), [
    { source: address("10.9.1.2"), group: address("239.255.77.1"), packets: 3, bytes: 136, wrong: 1 },
  ]);
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

if (inNamespace(import.meta.url, "linux forwarding", CABLES)) {
  const { linuxBench } = await import("./linux.testkit.ts");
  const bench = await linuxBench(INTERFACES, SOURCE, GROUP, await LinuxForwarding.load(), eventually);
  forwardingContract("linux forwarding", bench.open);
  test("close the bench", bench.close);
}
