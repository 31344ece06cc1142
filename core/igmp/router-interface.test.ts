// Link and members together: the gate, queries that lower timers, flaps, changes of options; what is dropped and why.

import assert from "node:assert/strict";
import { test } from "node:test";
import { hex } from "../base/bytes.testkit.ts";
import { writeUint16 } from "../base/bytes.ts";
import { address } from "../base/ipv4.ts";
import { seconds } from "../base/time.ts";
import { ANY_SOURCE, filterOf, type SourceFilter } from "./filter.ts";
import { at, ethernet, query, readdressed, report, source, sources, v1v2Message, vectorFile } from "./igmp.testkit.ts";
import type { InterfaceDrop } from "./interface-events.ts";
import { Bench, down, GROUP, guarded, join, LOWER, leave, line, OURS, SSM, up } from "./router-interface.testkit.ts";
import { RouterInterface } from "./router-interface.ts";
import { IGMP } from "./wire.ts";

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

test("a v1 query asks everybody, whatever its group field says", () => {
  const bench = guarded();
  const odd = readdressed(query(LOWER, { version: 1, group: address(GROUP) }), { to: "224.0.0.1" });
  assert.deepEqual(bench.hear(odd), ["v1 querier 10.0.0.1", "10.0.0.1 asks"]);
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

test("a querier that yields stops asking about leaves", () => {
  const bench = new Bench();
  bench.hear(join());
  bench.hear(leave());
  bench.hear(query("10.0.0.1"));
  assert.deepEqual(bench.until(2), ["2 239.1.1.1 include {}"]);
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

test("Router Alert is asked for only when so configured", () => {
  const plain = hex(
    vectorFile<{ name: string; hex: string }[]>("packets.json").find(({ name }) =>
      name.includes("without Router Alert"),
    )?.hex ?? "",
  );
  assert.deepEqual(new Bench({ requireRouterAlert: true }).hear(plain), ["drop igmp.no-router-alert"]);
  assert.deepEqual(new Bench().hear(plain), ["0.0.0.0 joined 239.1.1.1", "239.1.1.1 exclude {}"]);
});

test("a report from no subnet of ours is dropped where that is asked for; 0.0.0.0 is heard in any case (RFC 3376 4.2.13)", () => {
  const bench = guarded({ verifySourceSubnet: true });
  assert.deepEqual(bench.hear(join("9.9.9.9")), ["drop igmp.off-subnet"]);
  assert.deepEqual(bench.hear(join("0.0.0.0")), ["0.0.0.0 joined 239.1.1.1", "239.1.1.1 exclude {}"]);
  assert.deepEqual(bench.hear(join("10.0.0.9")), ["10.0.0.9 joined 239.1.1.1"]);
  assert.deepEqual(guarded().hear(join("9.9.9.9")), ["9.9.9.9 joined 239.1.1.1", "239.1.1.1 exclude {}"]);
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
