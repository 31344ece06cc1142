// The life of a link: start-up, election, who may ask, what goes out.

import assert from "node:assert/strict";
import { test } from "node:test";
import { address } from "../base/ipv4.ts";
import type { Subnet } from "../base/subnet.ts";
import { milliseconds, seconds } from "../base/time.ts";
import { at, ethernet, query, readdressed, report, v1v2Message } from "./igmp.testkit.ts";
import type { LinkFacts, RouterInterfaceEffect, RouterInterfaceOptions } from "./interface-events.ts";
import { checkPacket } from "./messages/packet.ts";
import { readQuery } from "./messages/query.ts";
import type { QueryRefusal } from "./query-guard.ts";
import { Bench, GROUP, GUARDED, guarded, join, LOWER, line, OURS, SSM, up } from "./router-interface.testkit.ts";
import { RouterInterface } from "./router-interface.ts";
import { IGMP } from "./wire.ts";

test("RFC 3376 8.6, 8.7: start-up queries a quarter of the interval apart, then general queries", () => {
  const machine = new RouterInterface(IGMP);
  const first = machine.receive(at(0), { kind: "up", address: address(OURS) }).flatMap(line);
  assert.deepEqual(first, ["we ask", "v3 query 0.0.0.0"]);
  const bench = new Bench();
  assert.deepEqual(bench.until(300), ["31.25 v3 query 0.0.0.0", "156.25 v3 query 0.0.0.0", "281.25 v3 query 0.0.0.0"]);
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

test("where a port decides who may ask, a query in a frame to one card does not count either", () => {
  const bench = guarded({ querierPorts: ["lan1"], trackingSource: "frames" });
  const frame = ethernet("02:00:00:00:00:77", query(LOWER));
  frame.set([2, 0, 0, 0, 0, 5], 0);
  assert.ok(bench.frame(frame, "lan1").includes("drop igmp.query-unicast"));
  assert.deepEqual(bench.frame(ethernet("02:00:00:00:00:77", query(LOWER)), "lan1"), [
    "10.0.0.1/02:00:00:00:00:77/lan1 asks",
  ]);
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

test("an unsolicited change of address starts the election again and keeps the groups", () => {
  const bench = new Bench();
  bench.hear(join());
  const effects = bench.machine.receive(at(1), { kind: "up", address: address("10.0.0.77") }).flatMap(line);
  assert.deepEqual(effects, ["v3 query 0.0.0.0"]);
  assert.equal(bench.machine.groups(at(1)).length, 1);
  assert.deepEqual(bench.machine.receive(at(2), { kind: "up", address: address("10.0.0.77") }), []);
});
