import assert from "node:assert/strict";
import { test } from "node:test";
import { address, formatIpv4, type Ipv4, ipv4 } from "../base/ipv4.ts";
import { after, type Instant, instant, seconds } from "../base/time.ts";
import { query } from "../igmp/igmp.testkit.ts";
import { checkPacket } from "../igmp/messages/packet.ts";
import { type ReportRecord, recordsOf, reportLength, writeReport } from "../igmp/messages/report.ts";
import { timesOf } from "../igmp/times.ts";
import { IGMP } from "../igmp/wire.ts";
import type { MulticastRoute } from "../ports/forwarding.ts";
import { assumedFilter, assumedSpan } from "./inheritance.ts";
import type { RouterEffect, RouterEvent, RouterOptions } from "./options.ts";
import { Router } from "./router.ts";

const entropy = { bytes: (n: number) => new Uint8Array(n), below: (limit: number) => limit / 2 };
const [SOURCE, OTHER] = [address("10.1.0.2"), address("10.1.0.3")];
const [GROUP, SECOND, SSM] = ["239.1.1.1", "239.1.1.2", "232.1.1.1"].map((text) => address(text)) as [Ipv4, Ipv4, Ipv4];
const VIEWER = address("10.2.0.11");

const route = (group: Ipv4, outbound: readonly string[], source = SOURCE, inbound = "up"): MulticastRoute => ({
  source,
  group,
  inbound,
  outbound,
});

const QUERY_INTERVAL = seconds(20);
const igmp = { times: { queryInterval: QUERY_INTERVAL, queryResponseInterval: seconds(5) } };
const SPAN = assumedSpan(timesOf(igmp.times));

/** A router on a clock that the test moves, whose links are up. */
class Successor {
  readonly router: Router;
  now: Instant = instant(0);

  constructor(options: Partial<RouterOptions> = {}, links: readonly string[] = ["up", "lan", "wifi"]) {
    const downstreams = ["lan", "wifi"].map((name) => ({ name, igmp }));
    this.router = new Router(IGMP, { upstreams: [{ name: "up" }], downstreams, ...options }, entropy);
    for (const name of links) this.feed({ kind: "link", name, address: address("10.2.0.1") });
  }

  feed(event: RouterEvent): readonly string[] {
    return this.router.receive(this.now, event).flatMap(line);
  }

  inherit(...routes: MulticastRoute[]): readonly string[] {
    return this.feed({ kind: "inherited", routes });
  }

  says(name: string, ...records: ReportRecord[]): readonly string[] {
    const bytes = writeReport(new Uint8Array(reportLength(records)), VIEWER, records);
    return this.feed({ kind: "packet", name, bytes });
  }

  pass(span: number): readonly string[] {
    const end = after(this.now, seconds(span));
    const lines: string[] = [];
    for (let due = this.router.nextDeadline(); due !== undefined && due <= end; due = this.router.nextDeadline()) {
      this.now = due;
      lines.push(...this.router.poll(due).flatMap(line));
    }
    this.now = end;
    return lines;
  }

  get routes(): readonly string[] {
    return this.router.routes().map(({ group, outbound }) => `${formatIpv4(group)} > ${outbound.join(" ") || "-"}`);
  }
}

/** What touches the kernel, and the deliveries. */
function line(effect: RouterEffect): string[] {
  switch (effect.kind) {
    case "route":
      return [`route ${formatIpv4(effect.route.group)} > ${effect.route.outbound.join(" ") || "-"}`];
    case "unroute":
      return [`unroute ${formatIpv4(effect.group)}`];
    case "delivery":
      return [`${effect.number} ${effect.name}`];
    case "drop":
      return [`drop ${effect.name} ${effect.reason}`];
    default:
      return [];
  }
}

/** The records of what is sent upstream. */
function reportedUpstream(effect: RouterEffect): string[] {
  if (effect.kind !== "send" || effect.name !== "up") return [];
  const packet = checkPacket(effect.packet);
  if (typeof packet === "string" || packet.kind !== "v3Report") return [];
  return Array.from(recordsOf(packet), ({ type, group }) => `${type} ${formatIpv4(group)}`);
}

const wanted = ({ router }: Successor): readonly string[] =>
  [...router.upstreams()].flatMap((upstream) =>
    router
      .wanted(upstream)
      .map(({ group, filter }) => `${formatIpv4(group)} ${filter.mode} ${filter.sources.map(formatIpv4)}`),
  );

test("what a predecessor delivered goes on without a touch, and is wanted upstream", () => {
  const successor = new Successor();
  const routes = [route(GROUP, ["lan", "wifi"]), route(SSM, ["wifi"]), route(SECOND, [])];
  assert.deepEqual(successor.inherit(...routes), [], "no route is set, no delivery begins anew");
  assert.deepEqual(successor.routes, ["239.1.1.1 > lan wifi", "232.1.1.1 > wifi", "239.1.1.2 > -"]);
  assert.deepEqual(wanted(successor), ["239.1.1.1 exclude ", "232.1.1.1 include 10.1.0.2"]);
});

test("900 deliveries of a predecessor to one host, such as the next proxy, go on when it says that it wants them", () => {
  const successor = new Successor();
  const groups = Array.from({ length: 900 }, (_, i) => ipv4(0xef040000 + i));
  successor.inherit(...groups.map((group) => route(group, ["lan"])));
  successor.pass(1);
  for (let i = 0; i < groups.length; i += 100)
    successor.says("lan", ...groups.slice(i, i + 100).map((group) => ({ type: "is-ex" as const, group, sources: [] })));
  assert.ok(SPAN < seconds(40), "what nobody has confirmed is over by then");
  successor.pass(40);
  assert.equal(wanted(successor).length, 900);
  assert.equal(successor.routes.filter((text) => text.endsWith("> lan")).length, 900);
});

test("nobody reports: the deliveries end when the startup queries have been answered, and not before", () => {
  const successor = new Successor();
  successor.inherit(route(GROUP, ["lan"]));
  assert.equal(SPAN, seconds(10));
  assert.deepEqual(successor.pass(9.9), []);
  assert.deepEqual(successor.pass(0.2), ["route 239.1.1.1 > -", "82 lan"]);
  assert.deepEqual(wanted(successor), []);
});

test("while it is assumed a membership is answered for upstream, so that nothing is pruned there", () => {
  const successor = new Successor();
  successor.inherit(route(GROUP, ["lan"]));
  successor.feed({ kind: "packet", name: "up", bytes: query("10.1.0.254", { maxResponse: seconds(4) }) });
  const answers: string[] = [];
  for (
    let due = successor.router.nextDeadline();
    due !== undefined && due <= SPAN / 2;
    due = successor.router.nextDeadline()
  )
    answers.push(...successor.router.poll(due).flatMap(reportedUpstream));
  assert.ok(answers.includes("is-ex 239.1.1.1"), answers.join());
});

test("a viewer who reports keeps the stream for a membership interval, without a touch", () => {
  const successor = new Successor();
  successor.inherit(route(GROUP, ["lan"]), route(SECOND, ["wifi"]));
  assert.deepEqual(successor.says("lan", { type: "is-ex", group: GROUP, sources: [] }), []);
  assert.deepEqual(successor.pass(40), ["route 239.1.1.2 > -", "82 wifi"]);
  assert.deepEqual(successor.pass(6), ["route 239.1.1.1 > -", "82 lan"]);
});

test("who leaves while it is assumed is asked about like any other", () => {
  const successor = new Successor();
  successor.inherit(route(GROUP, ["lan"]));
  assert.deepEqual(successor.says("lan", { type: "to-in", group: GROUP, sources: [] }), []);
  assert.deepEqual(successor.pass(2.1), ["route 239.1.1.1 > -", "82 lan"]);
});

test("a source that was blocked stays blocked, and so does one of a source-specific group that was not asked for", () => {
  const successor = new Successor();
  const routes = [route(GROUP, ["lan"]), route(GROUP, ["wifi"], OTHER), route(SSM, ["lan"]), route(SSM, [], OTHER)];
  assert.deepEqual(successor.inherit(...routes), []);
  assert.deepEqual(assumedFilter("lan", GROUP, routes.slice(0, 2), IGMP.sourceSpecific), {
    mode: "exclude",
    sources: [OTHER],
  });
  assert.deepEqual(
    assumedFilter("lan", GROUP, [route(GROUP, ["lan"]), route(GROUP, [], OTHER, "lan")], IGMP.sourceSpecific),
    {
      mode: "exclude",
      sources: [],
    },
  );
});

test("a route whose interface is not ours any more, or not up, is taken out: the kernel asks again", () => {
  const successor = new Successor({}, ["lan", "wifi"]);
  assert.deepEqual(successor.inherit(route(GROUP, ["lan"]), route(SECOND, ["lan"], SOURCE, "eth9")), [
    "unroute 239.1.1.1",
    "unroute 239.1.1.2",
  ]);
  assert.deepEqual(successor.routes, []);
});

test("an interface that is not up is taken out of the routes, and what may not be received there any more", () => {
  const deny = [{ group: SECOND, length: 32 }];
  const successor = new Successor({ downstreams: [{ name: "lan", deny }, { name: "wifi" }] }, ["up", "lan"]);
  assert.deepEqual(successor.inherit(route(GROUP, ["lan", "wifi"]), route(SECOND, ["lan"])), [
    "route 239.1.1.1 > lan",
    "route 239.1.1.2 > -",
    "82 wifi",
    "82 lan",
  ]);
});

test("with fewer routes than there were, those that are wanted stay", () => {
  const successor = new Successor({ maxRoutes: 1 });
  assert.deepEqual(successor.inherit(route(GROUP, []), route(SECOND, ["lan"])), [
    "unroute 239.1.1.1",
    "drop up router.too-many-routes",
  ]);
  assert.deepEqual(successor.routes, ["239.1.1.2 > lan"]);
});

test("an inherited route without traffic is taken out like any other", () => {
  const successor = new Successor({ idle: seconds(60) });
  successor.inherit(route(GROUP, []));
  successor.pass(61);
  assert.deepEqual(successor.feed({ kind: "use", uses: [] }), ["unroute 239.1.1.1"]);
});
