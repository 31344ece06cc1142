// Querier, group table and host tracking together: what goes out, who is told, what is dropped and why.

import assert from "node:assert/strict";
import { test } from "node:test";
import { hex } from "../base/bytes.testkit.ts";
import { writeUint16 } from "../base/bytes.ts";
import { address, formatIpv4, type Ipv4 } from "../base/ipv4.ts";
import type { Subnet } from "../base/subnet.ts";
import { type Instant, instant, milliseconds, seconds } from "../base/time.ts";
import { ANY_SOURCE, filterOf, type SourceFilter } from "./filter.ts";
import {
  at,
  ethernet,
  query,
  readdressed,
  report,
  source,
  sources,
  tagged,
  v1v2Message,
  vectorFile,
} from "./igmp.testkit.ts";
import type { InterfaceDrop, LinkFacts, RouterInterfaceEffect, RouterInterfaceOptions } from "./interface-events.ts";
import { checkPacket } from "./packet.ts";
import { readQuery } from "./query.ts";
import type { QueryRefusal } from "./query-guard.ts";
import type { RecordType } from "./report.ts";
import { RouterInterface } from "./router-interface.ts";
import { IGMP } from "./wire.ts";

const OURS = "10.0.0.5";
const GROUP = "239.1.1.1";
const SSM = "232.1.1.1";

/** One effect as a line: "query 239.1.1.1 S {1 2}", "239.1.1.1 exclude {}", "10.0.0.9 joined 239.1.1.1". */
function line(effect: RouterInterfaceEffect): string[] {
  switch (effect.kind) {
    case "heard":
      return [];
    case "send": {
      const packet = checkPacket(effect.packet);
      if (typeof packet === "string") assert.fail(packet);
      const { version, group, suppress, sources } = readQuery(packet);
      const about = sources.length === 0 ? "" : ` {${names(sources)}}`;
      return [`v${version} query ${formatIpv4(group)}${suppress ? " S" : ""}${about}`];
    }
    case "membership":
      return [`${formatIpv4(effect.group)} ${effect.filter.mode} {${names(effect.filter.sources)}}`];
    case "host-joined":
      return [`${who(effect)} joined ${formatIpv4(effect.membership.group)}`];
    case "host-left":
      return [`${who(effect)} ${effect.cause} ${formatIpv4(effect.membership.group)}`];
    case "querier":
      return [effect.ours ? "we ask" : `${asker(effect)} asks`];
    case "query-refused":
      return [`refused ${effect.reason} ${formatIpv4(effect.address)}`];
    case "older-querier":
      return [`v${effect.version} querier ${formatIpv4(effect.address)}`];
    case "drop":
      return [`drop ${effect.reason}`];
  }
}

const asker = ({ address: from, mac, port }: Extract<RouterInterfaceEffect, { kind: "querier" }>): string =>
  from === undefined ? "nobody" : [formatIpv4(from), mac, port].filter((part) => part !== "").join("/");

const names = (list: readonly number[]): string => list.map((a) => a & 255).join(" ");

const who = ({ membership: { host } }: Extract<RouterInterfaceEffect, { membership: unknown }>): string =>
  [formatIpv4(host.address), host.mac, host.port, host.vlan ?? ""].filter((part) => part !== "").join("/");

/** A machine with a clock: every step gives the lines of its effects. */
class Bench {
  readonly machine: RouterInterface;
  now: Instant = at(0);

  constructor(options: RouterInterfaceOptions = {}, ours = OURS) {
    this.machine = new RouterInterface(IGMP, options);
    this.machine.receive(this.now, { kind: "up", address: address(ours) });
  }

  hear(bytes: Uint8Array, mac = ""): string[] {
    return this.machine.receive(this.now, { kind: "packet", bytes, mac }).flatMap(line);
  }

  frame(bytes: Uint8Array, port: string, vouched = false): string[] {
    return this.machine.receive(this.now, { kind: "frame", bytes, port, vouched }).flatMap(line);
  }

  /** Runs to `s` seconds; each line with its time. */
  until(s: number): string[] {
    const lines: string[] = [];
    for (;;) {
      const due = this.machine.nextDeadline();
      if (due === undefined || due > at(s)) break;
      assert.ok(due >= this.now, "a deadline in the past");
      this.now = due;
      lines.push(...this.machine.poll(due).flatMap((effect) => line(effect).map((text) => `${due / 1000} ${text}`)));
    }
    this.now = at(s);
    return lines;
  }
}

const join = (from = "10.0.0.9", group = GROUP): Uint8Array => report(from, ["to-ex", group]);
const leave = (from = "10.0.0.9", group = GROUP): Uint8Array => report(from, ["to-in", group]);

test("RFC 3376 8.6, 8.7: start-up queries a quarter of the interval apart, then general queries", () => {
  const machine = new RouterInterface(IGMP);
  const first = machine.receive(at(0), { kind: "up", address: address(OURS) }).flatMap(line);
  assert.deepEqual(first, ["we ask", "v3 query 0.0.0.0"]);
  const bench = new Bench();
  assert.deepEqual(bench.until(300), ["31.25 v3 query 0.0.0.0", "156.25 v3 query 0.0.0.0", "281.25 v3 query 0.0.0.0"]);
});

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

test("RFC 3376 6.6.2: the lower address wins, keeps us silent for 255 s, and then we ask again", () => {
  const bench = new Bench();
  bench.until(10);
  assert.deepEqual(bench.hear(query("10.0.0.6")), [], "a higher one loses");
  assert.deepEqual(bench.hear(query("10.0.0.3")), ["10.0.0.3 asks"]);
  assert.deepEqual(bench.hear(query("10.0.0.4")), [], "it is above the one who won");
  assert.deepEqual(bench.hear(query("10.0.0.2")), ["10.0.0.2 asks"]);
  assert.deepEqual(bench.until(400), ["265 we ask", "265 v3 query 0.0.0.0", "390 v3 query 0.0.0.0"]);
});

test("RFC 3376 6.6.2, three routers: whoever is lower than we keeps us silent, and has the place of one that is gone", () => {
  const bench = new Bench();
  bench.hear(query("10.0.0.2"));
  bench.until(200);
  assert.deepEqual(bench.hear(query("10.0.0.4", { robustness: 3 })), [], "B asks because A is gone");
  assert.deepEqual(bench.until(255), ["255 10.0.0.4 asks"]);
  assert.equal(bench.machine.times.robustness, 3, "and its times hold now");
  assert.deepEqual(bench.hear(query("10.0.0.6")), [], "a higher one keeps nobody silent");
  assert.deepEqual(bench.until(579), []);
  assert.deepEqual(bench.until(580), ["580 we ask", "580 v3 query 0.0.0.0"]);
});

/** A subnet, and the whole of what may be said of who asks there. */
const GUARDED = { addresses: [{ address: address(OURS), prefixLength: 24 }] };
const LOWER = "10.0.0.1";

function guarded(options: RouterInterfaceOptions = {}, link: Partial<LinkFacts> = GUARDED): Bench {
  const bench = new Bench(options);
  up(bench, link);
  return bench;
}

const single = (text: string): Subnet => ({ address: address(text), prefixLength: 32 });

const REFUSED: readonly [QueryRefusal, Uint8Array, RouterInterfaceOptions, Partial<LinkFacts>][] = [
  ["igmp.query-off-subnet", query("9.9.9.9"), {}, GUARDED],
  ["igmp.query-off-subnet", query("9.9.9.9"), { queriers: [single("9.9.9.9")] }, GUARDED],
  ["igmp.query-off-subnet", query("9.9.9.9"), {}, { addresses: [single(OURS)] }],
  ["igmp.query-unicast", readdressed(query(LOWER), { to: OURS }), {}, GUARDED],
  ["igmp.query-destination", readdressed(query(LOWER), { to: "224.0.0.99" }), {}, GUARDED],
  ["igmp.query-destination", readdressed(query(LOWER), { to: GROUP }), {}, GUARDED],
  ["igmp.query-ttl", readdressed(query(LOWER), { ttl: 64 }), {}, GUARDED],
  ["igmp.query-not-allowed", query(LOWER), { queriers: [single("10.0.0.2")] }, GUARDED],
  ["igmp.query-not-allowed", query(LOWER), { queriers: [] }, GUARDED],
  ["igmp.query-port", query(LOWER), { querierPorts: ["lan1"] }, GUARDED],
];

for (const [reason, packet, options, link] of REFUSED) {
  test(`${reason} (${Object.keys(options)}): wins no election, lowers no timer, is counted, and told once per interval`, () => {
    const bench = guarded(options, link);
    const told = bench.hear(packet);
    assert.equal(told[0], `drop ${reason}`);
    assert.match(told[1] ?? "", new RegExp(`^refused ${reason} `));
    assert.deepEqual(bench.hear(packet), [`drop ${reason}`]);
    assert.equal(bench.machine.querier.kind, "querier");
    assert.equal(bench.machine.refusedQueries, 2);
    bench.until(125);
    assert.equal(bench.hear(packet).length, 2);
  });
}

test("what a refused query asks about is not lowered: the hosts have not heard it", () => {
  const bench = guarded();
  bench.hear(join());
  const about = query(LOWER, { group: address(GROUP), maxResponse: seconds(1) });
  assert.ok(bench.hear(readdressed(about, { to: OURS })).includes("drop igmp.query-unicast"));
  for (const to of ["224.0.0.99", "239.1.1.2", "224.0.0.1"])
    assert.ok(bench.hear(readdressed(about, { to })).includes("drop igmp.query-destination"));
  const unicast = { kind: "packet", bytes: about, mac: "02:00:00:00:00:77", unicast: true } as const;
  assert.ok(bench.machine.receive(bench.now, unicast).flatMap(line).includes("drop igmp.query-unicast"));
  bench.hear(query("0.0.0.0", { group: address(GROUP), maxResponse: seconds(1) }));
  assert.deepEqual(bench.until(30), []);
  assert.ok(bench.machine.forwards(bench.now, address(GROUP), source(1)));
});

test("where a port decides who may ask, a query in a frame to one card does not count either", () => {
  const bench = guarded({ querierPorts: ["lan1"], trackingSource: "frames" });
  const frame = ethernet("02:00:00:00:00:77", query(LOWER));
  frame.set([2, 0, 0, 0, 0, 5], 0);
  assert.ok(bench.frame(frame, "lan1").includes("drop igmp.query-unicast"));
  assert.deepEqual(bench.frame(ethernet("02:00:00:00:00:77", query(LOWER)), "lan1"), [
    "10.0.0.1/02:00:00:00:00:77/lan1 asks",
  ]);
});

test("a v1 query asks everybody, whatever its group field says", () => {
  const bench = guarded();
  const odd = readdressed(query(LOWER, { version: 1, group: address(GROUP) }), { to: "224.0.0.1" });
  assert.deepEqual(bench.hear(odd), ["v1 querier 10.0.0.1", "10.0.0.1 asks"]);
});

test("the querier guard lets in who is on a subnet of the interface, any of several, and who is named on a link without one", () => {
  const second = { addresses: [single("10.9.9.9"), { address: address(OURS), prefixLength: 24 }] };
  assert.deepEqual(guarded({}, second).hear(query(LOWER)), ["10.0.0.1 asks"]);
  const named = { queriers: [{ address: address("10.0.0.0"), prefixLength: 30 }] };
  assert.deepEqual(guarded(named).hear(query(LOWER)), ["10.0.0.1 asks"]);
  assert.deepEqual(guarded(named, { addresses: [single(OURS)] }).hear(query(LOWER)), ["10.0.0.1 asks"]);
});

test("a second address, another prefix: nothing is asked anew, and the guard knows them at once", () => {
  const bench = guarded();
  assert.ok(bench.hear(query("9.9.9.1")).includes("drop igmp.query-off-subnet"));
  const more = { addresses: [...GUARDED.addresses, { address: address("9.9.9.9"), prefixLength: 24 }] };
  assert.deepEqual(up(bench, more), []);
  assert.deepEqual(bench.hear(query("9.9.9.9")), ["drop igmp.own"], "each of our addresses is ours");
  assert.deepEqual(bench.hear(query("9.9.9.1")), ["9.9.9.1 asks"]);
});

test("the winner's MAC and port: from the packet, or from a frame before or after it", () => {
  const first = guarded({ trackingSource: "frames" });
  const frame = ethernet("02:00:00:00:00:01", query(LOWER));
  assert.deepEqual(first.frame(frame, "lan1"), []);
  assert.deepEqual(first.hear(query(LOWER)), ["10.0.0.1/02:00:00:00:00:01/lan1 asks"]);
  const later = guarded({ trackingSource: "frames" });
  assert.deepEqual(later.hear(query(LOWER)), ["10.0.0.1 asks"]);
  assert.deepEqual(later.frame(frame, "lan1"), ["10.0.0.1/02:00:00:00:00:01/lan1 asks"]);
  assert.deepEqual(later.frame(frame, "lan1"), []);
  assert.deepEqual(guarded().hear(query(LOWER), "02:00:00:00:00:07"), ["10.0.0.1/02:00:00:00:00:07 asks"]);
});

test("where a bridge port decides who may ask, the frame that tells it is what counts", () => {
  const bench = guarded({ trackingSource: "frames", querierPorts: ["uplink"] });
  assert.deepEqual(bench.hear(query(LOWER)), []);
  const frame = ethernet("02:00:00:00:00:01", query(LOWER));
  assert.deepEqual(bench.frame(frame, "lan1"), ["drop igmp.query-port", "refused igmp.query-port 10.0.0.1"]);
  assert.deepEqual(bench.frame(frame, "uplink"), ["10.0.0.1/02:00:00:00:00:01/uplink asks"]);
});

test("QQIC 255 with QRV 7 keeps us silent for 35 minutes at most, not for 2.6 days; less where that is configured", () => {
  for (const [options, silent] of [
    [{}, 2105],
    [{ maxQueryInterval: seconds(130) }, 915],
  ] as const) {
    const bench = guarded(options);
    bench.hear(query(LOWER, { robustness: 7, queryInterval: seconds(31_744) }));
    assert.deepEqual(bench.until(silent - 1), []);
    assert.deepEqual(bench.until(silent), [`${silent} we ask`, `${silent} v3 query 0.0.0.0`]);
  }
});

test("QQIC 1 with QRV 1 takes nobody's membership: whoever answered that query has time to answer ours", () => {
  const bench = guarded();
  bench.hear(join());
  bench.hear(query(LOWER, { robustness: 1, queryInterval: seconds(1), maxResponse: seconds(0.1) }));
  bench.hear(report("10.0.0.9", ["is-ex", GROUP]));
  assert.deepEqual(bench.until(7), ["6 we ask", "6 v3 query 0.0.0.0"]);
  bench.hear(report("10.0.0.9", ["is-ex", GROUP]));
  bench.until(100);
  assert.ok(bench.machine.forwards(bench.now, address(GROUP), source(1)));
});

test("a v1 query has no group, whatever stands there: no timer is lowered (RFC 1112 appendix I)", () => {
  const bench = new Bench();
  bench.hear(join());
  bench.hear(query("10.0.0.7", { version: 1, group: address(GROUP) }));
  assert.deepEqual(bench.until(30), []);
});

test("a querier that gives hosts longer to answer than we would: its group is not ended before they have", () => {
  const bench = new Bench();
  bench.hear(query(LOWER));
  bench.hear(join());
  bench.hear(query(LOWER, { group: address(GROUP), maxResponse: seconds(5) }));
  assert.deepEqual(bench.until(9), []);
  assert.deepEqual(bench.until(10), ["10 239.1.1.1 include {}", "10 10.0.0.9 expired 239.1.1.1"]);
});

test("RFC 4541 2.1.1: a query from 0.0.0.0 never wins", () => {
  const bench = new Bench();
  assert.deepEqual(bench.hear(query("0.0.0.0")), []);
  assert.equal(bench.machine.querier.kind, "querier");
});

test("a listener without an address never asks, and knows who does until it falls silent", () => {
  const bench = new Bench({ mayQuery: false });
  assert.deepEqual(bench.hear(query("10.0.0.9")), ["10.0.0.9 asks"]);
  assert.deepEqual(bench.until(400), ["255 nobody asks"]);
  assert.equal(bench.machine.querier.kind, "silent");
});

test("RFC 2236 section 3: a v2 querier does not yield while it asks about a leave", () => {
  const bench = new Bench({ version: 2 });
  bench.hear(v1v2Message("v2Report", "10.0.0.9", GROUP));
  assert.deepEqual(bench.hear(v1v2Message("leave", "10.0.0.9", GROUP)), [
    "10.0.0.9 left 239.1.1.1",
    "v2 query 239.1.1.1",
  ]);
  assert.deepEqual(bench.hear(query("10.0.0.1", { version: 2 })), []);
  assert.deepEqual(bench.until(2), ["1 v2 query 239.1.1.1", "2 239.1.1.1 include {}"]);
  assert.deepEqual(bench.hear(query("10.0.0.1", { version: 2 })), ["10.0.0.1 asks"]);
});

test("RFC 2236 section 3: a non-querier ignores leaves and lowers its timer on the querier's question", () => {
  const bench = new Bench();
  bench.hear(query("10.0.0.1"));
  bench.hear(v1v2Message("v2Report", "10.0.0.9", GROUP));
  assert.deepEqual(bench.hear(v1v2Message("leave", "10.0.0.9", GROUP)), [
    "10.0.0.9 left 239.1.1.1",
    "drop igmp.leave-not-querier",
  ]);
  bench.hear(query("10.0.0.1", { version: 2, group: address(GROUP), maxResponse: seconds(3) }));
  assert.deepEqual(bench.until(6), ["6 239.1.1.1 include {}"]);
});

test("RFC 3376 6.6.1: S in a query leaves timers alone; without it the sources asked about are lowered", () => {
  const bench = new Bench();
  bench.hear(query("10.0.0.1"));
  bench.hear(report("10.0.0.9", ["allow", SSM, ...sources(1, 2)]));
  const about = { group: address(SSM), sources: sources(1), maxResponse: seconds(1) };
  bench.hear(query("10.0.0.1", { ...about, suppress: true }));
  assert.deepEqual(bench.until(5), []);
  bench.hear(query("10.0.0.1", about));
  assert.deepEqual(bench.until(8), ["7 232.1.1.1 include {2}"]);
});

test("RFC 3376 4.1.6, 4.1.7: a non-querier uses the querier's robustness and interval, and its own again later", () => {
  const bench = new Bench();
  bench.hear(query("10.0.0.1", { robustness: 3, queryInterval: seconds(20) }));
  assert.equal(bench.machine.times.groupMembershipInterval, 70_000);
  bench.until(300);
  assert.equal(bench.machine.querier.kind, "querier");
  assert.equal(bench.machine.times.groupMembershipInterval, 260_000);
});

test("RFC 3376 4.1.7, 8.5: the querier we yield to is waited for in its own interval, however much longer than ours", () => {
  const bench = new Bench({ times: { queryInterval: seconds(10), queryResponseInterval: seconds(1) } });
  const theirs = query("10.0.0.2", { queryInterval: seconds(125) });
  assert.deepEqual(bench.hear(theirs), ["10.0.0.2 asks"]);
  assert.deepEqual(bench.until(125), []);
  assert.deepEqual(bench.hear(theirs), []);
  assert.deepEqual(bench.until(125 + 250), []);
  assert.deepEqual(bench.until(125 + 251), ["375.5 we ask", "375.5 v3 query 0.0.0.0"]);
});

test("a querier that yields stops asking about leaves", () => {
  const bench = new Bench();
  bench.hear(join());
  bench.hear(leave());
  bench.hear(query("10.0.0.1"));
  assert.deepEqual(bench.until(2), ["2 239.1.1.1 include {}"]);
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

test("mac-based leave: a non-querier needs no question either, once it has heard everybody answer the querier's", () => {
  const bench = new Bench();
  bench.hear(query(LOWER));
  bench.hear(join());
  assert.deepEqual(bench.hear(leave()), ["10.0.0.9 left 239.1.1.1"]);
  bench.until(130);
  bench.hear(query(LOWER));
  bench.until(259);
  bench.hear(join());
  assert.deepEqual(bench.hear(leave()), ["10.0.0.9 left 239.1.1.1"], "not before a membership interval");
  bench.hear(join());
  bench.until(260);
  assert.deepEqual(bench.hear(leave()), ["10.0.0.9 left 239.1.1.1", "239.1.1.1 include {}"]);
});

test("MTU: with 366 sources on a link of 1400 octets each source is asked about, in packets that fit", () => {
  const bench = new Bench({ maxSourcesPerGroup: 400 });
  up(bench, { mtu: 1400 });
  const all = Array.from({ length: 366 }, (_, i) => address(`10.7.${i >> 8}.${i & 255}`));
  bench.hear(report("10.0.0.9", ["allow", SSM, ...all.slice(0, 200)], ["allow", SSM, ...all.slice(200)]));
  const effects = bench.machine.receive(bench.now, {
    kind: "packet",
    bytes: report("10.0.0.9", ["block", SSM, ...all]),
  });
  const packets = effects.flatMap((effect) => (effect.kind === "send" ? [effect.packet] : []));
  assert.deepEqual(
    packets.map((packet) => packet.length),
    [1400, 136],
  );
});

test("RFC 3376 7.3.1: an older querier is told of, at most once per query interval", () => {
  const bench = new Bench();
  assert.deepEqual(bench.hear(query("10.0.0.7", { version: 2 })), ["v2 querier 10.0.0.7"]);
  assert.deepEqual(bench.hear(query("10.0.0.7", { version: 1 })), []);
  bench.until(125);
  assert.deepEqual(bench.hear(query("10.0.0.7", { version: 1 })), ["v1 querier 10.0.0.7"]);
});

test("RFC 3376 7.3.1: a v1 querier asks with code 0, and heeds no leave", () => {
  const machine = new RouterInterface(IGMP, { version: 1 });
  assert.deepEqual(machine.receive(at(0), { kind: "up", address: address(OURS) }).flatMap(line), [
    "we ask",
    "v1 query 0.0.0.0",
  ]);
  const bench = new Bench({ version: 1 });
  bench.hear(v1v2Message("v1Report", "10.0.0.9", GROUP));
  assert.ok(bench.hear(v1v2Message("leave", "10.0.0.8", GROUP)).includes("drop igmp.v1-mode"));
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

const DROPS: readonly [InterfaceDrop, Uint8Array][] = [
  ["igmp.own", query(OURS)],
  ["igmp.leave-no-group", v1v2Message("leave", "10.0.0.9", GROUP)],
  ["igmp.all-systems", v1v2Message("v2Report", "10.0.0.9", "224.0.0.1")],
  ["igmp.ssm-older-version", v1v2Message("v2Report", "10.0.0.9", SSM)],
  ["igmp.ssm-older-version", v1v2Message("leave", "10.0.0.9", SSM)],
  ["igmp.ssm-exclude", report("10.0.0.9", ["to-ex", SSM])],
  ["igmp.ssm-exclude", report("10.0.0.9", ["is-ex", SSM, source(1)])],
  ["igmp.record-group", report("10.0.0.9", ["to-ex", "10.1.1.1"])],
];

for (const [reason, packet] of DROPS) {
  test(`${reason}: dropped by that name, and nothing is kept of it`, () => {
    const bench = new Bench();
    assert.deepEqual(bench.hear(packet), [`drop ${reason}`]);
    assert.deepEqual(bench.machine.groups(bench.now), []);
    assert.deepEqual(bench.machine.hosts(), []);
  });
}

test("igmp.record-type: an unknown record is counted, its neighbours are heeded", () => {
  const vectors = vectorFile<{ name: string; hex: string }[]>("packets.json");
  const vector = vectors.find(({ name }) => name === "v3 report with an unknown record type");
  assert.deepEqual(new Bench().hear(hex(vector?.hex ?? "")), [
    "drop igmp.record-type",
    "10.0.0.9 joined 239.1.1.2",
    "239.1.1.2 exclude {}",
  ]);
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

const groupsOf = (bench: Bench): number => bench.machine.groups(bench.now).length;

for (const [options, kept, reason] of [
  [{ maxGroupsPerHost: 64 }, 64, "igmp.host-groups"],
  [{ maxGroups: 1024 }, 960, "igmp.host-share"],
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
    assert.deepEqual([count("joined"), count("igmp.host-share"), count("tracking.refused")], [3840, 460, 460]);
    const given = new Set(bench.machine.groups(bench.now).map(({ group }) => group));
    assert.deepEqual(new Set(bench.machine.hosts().map(({ group }) => group)), given);
  });
}

/** 520 cards that somebody invents behind lan1, each with the 8 groups that every host may have. */
const inventedCards = Array.from({ length: 520 }, (_, n) => {
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
    assert.equal(lines.filter((text) => text === "drop igmp.port-share").length, 520 * 8 - (4096 - 64));
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

test("Router Alert is asked for only when so configured", () => {
  const plain = hex(
    vectorFile<{ name: string; hex: string }[]>("packets.json").find(({ name }) =>
      name.includes("without Router Alert"),
    )?.hex ?? "",
  );
  assert.deepEqual(new Bench({ requireRouterAlert: true }).hear(plain), ["drop igmp.no-router-alert"]);
  assert.deepEqual(new Bench().hear(plain), ["0.0.0.0 joined 239.1.1.1", "239.1.1.1 exclude {}"]);
});

const down = (bench: Bench): string[] => bench.machine.receive(bench.now, { kind: "down" }).flatMap(line);
const up = (bench: Bench, more: Partial<LinkFacts> = {}, text = OURS): string[] =>
  bench.machine.receive(bench.now, { kind: "up", address: address(text), ...more }).flatMap(line);

test("a report from no subnet of ours is dropped where that is asked for; 0.0.0.0 is heard in any case (RFC 3376 4.2.13)", () => {
  const bench = guarded({ verifySourceSubnet: true });
  assert.deepEqual(bench.hear(join("9.9.9.9")), ["drop igmp.off-subnet"]);
  assert.deepEqual(bench.hear(join("0.0.0.0")), ["0.0.0.0 joined 239.1.1.1", "239.1.1.1 exclude {}"]);
  assert.deepEqual(bench.hear(join("10.0.0.9")), ["10.0.0.9 joined 239.1.1.1"]);
  assert.deepEqual(guarded().hear(join("9.9.9.9")), ["9.9.9.9 joined 239.1.1.1", "239.1.1.1 exclude {}"]);
});

test("RFC 4604 section 2: the source-specific range may be another than 232.0.0.0/8", () => {
  const bench = new Bench({ sourceSpecific: [{ address: address("239.232.0.0"), prefixLength: 16 }] });
  assert.deepEqual(bench.hear(join("10.0.0.9", "239.232.1.1")), ["drop igmp.ssm-exclude"]);
  assert.deepEqual(bench.hear(join("10.0.0.9", SSM)), ["10.0.0.9 joined 232.1.1.1", "232.1.1.1 exclude {}"]);
});

test("a checksum that the sender's card was to fill in: named, and accepted where the link may vouch for it", () => {
  const unfilled = join();
  writeUint16(unfilled, 26, 0x1234);
  const headless = join();
  writeUint16(headless, 10, 0);
  const hear = (bench: Bench, bytes: Uint8Array, vouched: boolean): string[] =>
    bench.machine.receive(bench.now, { kind: "packet", bytes, vouched }).flatMap(line);
  assert.deepEqual(hear(new Bench(), unfilled, false), ["drop igmp.checksum"]);
  assert.deepEqual(hear(new Bench(), unfilled, true), ["drop igmp.checksum-unfilled"]);
  assert.deepEqual(hear(new Bench({ checksum: "link" }), unfilled, false), ["drop igmp.checksum"]);
  assert.deepEqual(hear(new Bench({ checksum: "link" }), headless, false), ["drop ip.checksum"]);
  assert.deepEqual(hear(new Bench(), headless, true), ["drop ip.checksum-unfilled"]);
  for (const bytes of [unfilled, headless]) {
    assert.deepEqual(hear(new Bench({ checksum: "link" }), bytes, true).length, 2);
  }
  const tapped = ethernet("02:00:00:00:00:09", unfilled);
  const frame = (checksum: "verify" | "link"): string[] => {
    const bench = new Bench({ trackingSource: "frames", checksum });
    bench.hear(join());
    return bench.frame(tapped, "lan1", true);
  };
  assert.deepEqual(frame("verify"), ["drop igmp.checksum-unfilled"]);
  assert.deepEqual(frame("link"), ["10.0.0.9/02:00:00:00:00:09/lan1 joined 239.1.1.1"]);
  const broken = join();
  writeUint16(broken, 10, 0x1234);
  assert.deepEqual(hear(new Bench({ checksum: "link" }), broken, true), ["drop ip.checksum"]);
  const machine = new RouterInterface(IGMP, { checksum: "link" });
  machine.receive(at(0), { kind: "up", address: address(OURS) });
  const [heard] = machine.receive(at(0), { kind: "packet", bytes: unfilled, vouched: true });
  assert.ok(heard?.kind === "heard" && heard.unfilled);
});

test("RFC 3376 4.1.12, 4.2.14: a report counts at whatever address of the interface it arrives", () => {
  for (const to of ["224.0.0.1", "224.0.0.22", OURS, GROUP])
    assert.deepEqual(new Bench().hear(readdressed(join(), { to })).length, 2, to);
});

test("a flap of the link keeps its members: they are served at once, asked at once, and stay when they answer", () => {
  const bench = new Bench();
  bench.hear(join());
  bench.hear(join("10.0.0.8", "239.1.1.2"));
  bench.until(10);
  assert.deepEqual(down(bench), ["nobody asks"]);
  assert.equal(
    bench.machine.forwards(bench.now, address(GROUP), source(1)),
    false,
    "nothing can be delivered meanwhile",
  );
  assert.deepEqual(bench.hear(join()), ["drop igmp.down"]);
  assert.deepEqual(bench.until(14), []);
  assert.deepEqual(up(bench), ["we ask", "v3 query 0.0.0.0"]);
  assert.ok(bench.machine.forwards(bench.now, address(GROUP), source(1)));
  assert.deepEqual(bench.hear(report("10.0.0.9", ["is-ex", GROUP])), [], "it was a member all the time");
  // Two questions and the time to answer them: whoever is there has said so.
  assert.deepEqual(bench.until(60), [
    "45.25 v3 query 0.0.0.0",
    "55.25 239.1.1.2 include {}",
    "55.25 10.0.0.8 expired 239.1.1.2",
  ]);
  assert.ok(bench.machine.forwards(bench.now, address(GROUP), source(1)));
});

test("a flap in the middle of last-member queries: the answer could not be heard, so the question is asked again", () => {
  const bench = new Bench();
  bench.hear(join("10.0.0.9"));
  bench.hear(join("10.0.0.8"));
  bench.hear(leave("10.0.0.9"));
  down(bench);
  assert.deepEqual(bench.until(5), []);
  up(bench);
  assert.deepEqual(bench.hear(report("10.0.0.8", ["is-ex", GROUP])), []);
  bench.until(60);
  assert.ok(bench.machine.forwards(bench.now, address(GROUP), source(1)));
});

test("time stands still for the members of a link that is away, until the grace is over: then everything goes, by name", () => {
  const bench = new Bench({ flapGrace: seconds(1000) });
  bench.hear(report("10.0.0.9", ["allow", SSM, ...sources(1, 2)]));
  bench.hear(join());
  down(bench);
  assert.deepEqual(bench.until(999), [], "longer than any of them lives without a report");
  assert.equal(bench.machine.groups(bench.now).length, 2);
  assert.deepEqual(bench.until(1000), [
    "1000 10.0.0.9 down 232.1.1.1",
    "1000 10.0.0.9 down 239.1.1.1",
    "1000 232.1.1.1 include {}",
    "1000 239.1.1.1 include {}",
  ]);
  assert.equal(bench.machine.nextDeadline(), undefined);
  const hasty = new Bench({ flapGrace: seconds(0) });
  hasty.hear(join());
  assert.deepEqual(down(hasty), ["nobody asks", "10.0.0.9 down 239.1.1.1", "239.1.1.1 include {}"]);
});

test("when we end, nothing is kept, whether the link is there or not", () => {
  const bench = new Bench();
  bench.hear(join());
  const ended = ["10.0.0.9 down 239.1.1.1", "239.1.1.1 include {}"];
  assert.deepEqual(bench.machine.receive(bench.now, { kind: "stop" }).flatMap(line), ["nobody asks", ...ended]);
  const away = new Bench();
  away.hear(join());
  down(away);
  assert.deepEqual(away.machine.receive(away.now, { kind: "stop" }).flatMap(line), ended);
});

test("a listener cannot ask after a flap: members have until the querier's questions were answered", () => {
  const bench = new Bench({ mayQuery: false });
  bench.hear(join());
  down(bench);
  bench.until(5);
  up(bench);
  assert.deepEqual(bench.until(264), []);
  assert.deepEqual(bench.until(265), ["265 239.1.1.1 include {}", "265 10.0.0.9 expired 239.1.1.1"]);
});

test("whoever takes the election right after a flap asks in its own time: members have that long", () => {
  const bench = new Bench();
  bench.hear(join());
  down(bench);
  bench.until(5);
  up(bench);
  bench.until(6);
  assert.deepEqual(bench.hear(query("10.0.0.1")), ["10.0.0.1 asks"]);
  assert.deepEqual(bench.until(260), []);
});

test("the first question after a start has a short time to answer, and so has the first after another querier fell silent", () => {
  const times = (effects: readonly RouterInterfaceEffect[]): number[] =>
    effects.flatMap((effect) => (effect.kind === "send" ? [maxResponseOf(effect.packet)] : []));
  const machine = new RouterInterface(IGMP, { times: { startupResponse: milliseconds(500) } });
  assert.deepEqual(times(machine.receive(at(0), { kind: "up", address: address(OURS) })), [500]);
  assert.deepEqual(times(machine.poll(at(31.25))), [10_000]);
  machine.receive(at(40), { kind: "packet", bytes: query("10.0.0.1") });
  assert.deepEqual(times(machine.poll(at(40 + 255))), [500]);
  assert.deepEqual(times(machine.poll(at(40 + 255 + 125))), [10_000]);
});

function maxResponseOf(bytes: Uint8Array): number {
  const packet = checkPacket(bytes);
  return typeof packet === "string" ? assert.fail(packet) : readQuery(packet).maxResponse;
}

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

test("a link that comes up says where its host tracking listens: a bridge may get its ports late", () => {
  const bench = new Bench();
  bench.machine.receive(at(1), { kind: "down" });
  bench.machine.receive(at(2), { kind: "up", address: address(OURS), trackingSource: "frames" });
  bench.now = at(2);
  assert.deepEqual(bench.hear(join()), ["239.1.1.1 exclude {}"]);
  const frame = ethernet("02:00:00:00:00:09", join());
  assert.deepEqual(bench.frame(frame, "lan1"), ["10.0.0.9/02:00:00:00:00:09/lan1 joined 239.1.1.1"]);
});

test("other options take effect without a break: the new times are asked for at once, no member goes", () => {
  const bench = new Bench();
  bench.hear(join());
  bench.until(40);
  const options = { times: { queryInterval: seconds(20) }, requireRouterAlert: true, maxGroups: 1 };
  const effects = bench.machine.receive(bench.now, { kind: "configure", options }).flatMap(line);
  assert.deepEqual(effects, ["v3 query 0.0.0.0"]);
  assert.deepEqual(bench.until(66), ["45 v3 query 0.0.0.0", "65 v3 query 0.0.0.0"]);
  assert.equal(bench.machine.groups(bench.now).length, 1);
  assert.deepEqual(bench.hear(join("10.0.0.9", "239.1.1.2")), ["drop igmp.too-many-groups"]);
});

test("an unsolicited change of address starts the election again and keeps the groups", () => {
  const bench = new Bench();
  bench.hear(join());
  const effects = bench.machine.receive(at(1), { kind: "up", address: address("10.0.0.77") }).flatMap(line);
  assert.deepEqual(effects, ["v3 query 0.0.0.0"]);
  assert.equal(bench.machine.groups(at(1)).length, 1);
  assert.deepEqual(bench.machine.receive(at(2), { kind: "up", address: address("10.0.0.77") }), []);
});

test("a late alarm loses nothing: one poll does all that is due", () => {
  const bench = new Bench();
  bench.hear(join());
  bench.hear(leave());
  assert.deepEqual(bench.machine.poll(at(1000)).flatMap(line).sort(), ["239.1.1.1 include {}", "v3 query 0.0.0.0"]);
});

const assume = (bench: Bench, text: string, filter: SourceFilter, span: number): string[] =>
  bench.machine.receive(bench.now, { kind: "assume", group: address(text), filter, span: seconds(span) }).flatMap(line);

test("what was forwarded before we came is wanted until its time is over, and no host is known for it", () => {
  const bench = new Bench();
  assert.deepEqual(assume(bench, GROUP, ANY_SOURCE, 12), ["239.1.1.1 exclude {}"]);
  assert.deepEqual(assume(bench, SSM, filterOf("include", sources(1)), 12), ["232.1.1.1 include {1}"]);
  assert.deepEqual(bench.machine.hosts(), []);
  bench.until(5);
  assert.deepEqual(bench.hear(join()), ["10.0.0.9 joined 239.1.1.1"], "a real member confirms it");
  assert.deepEqual(bench.until(31), ["12 232.1.1.1 include {}"]);
  assert.ok(bench.machine.forwards(bench.now, address(GROUP), source(1)));
});

test("an assumption shortens nothing, takes nothing away, and is bound by the rules and limits of a report", () => {
  const bench = new Bench({ maxGroups: 2 });
  bench.hear(join());
  bench.hear(report("10.0.0.9", ["allow", "239.1.1.2", source(1)]));
  assert.deepEqual(assume(bench, GROUP, filterOf("exclude", sources(4)), 12), []);
  assert.deepEqual(assume(bench, "239.1.1.2", ANY_SOURCE, 12), ["239.1.1.2 exclude {}"]);
  assert.deepEqual(assume(bench, SSM, ANY_SOURCE, 12), ["drop igmp.ssm-exclude"]);
  assert.deepEqual(assume(bench, "239.1.1.3", ANY_SOURCE, 12), ["drop igmp.too-many-groups"]);
  const told = bench.until(260).filter((text) => !text.includes("query"));
  assert.deepEqual(told, [
    "12 239.1.1.2 include {1}",
    "260 239.1.1.1 include {}",
    "260 10.0.0.9 expired 239.1.1.1",
    "260 239.1.1.2 include {}",
    "260 10.0.0.9 expired 239.1.1.2",
  ]);
  bench.machine.receive(bench.now, { kind: "down" });
  assert.deepEqual(assume(bench, GROUP, ANY_SOURCE, 12), ["drop igmp.down"]);
});

test("what is assumed lives until whoever asks has asked, also when that is another router, before or after", () => {
  const before = new Bench();
  before.hear(query("10.0.0.1"));
  assume(before, GROUP, ANY_SOURCE, 41);
  const after = new Bench();
  assume(after, GROUP, ANY_SOURCE, 41);
  after.until(1);
  after.hear(query("10.0.0.1"));
  for (const bench of [before, after]) {
    bench.until(259);
    assert.ok(bench.machine.forwards(bench.now, address(GROUP), source(1)));
    bench.until(262);
    assert.ok(!bench.machine.forwards(bench.now, address(GROUP), source(1)));
  }
});
