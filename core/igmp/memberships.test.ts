// What hosts say: joins, leaves, modes, limits.

import assert from "node:assert/strict";
import { test } from "node:test";
import { address, type Ipv4 } from "../base/ipv4.ts";
import { instant, seconds } from "../base/time.ts";
import { ANY_SOURCE } from "./filter.ts";
import { at, query, report, source, sources, v1v2Message } from "./igmp.testkit.ts";
import type { RouterInterfaceEffect, RouterInterfaceOptions } from "./interface-events.ts";
import { checkPacket } from "./messages/packet.ts";
import { readQuery } from "./messages/query.ts";
import type { RecordType } from "./messages/report.ts";
import { Bench, GROUP, groupsOf, join, leave, line, OURS, SSM } from "./router-interface.testkit.ts";

test("a join is told at once: the host and the link's membership; its silence ends both after 260 s", () => {
  const bench = new Bench({}, "0.0.0.0");
  assert.deepEqual(bench.hear(join()), ["10.0.0.9 joined 239.1.1.1", "239.1.1.1 exclude {}"]);
  assert.deepEqual(bench.hear(join()), [], "a repeat is no news");
  assert.deepEqual(bench.until(259), []);
  assert.deepEqual(bench.until(260), ["260 239.1.1.1 include {}", "260 10.0.0.9 expired 239.1.1.1"]);
  assert.equal(bench.machine.nextDeadline(), undefined);
});

test("RFC 3376 6.6.3.1: a leave asks LMQC times, LMQI apart, and ends the group after LMQT", () => {
  const bench = new Bench();
  bench.hear(join());
  bench.until(10);
  assert.deepEqual(bench.hear(leave()), ["10.0.0.9 left 239.1.1.1", "v3 query 239.1.1.1"]);
  assert.deepEqual(bench.hear(leave()), [], "the repeated leave does not start the questions again");
  assert.deepEqual(bench.until(11.5), ["11 v3 query 239.1.1.1"]);
  assert.deepEqual(bench.hear(leave()), [], "nor when all have been asked and the answer is awaited");
  assert.deepEqual(bench.until(12), ["12 239.1.1.1 include {}"]);
  bench.hear(join());
  assert.deepEqual(bench.hear(leave()), ["10.0.0.9 left 239.1.1.1", "v3 query 239.1.1.1"], "a new leave asks anew");
});

test("viewer B's picture does not freeze because viewer A leaves the same channel: B answers the query in time", () => {
  const bench = new Bench({ leave: "mac-based" });
  bench.hear(join("10.0.0.9"));
  bench.hear(join("10.0.0.10"));
  bench.until(300);
  bench.hear(report("10.0.0.9", ["is-ex", GROUP]));
  bench.hear(report("10.0.0.10", ["is-ex", GROUP]));
  assert.deepEqual(bench.hear(leave("10.0.0.9")), ["10.0.0.9 left 239.1.1.1", "v3 query 239.1.1.1"]);
  assert.deepEqual(bench.hear(report("10.0.0.10", ["is-ex", GROUP])), []);
  // Pulled back: the repeat has S set, and nothing ends.
  assert.deepEqual(bench.until(310), ["301 v3 query 239.1.1.1 S"]);
  assert.ok(bench.machine.forwards(bench.now, address(GROUP), source(1)));
});

test("mac-based leave: with proof that nobody is left, delivery ends at once", () => {
  const bench = new Bench({ leave: "mac-based" });
  bench.until(300);
  bench.hear(join("10.0.0.9"));
  bench.hear(join("10.0.0.10"));
  assert.deepEqual(bench.hear(leave("10.0.0.9")), ["10.0.0.9 left 239.1.1.1", "v3 query 239.1.1.1"]);
  assert.deepEqual(bench.hear(leave("10.0.0.10")), ["10.0.0.10 left 239.1.1.1", "239.1.1.1 include {}"]);
});

test("mac-based leave: no proof until two start-up queries are answered, for 0.0.0.0, for one address with two MACs, nor in standard mode", () => {
  const young = new Bench({ leave: "mac-based" });
  young.hear(join());
  young.until(41);
  assert.ok(young.hear(leave()).includes("v3 query 239.1.1.1"));
  young.hear(join());
  young.until(41.25);
  assert.ok(young.hear(leave()).includes("239.1.1.1 include {}"), "31.25 s to the second query, 10 s to its answers");
  const bench = new Bench({ leave: "mac-based" });
  bench.until(300);
  bench.hear(join("0.0.0.0"));
  assert.ok(bench.hear(leave("0.0.0.0")).includes("v3 query 239.1.1.1"));
  bench.hear(join("10.0.0.9", "239.1.1.2"), "aa:aa:aa:aa:aa:aa");
  bench.hear(join("10.0.0.9", "239.1.1.2"), "bb:bb:bb:bb:bb:bb");
  assert.ok(bench.hear(leave("10.0.0.9", "239.1.1.2"), "aa:aa:aa:aa:aa:aa").includes("v3 query 239.1.1.2"));
  const standard = new Bench({ leave: "standard" });
  standard.until(300);
  standard.hear(join());
  assert.ok(standard.hear(leave()).includes("v3 query 239.1.1.1"));
});

test("mac-based leave: v2 hosts hide each other, so only where hosts are isolated", () => {
  for (const isolated of [false, true]) {
    const bench = new Bench({ isolated });
    bench.until(300);
    bench.hear(v1v2Message("v2Report", "10.0.0.9", GROUP));
    assert.equal(bench.hear(v1v2Message("leave", "10.0.0.9", GROUP)).includes("v3 query 239.1.1.1"), !isolated);
  }
});

test("mac-based leave: tracking that had no room proves nothing for a membership interval", () => {
  const bench = new Bench({ leave: "mac-based", maxHostMemberships: 1 });
  bench.until(300);
  bench.hear(join("10.0.0.9"));
  assert.deepEqual(bench.hear(join("10.0.0.10")), ["drop tracking.full"]);
  assert.ok(bench.hear(leave("10.0.0.9")).includes("v3 query 239.1.1.1"));
});

test("mac-based leave: of a group that nobody wanted there is nothing to prove, and the drop has its name", () => {
  const bench = new Bench();
  bench.until(300);
  assert.deepEqual(bench.hear(v1v2Message("leave", "10.0.0.9", GROUP)), ["drop igmp.leave-no-group"]);
});

test("mac-based leave of a source-specific group: the last BLOCK ends it", () => {
  const bench = new Bench({ leave: "mac-based" });
  bench.until(300);
  bench.hear(report("10.0.0.9", ["allow", SSM, source(1), source(2)]));
  assert.deepEqual(bench.hear(report("10.0.0.9", ["block", SSM, source(1)])), ["v3 query 232.1.1.1 {1}"]);
  assert.deepEqual(bench.hear(report("10.0.0.9", ["block", SSM, source(2)])), [
    "10.0.0.9 left 232.1.1.1",
    "232.1.1.1 include {}",
  ]);
});

test("RFC 3376 6.6.3.2: sources pulled back are asked with S, the others without, each LMQC times in all", () => {
  const bench = new Bench({ times: { lastMemberQueryCount: 3 } }, OURS);
  bench.hear(report("10.0.0.9", ["allow", SSM, ...sources(1, 2)]));
  assert.deepEqual(bench.hear(report("10.0.0.9", ["block", SSM, ...sources(1, 2)])), [
    "10.0.0.9 left 232.1.1.1",
    "v3 query 232.1.1.1 {1 2}",
  ]);
  bench.hear(report("10.0.0.8", ["is-in", SSM, source(1)]));
  assert.deepEqual(bench.until(5), [
    "1 v3 query 232.1.1.1 S {1}",
    "1 v3 query 232.1.1.1 {2}",
    "2 v3 query 232.1.1.1 S {1}",
    "2 v3 query 232.1.1.1 {2}",
    "3 232.1.1.1 include {1}",
  ]);
});

test("RFC 3376 6.6.3.2: the S message is left out when a group-specific query goes at the same time", () => {
  const bench = new Bench();
  bench.hear(report("10.0.0.9", ["to-ex", GROUP]));
  bench.hear(report("10.0.0.8", ["allow", GROUP, ...sources(1, 2)]));
  assert.deepEqual(bench.hear(report("10.0.0.9", ["to-in", GROUP])), [
    "10.0.0.9 left 239.1.1.1",
    "v3 query 239.1.1.1",
    "v3 query 239.1.1.1 {1 2}",
  ]);
  bench.hear(report("10.0.0.8", ["is-in", GROUP, source(1)]));
  assert.deepEqual(bench.until(2), ["1 v3 query 239.1.1.1", "1 v3 query 239.1.1.1 {2}", "2 239.1.1.1 include {1}"]);
});

test("FRR pim_igmp_specific_query_frag: 5000 sources joined and blocked, each appears in exactly LMQC queries", () => {
  const bench = new Bench({ maxSourcesPerGroup: 5000 });
  const all = Array.from({ length: 5000 }, (_, i) => address(`10.7.${i >> 8}.${i & 255}`));
  const seen = new Map<number, number>();
  const note = (effects: readonly RouterInterfaceEffect[]): void => {
    for (const effect of effects) {
      if (effect.kind !== "send") continue;
      const packet = checkPacket(effect.packet);
      if (typeof packet === "string") assert.fail(packet);
      for (const s of readQuery(packet).sources) seen.set(s, (seen.get(s) ?? 0) + 1);
    }
  };
  for (const type of ["allow", "block"] as const) {
    for (let i = 0; i < all.length; i += 250) {
      const bytes = report("10.0.0.9", [type, SSM, ...all.slice(i, i + 250)]);
      note(bench.machine.receive(at(0), { kind: "packet", bytes }));
    }
  }
  for (let due = bench.machine.nextDeadline(); due !== undefined && due <= at(5); due = bench.machine.nextDeadline()) {
    note(bench.machine.poll(due));
  }
  assert.equal(seen.size, 5000);
  assert.ok([...seen.values()].every((count) => count === 2));
  assert.deepEqual(bench.machine.groups(at(5)), []);
});

test("immediate leave, for one host behind the interface: delivery ends at once, from the first second on", () => {
  const bench = new Bench({ leave: "immediate" });
  bench.hear(join());
  assert.deepEqual(bench.hear(leave()), ["10.0.0.9 left 239.1.1.1", "239.1.1.1 include {}"]);
  bench.hear(v1v2Message("v2Report", "10.0.0.9", GROUP));
  assert.deepEqual(bench.hear(v1v2Message("leave", "10.0.0.9", GROUP)), [
    "10.0.0.9 left 239.1.1.1",
    "239.1.1.1 include {}",
  ]);
  bench.hear(report("10.0.0.9", ["allow", SSM, ...sources(1, 2)]));
  assert.deepEqual(
    bench.hear(report("10.0.0.9", ["block", SSM, source(1)])),
    ["v3 query 232.1.1.1 {1}"],
    "not all of it",
  );
  assert.deepEqual(bench.hear(report("10.0.0.9", ["block", SSM, ...sources(1, 2)])), [
    "10.0.0.9 left 232.1.1.1",
    "232.1.1.1 include {}",
  ]);
  bench.hear(v1v2Message("v1Report", "10.0.0.9", GROUP));
  assert.deepEqual(bench.hear(v1v2Message("leave", "10.0.0.9", GROUP)).at(-1), "drop igmp.v1-mode");
});

test("RFC 3376 7.3.2: a v2 member makes the group ignore BLOCK and the list of TO_EX, until 260 s without v2", () => {
  const bench = new Bench();
  bench.hear(v1v2Message("v2Report", "10.0.0.9", GROUP));
  assert.ok(bench.hear(report("10.0.0.8", ["block", GROUP, source(1)])).includes("drop igmp.block-older-mode"));
  bench.hear(report("10.0.0.8", ["to-ex", GROUP, source(1)]));
  assert.ok(bench.machine.forwards(bench.now, address(GROUP), source(1)));
  assert.equal(bench.machine.groups(bench.now)[0]?.mode, 2);
  bench.until(200);
  bench.hear(report("10.0.0.8", ["is-ex", GROUP]));
  bench.until(261);
  assert.equal(bench.machine.groups(bench.now)[0]?.mode, 3);
  bench.hear(report("10.0.0.8", ["to-ex", GROUP, source(1)]));
  bench.until(264);
  assert.ok(!bench.machine.forwards(bench.now, address(GROUP), source(1)));
});

test("RFC 3376 7.3.2: a v1 member makes the group ignore Leave and TO_IN too", () => {
  const bench = new Bench();
  bench.hear(v1v2Message("v1Report", "10.0.0.9", GROUP));
  assert.deepEqual(bench.hear(v1v2Message("leave", "10.0.0.8", GROUP)), ["drop igmp.v1-mode"]);
  assert.deepEqual(bench.hear(report("10.0.0.8", ["to-in", GROUP])), ["drop igmp.v1-mode"]);
  assert.equal(bench.machine.groups(bench.now)[0]?.mode, 1);
});

test("RFC 4604: SSM and ASM records of one report are handled each on its own", () => {
  const mixed = report("10.0.0.9", ["to-ex", SSM], ["to-ex", GROUP], ["allow", SSM, source(1)]);
  assert.deepEqual(new Bench().hear(mixed), [
    "drop igmp.ssm-exclude",
    "10.0.0.9 joined 239.1.1.1",
    "239.1.1.1 exclude {}",
    "10.0.0.9 joined 232.1.1.1",
    "232.1.1.1 include {1}",
  ]);
});

test("the limits have names: groups, sources, tracked hosts", () => {
  const bench = new Bench({ maxGroups: 1, maxSourcesPerGroup: 2, maxHostMemberships: 2 });
  bench.hear(report("10.0.0.9", ["allow", SSM, ...sources(1, 2)]));
  assert.deepEqual(bench.hear(report("10.0.0.9", ["allow", SSM, source(3)])), [
    "drop tracking.too-many-sources",
    "drop igmp.too-many-sources",
  ]);
  assert.deepEqual(bench.hear(join("10.0.0.9", "239.1.1.2")), ["drop igmp.too-many-groups"], "nor is it evidence");
  assert.deepEqual(bench.hear(report("10.0.0.8", ["allow", SSM, source(1)])), ["10.0.0.8 joined 232.1.1.1"]);
  assert.deepEqual(bench.hear(report("10.0.0.7", ["allow", SSM, source(1)])), ["drop tracking.full"]);
});

/** Twelve frames of a hundred records each, all groups different, and others for another `net`. */
const greedyFrames = (from: string, net: number): Uint8Array[] =>
  Array.from({ length: 12 }, (_, frame) =>
    report(from, ...Array.from({ length: 100 }, (_, i): [RecordType, string] => ["to-ex", `239.${net}.${frame}.${i}`])),
  );

for (const [options, kept, reason] of [
  [{ maxGroupsPerHost: 64 }, 64, "igmp.host-groups"],
  [{ maxGroups: 1024 }, 512, "igmp.host-share"],
  [{ maxHostMemberships: 100 }, 84, "igmp.host-share"],
] as const) {
  test(`twelve frames of 100 records from one host get ${kept} groups, then ${reason}; the viewer who comes next is served`, () => {
    const bench = new Bench(options);
    const lines = greedyFrames("10.0.0.66", 9).flatMap((frame) => bench.hear(frame, "02:00:00:00:00:66"));
    assert.equal(groupsOf(bench), kept);
    assert.equal(lines.filter((text) => text === `drop ${reason}`).length, 1200 - kept);
    assert.deepEqual(bench.hear(join()), ["10.0.0.9 joined 239.1.1.1", "239.1.1.1 exclude {}"]);
  });
}

test("behind one MAC may stand a house: of 1,200 groups at once none is refused by default, and one at its limit is named to have more", () => {
  const hear = (options: RouterInterfaceOptions): number => {
    const bench = new Bench(options);
    for (const frame of greedyFrames("10.0.0.66", 9)) bench.hear(frame, "02:00:00:00:00:66");
    return groupsOf(bench);
  };
  assert.equal(hear({}), 1200);
  const bounds = { maxGroupsPerHost: 64, joinsPerSecond: 10, maxGroups: 1200 };
  assert.equal(hear(bounds), 64);
  assert.equal(hear({ ...bounds, proxies: [{ kind: "mac", mac: "02:00:00:00:00:66" }] }), 1200);
});

test("1,000 groups that were forwarded before we came stay when the one host that wants them says so", () => {
  const bench = new Bench();
  const groups = Array.from({ length: 1000 }, (_, i) => `239.4.${i >> 7}.${i & 127}`);
  for (const group of groups) {
    const assumed = { group: address(group), filter: ANY_SOURCE, span: seconds(60) };
    bench.machine.receive(bench.now, { kind: "assume", ...assumed });
  }
  bench.until(1);
  const records = groups.map((group): [RecordType, string] => ["is-ex", group]);
  for (let i = 0; i < 1000; i += 100)
    bench.hear(report("10.0.0.66", ...records.slice(i, i + 100)), "02:00:00:00:00:66");
  bench.until(100);
  assert.equal(groupsOf(bench), 1000);
});

test("hosts that are greedy one after the other leave room too: each new one finds its first groups", () => {
  const bench = new Bench({ maxGroups: 1024 });
  const lines = [1, 2, 3, 4].flatMap((n) => greedyFrames(`10.0.1.${n}`, 10 + n).flatMap((frame) => bench.hear(frame)));
  assert.ok(lines.includes("drop igmp.host-share") && !lines.includes("drop igmp.too-many-groups"));
  const wanted = Array.from({ length: 8 }, (_, i): [RecordType, string] => ["to-ex", `239.8.1.${i}`]);
  for (const from of ["10.0.0.9", "10.0.0.10"]) {
    const served = bench.hear(report(from, ...wanted)).filter((text) => text.includes("joined"));
    assert.equal(served.length, 8);
  }
});

test("sources of all groups of the interface are bounded: who names many leaves room, and what is kept is kept", () => {
  const bench = new Bench({ maxSourcesPerInterface: 640 });
  const list = (group: number): [RecordType, string, ...Ipv4[]] => [
    "allow",
    `232.1.2.${group}`,
    ...Array.from({ length: 50 }, (_, i) => address(`10.7.${group}.${i}`)),
  ];
  const greedy = Array.from({ length: 20 }, (_, i) => bench.hear(report("10.0.0.66", list(i)))).flat();
  const [served, refused] = ["joined", "igmp.host-share"].map((word) => greedy.filter((t) => t.includes(word)).length);
  assert.deepEqual([served, refused], [12, 8]);
  assert.deepEqual(bench.hear(report("10.0.0.66", list(0))), [], "nothing new, nothing refused");
  assert.deepEqual(bench.hear(report("10.0.0.9", ["allow", SSM, source(1)])), [
    "10.0.0.9 joined 232.1.1.1",
    "232.1.1.1 include {1}",
  ]);
  const rest = bench.hear(report("10.0.0.8", list(30)));
  assert.equal(rest.filter((text) => text === "drop igmp.too-many-sources").length, 11);
  assert.deepEqual(bench.hear(report("10.0.0.7", ["allow", SSM, source(2)])), ["drop igmp.too-many-sources"]);
  for (let i = 0; i < 20; i++) bench.hear(report("10.0.0.66", ["to-in", `232.1.2.${i}`]));
  bench.until(10);
  assert.equal(bench.hear(report("10.0.0.7", ["allow", SSM, source(2)])).length, 2, "what is left makes room");
});

test("a refusal says who, so that it can be shown", () => {
  const bench = new Bench({ maxGroupsPerHost: 1 });
  bench.hear(join(), "02:00:00:00:00:09");
  const bytes = join("10.0.0.9", "239.1.1.2");
  const effects = bench.machine.receive(bench.now, { kind: "packet", bytes, mac: "02:00:00:00:00:09", port: "" });
  const host = { address: address("10.0.0.9"), mac: "02:00:00:00:00:09", port: "" };
  assert.deepEqual(effects.at(-1), { kind: "drop", reason: "igmp.host-groups", host, group: address("239.1.1.2") });
});

test("a host at its limit keeps what it has, and gets another group for one that it leaves", () => {
  const bench = new Bench({ maxGroupsPerHost: 2 });
  bench.hear(report("10.0.0.9", ["to-ex", GROUP], ["to-ex", "239.1.1.2"]));
  assert.deepEqual(bench.hear(join("10.0.0.9", "239.1.1.3")), ["drop igmp.host-groups"]);
  assert.deepEqual(bench.hear(report("10.0.0.9", ["is-ex", GROUP], ["is-ex", "239.1.1.2"])), []);
  bench.hear(leave("10.0.0.9", "239.1.1.2"));
  assert.deepEqual(bench.hear(join("10.0.0.9", "239.1.1.3")), ["10.0.0.9 joined 239.1.1.3", "239.1.1.3 exclude {}"]);
});

test("6,000 hosts of one group are 6,000 members, and evidence", () => {
  const bench = new Bench();
  const from = (i: number): string => `10.0.${1 + (i >> 8)}.${i & 255}`;
  const lines = Array.from({ length: 6000 }, (_, i) => bench.hear(join(from(i)))).flat();
  assert.equal(lines.filter((text) => text.includes("joined")).length, 6000);
  assert.equal(bench.machine.hosts().length, 6000);
});

test("a deadline costs no walk over the other groups: 20,000 leaves of 20,000 groups end in seconds", () => {
  const bench = new Bench({ maxGroups: 20_000, maxGroupsPerHost: 20_000, joinsPerSecond: 20_000 });
  const groups = Array.from({ length: 20_000 }, (_, i) => `239.${1 + (i >> 14)}.${(i >> 7) & 127}.${i & 127}`);
  const begin = process.hrtime.bigint();
  groups.forEach((group, i) => {
    // Each a millisecond after the other, so that each has deadlines of its own.
    bench.now = instant(i);
    bench.hear(join(`10.1.${i & 127}.9`, group));
    bench.hear(leave(`10.1.${i & 127}.9`, group));
  });
  bench.until(23);
  assert.equal(groupsOf(bench), 0);
  // With a walk it is minutes.
  assert.ok(process.hrtime.bigint() - begin < 20_000_000_000n);
});

test("RFC 4604 section 2: the source-specific range may be another than 232.0.0.0/8", () => {
  const bench = new Bench({ sourceSpecific: [{ address: address("239.232.0.0"), prefixLength: 16 }] });
  assert.deepEqual(bench.hear(join("10.0.0.9", "239.232.1.1")), ["drop igmp.ssm-exclude"]);
  assert.deepEqual(bench.hear(join("10.0.0.9", SSM)), ["10.0.0.9 joined 232.1.1.1", "232.1.1.1 exclude {}"]);
});

/** So many groups of one host. */
const fill = (bench: Bench, count: number): string[] =>
  bench.hear(
    report("10.0.2.1", ...Array.from({ length: count }, (_, n): [RecordType, string] => ["is-ex", `239.8.1.${n}`])),
  );

/** Half of these groups are taken by `crowd`, which are a host with 240 and a hundred and twenty with one each, whom nobody knows. */
const CROWDED = { maxGroups: 480 };

/** The first who wait are those who come after them: so many are taken at their word at once. */
function crowd(bench: Bench): string[] {
  fill(bench, 240);
  const lines = Array.from({ length: 120 }, (_, n) => bench.hear(join(`10.0.1.${n}`, `239.8.2.${n}`)));
  return lines.flatMap((told) => told.slice(0, 1));
}

test("igmp.new-hosts: one host more than are taken at their word is asked, and nobody else, and served when it answers", () => {
  const bench = new Bench(CROWDED);
  bench.until(300);
  assert.ok(crowd(bench).every((text) => / joined 239\.8\.2\.\d+$/.test(text)));
  assert.deepEqual(bench.hear(join("10.0.0.9", "239.1.1.2")), ["drop igmp.new-hosts"]);
  assert.deepEqual(
    Array.from(bench.machine.waiting(), ({ reason }) => reason),
    ["igmp.new-hosts"],
  );
  assert.deepEqual(bench.hear(join("10.0.1.7", "239.1.1.3")).length, 2, "who is known is not asked first");
  assert.deepEqual(bench.until(301), ["301 v3 query 239.1.1.2 S"]);
  const served = ["10.0.0.9 joined 239.1.1.2", "239.1.1.2 exclude {}"];
  assert.deepEqual(bench.hear(report("10.0.0.9", ["is-ex", "239.1.1.2"])), served);
  assert.deepEqual(bench.until(399), [], "nobody waits, so nobody is asked before it is time");
});

test("igmp.new-hosts: many who wait are asked together", () => {
  const bench = new Bench(CROWDED);
  bench.until(300);
  crowd(bench);
  for (let n = 1; n <= 17; n++) bench.hear(join(`10.0.3.${n}`, `239.1.2.${n}`));
  assert.deepEqual(bench.until(301), ["301 v3 query 0.0.0.0"]);
});

for (const querier of ["we ask", "another asks"]) {
  test(`nobody waits while half of the room is free, ${querier}: of 1,000 strangers at once each has its channel at once`, () => {
    const bench = new Bench();
    bench.until(300);
    if (querier === "another asks") bench.hear(query("10.0.0.1"));
    for (let n = 0; n < 1000; n++) {
      const [from, group] = [`10.0.${4 + (n >> 8)}.${n & 255}`, `239.6.${n >> 8}.${n & 255}`];
      assert.deepEqual(bench.hear(join(from, group)), [`${from} joined ${group}`, `${group} exclude {}`]);
    }
  });
}

test("igmp.new-hosts: whoever joins what others watch takes no room, and does not wait; for a group of its own it does", () => {
  const bench = new Bench(CROWDED);
  bench.until(300);
  crowd(bench);
  assert.deepEqual(bench.hear(join("10.0.0.9", "239.8.2.1")), ["10.0.0.9 joined 239.8.2.1"]);
  assert.deepEqual(bench.hear(join("10.0.0.9", "239.1.1.2")), ["drop igmp.new-hosts"]);
});

test("igmp.host-share: two hosts that hand their groups to each other get no more than two that do not", () => {
  const bench = new Bench({ maxGroups: 100 });
  fill(bench, 50);
  for (let n = 0; n < 100; n++) {
    bench.hear(join("10.0.0.66", `239.9.0.${n}`));
    bench.hear(join("10.0.0.67", `239.9.0.${n}`));
    bench.hear(leave("10.0.0.66", `239.9.0.${n}`));
  }
  assert.ok(groupsOf(bench) <= 50 + 16, `${groupsOf(bench)}`);
  assert.equal(bench.hear(join()).length, 2);
});

test("igmp.host-share: who zaps through groups that are still asked about has few of them at a time, and the next when they are over", () => {
  const bench = new Bench({ maxGroups: 64 });
  fill(bench, 60);
  const zap = (n: number): string[] => {
    bench.hear(v1v2Message("leave", "10.0.0.9", `239.9.0.${n - 1}`));
    return bench.hear(v1v2Message("v2Report", "10.0.0.9", `239.9.0.${n}`));
  };
  assert.equal(groupsOf(bench), 32);
  const isServed = (n: number): boolean => zap(n).includes(`239.9.0.${n} exclude {}`);
  const quick = Array.from({ length: 50 }, (_, n) => isServed(n + 1));
  assert.ok(groupsOf(bench) <= 32 + 8 && quick.includes(false));
  const from = bench.now / 1000;
  for (let n = 51; n < 80; n++) {
    bench.until(from + (n - 50) * 2.5);
    assert.ok(isServed(n));
  }
});

test("igmp.new-hosts: a host that left within a membership interval is known still, one that did before is not", () => {
  const bench = new Bench({ newHostsPerMinute: 1, maxGroups: 20 });
  const from = (n: number): string[] => bench.hear(join(`10.0.0.${n}`, `239.1.1.${n}`));
  bench.until(300);
  fill(bench, 10);
  for (const n of [9, 8]) from(n);
  bench.hear(leave("10.0.0.9", "239.1.1.9"));
  bench.until(540);
  fill(bench, 10);
  bench.until(559);
  for (const n of [15, 14]) from(n);
  assert.deepEqual(from(13), ["drop igmp.new-hosts"]);
  assert.ok(from(9).includes("10.0.0.9 joined 239.1.1.9"));
  bench.hear(leave("10.0.0.9", "239.1.1.9"));
  bench.until(790);
  fill(bench, 10);
  bench.until(820);
  for (const n of [7, 6]) from(n);
  assert.deepEqual(from(9), ["drop igmp.new-hosts"]);
});

test("igmp.new-hosts: where another router asks we do not, and its question is the one to answer", () => {
  const bench = new Bench(CROWDED);
  bench.until(300);
  bench.hear(query("10.0.0.1"));
  crowd(bench);
  assert.deepEqual(bench.hear(join("10.0.0.9", "239.1.1.2")), ["drop igmp.new-hosts"]);
  assert.deepEqual(bench.until(310), []);
  bench.hear(query("10.0.0.1"));
  assert.equal(bench.hear(report("10.0.0.9", ["is-ex", "239.1.1.2"])).length, 2);
});

test("igmp.new-hosts: a link that has just come up knows nobody, and whoever speaks for many is no new host", () => {
  const young = new Bench(CROWDED);
  crowd(young);
  assert.equal(young.hear(join("10.0.0.9", "239.1.1.2")).length, 2);
  const bench = new Bench({
    ...CROWDED,
    proxies: [{ kind: "subnet", subnet: { address: address("10.0.0.9"), prefixLength: 32 } }],
  });
  bench.until(300);
  crowd(bench);
  assert.equal(bench.hear(join("10.0.0.9", "239.1.1.2")).length, 2);
});

const ask = (bench: Bench, group: string): string[] =>
  bench.machine.receive(bench.now, { kind: "ask", group: address(group) }).flatMap((effect) => line(effect));

test("RFC 4604: whoever was refused a source-specific group is asked with everybody, at once and then not before the answers are in", () => {
  const bench = new Bench();
  bench.until(40);
  assert.deepEqual(ask(bench, SSM), ["v3 query 0.0.0.0"]);
  assert.deepEqual([...ask(bench, SSM), ...ask(bench, "232.7.7.7"), ...bench.until(44.9)], []);
  assert.deepEqual(bench.until(100), ["45 v3 query 0.0.0.0"]);
  assert.deepEqual(ask(bench, GROUP), ["v3 query 239.1.1.1 S"], "others are asked for by group");
});

test("RFC 4604: who may not be asked about by group is as configured, and where another router asks we ask nobody", () => {
  const bench = new Bench({ sourceSpecific: [{ address: address("239.1.0.0"), prefixLength: 16 }] });
  bench.until(40);
  assert.deepEqual(ask(bench, SSM), ["v3 query 232.1.1.1 S"]);
  assert.deepEqual([...ask(bench, GROUP), ...ask(bench, GROUP)], ["v3 query 0.0.0.0"]);
  bench.hear(query("10.0.0.1"));
  assert.deepEqual([...ask(bench, GROUP), ...bench.until(100)], []);
});

test("RFC 4604: of a group that becomes source-specific while it is watched what is asked for by name stays, and no question is about the whole of it", () => {
  const bench = new Bench();
  bench.until(40);
  const [BOTH, ALL, LEFT] = [GROUP, "239.1.1.2", "239.1.1.3"];
  for (const group of [BOTH, ALL, LEFT]) bench.hear(join("10.0.0.9", group));
  bench.hear(report("10.0.0.8", ["allow", BOTH, address("10.1.0.1")]));
  bench.hear(join("10.0.0.7", LEFT));
  assert.deepEqual(bench.hear(leave("10.0.0.7", LEFT)).slice(-1), ["v3 query 239.1.1.3"]);
  const options = { sourceSpecific: [{ address: address("239.1.0.0"), prefixLength: 16 }] };
  const effects = bench.machine.receive(bench.now, { kind: "configure", options }).flatMap(line);
  assert.deepEqual(effects, [
    "239.1.1.1 include {1}",
    "239.1.1.2 include {}",
    "10.0.0.9 expired 239.1.1.2",
    "239.1.1.3 include {}",
    "10.0.0.9 expired 239.1.1.3",
    "v3 query 0.0.0.0",
  ]);
  assert.deepEqual(
    bench.hear(leave("10.0.0.9", BOTH)).filter((text) => text.includes("query")),
    ["v3 query 239.1.1.1 {1}"],
  );
  assert.deepEqual(
    bench.until(300).filter((text) => / query 239\.\S+( S)?$/.test(text)),
    [],
  );
});

test("the question to everybody gives hosts the time of a start to answer", () => {
  const bench = new Bench({ times: { startupResponse: seconds(2) } });
  bench.until(40);
  const [sent] = bench.machine.receive(bench.now, { kind: "ask", group: address(SSM) });
  const packet = checkPacket(sent?.kind === "send" ? sent.packet : assert.fail());
  assert.equal(readQuery(typeof packet === "string" ? assert.fail(packet) : packet).maxResponse, 2000);
});

/** A host that answers every question with all it has: these groups. */
function answer(bench: Bench, groups: readonly string[], s: number): void {
  for (let next = bench.now + 100_000; next < s * 1000; next += 100_000) {
    bench.until(next / 1000);
    bench.hear(report("10.0.0.9", ...groups.map((group): [RecordType, string] => ["is-ex", group])));
  }
  bench.until(s);
}

for (const [limits, reason] of [
  [{ maxGroupsPerHost: 1 }, "igmp.host-groups"],
  [{ maxGroups: 1 }, "igmp.too-many-groups"],
] as const)
  test(`${Object.keys(limits).join()} that is lowered holds for what is new: who has more keeps it, and gets no other before it has left so much`, () => {
    const bench = new Bench({ leave: "immediate" });
    const groups = [1, 2, 3, 4].map((n) => `239.1.1.${n}`);
    for (const group of groups) bench.hear(join("10.0.0.9", group));
    bench.machine.receive(bench.now, { kind: "configure", options: { leave: "immediate", ...limits } });
    answer(bench, groups, 940);
    assert.deepEqual([groupsOf(bench), bench.machine.hosts().length], [4, 4]);
    const other = join("10.0.0.9", "239.1.1.5");
    for (const [left, group] of groups.entries()) {
      assert.deepEqual(bench.hear(other), [`drop ${reason}`], `${4 - left} are left`);
      bench.hear(leave("10.0.0.9", group));
    }
    assert.deepEqual(bench.hear(other), ["10.0.0.9 joined 239.1.1.5", "239.1.1.5 exclude {}"]);
  });

test("what a host would be refused for is told before it asks, and nothing changes by it", () => {
  const wouldLack = (bench: Bench, group: string, from = "10.0.0.9"): string | undefined =>
    bench.machine.wouldLack(bench.now, { address: address(from), mac: "", port: "" }, address(group));
  const full = new Bench({ maxGroups: 2 });
  for (const group of [GROUP, "239.1.1.2"]) full.hear(join("10.0.0.8", group));
  assert.deepEqual(
    [GROUP, "239.1.1.2", "239.1.1.3", SSM].map((group) => wouldLack(full, group)),
    [undefined, undefined, "igmp.too-many-groups", "igmp.too-many-groups"],
  );
  const crowded = new Bench(CROWDED);
  crowded.until(300);
  crowd(crowded);
  assert.equal(wouldLack(crowded, GROUP), "igmp.new-hosts");
  assert.equal(wouldLack(crowded, GROUP, "10.0.1.7"), undefined, "who is known");
  assert.deepEqual(crowded.machine.waiting(), []);
  assert.equal(crowded.machine.room.free, 120);
});

test("tracking.full: while tracking is short of room a host that nobody knows is served, and leaves no evidence", () => {
  const bench = new Bench({ maxHostMemberships: 20, newHostsPerMinute: 1 });
  bench.until(300);
  for (let n = 1; n <= 12; n++) bench.hear(join(`10.0.1.${n}`));
  assert.equal(bench.machine.hosts().length, 12);
  assert.deepEqual(bench.hear(join("10.0.0.9")), ["drop tracking.full"]);
  assert.deepEqual(bench.hear(join("10.0.0.9", "239.1.1.2")), ["drop tracking.full", "239.1.1.2 exclude {}"]);
  assert.deepEqual(bench.machine.waiting(), []);
  bench.until(361);
  assert.deepEqual(bench.hear(join("10.0.0.9")), ["10.0.0.9 joined 239.1.1.1"]);
});
