// The host side: RFC 3376 section 5 and 7.2, RFC 2236 section 3. Delays are the middle of their range.

import assert from "node:assert/strict";
import { test } from "node:test";
import { hex } from "../../base/bytes.testkit.ts";
import { address, formatIpv4 } from "../../base/ipv4.ts";
import { type Instant, seconds } from "../../base/time.ts";
import { ANY_SOURCE, filterOf, NO_SOURCE, type SourceFilter } from "../filter.ts";
import { at, middle, query, sources, v1v2Message, vectorFile } from "../igmp.testkit.ts";
import { writeIpHeader } from "../messages/ip-header.ts";
import { checkPacket, groupOf } from "../messages/packet.ts";
import { recordsOf } from "../messages/report.ts";
import { IGMP } from "../wire.ts";
import { MulticastHost, type MulticastHostEffect, type MulticastHostOptions } from "./host.ts";

const GROUP = "239.1.1.1";
const OTHER = "239.1.1.2";
const SSM = "232.1.1.1";

const names = (list: readonly number[]): string => list.map((a) => a & 255).join(" ");

function line(effect: MulticastHostEffect): string {
  if (effect.kind === "mode") return `mode v${effect.version}`;
  if (effect.kind === "drop") return `drop ${effect.reason}`;
  const packet = checkPacket(effect.packet);
  if (typeof packet === "string") assert.fail(packet);
  if (packet.kind !== "v3Report") return `${packet.kind} ${formatIpv4(groupOf(packet))}`;
  return Array.from(recordsOf(packet), (r) => `${r.type} ${formatIpv4(r.group)} {${names(r.sources)}}`).join(", ");
}

class Bench {
  readonly host: MulticastHost;
  now: Instant = at(0);

  constructor(options: MulticastHostOptions = {}) {
    this.host = new MulticastHost(IGMP, middle, options);
    this.host.receive(this.now, { kind: "up", address: address("10.0.0.9") });
  }

  want(group: string, filter: SourceFilter): string[] {
    return this.host.receive(this.now, { kind: "want", group: address(group), filter }).map(line);
  }

  hear(bytes: Uint8Array): string[] {
    return this.host.receive(this.now, { kind: "packet", bytes }).map(line);
  }

  until(s: number): string[] {
    const lines: string[] = [];
    for (;;) {
      const due = this.host.nextDeadline();
      if (due === undefined || due > at(s)) break;
      this.now = due;
      lines.push(...this.host.poll(due).map((effect) => `${due / 1000} ${line(effect)}`));
    }
    this.now = at(s);
    return lines;
  }
}

const include = (...numbers: number[]): SourceFilter => filterOf("include", sources(...numbers));
const exclude = (...numbers: number[]): SourceFilter => filterOf("exclude", sources(...numbers));

const CHANGES: readonly [section: string, from: SourceFilter, to: SourceFilter, told: string][] = [
  [
    "5.1 INCLUDE(A) -> INCLUDE(B): ALLOW(B-A), BLOCK(A-B)",
    include(1, 2),
    include(2, 3),
    "allow 239.1.1.1 {3}, block 239.1.1.1 {1}",
  ],
  [
    "5.1 EXCLUDE(A) -> EXCLUDE(B): ALLOW(A-B), BLOCK(B-A)",
    exclude(1, 2),
    exclude(2, 3),
    "allow 239.1.1.1 {1}, block 239.1.1.1 {3}",
  ],
  ["5.1 INCLUDE(A) -> EXCLUDE(B): TO_EX(B)", include(1), exclude(2), "to-ex 239.1.1.1 {2}"],
  ["5.1 EXCLUDE(A) -> INCLUDE(B): TO_IN(B)", exclude(1), include(2), "to-in 239.1.1.1 {2}"],
  ["5.1 join: TO_EX({})", NO_SOURCE, ANY_SOURCE, "to-ex 239.1.1.1 {}"],
  ["5.1 leave: TO_IN({})", ANY_SOURCE, NO_SOURCE, "to-in 239.1.1.1 {}"],
  ["5.1 source-specific join: ALLOW", NO_SOURCE, include(1), "allow 239.1.1.1 {1}"],
  ["5.1 source-specific leave: BLOCK", include(1), NO_SOURCE, "block 239.1.1.1 {1}"],
];

for (const [section, from, to, told] of CHANGES) {
  test(`RFC 3376 ${section}, at once and once more within a second`, () => {
    const bench = new Bench();
    bench.want(GROUP, from);
    bench.until(10);
    assert.deepEqual(bench.want(GROUP, to), [told]);
    assert.deepEqual(bench.until(20), [`10.5 ${told}`]);
  });
}

test("RFC 3376 5.1: changes that follow each other are merged in the repeats", () => {
  const bench = new Bench({ robustness: 3 });
  assert.deepEqual(bench.want(GROUP, ANY_SOURCE), ["to-ex 239.1.1.1 {}"]);
  assert.deepEqual(bench.want(GROUP, include(1)), ["to-in 239.1.1.1 {1}"]);
  assert.deepEqual(bench.until(10), ["0.5 to-in 239.1.1.1 {1}", "1 to-in 239.1.1.1 {1}"]);
  bench.want(OTHER, ANY_SOURCE);
  bench.want(GROUP, include(1, 2));
  assert.deepEqual(bench.until(20), [
    "10.5 to-ex 239.1.1.2 {}, allow 239.1.1.1 {2}",
    "11 to-ex 239.1.1.2 {}, allow 239.1.1.1 {2}",
  ]);
});

test("a group that is what it was says nothing, and 224.0.0.1 is never spoken of", () => {
  const bench = new Bench();
  bench.want(GROUP, ANY_SOURCE);
  bench.until(10);
  assert.deepEqual(bench.want(GROUP, ANY_SOURCE), []);
  assert.deepEqual(bench.want(OTHER, NO_SOURCE), []);
  assert.deepEqual(bench.want("224.0.0.1", ANY_SOURCE), []);
  assert.equal(bench.host.nextDeadline(), undefined);
});

test("RFC 3376 5.2: a General Query is answered after a delay within its Max Resp Time, never at once", () => {
  const bench = new Bench();
  bench.want(GROUP, exclude(9));
  bench.want(SSM, include(1, 2));
  bench.until(10);
  assert.deepEqual(bench.hear(query("10.0.0.1")), []);
  assert.deepEqual(bench.until(30), ["15 is-ex 239.1.1.1 {9}, is-in 232.1.1.1 {1 2}"]);
});

test("RFC 3376 5.2 rule 1: an answer to a General Query that comes sooner answers the specific query too", () => {
  const bench = new Bench();
  bench.want(GROUP, ANY_SOURCE);
  bench.until(10);
  bench.hear(query("10.0.0.1", { maxResponse: seconds(1) }));
  bench.hear(query("10.0.0.1", { group: address(GROUP), maxResponse: seconds(4) }));
  assert.deepEqual(bench.until(30), ["10.5 is-ex 239.1.1.1 {}"]);
});

test("RFC 3376 5.2 rules 3 to 5: specific queries for one group are answered once, at the earlier time", () => {
  const bench = new Bench();
  bench.want(SSM, include(1, 2, 3));
  bench.until(10);
  const ask = (s: number, ...asked: number[]) =>
    bench.hear(query("10.0.0.1", { group: address(SSM), sources: sources(...asked), maxResponse: seconds(s) }));
  ask(4, 1, 9);
  ask(2, 3);
  assert.deepEqual(bench.until(20), ["11 is-in 232.1.1.1 {1 3}"]);
  ask(4, 1);
  ask(6);
  assert.deepEqual(bench.until(40), ["22 is-in 232.1.1.1 {1 2 3}"]);
});

test("RFC 3376 5.2: in EXCLUDE mode a source query is answered with the sources not excluded; nothing wanted, no answer", () => {
  const bench = new Bench();
  bench.want(GROUP, exclude(1));
  bench.until(10);
  bench.hear(query("10.0.0.1", { group: address(GROUP), sources: sources(1, 2), maxResponse: seconds(2) }));
  assert.deepEqual(bench.until(20), ["11 is-in 239.1.1.1 {2}"]);
  bench.hear(query("10.0.0.1", { group: address(GROUP), sources: sources(1), maxResponse: seconds(2) }));
  bench.hear(query("10.0.0.1", { group: address(OTHER), maxResponse: seconds(2) }));
  assert.deepEqual(bench.until(30), []);
});

test("RFC 3376 7.2.1: a v2 General Query makes a v2 host, for robustness intervals and a response", () => {
  const bench = new Bench();
  assert.deepEqual(bench.hear(query("10.0.0.1", { version: 2 })), ["mode v2"]);
  assert.deepEqual(bench.want(GROUP, ANY_SOURCE), ["v2Report 239.1.1.1"]);
  assert.deepEqual(bench.until(20), ["5 v2Report 239.1.1.1"]);
  bench.hear(query("10.0.0.1", { version: 2, group: address(GROUP), maxResponse: seconds(1) }));
  assert.deepEqual(bench.until(30), ["20.5 v2Report 239.1.1.1"]);
  assert.deepEqual(bench.want(GROUP, NO_SOURCE), ["leave 239.1.1.1"]);
  assert.deepEqual(bench.until(300), ["260 mode v3"]);
});

test("RFC 2236 section 3: another member's report makes ours needless", () => {
  const bench = new Bench();
  bench.hear(query("10.0.0.1", { version: 2 }));
  bench.want(GROUP, ANY_SOURCE);
  bench.until(20);
  bench.hear(query("10.0.0.1", { version: 2 }));
  bench.hear(v1v2Message("v2Report", "10.0.0.8", GROUP));
  assert.deepEqual(bench.until(40), []);
  bench.hear(query("10.0.0.1", { version: 2 }));
  bench.hear(v1v2Message("v2Report", "10.0.0.9", GROUP));
  assert.deepEqual(bench.until(60), ["45 v2Report 239.1.1.1"], "our own, looped back, does not count");
});

test("RFC 3376 7.2.1: a v1 querier gets v1 reports and no leave; the older of two counts", () => {
  const bench = new Bench();
  bench.hear(query("10.0.0.1", { version: 2 }));
  assert.deepEqual(bench.hear(query("10.0.0.1", { version: 1 })), ["mode v1"]);
  assert.deepEqual(bench.want(GROUP, ANY_SOURCE), ["v1Report 239.1.1.1"]);
  assert.deepEqual(bench.want(GROUP, NO_SOURCE), []);
});

test("erratum 4375: an older querier is remembered by our own query interval, not by what another router told", () => {
  const bench = new Bench();
  bench.hear(query("10.0.0.1", { robustness: 7, queryInterval: seconds(31744) }));
  assert.deepEqual(bench.hear(query("10.0.0.2", { version: 2 })), ["mode v2"]);
  assert.deepEqual(bench.until(7 * 125 + 9), []);
  assert.deepEqual(bench.until(7 * 125 + 10), ["885 mode v3"]);
  const tuned = new Bench({ queryInterval: seconds(20) });
  tuned.hear(query("10.0.0.1", { robustness: 7, queryInterval: seconds(31744) }));
  tuned.hear(query("10.0.0.2", { version: 2 }));
  assert.deepEqual(tuned.until(1000), ["150 mode v3"]);
});

test("a version that is forced is spoken whatever an older querier asks in: a source is still asked for by name", () => {
  const bench = new Bench({ version: 3, forceVersion: true });
  bench.want(SSM, include(1));
  bench.until(5);
  assert.deepEqual(bench.hear(query("10.0.0.1", { version: 1 })), []);
  assert.deepEqual(bench.hear(query("10.0.0.2", { version: 2 })), []);
  assert.equal(bench.host.mode, 3);
  assert.deepEqual(bench.until(15), ["10 is-in 232.1.1.1 {1}"]);
});

test("RFC 3376 7.2.1: a change of mode cancels what was pending", () => {
  const bench = new Bench();
  bench.want(GROUP, ANY_SOURCE);
  bench.hear(query("10.0.0.1"));
  assert.deepEqual(bench.hear(query("10.0.0.1", { version: 2, maxResponse: seconds(4) })), ["mode v2"]);
  assert.deepEqual(bench.until(100), ["2 v2Report 239.1.1.1"]);
});

test("RFC 4605 4.1: an older querier is told of beginnings and ends only; RFC 4604: and never of 232/8", () => {
  const bench = new Bench();
  bench.hear(query("10.0.0.1", { version: 2 }));
  assert.deepEqual(bench.want(GROUP, include(1)), ["v2Report 239.1.1.1"]);
  bench.until(20);
  assert.deepEqual(bench.want(GROUP, include(1, 2)), []);
  assert.deepEqual(bench.want(SSM, include(1)), []);
  assert.deepEqual(bench.until(100), []);
});

test("RFC 4605 4.1: a change that an older querier is not told of leaves the answer to its question due", () => {
  const bench = new Bench();
  bench.hear(query("10.0.0.1", { version: 2 }));
  bench.want(GROUP, include(1));
  bench.until(30);
  bench.hear(query("10.0.0.1", { version: 2 }));
  assert.deepEqual(bench.want(GROUP, include(1, 2)), []);
  assert.deepEqual(bench.until(40), ["35 v2Report 239.1.1.1"]);
});

test("RFC 3376 7.2.1: what was heard of an older querier goes with the link; a source-specific group is told when it is back", () => {
  const bench = new Bench();
  bench.hear(query("10.0.0.1", { version: 2 }));
  assert.deepEqual(bench.want(SSM, include(1)), []);
  assert.deepEqual(bench.host.receive(at(1), { kind: "down" }).map(line), ["mode v3"]);
  const up = bench.host.receive(at(2), { kind: "up", address: address("10.0.0.9") }).map(line);
  assert.deepEqual(up, ["to-in 232.1.1.1 {1}"]);
});

test("a host configured for v2 speaks v2 from the start", () => {
  assert.deepEqual(new Bench({ version: 2 }).want(GROUP, ANY_SOURCE), ["v2Report 239.1.1.1"]);
});

test("RFC 3376 4.1.6: the querier's robustness is the number of transmissions", () => {
  const bench = new Bench();
  bench.hear(query("10.0.0.1", { robustness: 4 }));
  bench.until(20);
  bench.want(GROUP, ANY_SOURCE);
  assert.equal(bench.until(40).length, 3);
});

test("groups made while the link is down are told when it comes up, and again after it was away", () => {
  const host = new MulticastHost(IGMP, middle);
  assert.deepEqual(host.receive(at(0), { kind: "want", group: address(GROUP), filter: ANY_SOURCE }), []);
  const up = { kind: "up", address: address("10.0.0.9") } as const;
  assert.deepEqual(host.receive(at(1), up).map(line), ["to-ex 239.1.1.1 {}"]);
  host.receive(at(5), { kind: "down" });
  assert.equal(host.nextDeadline(), undefined);
  assert.deepEqual(host.receive(at(6), { kind: "packet", bytes: query("10.0.0.1") }).map(line), ["drop host.down"]);
  assert.deepEqual(host.receive(at(9), up).map(line), ["to-ex 239.1.1.1 {}"]);
});

test("a group of hundreds of sources is told in several reports, each within 1500 octets", () => {
  const host = new MulticastHost(IGMP, middle);
  host.receive(at(0), { kind: "up", address: address("10.0.0.9") });
  const many = Array.from({ length: 900 }, (_, i) => address(`10.1.${i >> 8}.${i & 255}`));
  const effects = host.receive(at(0), { kind: "want", group: address(SSM), filter: filterOf("include", many) });
  assert.equal(effects.length, 3);
  assert.ok(effects.every((effect) => effect.kind === "send" && effect.packet.length <= 1500));
});

test("host.too-many-groups: no room for another group", () => {
  const bench = new Bench({ maxGroups: 1 });
  bench.want(GROUP, ANY_SOURCE);
  assert.deepEqual(bench.want(OTHER, ANY_SOURCE), ["drop host.too-many-groups"]);
});

test("host.query-destination: a General Query to another address than 224.0.0.1 is not answered", () => {
  const bench = new Bench();
  const forged = query("10.0.0.1");
  writeIpHeader(forged, address("10.0.0.1"), address("10.0.0.9"));
  assert.deepEqual(bench.hear(forged), ["drop host.query-destination"]);
});

test("host.no-router-alert: when it is asked for, a query without it is not answered", () => {
  const bench = new Bench({ requireRouterAlert: true });
  const plain = query("10.0.0.1");
  plain.fill(1, 20, 24);
  writeIpHeaderChecksum(plain);
  assert.deepEqual(bench.hear(plain), ["drop host.no-router-alert"]);
});

function writeIpHeaderChecksum(packet: Uint8Array): void {
  const view = new DataView(packet.buffer, packet.byteOffset);
  view.setUint16(10, 0);
  let sum = 0;
  for (let i = 0; i < 24; i += 2) sum += view.getUint16(i);
  while (sum > 0xffff) sum = (sum & 0xffff) + (sum >>> 16);
  view.setUint16(10, ~sum & 0xffff);
}

test("what the gate drops is dropped by the gate's name", () => {
  const [first] = vectorFile<{ hex: string; reason: string }[]>("drops.json");
  assert.deepEqual(new Bench().hear(hex(first?.hex ?? "")), [`drop ${first?.reason}`]);
});

test("sources that flip without end stay bounded: one whole statement takes their place", () => {
  const bench = new Bench({ robustness: 7 });
  const told = Array.from({ length: 20 }, (_, i) => {
    const some = Array.from({ length: 200 }, (_, n) => address(`10.${i}.0.${n}`));
    return bench.want(SSM, filterOf("include", some)).join("; ");
  });
  assert.ok(told.some((text) => text.startsWith("to-in 232.1.1.1 {")));
  const repeated = bench.until(1).join(" ").split(" ").length;
  assert.ok(repeated < 1024 + 400, `${repeated} words`);
  bench.until(10);
  assert.deepEqual(bench.until(20), []);
});

test("RFC 3376 4.2.16: on a link of 576 octets every report fits, and none of the sources is left out", () => {
  const host = new MulticastHost(IGMP, middle);
  host.receive(at(0), { kind: "up", address: address("10.0.0.9"), mtu: 576 });
  const many = Array.from({ length: 300 }, (_, i) => address(`10.1.${i >> 8}.${i & 255}`));
  const told = host.receive(at(0), { kind: "want", group: address("232.1.1.1"), filter: filterOf("include", many) });
  const packets = told.flatMap((effect) => (effect.kind === "send" ? [effect.packet] : []));
  assert.ok(packets.length > 1 && packets.every((packet) => packet.length <= 576));
  assert.equal(
    packets.reduce((sum, packet) => sum + (packet.length - 40) / 4, 0),
    300,
  );
});

// Delays are the middle of their range: a repeat is due 5 % before the interval is over.
const REPEATS = [19, 38, 57].map((s) => `${s} is-ex 239.1.1.1 {}`);

test("nobody asks: everything is reported again every 20 s, as it is, without a leave", () => {
  const bench = new Bench({ refresh: "auto" });
  bench.want(GROUP, ANY_SOURCE);
  assert.deepEqual(bench.until(60).slice(1), REPEATS);
  bench.want(GROUP, NO_SOURCE);
  bench.until(70);
  assert.deepEqual(bench.until(300), [], "nothing wanted, nothing to repeat");
  bench.want(SSM, include(1, 2));
  assert.deepEqual(bench.until(320).slice(1), ["319 is-in 232.1.1.1 {1 2}"]);
  assert.equal(bench.host.refreshes, 4);
});

test("a querier is trusted for robustness query intervals: then its silence counts, before any membership is over (8.4)", () => {
  const bench = new Bench({ refresh: "auto" });
  bench.want(GROUP, ANY_SOURCE);
  bench.until(10);
  bench.hear(query("10.0.0.1"));
  assert.deepEqual(
    bench.until(290),
    ["15", "260", "279"].map((s) => `${s} is-ex 239.1.1.1 {}`),
  );
  bench.hear(query("10.0.0.1", { robustness: 7, queryInterval: seconds(31744) }));
  assert.deepEqual(
    bench.until(600),
    ["295", "590"].map((s) => `${s} is-ex 239.1.1.1 {}`),
    "but for 5 minutes at most",
  );
});

test("a querier that asks every second, and says so, is not interrupted", () => {
  const bench = new Bench({ refresh: "auto" });
  bench.want(GROUP, ANY_SOURCE);
  for (let s = 2; s < 100; s++) {
    bench.until(s);
    bench.hear(query("10.0.0.1", { robustness: 1, queryInterval: seconds(1), maxResponse: seconds(0.5) }));
  }
  assert.equal(bench.host.refreshes, 0);
});

test("a specific query is no question about everything, and does not keep the refresh back", () => {
  const bench = new Bench({ refresh: seconds(30) });
  bench.want(GROUP, ANY_SOURCE);
  bench.until(10);
  bench.hear(query("10.0.0.1", { group: address(OTHER) }));
  assert.deepEqual(bench.until(30), ["28.5 is-ex 239.1.1.1 {}"]);
});

test("in the version in force: a v2 host repeats a report for each group, spread over time", () => {
  const bench = new Bench({ refresh: seconds(60), version: 2 });
  bench.want(GROUP, ANY_SOURCE);
  bench.want(OTHER, ANY_SOURCE);
  bench.until(20);
  assert.deepEqual(bench.until(70), ["62 v2Report 239.1.1.1", "62 v2Report 239.1.1.2"]);
});

test("the refresh rests while the link is down, and can be off", () => {
  const bench = new Bench({ refresh: "auto" });
  bench.want(GROUP, ANY_SOURCE);
  bench.host.receive(at(0), { kind: "down" });
  assert.deepEqual(bench.until(100), []);
  bench.want(GROUP, NO_SOURCE);
  bench.want(OTHER, ANY_SOURCE);
  assert.equal(bench.host.nextDeadline(), undefined, "nor does a join begin it");
  const off = new Bench({ refresh: "off" });
  off.want(GROUP, ANY_SOURCE);
  off.until(5);
  assert.deepEqual(off.until(1000), []);
});

test("where the kernel speaks for the host, only the refresh is ours: no change, no answer", () => {
  const bench = new Bench({ refresh: "auto", kernelReports: true });
  assert.deepEqual(bench.want(GROUP, ANY_SOURCE), []);
  assert.deepEqual(bench.until(40), REPEATS.slice(0, 2));
  bench.hear(query("10.0.0.1"));
  assert.deepEqual(bench.until(280), []);
  assert.deepEqual(bench.until(300), ["290 is-ex 239.1.1.1 {}"]);
  assert.deepEqual(bench.want(GROUP, NO_SOURCE), []);
  assert.equal(bench.host.nextDeadline(), undefined);
});
