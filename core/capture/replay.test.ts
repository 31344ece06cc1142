// Captures through the router's machines: our own, taken from the kernel of Linux 6.18, and those of others when they are there.
import assert from "node:assert/strict";
import { existsSync, readFileSync } from "node:fs";
import { test } from "node:test";
import { seededBelow } from "../base/chance.testkit.ts";
import { address, formatIpv4 } from "../base/ipv4.ts";
import { instant, unixTime } from "../base/time.ts";
import { lastOctets, report, v1v2Message } from "../igmp/igmp.testkit.ts";
import { writePcap } from "./pcap.ts";
import { type Replayed, type ReplayOptions, replayIgmp } from "./replay.ts";

const play = (path: string, options?: ReplayOptions): Replayed =>
  replayIgmp(new Uint8Array(readFileSync(path)), options);

/** The timeline in short: "joined 239.255.77.1 v3Report", "239.255.77.1 exclude {9}". */
const story = ({ timeline }: Replayed): string[] => timeline.map(line);

function line(event: Replayed["timeline"][number]): string {
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
  const groups = replayed.machine.groups(instant(replayed.end));
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
  assert.equal(replayed.machine.groups(instant(replayed.end))[0]?.mode, 1);
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
  assert.equal(replayed.machine.groups(instant(replayed.end)).length, 100);
  assert.equal(replayed.machine.hosts().length, 200);
  assert.equal(replayed.timeline.length, 100_000);
  assert.ok(replayed.timelineLeftOut > 0);
  assert.ok((replayed.drops["igmp.too-many-groups"] ?? 0) > 50_000);
  assert.ok((replayed.drops["tracking.full"] ?? 0) > 0);
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
  assert.equal(replayed.machine.groups(instant(replayed.end)).length, 7);
  const hosts = new Set(replayed.machine.hosts().map(({ host }) => host.address));
  const { querier } = replayed.machine;
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
