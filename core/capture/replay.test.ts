// Captures through the router's machines: our own, taken from the kernel of Linux 6.18, and those of others when they are there.
import assert from "node:assert/strict";
import { existsSync, readFileSync } from "node:fs";
import { test } from "node:test";
import { writeUint16 } from "../base/bytes.ts";
import { seededBelow } from "../base/chance.testkit.ts";
import { internetChecksum } from "../base/checksum.ts";
import { address, formatIpv4 } from "../base/ipv4.ts";
import { instant, seconds, unixTime } from "../base/time.ts";
import { ethernet, lastOctets, query, report, tagged, v1v2Message } from "../igmp/igmp.testkit.ts";
import type { RouterInterface } from "../igmp/router-interface.ts";
import { writePcap } from "./pcap.ts";
import { pcapng, replayIgmp, type WholeReplay } from "./replay.testkit.ts";
import type { Replayed, ReplayOptions } from "./replay.ts";
import type { TimelineEntry } from "./timeline.ts";

const play = (path: string, options?: ReplayOptions): WholeReplay =>
  replayIgmp(new Uint8Array(readFileSync(path)), options);

/** The timeline in short: "joined 239.255.77.1 v3Report", "239.255.77.1 exclude {9}". */
const story = ({ timeline }: WholeReplay): string[] => timeline.map(line).filter((text) => text !== "heard query");

/** Of a capture with one network. */
function machineOf({ networks }: Replayed): RouterInterface {
  const [network] = networks;
  return network?.machine ?? assert.fail("no network");
}

function line(event: TimelineEntry): string {
  switch (event.kind) {
    case "host-joined":
      return `joined ${formatIpv4(event.membership.group)} ${event.membership.message}`;
    case "host-left":
      return `${event.cause} ${formatIpv4(event.membership.group)} ${event.membership.message}`;
    case "membership":
      return `${formatIpv4(event.group)} ${event.filter.mode} {${lastOctets(event.filter.sources)}}`;
    case "querier":
      return event.ours ? "we ask" : `${formatIpv4(event.address ?? address("0.0.0.0"))} asks`;
    case "older-querier":
      return `older querier v${event.version}`;
    case "query":
      return "heard query";
    case "own-query":
      return "query";
    case "drop":
      return `drop ${event.reason}`;
  }
}

const counts = ({ types }: Replayed): Record<string, number> =>
  Object.fromEntries(Object.entries(types).filter(([, count]) => count > 0));

test("a v3 kernel host: join, source joins and blocks, answers to queries, leaves (core/igmp/vectors/README.md)", () => {
  const replayed = play("core/igmp/vectors/kernel-v3.pcap");
  assert.equal(replayed.packets, 16);
  assert.deepEqual(counts(replayed), { v3Query: 2, v3Report: 14 });
  assert.deepEqual(replayed.drops, {});
  assert.deepEqual(story(replayed), [
    "joined 239.255.77.1 v3Report",
    "239.255.77.1 exclude {}",
    "joined 232.1.1.1 v3Report",
    "232.1.1.1 include {1}",
    "232.1.1.1 include {1 2}",
    "10.99.0.1 asks",
    "left 232.1.1.1 v3Report",
    "left 239.255.77.1 v3Report",
  ]);
  const groups = machineOf(replayed).groups(instant(replayed.end));
  assert.deepEqual(
    groups.map(({ group }) => formatIpv4(group)),
    ["239.255.77.1", "232.1.1.1"],
    "no querier asked for the last members",
  );
});

test("with an address of its own the router is the querier there, and its questions end the groups", () => {
  const replayed = play("core/igmp/vectors/kernel-v3.pcap", { address: address("10.99.0.0") });
  const lines = story(replayed);
  assert.deepEqual(lines.slice(0, 2), ["we ask", "query"]);
  assert.ok(lines.includes("232.1.1.1 include {2}"), "the blocked source went");
  assert.ok(!lines.includes("10.99.0.1 asks"), "the lower address stays querier");
});

test("a v2 kernel host: report, answer, leave", () => {
  const replayed = play("core/igmp/vectors/kernel-v2.pcap");
  assert.deepEqual(counts(replayed), { v2Query: 1, v2Report: 2, leave: 1 });
  assert.deepEqual(replayed.ignored, { "igmp.leave-not-querier": 1 });
  assert.deepEqual(story(replayed), [
    "joined 239.255.77.1 v2Report",
    "239.255.77.1 exclude {}",
    "older querier v2",
    "10.99.0.1 asks",
    "left 239.255.77.1 leave",
  ]);
});

test("a v1 kernel host: it reports, and goes in silence", () => {
  const replayed = play("core/igmp/vectors/kernel-v1.pcap");
  assert.deepEqual(counts(replayed), { v1Query: 2, v1Report: 1 });
  assert.equal(machineOf(replayed).groups(instant(replayed.end))[0]?.mode, 1);
});

test("a capture cut off gives what is whole, and the fault", () => {
  const file = new Uint8Array(readFileSync("core/igmp/vectors/kernel-v2.pcap"));
  const replayed = replayIgmp(file.subarray(0, file.length - 3));
  assert.deepEqual([replayed.packets, replayed.fault], [3, "capture.truncated"]);
  assert.equal(replayIgmp(new Uint8Array(0)).fault, "capture.format");
});

test("a clock that steps back does not; one that leaps a century is not stepped through query by query", () => {
  const join = report("10.0.0.9", ["to-ex", "239.1.1.1"]);
  const packets = [5e11, 4e11, 4e12].map((at) => ({ at: unixTime(at), bytes: join }));
  const started = process.hrtime.bigint();
  const replayed = replayIgmp(writePcap(101, packets), { address: address("10.0.0.1") });
  assert.ok(process.hrtime.bigint() - started < 2_000_000_000n);
  assert.deepEqual(
    story(replayed).filter((text) => text !== "query"),
    [
      "we ask",
      "joined 239.1.1.1 v3Report",
      "239.1.1.1 exclude {}",
      "239.1.1.1 include {}",
      "expired 239.1.1.1 v3Report",
      "joined 239.1.1.1 v3Report",
      "239.1.1.1 exclude {}",
    ],
  );
});

test("a flood of strangers stays within the limits, and the timeline with it", () => {
  const below = seededBelow(4);
  const packets = Array.from({ length: 101_000 }, (_, i) => ({
    at: unixTime(1000 + i),
    bytes: v1v2Message("v2Report", `10.${below(256)}.${below(256)}.${below(256)}`, `239.1.${below(256)}.${below(256)}`),
  }));
  const replayed = replayIgmp(writePcap(101, packets), { maxGroups: 100, maxHostMemberships: 200 });
  assert.equal(machineOf(replayed).groups(instant(replayed.end)).length, 100);
  assert.equal(machineOf(replayed).hosts().length, 200);
  assert.equal(replayed.timeline.length, 100_000);
  assert.ok(replayed.timelineLeftOut > 0);
  assert.ok((replayed.drops["igmp.too-many-groups"] ?? 0) > 50_000);
  assert.ok((replayed.drops["tracking.full"] ?? 0) > 0);
});

const HOST = "02:00:00:00:00:09";
const GROUP = "239.1.1.1";
const JOIN = ethernet(HOST, report("10.0.0.9", ["to-ex", GROUP]));
const LEAVE = ethernet(HOST, report("10.0.0.9", ["to-in", GROUP]));

/** A pcap of frames a second apart. */
const capture = (linkType: number, ...frames: Uint8Array[]): Uint8Array => paced(1000, linkType, frames);

const paced = (step: number, linkType: number, frames: readonly Uint8Array[]): Uint8Array =>
  writePcap(
    linkType,
    frames.map((bytes, i) => ({ at: unixTime(1e12 + step * i), bytes })),
  );

/** "VLAN 100: 239.1.1.1 10.0.0.9", a line for each member at the end. */
const members = ({ networks }: Replayed): string[] =>
  networks.flatMap(({ name, machine }) =>
    machine.hosts().map(({ group, host }) => `${name}: ${formatIpv4(group)} ${formatIpv4(host.address)}`),
  );

test("two VLANs are two networks: a leave on VLAN 200 does not remove the host of VLAN 100", () => {
  const file = capture(1, tagged(JOIN, 100), tagged(JOIN, 200), tagged(LEAVE, 200), tagged(JOIN, 100, 200), JOIN);
  const replayed = replayIgmp(file);
  assert.deepEqual(members(replayed), [
    "VLAN 100: 239.1.1.1 10.0.0.9",
    "VLAN 100, VLAN 200: 239.1.1.1 10.0.0.9",
    "untagged: 239.1.1.1 10.0.0.9",
  ]);
  assert.deepEqual(
    replayed.networks.map(({ name, igmp }) => [name, igmp]),
    [
      ["VLAN 100", 1],
      ["VLAN 200", 2],
      ["VLAN 100, VLAN 200", 1],
      ["untagged", 1],
    ],
  );
  const left = replayed.timeline.find(({ kind }) => kind === "host-left");
  assert.deepEqual([left?.frame, left?.network], [3, "VLAN 200"]);
});

test("two interfaces of a pcapng, and of a capture of all interfaces, are two networks", () => {
  const file = pcapng(
    ["eth0", "eth1"],
    [
      [0, JOIN],
      [1, JOIN],
      [1, LEAVE],
    ],
  );
  assert.deepEqual(members(replayIgmp(file)), ["interface 0 (eth0): 239.1.1.1 10.0.0.9"]);
  const cooked = (link: number, frame: Uint8Array): Uint8Array =>
    Uint8Array.from([8, 0, 0, 0, 0, 0, 0, link, 0, 1, 2, 6, ...frame.subarray(6, 12), 0, 0, ...frame.subarray(14)]);
  const any = capture(276, cooked(3, JOIN), cooked(4, JOIN), cooked(4, LEAVE));
  assert.deepEqual(members(replayIgmp(any)), ["link 3: 239.1.1.1 10.0.0.9"]);
});

test("each network has a querier of its own", () => {
  const replayed = replayIgmp(capture(1, tagged(JOIN, 100), tagged(ethernet(HOST, query("10.0.0.1")), 200)), {
    address: address("10.0.0.5"),
  });
  assert.deepEqual(
    replayed.networks.map(({ machine }) => machine.querier.kind),
    ["querier", "non-querier"],
  );
});

/** An IPv4 packet of another protocol around `inner`. */
function wrapped(protocol: number, ...inner: number[]): Uint8Array {
  const packet = Uint8Array.from([0x45, 0, 0, 0, 0, 0, 0, 0, 64, protocol, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2, ...inner]);
  packet[3] = packet.length;
  writeUint16(packet, 10, internetChecksum(packet, 0, 20));
  return packet;
}

test("what a tunnel carries is of another network: no IGMP of this one", () => {
  const inner = [...JOIN.subarray(14)];
  const udp = [0x12, 0xb5, 0x12, 0xb5, 0, 16 + JOIN.length, 0, 0];
  const tunnels = [
    wrapped(4, ...inner),
    wrapped(47, 0, 0, 8, 0, ...inner),
    wrapped(17, ...udp, 8, 0, 0, 0, 0, 0, 7, 0, ...JOIN),
  ];
  const replayed = replayIgmp(capture(101, ...tunnels));
  assert.deepEqual([replayed.packets, replayed.igmp, replayed.networks.length], [3, 0, 0]);
  assert.deepEqual(replayed.ignored, { "ip.not-igmp": 3 });
});

test("what a query says is in the timeline, with the number of its frame", () => {
  const asked = query("10.0.0.1", {
    group: address(GROUP),
    sources: [address("192.0.2.1")],
    suppress: true,
    robustness: 3,
    queryInterval: seconds(20),
    maxResponse: seconds(1),
  });
  const { timeline } = replayIgmp(capture(1, JOIN, ethernet(HOST, asked)));
  const entry = timeline.find(({ kind }) => kind === "query");
  assert.deepEqual(entry, {
    at: 1e12 + 1000,
    frame: 2,
    network: "untagged",
    kind: "query",
    from: address("10.0.0.1"),
    query: {
      version: 3,
      group: address(GROUP),
      sources: [address("192.0.2.1")],
      suppress: true,
      robustness: 3,
      queryInterval: seconds(20),
      maxResponse: seconds(1),
    },
  });
});

test("what time brings has no frame", () => {
  const { timeline } = replayIgmp(
    writePcap(
      1,
      [0, 1000].map((s) => ({ at: unixTime(1e12 + s * 1000), bytes: tagged(JOIN, 1 + s) })),
    ),
  );
  const expired = timeline.find(({ kind }) => kind === "host-left");
  assert.deepEqual([expired?.frame, expired?.at, expired?.network], [undefined, 1e12 + 260_000, "VLAN 1"]);
});

test("a report that the capture cut short is IGMP, and broken", () => {
  const replayed = replayIgmp(capture(1, JOIN.subarray(0, 40)));
  assert.deepEqual([replayed.igmp, replayed.drops], [1, { "ip.truncated": 1 }]);
});

test("link types that are not read are named, as many as a person may want to know of", () => {
  assert.deepEqual(replayIgmp(capture(195, JOIN, JOIN)).unread, [{ linkType: 195, packets: 2 }]);
  const many = Array.from({ length: 40 }, (_, i) => i);
  const { unread, ignored } = replayIgmp(
    pcapng(
      many.map(String),
      many.map((i) => [i, JOIN]),
      (i) => 300 + i,
    ),
  );
  assert.deepEqual([unread.length, ignored], [16, { "frame.link-type": 40 }]);
});

test("as many networks as there are VLANs, and no more", () => {
  const frames = Array.from({ length: 5000 }, (_, i) => tagged(JOIN, 1 + (i >>> 11), 1 + (i & 0x7ff)));
  const { networks, drops, igmp } = replayIgmp(paced(1, 1, frames));
  assert.deepEqual([igmp, networks.length, drops], [5000, 4096, { "replay.too-many-networks": 904 }]);
});

test("all tables together have a limit, whatever the number of networks", () => {
  const groups = Array.from({ length: 180 }, (_, i): ["to-ex", string] => ["to-ex", `239.1.1.${i}`]);
  const frames = Array.from({ length: 400 }, (_, i) => tagged(ethernet(HOST, report("10.0.0.9", ...groups)), 1 + i));
  const replayed = replayIgmp(paced(1, 1, frames));
  assert.equal(members(replayed).length, 365 * 180);
  assert.deepEqual(replayed.drops, { "replay.full": 35 });
});

interface Expected {
  readonly packets: number;
  readonly igmp: number;
  readonly types: Readonly<Record<string, number>>;
  readonly drops?: Readonly<Record<string, number>>;
}

/** By the README beside them. */
const OTHERS: Readonly<Record<string, Expected>> = {
  "tcpdump/IGMP_V1.pcap": { packets: 27, igmp: 27, types: { v1Query: 3, v1Report: 24 } },
  "tcpdump/IGMP_V2.pcap": { packets: 18, igmp: 18, types: { v2Query: 4, v2Report: 12, leave: 2 } },
  "tcpdump/igmpv3-queries.pcap": { packets: 6, igmp: 6, types: { v3Query: 6 } },
  "tcpdump/mtrace.pcap": { packets: 2, igmp: 2, types: { unknown: 2 }, drops: { "igmp.unknown-type": 2 } },
  "tcpdump/mrinfo_query.pcap": { packets: 2, igmp: 2, types: { unknown: 2 }, drops: { "igmp.unknown-type": 2 } },
  "zeek/igmp.pcap": { packets: 12, igmp: 12, types: { v3Report: 4, v2Report: 6, leave: 2 } },
  "zeek/igmp-bad-checksum.pcap": {
    packets: 12,
    igmp: 12,
    types: { v3Report: 4, v2Report: 5, leave: 2 },
    drops: { "igmp.checksum": 1 },
  },
  "zeek/home-multicast-short.pcap": { packets: 6, igmp: 3, types: { v3Query: 1, v3Report: 2 } },
};

for (const [name, expected] of Object.entries(OTHERS)) {
  const path = `../shared/pcaps/${name}`;
  test(`${name} comes out as its README says`, { skip: !existsSync(path) && "the capture is not here" }, () => {
    const replayed = play(path);
    assert.equal(replayed.fault, undefined);
    assert.deepEqual(
      { packets: replayed.packets, igmp: replayed.igmp, types: counts(replayed), drops: replayed.drops },
      { drops: {}, ...expected },
    );
  });
}

const V1 = "../shared/pcaps/tcpdump/IGMP_V1.pcap";

test("IGMP_V1.pcap: seven groups, eight addresses with the querier's, each still a member at the end", {
  skip: !existsSync(V1) && "the capture is not here",
}, () => {
  const replayed = play(V1);
  assert.equal(machineOf(replayed).groups(instant(replayed.end)).length, 7);
  const hosts = new Set(
    machineOf(replayed)
      .hosts()
      .map(({ host }) => host.address),
  );
  const { querier } = machineOf(replayed);
  assert.equal(hosts.size + (querier.kind === "non-querier" ? 1 : 0), 8);
});

test("times beyond all calendars are taken as the last moment there is", () => {
  const file = new Uint8Array(readFileSync("core/capture/vectors/kernel-v2.pcapng"));
  const view = new DataView(file.buffer);
  // The timestamp of the first Enhanced Packet: section 28 octets, interface 20, then type, length and interface.
  view.setUint32(28 + 20 + 12, 0xffffffff, true);
  const { end, packets } = replayIgmp(file, { address: address("10.99.0.1") });
  assert.deepEqual([packets, end], [4, 8.64e15]);
});
