import assert from "node:assert/strict";
import { test } from "node:test";
import { ANY, address, formatIpv4, type Ipv4, ipv4 } from "../base/ipv4.ts";
import { after, type Instant, instant, seconds } from "../base/time.ts";
import { query, report } from "../igmp/igmp.testkit.ts";
import { checkPacket } from "../igmp/messages/packet.ts";
import { type ReportRecord, recordsOf, reportLength, writeReport } from "../igmp/messages/report.ts";
import { V1_V2_LENGTH, writeV1V2Message } from "../igmp/messages/v1-v2-message.ts";
import { IGMP } from "../igmp/wire.ts";
import type { RouterEffect, RouterEvent, RouterOptions } from "./options.ts";
import { Router } from "./router.ts";

const SOURCE = address("10.1.0.2");
const GROUP = address("239.255.77.1");
/** Beyond the local scope: what is sent to it from below may go up. */
const PUBLIC = address("239.1.1.1");
const [A, B] = [address("10.2.0.11"), address("10.2.0.12")];
const entropy = { bytes: (n: number) => new Uint8Array(n), below: (limit: number) => limit / 2 };

/** A router on a clock that the test moves, and everything it said, one line an effect. */
class Bench {
  readonly router: Router;
  readonly log: string[] = [];
  now: Instant = instant(0);

  constructor(options: Partial<RouterOptions> = {}) {
    this.router = new Router(
      IGMP,
      { upstreams: [{ name: "up" }], downstreams: [{ name: "lan" }, { name: "wifi" }], ...options },
      entropy,
    );
    this.link("up", "10.1.0.1");
    this.link("lan", "10.2.0.1");
    this.link("wifi", "10.3.0.1");
  }

  feed(event: RouterEvent): readonly string[] {
    return this.#note(this.router.receive(this.now, event));
  }

  link(name: string, text: string | undefined): readonly string[] {
    if (text === undefined) return this.feed({ kind: "link", name, address: undefined });
    const own = address(text);
    return this.feed({ kind: "link", name, address: own, addresses: [{ address: own, prefixLength: 24 }] });
  }

  /** Lets time pass, doing what falls due. */
  pass(span: number): readonly string[] {
    const end = after(this.now, seconds(span));
    const lines: string[] = [];
    for (let due = this.router.nextDeadline(); due !== undefined && due <= end; due = this.router.nextDeadline()) {
      this.now = due;
      lines.push(...this.#note(this.router.poll(due)));
    }
    this.now = end;
    return lines;
  }

  says(name: string, host: Ipv4, ...records: ReportRecord[]): readonly string[] {
    return this.feed({
      kind: "packet",
      name,
      bytes: writeReport(new Uint8Array(reportLength(records)), host, records),
    });
  }

  join(name: string, host: Ipv4, group = GROUP): readonly string[] {
    return this.says(name, host, { type: "to-ex", group, sources: [] });
  }

  leave(name: string, host: Ipv4, group = GROUP): readonly string[] {
    return this.says(name, host, { type: "to-in", group, sources: [] });
  }

  stream(inbound = "up", group = GROUP, source = SOURCE): readonly string[] {
    return this.feed({ kind: "no-route", source, group, inbound });
  }

  #note(effects: readonly RouterEffect[]): string[] {
    const lines = effects.flatMap(line);
    this.log.push(...lines);
    return lines;
  }
}

/** Effects that these tests are about; queries and statistics are left out. */
function line(effect: RouterEffect): string[] {
  switch (effect.kind) {
    case "route":
      return [
        `route ${formatIpv4(effect.route.group)} ${effect.route.inbound} > ${effect.route.outbound.join(" ") || "-"}`,
      ];
    case "unroute":
      return [`unroute ${formatIpv4(effect.group)}`];
    case "delivery":
      return [`${effect.number} ${effect.name}`];
    case "joined":
    case "left":
      return [`${effect.number ?? effect.kind} ${effect.name} ${formatIpv4(effect.membership.host.address)}`];
    case "send":
      return effect.name === "up" ? upstreamReport(effect.packet) : [];
    case "drop":
      return [`drop ${effect.name} ${effect.reason}`];
    case "count-routes":
      return ["count"];
    case "intruder": {
      const { name, source, expected } = effect.intruder;
      return [`intruder ${name} ${formatIpv4(source)} expected ${expected ?? "nowhere"}`];
    }
    case "more-intruders":
      return [`${effect.senders} more intruders ${effect.name}`];
    default:
      return [];
  }
}

function upstreamReport(bytes: Uint8Array): string[] {
  const packet = checkPacket(bytes);
  if (typeof packet === "string") return [packet];
  if (packet.kind !== "v3Report") return [`up ${packet.kind}`];
  return Array.from(recordsOf(packet), ({ type, group, sources }) =>
    [`up ${type}`, formatIpv4(group), ...sources.map(formatIpv4)].join(" "),
  );
}

test("71 asks upstream; the stream that comes is delivered (72) where it was asked for", () => {
  const bench = new Bench();
  assert.deepEqual(bench.join("lan", A), ["up to-ex 239.255.77.1", "71 lan 10.2.0.11"]);
  assert.deepEqual(bench.stream(), ["route 239.255.77.1 up > lan", "72 lan"]);
});

test("a stream that nobody wants gets a negative route, and the first join opens it", () => {
  const bench = new Bench();
  assert.deepEqual(bench.stream(), ["route 239.255.77.1 up > -"]);
  assert.ok(bench.join("wifi", A).includes("72 wifi"));
  assert.deepEqual(
    bench.router.routes().map(({ outbound }) => outbound),
    [["wifi"]],
  );
});

test("viewer B keeps the stream when A leaves: the route is not touched while B answers", () => {
  const bench = new Bench();
  bench.join("lan", A);
  bench.join("lan", B);
  bench.stream();
  assert.deepEqual(bench.leave("lan", A), ["81 lan 10.2.0.11"]);
  bench.says("lan", B, { type: "is-ex", group: GROUP, sources: [] });
  const later = bench.pass(10);
  assert.deepEqual(
    later.filter((text) => !text.startsWith("up ")),
    [],
  );
  assert.deepEqual(
    bench.router.routes().map(({ outbound }) => outbound),
    [["lan"]],
  );
});

test("the last 81 ends delivery (82) after the last member query time, and the membership upstream", () => {
  const bench = new Bench();
  bench.join("lan", A);
  bench.stream();
  bench.pass(5);
  bench.leave("lan", A);
  assert.deepEqual(bench.pass(1.9), []);
  const ended = bench.pass(0.2);
  assert.ok(ended.includes("82 lan") && ended.includes("up to-in 239.255.77.1"), ended.join());
});

test("a source-specific member gets its source only, and a second source is asked for upstream", () => {
  const bench = new Bench();
  const group = address("232.1.1.1");
  const other = address("10.1.0.3");
  bench.says("lan", A, { type: "allow", group, sources: [SOURCE] });
  bench.stream("up", group, other);
  bench.stream("up", group, SOURCE);
  assert.deepEqual(
    bench.router.routes().map(({ outbound }) => outbound),
    [[], ["lan"]],
  );
  const lines = bench.says("lan", B, { type: "allow", group, sources: [other] });
  assert.ok(lines.includes("72 lan"), lines.join());
  assert.match(lines.join("\n"), /^up allow 232\.1\.1\.1.* 10\.1\.0\.3$/m);
});

test("RFC 4605 4.2: what comes from below goes upstream, to the other side when asked for, never back", () => {
  const bench = new Bench();
  bench.join("lan", A, PUBLIC);
  bench.join("wifi", B, PUBLIC);
  assert.deepEqual(bench.stream("lan", PUBLIC, A), ["route 239.1.1.1 lan > up wifi", "72 up", "72 wifi"]);
});

test("who asks is not who forwards: a foreign querier on the LAN takes no viewer's stream", () => {
  const bench = new Bench();
  bench.join("lan", A);
  bench.stream();
  assert.deepEqual(bench.feed({ kind: "packet", name: "lan", bytes: query("10.2.0.0") }), []);
  assert.equal([...bench.router.interfaces()][0]?.[1].querier.kind, "non-querier");
  assert.deepEqual(bench.stream("up", address("239.255.77.9")), ["route 239.255.77.9 up > -"]);
  const joined = bench.join("lan", B, address("239.255.77.9"));
  assert.ok(joined.includes("route 239.255.77.9 up > lan") && joined.includes("72 lan"), joined.join());
});

test("RFC 4605 section 3: where another router serves the LAN, the one elected forwards", () => {
  const bench = new Bench({ downstreams: [{ name: "lan", forwarder: "elected" }, { name: "wifi" }] });
  bench.join("lan", A);
  bench.stream();
  const bytes = query("10.2.0.0");
  const lines = bench.feed({ kind: "packet", name: "lan", bytes });
  assert.deepEqual(lines, ["route 239.255.77.1 up > -", "82 lan"]);
});

test("link-local groups are never routed (RFC 5771 section 4)", () => {
  const bench = new Bench();
  bench.join("lan", A, address("224.0.0.251"));
  assert.deepEqual(bench.stream("lan", address("224.0.0.251"), A), ["route 224.0.0.251 lan > -"]);
});

test("a downstream that flaps is served again at once, and the upstream hears nothing of it", () => {
  const bench = new Bench();
  bench.join("lan", A);
  bench.stream();
  bench.pass(5);
  assert.deepEqual(bench.link("lan", undefined), ["route 239.255.77.1 up > -", "82 lan"]);
  bench.pass(3);
  assert.deepEqual(bench.link("lan", "10.2.0.1"), ["route 239.255.77.1 up > lan", "72 lan"]);
});

test("a downstream that stays away ends its memberships, also upstream; when it is back it asks at once", () => {
  const bench = new Bench();
  bench.join("lan", A);
  bench.stream();
  bench.link("lan", undefined);
  const gone = bench.pass(260);
  assert.ok(gone.includes("left lan 10.2.0.11") && gone.includes("up to-in 239.255.77.1"), gone.join());
  bench.link("lan", "10.2.0.1");
  assert.ok(bench.join("lan", A).includes("72 lan"));
});

test("a router that ends leaves upstream what it asked for", () => {
  const bench = new Bench();
  bench.join("lan", A);
  bench.stream();
  const lines = bench.feed({ kind: "stop" });
  assert.ok(lines.includes("82 lan") && lines.includes("up to-in 239.255.77.1"), lines.join());
});

test("a router that ends with many groups leaves them in as few reports as hold them", () => {
  const bench = new Bench();
  const groups = Array.from({ length: 60 }, (_, i) => ipv4(address("239.1.0.0") + i));
  for (const group of groups) bench.join("lan", A, group);
  bench.pass(5);
  const sent = bench.router
    .receive(bench.now, { kind: "stop" })
    .filter((effect) => effect.kind === "send" && effect.name === "up");
  assert.equal(sent.length, 1);
});

test("an upstream that goes down takes its routes; back with another address it reports everything again", () => {
  const bench = new Bench();
  bench.join("lan", A);
  bench.stream();
  assert.deepEqual(bench.link("up", undefined), ["unroute 239.255.77.1", "82 lan"]);
  assert.deepEqual(bench.link("up", "10.9.0.1"), ["up to-ex 239.255.77.1"]);
  assert.deepEqual(bench.stream(), ["route 239.255.77.1 up > lan", "72 lan"]);
});

test("a denied group is not asked for upstream, not delivered, and the drop is named", () => {
  const deny = [{ group: address("239.255.0.0"), length: 16 }];
  const bench = new Bench({ downstreams: [{ name: "lan", deny }, { name: "wifi" }] });
  const lines = bench.join("lan", A);
  assert.ok(lines.includes("drop lan policy.denied"));
  assert.equal(
    lines.some((text) => text.startsWith("up ")),
    false,
  );
  assert.deepEqual(bench.stream(), ["route 239.255.77.1 up > -"]);
});

test("other options take effect without a break: members stay, a group that is denied now ends", () => {
  const bench = new Bench();
  bench.join("lan", A);
  bench.join("lan", B, address("239.255.88.1"));
  bench.stream();
  bench.stream("up", address("239.255.88.1"));
  const deny = [{ group: address("239.255.88.0"), length: 24 }];
  const igmp = { times: { lastMemberQueryCount: 1 } };
  const lines = bench.feed({ kind: "configure", downstreams: [{ name: "lan", deny, igmp }, { name: "gone" }] });
  assert.deepEqual(lines, [
    "route 239.255.88.1 up > -",
    "up to-in 239.255.88.1",
    "drop lan policy.denied",
    "left lan 10.2.0.12",
    "drop lan router.group-denied",
    "82 lan",
  ]);
  assert.equal([...bench.router.interfaces()][0]?.[1].hosts().length, 1);
  bench.leave("lan", A);
  assert.ok(bench.pass(1.1).includes("82 lan"), "one last-member query instead of two");
});

test("the upstream is told of a membership again at every question, for half an hour", () => {
  const bench = new Bench();
  bench.join("lan", A);
  bench.stream();
  const bytes = query("10.1.0.254");
  for (let minute = 0; minute < 30; minute += 2) {
    bench.feed({ kind: "packet", name: "up", bytes });
    bench.says("lan", A, { type: "is-ex", group: GROUP, sources: [] });
    const uses = [{ source: SOURCE, group: GROUP, packets: minute + 1, bytes: 0, wrong: 0 }];
    assert.ok(bench.pass(10).includes("up is-ex 239.255.77.1"));
    bench.feed({ kind: "use", uses });
    assert.deepEqual(
      bench.pass(115).filter((line) => line !== "count"),
      [],
    );
  }
});

test("only allowed groups are received where a list of them is given", () => {
  const allow = [{ group: address("239.1.0.0"), length: 16 }];
  const bench = new Bench({ downstreams: [{ name: "lan", allow }] });
  assert.ok(bench.join("lan", A).includes("drop lan policy.denied"));
  assert.ok(bench.join("lan", A, address("239.1.2.3")).includes("up to-ex 239.1.2.3"));
});

test("a route without traffic is taken out after the idle time, one with traffic stays", () => {
  const bench = new Bench({ idle: seconds(60) });
  bench.join("lan", A);
  bench.stream();
  assert.ok(bench.pass(31).includes("count"));
  const use = (packets: number) =>
    bench.feed({ kind: "use", uses: [{ source: SOURCE, group: GROUP, packets, bytes: 0, wrong: 0 }] });
  assert.deepEqual(use(10), []);
  bench.pass(59);
  assert.deepEqual(use(20), []);
  bench.pass(59);
  assert.deepEqual(use(20), []);
  bench.pass(2);
  assert.deepEqual(use(20), ["unroute 239.255.77.1", "82 lan"]);
  assert.equal(bench.pass(60).includes("count"), false, "without routes nothing is counted");
});

test("routes are limited, and the drop is named", () => {
  const bench = new Bench({ maxRoutes: 1 });
  bench.stream();
  const refused = ["route 239.255.77.2 up > -", "drop up router.too-many-routes"];
  assert.deepEqual(bench.stream("up", address("239.255.77.2")), refused);
});

test("a table full of streams that nobody wants makes room for one that is wanted, the longest idle first", () => {
  const bench = new Bench({ maxRoutes: 2 });
  bench.stream("up", address("239.255.77.8"));
  bench.pass(1);
  bench.stream("up", address("239.255.77.9"));
  bench.join("lan", A);
  assert.deepEqual(bench.stream(), ["unroute 239.255.77.8", "route 239.255.77.1 up > lan", "72 lan"]);
  const refused = ["route 239.255.77.8 up > -", "drop up router.too-many-routes"];
  assert.deepEqual(bench.stream("up", address("239.255.77.8")), refused);
});

test("a source that moves to another interface is asked for anew when the old one is silent, within two counts", () => {
  const bench = new Bench();
  bench.join("wifi", A);
  bench.stream("up", GROUP, A);
  const use = (packets: number, wrong: number) =>
    bench.feed({ kind: "use", uses: [{ source: A, group: GROUP, packets, bytes: 0, wrong }] });
  bench.pass(30);
  assert.deepEqual(use(10, 0), []);
  bench.pass(30);
  assert.deepEqual(use(20, 5), [], "some stray packets do not move a stream that goes on");
  bench.pass(30);
  assert.deepEqual(use(20, 900), ["unroute 239.255.77.1", "82 wifi"]);
  assert.deepEqual(bench.stream("lan", GROUP, A), ["route 239.255.77.1 lan > wifi", "72 wifi"]);
});

test("what comes from an interface that is not configured is dropped by name", () => {
  const bench = new Bench();
  assert.deepEqual(bench.stream("eth9"), ["drop eth9 router.unknown-interface"]);
  assert.deepEqual(bench.join("eth9", A), ["drop eth9 router.unknown-interface"]);
});

test("traffic that comes in where it goes out is dropped by name and changes no route", () => {
  const bench = new Bench();
  bench.join("lan", A);
  bench.stream("up", GROUP, A);
  const lines = bench.feed({ kind: "wrong-interface", source: A, group: GROUP, inbound: "lan" });
  assert.deepEqual(lines, ["drop lan router.wrong-interface"]);
  assert.ok(bench.pass(1).includes("count"), "but whether the source has moved is looked at soon");
});

test("a v2 host joins and leaves, and the upstream hears v3", () => {
  const bench = new Bench();
  const v1v2 = (kind: "v2Report" | "leave") =>
    bench.feed({ kind: "packet", name: "lan", bytes: writeV1V2Message(new Uint8Array(V1_V2_LENGTH), A, kind, GROUP) });
  assert.ok(v1v2("v2Report").includes("up to-ex 239.255.77.1"));
  bench.stream();
  bench.pass(5);
  assert.ok(v1v2("leave").includes("81 lan 10.2.0.11"));
  assert.ok(bench.pass(3).includes("82 lan"));
});

const inventedAddress = (n: number, network = "10.7.0.0"): Ipv4 => ipv4(address(network) + n);
const FORGED = "intruder lan 10.1.0.2 expected up";

test("a LAN host that sends under the headend's address before anybody watches does not become the ingress", () => {
  const bench = new Bench();
  assert.deepEqual(bench.stream("lan"), ["route 239.255.77.1 up > -", FORGED, "drop lan router.foreign-source"]);
  const joined = bench.join("lan", B);
  assert.deepEqual(joined.slice(0, 2), ["route 239.255.77.1 up > lan", "up to-ex 239.255.77.1"]);
  assert.deepEqual(bench.router.routes(), [{ source: SOURCE, group: GROUP, inbound: "up", outbound: ["lan"] }]);
});

test("an intruder is told of once, then every ten minutes, and status keeps the last 64", () => {
  const bench = new Bench();
  const wrong = (source = SOURCE) => bench.feed({ kind: "wrong-interface", source, group: GROUP, inbound: "lan" });
  bench.join("lan", A);
  bench.stream();
  assert.ok(wrong().includes(FORGED));
  bench.now = after(bench.now, seconds(599));
  assert.deepEqual(wrong().slice(-2), ["drop lan router.wrong-interface", "drop lan router.foreign-source"]);
  bench.now = after(bench.now, seconds(1));
  assert.ok(wrong().includes(FORGED));
  assert.deepEqual(
    bench.router.intruders().map(({ times }) => times),
    [3],
  );
  for (let n = 0; n < 100; n++) bench.stream("lan", GROUP, ipv4(address("10.7.0.0") + n));
  assert.equal(bench.router.intruders().length, 64);
  assert.equal(bench.router.intruders().at(-1)?.source, address("10.7.0.99"));
});

test("invented senders do not flood the log: eight are told of by name in ten minutes, the rest as a number", () => {
  const bench = new Bench();
  bench.join("lan", A);
  const told = (lines: readonly string[]) => lines.filter((line) => /intruder|^72|^82/.test(line));
  const flood = (name: string) =>
    Array.from({ length: 1100 }, (_, n) => told(bench.stream(name, GROUP, inventedAddress(n)))).flat();
  assert.equal(flood("lan").length, 8, "and no delivery is said to begin by a route over which nothing comes");
  bench.pass(300);
  assert.equal(bench.stream("wifi", GROUP, inventedAddress(2000))[1], "intruder wifi 10.7.7.208 expected up");
  assert.deepEqual(told(bench.pass(300)), ["1092 more intruders lan"]);
  assert.deepEqual(told(bench.pass(300)), [], "of the other interface all was told");
  assert.equal(flood("lan").length, 8);
});

test("delivery by a route that a forgery made begins when the true stream has come in", () => {
  const bench = new Bench();
  bench.join("lan", A);
  bench.stream("lan");
  const use = (packets: number, wrong: number) =>
    bench.feed({ kind: "use", uses: [{ source: SOURCE, group: GROUP, packets, bytes: 0, wrong }] });
  assert.ok(bench.pass(1.1).includes("count"), "which is looked at soon");
  assert.deepEqual(use(0, 9), []);
  assert.deepEqual(use(5, 9), ["72 lan"]);
  assert.deepEqual(use(9, 9), []);
  assert.ok(bench.link("lan", undefined).includes("82 lan"));
});

test("where both hear it, the upstream wins: the route moves as soon as the kernel tells of the other arrival", () => {
  const bench = new Bench();
  bench.join("wifi", B, PUBLIC);
  bench.stream("lan", PUBLIC, A);
  const lines = bench.feed({ kind: "wrong-interface", source: A, group: PUBLIC, inbound: "up" });
  assert.deepEqual(lines.slice(0, 2), ["route 239.1.1.1 up > wifi", "82 up"]);
  assert.ok(lines.includes("intruder lan 10.2.0.11 expected up"));
});

test("a source of one LAN heard on the other is routed from its own", () => {
  const bench = new Bench();
  bench.join("wifi", B);
  const lines = bench.stream("wifi", GROUP, A);
  assert.deepEqual(lines.slice(0, 2), ["route 239.255.77.1 lan > wifi", "intruder wifi 10.2.0.11 expected lan"]);
});

test("with no place for a source there is a route to nowhere, which goes when a place comes", () => {
  const bench = new Bench();
  bench.link("up", undefined);
  bench.join("wifi", B);
  const [route, told] = bench.stream("lan");
  assert.deepEqual([route, told], ["route 239.255.77.1 lan > -", "intruder lan 10.1.0.2 expected nowhere"]);
  assert.equal(
    bench.join("wifi", A).some((line) => line.startsWith("route")),
    false,
    "a viewer changes nothing",
  );
  assert.ok(bench.link("up", "10.1.0.1").includes("unroute 239.255.77.1"));
  assert.deepEqual(bench.stream("lan").slice(0, 1), ["route 239.255.77.1 up > wifi"]);
});

test("`sources` says who may send from an interface: a network behind another router, the headend alone from upstream", () => {
  const everybody = [{ address: ANY, prefixLength: 0 }];
  const behind = new Bench({ downstreams: [{ name: "lan", sources: everybody }, { name: "wifi" }] });
  assert.deepEqual(behind.stream("lan"), ["route 239.255.77.1 lan > -"]);
  const headend = [{ address: SOURCE, prefixLength: 32 }];
  const strict = new Bench({ upstreams: [{ name: "up", sources: headend }] });
  assert.deepEqual(strict.stream("up", GROUP, address("10.1.0.66")), [
    "route 239.255.77.1 up > -",
    "intruder up 10.1.0.66 expected nowhere",
    "drop up router.foreign-source",
  ]);
  assert.deepEqual(strict.stream(), ["route 239.255.77.1 up > -"]);
});

test("a point-to-point downstream has no subnet: its peer may send, but not what is known to be behind another", () => {
  const bench = new Bench();
  const own = address("10.9.0.1");
  bench.feed({ kind: "link", name: "lan", address: own, addresses: [{ address: own, prefixLength: 32 }] });
  assert.deepEqual(bench.stream("lan", PUBLIC, address("10.9.0.2")), ["route 239.1.1.1 lan > up", "72 up"]);
  const host = address("10.3.0.11");
  assert.ok(bench.stream("lan", PUBLIC, host).includes("intruder lan 10.3.0.11 expected wifi"));
});

test("an address without a subnet beside one with leaves the guard up, and may send itself", () => {
  const bench = new Bench();
  const [own, shared] = [address("10.2.0.1"), address("10.77.0.1")];
  const addresses = [
    { address: own, prefixLength: 24 },
    { address: shared, prefixLength: 32 },
  ];
  bench.feed({ kind: "link", name: "lan", address: own, addresses });
  assert.ok(bench.stream("lan").includes(FORGED));
  assert.deepEqual(bench.stream("lan", PUBLIC, shared), ["route 239.1.1.1 lan > up", "72 up"]);
});

test("where no upstream could carry the group, a source behind a router of the LAN is routed", () => {
  const alone = new Bench({ upstreams: [] });
  alone.join("wifi", B);
  assert.deepEqual(alone.stream("lan"), ["route 239.255.77.1 lan > wifi", "72 wifi"]);
  const moved = alone.stream("wifi", GROUP, A);
  assert.ok(moved.includes("intruder wifi 10.2.0.11 expected lan"), "the hosts of a LAN are known to be there");
  const elsewhere = new Bench({ upstreams: [{ name: "up", deny: [{ group: GROUP, length: 32 }] }] });
  elsewhere.join("wifi", B);
  assert.deepEqual(elsewhere.stream("lan"), ["route 239.255.77.1 lan > wifi", "72 wifi"]);
  elsewhere.link("up", undefined);
  assert.ok(
    elsewhere.stream("lan", PUBLIC).includes("intruder lan 10.1.0.2 expected nowhere"),
    "an upstream that is away",
  );
});

test("one sender behind a downstream gets so many routes, others go on", () => {
  const bench = new Bench({ maxRoutesPerSource: 2 });
  const groups = [1, 2, 3].map((n) => ipv4(PUBLIC + n));
  const lines = groups.map((group) => bench.stream("lan", group, A).at(-1));
  assert.equal(lines[2], "drop lan router.too-many-routes-of-source");
  assert.ok(bench.stream("lan", groups[2], B).includes("route 239.1.1.4 lan > up"));
  assert.ok(
    groups.every((group) => bench.stream("up", group)[0]?.startsWith("route")),
    "the headend has no such limit",
  );
});

test("a sender of many channels that nobody watches does not lose the one that is watched", () => {
  const bench = new Bench({ maxRoutesPerSource: 2 });
  const [first, second, third, fourth] = [1, 2, 3, 4].map((n) => ipv4(PUBLIC + n));
  for (const group of [first, second, third]) bench.stream("lan", group, A);
  bench.join("wifi", B, fourth);
  assert.ok(bench.stream("lan", fourth, A).includes("72 wifi"), "a new one");
  assert.ok(bench.join("wifi", B, third).includes("unroute 239.1.1.4"), "one that was refused is asked about anew");
  assert.ok(bench.stream("lan", third, A).includes("72 wifi"));
  bench.join("wifi", B, first);
  assert.equal(bench.stream("lan", ipv4(PUBLIC + 5), A)[0], "route 239.1.1.6 lan > up", "a place is free again");
});

const OTHER = address("239.255.77.2");

test("invented senders to a watched group from where they may not send keep out no channel", () => {
  const bench = new Bench({ maxRoutes: 8 });
  bench.join("lan", A);
  for (let n = 0; n < 20; n++) bench.stream("lan", GROUP, inventedAddress(n));
  assert.equal(bench.router.routes().length, 4, "half of the places");
  for (let n = 0; n < 20; n++) bench.stream("wifi", GROUP, inventedAddress(n, "10.8.0.0"));
  assert.equal(bench.router.routes().length, 8);
  bench.join("lan", A, OTHER);
  const lines = bench.stream("up", OTHER);
  assert.deepEqual(lines, ["unroute 239.255.77.1", "route 239.255.77.2 up > lan", "72 lan"]);
  assert.ok(bench.stream("up", ipv4(PUBLIC + 9)).includes("route 239.1.1.10 up > -"), "nor one that nobody wants yet");
});

test("of invented senders to a group that nobody wants so many get a route, and no question stays open", () => {
  const bench = new Bench({ maxRoutes: 4 });
  const lines = [1, 2, 3].flatMap((n) => bench.stream("lan", GROUP, inventedAddress(n)).at(-1) ?? []);
  assert.deepEqual(lines.slice(1), ["drop lan router.foreign-source", "drop lan router.too-many-foreign-routes"]);
});

test("a route that a forgery made is the true stream's as soon as that came in: it does not go first any more", () => {
  const bench = new Bench({ maxRoutes: 2 });
  bench.join("lan", A);
  bench.join("lan", A, OTHER);
  bench.stream("lan");
  bench.feed({ kind: "use", uses: [{ source: SOURCE, group: GROUP, packets: 5, bytes: 0, wrong: 1 }] });
  bench.stream("lan", OTHER);
  bench.join("lan", A, PUBLIC);
  const lines = bench.stream("up", PUBLIC);
  assert.ok(lines.includes("unroute 239.255.77.2") && lines.includes("route 239.1.1.1 up > lan"), lines.join("; "));
});

test("invented senders of the LAN's own network to a watched group keep out no channel, nor that group's own stream", () => {
  const bench = new Bench({ maxRoutes: 8 });
  bench.join("wifi", B);
  bench.join("wifi", B, OTHER);
  bench.stream("up", OTHER);
  for (let n = 0; n < 20; n++) bench.stream("lan", GROUP, inventedAddress(n, "10.2.0.20"));
  assert.equal(bench.router.routes().length, 8);
  assert.ok(bench.stream("up").includes("72 wifi"));
  bench.join("wifi", B, PUBLIC);
  assert.ok(bench.stream("up", PUBLIC).includes("72 wifi"));
  const crowded = bench.stream("lan", GROUP, address("10.2.0.99"));
  assert.deepEqual(crowded, ["route 239.255.77.1 lan > -", "drop lan router.too-many-routes"]);
  assert.deepEqual(
    [OTHER, PUBLIC].map((group) => bench.router.routes().filter((route) => route.group === group).length),
    [1, 1],
  );
});

test("SSDP of the LAN does not leave by the uplink and is not asked for there; the local scope stays, the rest goes up", () => {
  const bench = new Bench();
  const ssdp = address("239.255.255.250");
  bench.join("wifi", B, ssdp);
  assert.deepEqual(bench.stream("lan", ssdp, A), ["route 239.255.255.250 lan > wifi", "72 wifi"]);
  assert.deepEqual(bench.stream("up", ssdp), ["route 239.255.255.250 up > -"], "nor does the outer SSDP come in");
  assert.deepEqual(bench.stream("lan", GROUP, A), ["route 239.255.77.1 lan > -"]);
  assert.deepEqual(bench.stream("lan", PUBLIC, A), ["route 239.1.1.1 lan > up", "72 up"]);
  assert.equal(
    bench.log.some((line) => line.startsWith("up ")),
    false,
    bench.log.join("; "),
  );
});

test("allow and deny of an upstream hold for joins and for what goes up; scope can be opened", () => {
  const allow = [{ group: address("239.1.0.0"), length: 16 }];
  const bench = new Bench({ upstreams: [{ name: "up", allow, deny: [], scope: [] }] });
  assert.deepEqual(bench.join("lan", A), ["71 lan 10.2.0.11"]);
  assert.ok(bench.join("lan", A, PUBLIC).includes("up to-ex 239.1.1.1"));
  assert.deepEqual(bench.stream("lan", GROUP, A), ["route 239.255.77.1 lan > -"]);
  const open = new Bench({ upstreams: [{ name: "up", deny: [], scope: [] }] });
  assert.deepEqual(open.stream("lan", GROUP, A), ["route 239.255.77.1 lan > up", "72 up"]);
});

const TWO = [
  { name: "iptv", groups: [{ group: address("239.1.0.0"), length: 16 }] },
  { name: "up" },
  { name: "radio", groups: [{ group: address("239.1.7.0"), length: 24 }] },
];

test("several upstreams: the most exact prefix asks and delivers, the one without groups takes the rest", () => {
  const bench = new Bench({ upstreams: TWO });
  for (const [name, text] of [
    ["iptv", "10.4.0.1"],
    ["radio", "10.5.0.1"],
  ] as const)
    bench.link(name, text);
  const radio = address("239.1.7.7");
  assert.equal(bench.join("lan", A).includes("up to-ex 239.255.77.1"), true);
  bench.join("lan", A, PUBLIC);
  bench.join("lan", A, radio);
  assert.deepEqual(
    Array.from(bench.router.upstreams(), (one) => [one.name, bench.router.wanted(one).map(({ group }) => group)]),
    [
      ["iptv", [PUBLIC]],
      ["up", [GROUP]],
      ["radio", [radio]],
    ],
  );
  const other = address("10.4.0.9");
  assert.deepEqual(bench.stream("iptv", PUBLIC, other), ["route 239.1.1.1 iptv > lan", "72 lan"]);
  assert.deepEqual(bench.stream("up", radio, other).slice(0, 2), [
    "route 239.1.7.7 radio > lan",
    "intruder up 10.4.0.9 expected radio",
  ]);
  assert.deepEqual(bench.stream("lan", ipv4(PUBLIC + 1), A), ["route 239.1.1.2 lan > iptv", "72 iptv"]);
});

test("a reload moves groups between upstreams: left there, joined here, routed from here", () => {
  const bench = new Bench({ upstreams: [{ name: "up" }, { name: "iptv", groups: [{ group: PUBLIC, length: 32 }] }] });
  bench.link("iptv", "10.4.0.1");
  bench.join("lan", A);
  bench.stream();
  const upstreams = [{ name: "up" }, { name: "iptv", groups: [{ group: GROUP, length: 32 }] }];
  const lines = bench.feed({ kind: "configure", downstreams: [], upstreams });
  assert.deepEqual(lines, ["unroute 239.255.77.1", "up to-in 239.255.77.1", "82 lan"]);
  assert.deepEqual(bench.stream("iptv"), ["route 239.255.77.1 iptv > lan", "72 lan"]);
});

test("linger: zapping through channels leaves none of them upstream until it has been unwanted for so long", () => {
  const bench = new Bench({ upstreams: [{ name: "up", linger: seconds(10) }] });
  bench.join("lan", A);
  bench.leave("lan", A);
  assert.deepEqual(
    bench.pass(8).filter((line) => line.includes("to-in")),
    [],
  );
  bench.join("lan", A);
  bench.leave("lan", A);
  const left = bench.pass(13).filter((line) => line.includes("to-in"));
  assert.ok(left.length > 0, "2 s of last-member queries, then 10 s");
});

test("a route effect stands before packets, and packets before names and evidence", () => {
  const bench = new Bench();
  bench.stream();
  const kinds = bench.router
    .receive(bench.now, {
      kind: "packet",
      name: "lan",
      bytes: report("10.2.0.11", ["to-ex", "239.255.77.1"]),
    })
    .map(({ kind }) => kind);
  assert.deepEqual(kinds.slice(0, 3), ["route", "ready", "send"]);
  assert.ok(kinds.indexOf("joined") > 2);
});

test("a spray of streams for which there is no room leaves no question open: the kernel keeps only ten", () => {
  const bench = new Bench({ maxRoutesPerSource: 1 });
  const kernel = new Set<string>();
  const answered = (group: Ipv4) => {
    for (const text of bench.stream("lan", group, A)) {
      const [word, name = ""] = text.split(" ");
      if (word === "route") kernel.add(name);
      if (word === "unroute") kernel.delete(name);
    }
    return kernel.has(formatIpv4(group));
  };
  for (let n = 0; n < 1000; n++) assert.ok(answered(ipv4(PUBLIC + n)), `${n}`);
  assert.equal(kernel.size, 257, "one route, and the 256 refused last");
  assert.equal(bench.router.routes().length, 1);
  assert.ok(
    bench.join("wifi", B, ipv4(PUBLIC + 999)).includes("unroute 239.1.4.232"),
    "wanted: it is asked about anew",
  );
  assert.equal(bench.pass(10).filter((text) => text.startsWith("unroute")).length, 255, "and the others after 10 s");
});

test("a stream that was refused and finds room when the kernel asks again keeps its route", () => {
  const bench = new Bench({ maxRoutes: 1 });
  bench.stream("lan", GROUP, A);
  bench.stream("up", PUBLIC);
  bench.link("lan", undefined);
  assert.deepEqual(bench.stream("up", PUBLIC), ["route 239.1.1.1 up > -"]);
  assert.deepEqual(
    bench.pass(11).filter((text) => text.startsWith("unroute")),
    [],
  );
});
