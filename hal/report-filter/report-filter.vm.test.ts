// Hosts' reports on a bridge that keeps VLANs apart: those of one VLAN are kept, wherever they go out, and those of the others are left alone.
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { seconds } from "../../core/base/time.ts";
import { ethernet, tagged, v1v2Message } from "../../core/igmp/igmp.testkit.ts";
import { eventually, inNamespace } from "../in-namespace.testkit.ts";
import { frameSender } from "../native/frame-sender.testkit.ts";
import { NftReportFilters } from "./nft.ts";

const PORTS = ["trunk", "a10", "b20", "other"] as const;

/** trunk and other carry both VLANs with tags; a10 and b20 are access ports. */
const BRIDGE = [
  "sysctl -qw net.ipv6.conf.all.disable_ipv6=1 net.ipv6.conf.default.disable_ipv6=1",
  "ip link add br0 type bridge vlan_filtering 1 mcast_snooping 0",
  ...PORTS.flatMap((port) => [
    `ip link add ${port} type veth peer name f-${port}`,
    `ip link set ${port} master br0 up`,
    `ip link set f-${port} up`,
    `bridge vlan del dev ${port} vid 1`,
  ]),
  ...["trunk", "other"].flatMap((port) => [10, 20].map((vlan) => `bridge vlan add dev ${port} vid ${vlan}`)),
  "bridge vlan add dev a10 vid 10 pvid untagged",
  "bridge vlan add dev b20 vid 20 pvid untagged",
  "ip link set br0 up",
];

if (inNamespace(import.meta.url, "reports of VLANs", BRIDGE, ["nft", "bridge"])) {
  const read = (path: string): string => readFileSync(`/sys/class/net/${path}`, "latin1").trim();
  const FORWARDING = "3";
  assert.ok(await eventually(() => PORTS.every((port) => read(`${port}/brport/state`) === FORWARDING)));
  const senders = new Map(
    await Promise.all(PORTS.map(async (port) => [port, await frameSender(`f-${port}`)] as const)),
  );
  const counters = (which: "rx_packets" | "rx_bytes") =>
    PORTS.map((port) => Number(read(`f-${port}/statistics/${which}`)));
  const MAC = "02:00:00:00:00:07";
  const REPORT = ethernet(MAC, v1v2Message("v2Report", "10.9.1.11", "239.1.1.1"));
  /** To everybody, of a kind that nobody has, and longer than all else. */
  const MARK = Buffer.alloc(1000);
  MARK.set([255, 255, 255, 255, 255, 255, 2, 0, 0, 0, 0, 7, 0x88, 0xb5]);
  let carrying: Readonly<Record<10 | 20, readonly string[]>> = {
    10: ["trunk", "a10", "other"],
    20: ["trunk", "b20", "other"],
  };

  /** By which ports a report leaves that comes in by this one: it has when what was sent behind it, which nobody keeps, has come out. */
  const leaves = async (port: (typeof PORTS)[number], vlan: 10 | 20): Promise<string> => {
    const [packets, octets] = [counters("rx_packets"), counters("rx_bytes")];
    const isAccess = port !== "trunk" && port !== "other";
    for (const frame of [REPORT, MARK]) senders.get(port)?.send(isAccess ? frame : tagged(frame, vlan));
    const has = () => counters("rx_bytes").map((now, i) => now - (octets[i] ?? 0) >= MARK.length);
    const wanted = PORTS.filter((one) => one !== port && carrying[vlan].includes(one)).join();
    assert.ok(
      await eventually(() => PORTS.filter((_, i) => has()[i]).join() === wanted),
      `the mark comes to ${wanted}`,
    );
    return PORTS.filter((_, i) => (counters("rx_packets")[i] ?? 0) - (packets[i] ?? 0) > 1).join();
  };
  const all = async () => [
    await leaves("trunk", 10),
    await leaves("a10", 10),
    await leaves("trunk", 20),
    await leaves("b20", 20),
  ];
  const FREE = ["a10,other", "trunk,other", "b20,other", "trunk,other"];
  const filters = new NftReportFilters();
  const open = (bridge: string, vlan: number) => {
    let told = (): void => {};
    const inForce = new Promise<void>((resolve) => {
      told = resolve;
    });
    const failed = (error: Error): never => assert.fail(error.message);
    return { filter: filters.open({ bridge, vlan }, { inForce: () => told(), failed }), inForce };
  };
  const kept = (id: number, access: string) =>
    ["trunk", "other", access].map((port) => ({ port, vlan: { id, untagged: port === access } }));

  test("one VLAN is kept, with a tag and without, and the others are not", async () => {
    assert.deepEqual(await all(), FREE);
    const [ten, twenty] = [open("br0.10", 10), open("br0.20", 20)];
    ten.filter.keep(kept(10, "a10"), seconds(60));
    await ten.inForce;
    assert.deepEqual(await all(), ["", "", "b20,other", "trunk,other"]);
    twenty.filter.keep(kept(20, "b20"), seconds(60));
    await twenty.inForce;
    assert.deepEqual(await all(), ["", "", "", ""]);
    await ten.filter.close();
    assert.deepEqual(await all(), [...FREE.slice(0, 2), "", ""]);
    await twenty.filter.close();
    assert.deepEqual(await all(), FREE);
    assert.doesNotMatch(execFileSync("nft", ["list", "tables"], { encoding: "utf8" }), /sealcast/);
  });

  test("a port that is moved to another VLAN is kept no more than that one", async () => {
    const vlan = (...words: string[]) => execFileSync("bridge", ["vlan", ...words]);
    const { filter, inForce } = open("br0.10", 10);
    filter.keep(kept(10, "a10"), seconds(60));
    await inForce;
    vlan("add", "dev", "a10", "vid", "20", "pvid", "untagged");
    vlan("del", "dev", "a10", "vid", "10");
    carrying = { 10: ["trunk", "other"], 20: ["trunk", "a10", "b20", "other"] };
    filter.keep(kept(10, "a10").slice(0, 2), seconds(60));
    // One after the other: what was said before is in force with it.
    const next = open("br0.20", 20);
    next.filter.keep([], seconds(60));
    await next.inForce;
    assert.deepEqual(
      [await leaves("trunk", 20), await leaves("trunk", 10), await leaves("a10", 20)],
      ["a10,b20,other", "", "trunk,b20,other"],
    );
    for (const one of [filter, next.filter]) await one.close();
  });
}
