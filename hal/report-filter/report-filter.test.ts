import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { ANY, address, ipv4 } from "../../core/base/ipv4.ts";
import { seconds } from "../../core/base/time.ts";
import { ethernet, tagged, v1v2Message } from "../../core/igmp/igmp.testkit.ts";
import type { HalError } from "../../core/ports/errors.ts";
import { SimulatedClock } from "../clock/simulated.ts";
import { SeededEntropy } from "../entropy/seeded.ts";
import { eventually, inNamespace } from "../in-namespace.testkit.ts";
import { frameSender } from "../native/frame-sender.testkit.ts";
import { SimulatedNetwork } from "../simulation/network.ts";
import { bare, reportFilterContract } from "./contract.testkit.ts";
import { NftReportFilters, removeLeftFilter } from "./nft.ts";
import { SimulatedReportFilters } from "./simulated.ts";

const MAC = "02:00:00:00:00:07";
const REPORT = v1v2Message("v2Report", "10.9.1.11", "239.1.1.1");

{
  const clock = new SimulatedClock();
  const network = new SimulatedNetwork(clock, new SeededEntropy(1));
  const [lan1, lan2] = [network.lan("lan1"), network.lan("lan2")];
  const bridge = network.node("switch");
  bridge.attach("br0", { address: address("10.9.1.1"), lan: { lan1, lan2 } });
  const host = network.node("host").attach("eth0", { address: address("10.9.1.11"), lan: lan1 });
  let seen = 0;
  lan2.capture(() => seen++);
  reportFilterContract("simulated", {
    filters: new SimulatedReportFilters(clock, bridge),
    ports: ["lan1", "lan2"],
    crosses: async (bytes) => {
      const before = seen;
      host.transmit({ kind: "igmp", source: ANY, destination: ipv4(0xe0000016), bytes });
      clock.run(seconds(0.1));
      return seen > before;
    },
    pass: async (span) => void clock.run(span),
  });
}

/** A bridge that floods, with two cables. */
const BRIDGE = [
  "sysctl -qw net.ipv6.conf.all.disable_ipv6=1 net.ipv6.conf.default.disable_ipv6=1",
  "ip link add br0 type bridge mcast_snooping 0",
  ...["lan1", "lan2"].flatMap((port) => [
    `ip link add ${port} type veth peer name ${port}far`,
    `ip link set ${port} master br0 up`,
    `ip link set ${port}far up`,
  ]),
  "ip link set br0 up",
];

if (inNamespace(import.meta.url, "nft report filter", BRIDGE, ["nft"])) {
  const received = () => Number(readFileSync("/sys/class/net/lan2far/statistics/rx_packets", "utf8"));
  const sender = frameSender("lan1far");
  const comesOut = async (frame: Uint8Array): Promise<boolean> => {
    // The driver waits for its child.
    await new Promise((resolve) => setImmediate(resolve));
    const far = await sender;
    const before = received();
    // What is sent on a veth has arrived when the call returns.
    far.send(frame);
    return received() > before;
  };
  const LISTENER = { inForce: () => {}, failed: (error: Error) => assert.fail(error.message) };
  const filters = new NftReportFilters();

  reportFilterContract("nft", {
    filters,
    ports: ["lan1", "lan2"],
    crosses: (packet) => comesOut(ethernet(MAC, packet)),
    pass: (span) => new Promise((resolve) => setTimeout(resolve, span)),
  });

  for (const [vlan, stopped] of [
    [undefined, []],
    [10, [10]],
  ] as const)
    test(`a bridge of ${vlan === undefined ? "no VLAN" : `VLAN ${vlan}`}: reports with the tag of another are not its to keep`, async () => {
      const filter = filters.open({ bridge: "br0", vlan }, LISTENER);
      filter.keep(bare("lan1", "lan2"), seconds(60));
      const frame = ethernet(MAC, REPORT);
      const end = performance.now() + 20_000;
      while (await comesOut(frame)) assert.ok(performance.now() < end);
      for (const tag of [10, 20])
        assert.equal(await comesOut(tagged(frame, tag)), !stopped.some((one) => one === tag), `tag ${tag}`);
      await filter.close();
    });

  test("what another program takes away, or another version left, is as it was said the next time", async () => {
    execFileSync("nft", ["-f", "-"], {
      input: "add table bridge sealcast_reports\nadd set bridge sealcast_reports untagged { type ipv4_addr; }\n",
    });
    const filter = filters.open({ bridge: "br0" }, LISTENER);
    for (const _ of [1, 2]) {
      filter.keep(bare("lan1", "lan2"), seconds(60));
      const end = performance.now() + 20_000;
      while (await comesOut(ethernet(MAC, REPORT))) assert.ok(performance.now() < end);
      execFileSync("nft", ["flush", "ruleset"]);
    }
    await filter.close();
  });

  test("what a killed process left is removed by one that keeps nothing", async () => {
    const filter = filters.open({ bridge: "br0" }, LISTENER);
    filter.keep(bare("lan1"), seconds(60));
    const tables = () => execFileSync("nft", ["list", "tables"], { encoding: "utf8" });
    assert.ok(await eventually(() => tables().includes("sealcast_reports"), 20_000));
    await removeLeftFilter();
    await removeLeftFilter();
    assert.doesNotMatch(tables(), /sealcast_reports/);
    await filter.close();
  });

  test("a bridge that keeps VLANs apart is refused until it is said which one is meant", async () => {
    const root = mkdtempSync(join(tmpdir(), "report-filter-"));
    mkdirSync(join(root, "br0/bridge"), { recursive: true });
    writeFileSync(join(root, "br0/bridge/vlan_filtering"), "1\n");
    const strict = new NftReportFilters(root);
    const log: string[] = [];
    const told = { inForce: () => log.push("in force"), failed: (error: HalError) => log.push(error.code) };
    for (const vlan of [undefined, 10]) {
      const filter = strict.open({ bridge: "br0", vlan }, told);
      filter.keep(bare("lan1", "lan2"), seconds(60));
      await filter.close();
    }
    rmSync(root, { recursive: true });
    assert.deepEqual(log, ["report-filter.vlan"]);
    assert.equal(await comesOut(ethernet(MAC, REPORT)), true);
  });

  test("no nft program, and a port that cannot be named: told once, in words, until it is in force", async () => {
    const log: string[] = [];
    const told = { inForce: () => log.push("in force"), failed: (error: HalError) => log.push(error.code) };
    const filter = filters.open({ bridge: "br0" }, told);
    const path = process.env.PATH;
    process.env.PATH = "/nonexistent";
    try {
      for (const _ of [1, 2]) filter.keep(bare("lan1"), seconds(60));
      assert.ok(await eventually(() => log.length > 0, 20_000));
    } finally {
      process.env.PATH = path;
    }
    filter.keep(bare("lan1"), seconds(60));
    assert.ok(await eventually(() => log.length > 1, 20_000));
    filter.keep(bare('"'), seconds(60));
    assert.deepEqual(log, ["report-filter.missing", "in force", "report-filter.port-name"]);
    await filter.close();
  });
}
