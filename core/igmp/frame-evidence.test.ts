// Packets and the frames of taps on bridge ports together: who is where, and what is evidence of what.

import assert from "node:assert/strict";
import { test } from "node:test";
import { hex } from "../base/bytes.testkit.ts";
import { at, ethernet, query, report, source, tagged, v1v2Message, vectorFile } from "./igmp.testkit.ts";
import type { RecordType } from "./messages/report.ts";
import { Bench, GROUP, groupsOf, guarded, join, LOWER, leave } from "./router-interface.testkit.ts";

test("limits of a port hold for all MACs behind it, by the port that its frames show", () => {
  const bench = new Bench({ maxGroupsPerPort: 2, trackingSource: "frames" });
  const speak = (n: number, port: string, group: string): string[] => {
    const mac = `02:00:00:00:00:0${n}`;
    const packet = join(`10.0.0.${n}`, group);
    return [...bench.frame(ethernet(mac, packet), port), ...bench.hear(packet, mac)];
  };
  speak(1, "lan1", GROUP);
  speak(2, "lan1", "239.1.1.2");
  assert.deepEqual(speak(3, "lan1", "239.1.1.3"), ["drop igmp.port-groups", "drop tracking.refused"]);
  assert.deepEqual(speak(1, "lan1", "239.1.1.4"), ["drop igmp.port-groups", "drop tracking.refused"]);
  assert.deepEqual(speak(4, "lan2", "239.1.1.5"), [
    "10.0.0.4/02:00:00:00:00:04/lan2 joined 239.1.1.5",
    "239.1.1.5 exclude {}",
  ]);
});

const CARD = "02:00:00:00:00:66";

/** 4,300 groups, more than an interface has room for, in 43 messages of one card, each as packet and frame in this order. */
const ORDERS: Readonly<Record<string, (bench: Bench, packets: readonly Uint8Array[]) => string[]>> = {
  "each frame first": (bench, packets) =>
    packets.flatMap((one) => [...bench.frame(ethernet(CARD, one), "lan1"), ...bench.hear(one, CARD)]),
  "each packet first": (bench, packets) =>
    packets.flatMap((one) => [...bench.hear(one, CARD), ...bench.frame(ethernet(CARD, one), "lan1")]),
  "all frames first": (bench, packets) => [
    ...packets.flatMap((one) => bench.frame(ethernet(CARD, one), "lan1")),
    ...packets.flatMap((one) => bench.hear(one, CARD)),
  ],
  "all packets first, whose MAC nobody knows": (bench, packets) => [
    ...packets.flatMap((one) => bench.hear(one)),
    ...packets.flatMap((one) => bench.frame(ethernet(CARD, one), "lan1")),
  ],
};

for (const [order, say] of Object.entries(ORDERS)) {
  test(`of what the interface has no room for there is no evidence, ${order}: joined is what was given, and refused the rest`, () => {
    const bench = new Bench({ trackingSource: "frames" });
    const packets = Array.from({ length: 43 }, (_, frame) =>
      report(
        "10.0.0.66",
        ...Array.from({ length: 100 }, (_, i): [RecordType, string] => ["to-ex", `239.9.${frame}.${i}`]),
      ),
    );
    const lines = say(bench, packets);
    const count = (what: string): number => lines.filter((text) => text.includes(what)).length;
    assert.deepEqual([count("joined"), count("igmp.host-share"), count("tracking.refused")], [2048, 2252, 2252]);
    const given = new Set(bench.machine.groups(bench.now).map(({ group }) => group));
    assert.deepEqual(new Set(bench.machine.hosts().map(({ group }) => group)), given);
  });
}

/** 1,000 cards that somebody invents behind lan1, each with the 8 groups that every host may have. */
const inventedCards = Array.from({ length: 1000 }, (_, n) => {
  const records = Array.from({ length: 8 }, (_, i): [RecordType, string] => [
    "to-ex",
    `239.7.${n >> 4}.${(n & 15) * 8 + i}`,
  ]);
  const from = `10.0.${1 + (n >> 8)}.${n & 255}`;
  const mac = `02:00:00:00:${[n >> 8, n & 255].map((octet) => octet.toString(16).padStart(2, "0")).join(":")}`;
  return { mac, packet: report(from, ...records) };
});

for (const [order, say] of [
  [
    "frames",
    (bench: Bench, port: string, mac: string, one: Uint8Array) => [
      ...bench.frame(ethernet(mac, one), port),
      ...bench.hear(one, mac),
    ],
  ],
  [
    "packets",
    (bench: Bench, port: string, mac: string, one: Uint8Array) => [
      ...bench.hear(one, mac),
      ...bench.frame(ethernet(mac, one), port),
    ],
  ],
] as const) {
  test(`igmp.port-share: cards that are invented behind one port do not fill the interface, ${order} first; another port's viewer is served`, () => {
    const bench = new Bench({ trackingSource: "frames" });
    const lines = inventedCards.flatMap(({ mac, packet }) => say(bench, "lan1", mac, packet));
    bench.until(5);
    assert.equal(groupsOf(bench), 4096 - 64);
    assert.equal(lines.filter((text) => /^drop igmp\.(host|port)-share$/.test(text)).length, 8000 - (4096 - 64));
    assert.ok(lines.includes("drop igmp.port-share"));
    const speak = (): string[] => say(bench, "lan2", "02:00:00:00:99:99", join("10.0.0.9"));
    const first = speak();
    const viewer = first.includes("v3 query 239.1.1.1 S") ? speak() : first;
    assert.ok(
      viewer.includes("239.1.1.1 exclude {}") && viewer.some((text) => text.endsWith("/lan2 joined 239.1.1.1")),
      "at once, or when the frame has shown its port and it is asked again",
    );
    const known = say(bench, "lan1", "02:00:00:00:99:98", join("10.0.0.8"));
    assert.ok(
      known.some((text) => text.endsWith("/lan1 joined 239.1.1.1")),
      "what is there already takes no room",
    );
  });
}

test("a host that zaps faster than it may is no member of what it was refused, by frames that ran ahead neither", () => {
  const bench = new Bench({ trackingSource: "frames", maxGroupsPerHost: 1, joinsPerSecond: 1 });
  const [on, off] = [join("10.0.0.66"), leave("10.0.0.66")];
  for (const one of [on, off, on]) bench.frame(ethernet(CARD, one), "lan1");
  const words = ["joined", "left", "joined"];
  const told = words.map((word) => `10.0.0.66/02:00:00:00:00:66/lan1 ${word} 239.1.1.1`);
  assert.deepEqual(bench.hear(on, CARD), [...told, "239.1.1.1 exclude {}"]);
  assert.deepEqual(bench.hear(off, CARD), ["v3 query 239.1.1.1"]);
  assert.deepEqual(bench.hear(on, CARD), ["drop igmp.host-rate", "10.0.0.66/02:00:00:00:00:66/lan1 revoked 239.1.1.1"]);
  assert.deepEqual(bench.machine.hosts(), []);
});

test("a frame whose packet never came is evidence of nothing, and is counted", () => {
  const bench = new Bench({ trackingSource: "frames" });
  const frames = [GROUP, "239.1.1.2"].map((group) => ethernet(CARD, join("10.0.0.66", group)));
  assert.deepEqual(bench.frame(frames[0] ?? assert.fail(), "lan1"), []);
  bench.until(20);
  assert.deepEqual(bench.frame(frames[1] ?? assert.fail(), "lan1"), ["drop tracking.refused"]);
  assert.deepEqual(bench.hear(join("10.0.0.66"), CARD), ["239.1.1.1 exclude {}"], "nor of a later packet");
});

test("a limit of a port holds for a host whose packet came before the frame that shows its port too: what it got ends", () => {
  const bench = new Bench({ maxGroupsPerPort: 1, trackingSource: "frames" });
  const speak = (n: number, group: string): string[] => {
    const packet = join(`10.0.0.${n}`, group);
    return [
      ...bench.hear(packet, `02:00:00:00:00:0${n}`),
      ...bench.frame(ethernet(`02:00:00:00:00:0${n}`, packet), "lan1"),
    ];
  };
  const joined = (n: number): string => `10.0.0.${n}/02:00:00:00:00:0${n}/lan1 joined 239.1.1.1`;
  assert.deepEqual(speak(1, GROUP), ["239.1.1.1 exclude {}", joined(1)]);
  assert.deepEqual(speak(2, GROUP), [joined(2)]);
  const ended = ["drop igmp.port-groups", "v3 query 239.1.1.2", "drop tracking.refused"];
  assert.deepEqual(speak(3, "239.1.1.2"), ["239.1.1.2 exclude {}", ...ended]);
  assert.deepEqual(bench.until(2), ["1 v3 query 239.1.1.2", "2 239.1.1.2 include {}"]);
});

test("host tracking from taps: frames tell who, by MAC and port, and packets run the protocol", () => {
  const bench = new Bench({ trackingSource: "frames" });
  const vectors = vectorFile<{ hex: string; reason?: string }[]>("frames.json");
  const frame = hex(vectors[0]?.hex ?? "");
  assert.deepEqual(bench.frame(frame, "lan1"), []);
  assert.deepEqual(bench.machine.groups(bench.now), []);
  assert.deepEqual(bench.hear(v1v2Message("v2Report", "10.0.0.9", GROUP)), [
    "10.0.0.9/02:11:22:33:44:55/lan1 joined 239.1.1.1",
    "239.1.1.1 exclude {}",
  ]);
  const bad = vectors.find(({ reason }) => reason === "frame.not-ipv4");
  assert.deepEqual(bench.frame(hex(bad?.hex ?? ""), "lan1"), ["drop frame.not-ipv4"]);
  const [host] = bench.machine.hosts();
  assert.deepEqual([host?.message, host?.since, host?.host.port], ["v2Report", at(0), "lan1"]);
});

test("what another VLAN says on a bridge port makes no member of this LAN, and its query wins no election", () => {
  const bench = guarded({ trackingSource: "frames", querierPorts: ["lan1"] });
  const card = "02:00:00:00:00:09";
  assert.deepEqual(bench.frame(tagged(ethernet(card, join()), 20), "lan1"), ["drop frame.other-vlan"]);
  assert.deepEqual(bench.frame(tagged(ethernet(card, query(LOWER)), 20), "lan1"), ["drop frame.other-vlan"]);
  assert.deepEqual([bench.machine.hosts(), bench.machine.members()], [[], []]);
  assert.equal(bench.machine.querier.kind, "querier");
  assert.deepEqual(bench.hear(join()), ["239.1.1.1 exclude {}"]);
  assert.deepEqual(
    bench.machine.members().map(({ host }) => host.port),
    [""],
    "nor does it tell where a host of this LAN is",
  );
});

test("on a port of two VLANs, frames without a tag are of the one that the bridge says: members, evidence and querier", () => {
  const [trunk, access] = [
    { vlan: 20, pvid: false },
    { vlan: 20, pvid: true },
  ];
  const bench = new Bench({ trackingSource: "frames", vlan: 20 });
  const [card, neighbour] = ["02:00:00:00:00:09", "02:00:00:00:00:08"];
  for (const packet of [join(), query(LOWER)])
    assert.deepEqual(bench.frame(ethernet(card, packet), "lan1", false, trunk), ["drop frame.other-vlan"]);
  assert.equal(bench.machine.querier.kind, "querier");
  assert.deepEqual(bench.frame(ethernet(neighbour, join("10.0.0.8")), "lan2", false, access), []);
  assert.deepEqual(bench.hear(join("10.0.0.8"), neighbour), [
    "10.0.0.8/02:00:00:00:00:08/lan2/20 joined 239.1.1.1",
    "239.1.1.1 exclude {}",
  ]);
  assert.deepEqual(
    bench.machine.hosts().map(({ host }) => host.mac),
    [neighbour],
  );
});

test("where the interface is a VLAN, its hosts are known by that tag, and by none where their port takes it away", () => {
  const bench = new Bench({ trackingSource: "frames", vlan: 20 });
  const frame = ethernet("02:00:00:00:00:09", join());
  assert.deepEqual(bench.frame(tagged(frame, 20), "lan1"), []);
  assert.deepEqual(bench.frame(tagged(frame, 30), "lan1"), ["drop frame.other-vlan"]);
  assert.deepEqual(bench.hear(join(), "02:00:00:00:00:09"), [
    "10.0.0.9/02:00:00:00:00:09/lan1/20 joined 239.1.1.1",
    "239.1.1.1 exclude {}",
  ]);
  assert.deepEqual(
    bench.machine.members().map(({ host }) => host.vlan),
    [20, 20],
    "its packets too are of where it is",
  );
  assert.deepEqual(bench.frame(frame, "lan2"), [
    "10.0.0.9/02:00:00:00:00:09/lan1/20 moved 239.1.1.1",
    "10.0.0.9/02:00:00:00:00:09/lan2 joined 239.1.1.1",
  ]);
});

test("mac-based leave with host tracking from taps: a member whose frame is still on its way is not cut off", () => {
  const bench = new Bench({ trackingSource: "frames" });
  bench.hear(join("10.0.0.9"));
  bench.frame(ethernet("02:00:00:00:00:09", join("10.0.0.9")), "lan1");
  bench.until(262);
  bench.hear(join("10.0.0.9"));
  bench.frame(ethernet("02:00:00:00:00:09", join("10.0.0.9")), "lan1");
  bench.hear(join("10.0.0.8"));
  assert.deepEqual(bench.hear(leave("10.0.0.9")), ["v3 query 239.1.1.1"]);
  bench.hear(join("10.0.0.8"));
  bench.frame(ethernet("02:00:00:00:00:09", leave("10.0.0.9")), "lan1");
  bench.frame(ethernet("02:00:00:00:00:08", join("10.0.0.8")), "lan2");
  assert.deepEqual(bench.hear(leave("10.0.0.8")), [
    "239.1.1.1 include {}",
    "10.0.0.8/02:00:00:00:00:08/lan2 expired 239.1.1.1",
  ]);
});

test("RFC 4604: a packet that was refused a source-specific group for want of its port is asked again with everybody", () => {
  const bench = new Bench({ trackingSource: "frames" });
  for (const { mac, packet } of inventedCards) {
    bench.frame(ethernet(mac, packet), "lan1");
    bench.hear(packet, mac);
  }
  bench.until(45);
  const packet = report("10.0.0.9", ["allow", "232.1.1.1", source(1)]);
  assert.deepEqual(bench.hear(packet, "02:00:00:00:99:99"), ["drop igmp.port-share"]);
  const lines = bench.frame(ethernet("02:00:00:00:99:99", packet), "lan2");
  assert.deepEqual(lines, ["v3 query 0.0.0.0", "drop tracking.refused"]);
});

test("igmp.host-share: what a card brought before its port was known counts when it is", () => {
  const groups = (brings: readonly number[]): number => {
    const bench = new Bench({ trackingSource: "frames", maxGroups: 64 });
    const speak = (card: string, from: string, net: number, count: number): void => {
      const records = Array.from({ length: count }, (_, n): [RecordType, string] => ["to-ex", `239.9.${net}.${n}`]);
      bench.hear(report(from, ...records), card);
      bench.frame(ethernet(card, report(from, ...records)), "lan1");
    };
    speak("02:00:00:00:00:67", "10.0.0.67", 1, 32);
    for (const net of brings) speak(CARD, "10.0.0.66", net, 20);
    return groupsOf(bench);
  };
  assert.equal(groups([2]), groups([2, 3, 4]));
});
