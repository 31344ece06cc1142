// Proxy reporting in the whole router (RFC 4541 2.1.1 (2)): hosts on two ports of a bridge, routers on one or two others, and what each
// port gets from us. Delays are the middle of their range.

import assert from "node:assert/strict";
import { test } from "node:test";
import { address, formatIpv4 } from "../base/ipv4.ts";
import { type Instant, seconds } from "../base/time.ts";
import { at, ethernet, middle, query, report, source, tagged, v1v2Message } from "../igmp/igmp.testkit.ts";
import { checkPacket, groupOf, senderOf } from "../igmp/messages/packet.ts";
import { readQuery } from "../igmp/messages/query.ts";
import { recordsOf } from "../igmp/messages/report.ts";
import { IGMP } from "../igmp/wire.ts";
import type { DownstreamOptions, RouterEffect, RouterEvent } from "./options.ts";
import { Router } from "./router.ts";

const GROUP = "239.1.1.1";
const OTHER = "239.1.1.2";
const OURS = "10.0.0.5";
/** A router's, higher than ours. */
const ROUTER = "10.0.0.9";
const HOSTS = { a: "10.0.0.11", b: "10.0.0.12", r: "10.0.0.13" } as const;
const MACS = {
  a: "02:00:00:00:00:0a",
  b: "02:00:00:00:00:0b",
  r: "02:00:00:00:00:01",
  r2: "02:00:00:00:00:02",
} as const;
type Port = keyof typeof MACS;

function text(packet: Uint8Array): string {
  const message = checkPacket(packet);
  if (typeof message === "string") assert.fail(message);
  const from = formatIpv4(senderOf(message));
  switch (message.kind) {
    case "v1Query":
    case "v2Query":
    case "v3Query": {
      const { version, group } = readQuery(message);
      return `v${version} query ${formatIpv4(group)} from ${from}`;
    }
    case "v3Report": {
      const records = Array.from(recordsOf(message), ({ type, group, sources }) => {
        return `${type} ${formatIpv4(group)} {${sources.map((one) => one & 255).join(" ")}}`;
      });
      return `${records.join(", ")} from ${from}`;
    }
    default:
      return `${message.kind} ${formatIpv4(groupOf(message))} from ${from}`;
  }
}

/** What leaves: "r: to-ex 239.1.1.1 {} from 0.0.0.0", by all ports "br0: ...". */
const line = (effect: RouterEffect): string[] => {
  switch (effect.kind) {
    case "send":
      return [`${effect.name}: ${text(effect.packet)}`];
    case "send-port":
      return [`${effect.port}${effect.vlan === undefined ? "" : `.${effect.vlan}`}: ${text(effect.packet)}`];
    case "upstream-mode":
      return [`${effect.port}: v${effect.version}`];
    default:
      return [];
  }
};

class Bench {
  readonly router: Router;
  now: Instant = at(0);

  constructor(more: Partial<DownstreamOptions> = {}) {
    const options: DownstreamOptions = { name: "br0", snooping: true, proxyReports: "0.0.0.0", ...more };
    this.router = new Router(IGMP, { downstreams: [options] }, middle);
    this.feed({ kind: "bridge", name: "br0", ports: ["a", "b", "r", "r2"], topology: "" });
    this.link();
  }

  link(): string[] {
    const own = address(OURS);
    const addresses = [{ address: own, prefixLength: 24 }];
    return this.feed({ kind: "link", name: "br0", address: own, addresses, trackingSource: "frames" });
  }

  feed(event: RouterEvent): string[] {
    return this.router.receive(this.now, event).flatMap(line);
  }

  speakAt(...ports: readonly Port[]): string[] {
    return this.feed({ kind: "speak-at", name: "br0", ports });
  }

  /** What comes in by a port of the bridge is heard as a frame there, and as a packet on the bridge. */
  hear(port: Port, bytes: Uint8Array): string[] {
    const frame = ethernet(MACS[port], bytes);
    return [
      ...this.feed({ kind: "frame", name: "br0", port, bytes: frame }),
      ...this.feed({ kind: "packet", name: "br0", bytes }),
    ];
  }

  v2(port: "a" | "b" | "r", kind: "v2Report" | "leave" = "v2Report", group = GROUP): string[] {
    return this.hear(port, v1v2Message(kind, HOSTS[port], group));
  }

  /** What leaves until then, with the time before it. */
  until(s: number): string[] {
    const lines: string[] = [];
    for (;;) {
      const due = this.router.nextDeadline();
      if (due === undefined || due > at(s)) break;
      this.now = due;
      lines.push(...this.router.poll(due).flatMap((effect) => line(effect).map((one) => `${due / 1000} ${one}`)));
    }
    this.now = at(s);
    return lines;
  }

  groups(): Record<string, string[]> {
    const views = this.router.proxied(this.now, "br0") ?? assert.fail("routers hear the hosts");
    return Object.fromEntries(views.map(({ port, groups }) => [port, groups.map(({ group }) => formatIpv4(group))]));
  }
}

/** Reports go to r, behind which the router has asked in `version`; all hosts have been asked. */
function settled(version: 2 | 3 = 3, more: Partial<DownstreamOptions> = {}): Bench {
  const bench = new Bench(more);
  bench.speakAt("r");
  bench.hear("r", query(ROUTER, { version }));
  bench.until(40);
  return bench;
}

const JOIN = { 2: `v2Report ${GROUP} from 0.0.0.0`, 3: `to-ex ${GROUP} {} from 0.0.0.0` };
const LEAVE = { 2: `leave ${GROUP} from 0.0.0.0`, 3: `to-in ${GROUP} {} from 0.0.0.0` };

for (const version of [2, 3] as const) {
  test(`v${version} router: of two members it hears one join, of the first leave nothing, and of the last one leave`, () => {
    const bench = settled(version);
    const within = version === 2 ? 10 : 1;
    assert.deepEqual(bench.v2("a"), [`r: ${JOIN[version]}`]);
    assert.deepEqual(bench.v2("b"), []);
    assert.deepEqual(bench.until(60), [`${40 + within / 2} r: ${JOIN[version]}`], "once more, as a host does");
    // Both hosts are asked, and no router.
    const asked = ["a", "b", "r2"].map((port) => `${port}: v3 query ${GROUP} from ${OURS}`);
    assert.deepEqual(bench.v2("a", "leave"), asked);
    assert.deepEqual(bench.v2("b"), []);
    bench.until(70);
    assert.deepEqual(bench.v2("b", "leave"), asked);
    const repeated = version === 2 ? [] : [`72.5 r: ${LEAVE[3]}`];
    assert.deepEqual(bench.until(90), [...asked.map((one) => `71 ${one}`), `72 r: ${LEAVE[version]}`, ...repeated]);
  });
}

test("v3 hosts: the router is told the merged sources, and what changes of them (RFC 3376 3.2)", () => {
  const bench = settled();
  const say = (port: "a" | "b", type: "allow" | "block", ...names: number[]) =>
    bench.hear(port, report(HOSTS[port], [type, "232.1.1.1", ...names.map(source)]));
  assert.deepEqual(say("a", "allow", 1, 2), ["r: allow 232.1.1.1 {1 2} from 0.0.0.0"]);
  bench.until(45);
  assert.deepEqual(say("b", "allow", 2, 3), ["r: allow 232.1.1.1 {3} from 0.0.0.0"]);
  bench.until(50);
  say("a", "block", 1, 2);
  bench.hear("b", report(HOSTS.b, ["is-in", "232.1.1.1", source(2)]));
  assert.deepEqual(
    bench.until(60).filter((one) => one.includes(" r:")),
    ["52 r: block 232.1.1.1 {1} from 0.0.0.0", "52.5 r: block 232.1.1.1 {1} from 0.0.0.0"],
    "b still wants 2",
  );
});

test("a router that asks is answered once, for all, within its response time; about one group too", () => {
  const bench = settled();
  for (const port of ["a", "b"] as const) bench.v2(port);
  bench.v2("b", "v2Report", OTHER);
  bench.until(50);
  assert.deepEqual(bench.hear("r", query(ROUTER)), []);
  assert.deepEqual(bench.until(65), [`55 r: is-ex ${GROUP} {}, is-ex ${OTHER} {} from 0.0.0.0`]);
  const about = (group: string) => query(ROUTER, { group: address(group), maxResponse: seconds(1) });
  bench.hear("r", about(OTHER));
  bench.v2("b", "v2Report", OTHER);
  assert.deepEqual(bench.until(66), [`65.5 r: is-ex ${OTHER} {} from 0.0.0.0`]);
  bench.hear("r", about("239.1.1.3"));
  assert.deepEqual(bench.until(70), []);
});

test("a router never yields to us: whoever asks beside us wins, and comes first; when nobody has for 255 s, we ask as 0.0.0.0", () => {
  const bench = new Bench();
  assert.deepEqual(bench.until(40), [], "it has its time to be heard");
  bench.hear("r", query(ROUTER));
  const [[, machine] = assert.fail("no interface")] = [...bench.router.interfaces()];
  assert.equal(machine.querier.kind, "non-querier", "though its address is higher");
  assert.deepEqual(bench.until(290), []);
  assert.deepEqual(bench.until(300), ["295 br0: v3 query 0.0.0.0 from 0.0.0.0"]);
  bench.hear("r", query(ROUTER));
  assert.deepEqual([machine.querier.kind, bench.until(500)], ["non-querier", []]);
  const alone = new Bench();
  assert.deepEqual(
    alone.until(300),
    [255, 286.25].map((s) => `${s} br0: v3 query 0.0.0.0 from 0.0.0.0`),
  );
});

test("once routers are told, hosts are asked at once, by their own ports; a leave is not asked about before", () => {
  const bench = new Bench();
  bench.v2("a");
  assert.deepEqual(bench.v2("a", "leave"), [], "whoever asks hears it");
  const hosts = (about: string) => ["a", "b", "r2"].map((port) => `${port}: v3 query ${about} from 0.0.0.0`);
  assert.deepEqual(bench.speakAt("r"), [`r: ${JOIN[3]}`, ...hosts("0.0.0.0")]);
  assert.deepEqual(bench.v2("a", "leave"), hosts(GROUP));
  assert.deepEqual(bench.feed({ kind: "speak-at", name: "br0", ports: undefined }), []);
  assert.deepEqual(bench.until(3), []);
});

test("where nobody asks at all, what is only for hosts is of 0.0.0.0, and our own general query is answered to a router that is silent", () => {
  const bench = new Bench();
  bench.speakAt("r");
  bench.until(300);
  bench.v2("a");
  bench.until(310);
  assert.deepEqual(
    bench.v2("a", "leave"),
    ["a", "b", "r2"].map((port) => `${port}: v3 query ${GROUP} from 0.0.0.0`),
  );
  bench.v2("a");
  bench.until(411);
  assert.deepEqual(bench.until(430), [
    "411.25 br0: v3 query 0.0.0.0 from 0.0.0.0",
    `416.25 r: is-ex ${GROUP} {} from 0.0.0.0`,
  ]);
});

test("the router's own version holds at its port, whatever others ask in who may not ask here", () => {
  const bench = settled();
  const v2 = (from: string) => query(from, { version: 2 });
  assert.deepEqual(bench.hear("a", v2("192.168.7.7")).concat(bench.hear("a", v2("0.0.0.0"))), []);
  assert.deepEqual(bench.v2("a"), [`r: ${JOIN[3]}`]);
  assert.deepEqual(bench.hear("r", v2("0.0.0.0")), ["r: v2"]);
  assert.deepEqual(bench.v2("b", "v2Report", OTHER), [`r: v2Report ${OTHER} from 0.0.0.0`]);
});

test("a forged question about a group is answered too: the router has heard it, and would end the group", () => {
  const bench = settled();
  bench.v2("a");
  bench.until(50);
  bench.hear("b", query("192.168.7.7", { group: address(GROUP), maxResponse: seconds(1) }));
  bench.v2("a");
  assert.deepEqual(bench.until(60), [`50.5 r: is-ex ${GROUP} {} from 0.0.0.0`]);
});

test("two routers: each is told what is wanted behind other ports than its own", () => {
  const bench = settled();
  bench.speakAt("r", "r2");
  bench.v2("a");
  bench.v2("r", "v2Report", OTHER);
  assert.deepEqual(bench.groups(), { r: [GROUP], r2: [GROUP, OTHER] });
  bench.until(50);
  // Who is behind the router's own port hears its questions, not ours.
  bench.v2("r");
  bench.v2("a", "leave");
  bench.v2("r");
  bench.until(60);
  assert.deepEqual(bench.groups(), { r: [], r2: [GROUP, OTHER] });
  bench.hear("r", query(ROUTER));
  assert.deepEqual(bench.until(70), [`65 r2: is-ex ${GROUP} {}, is-ex ${OTHER} {} from 0.0.0.0`]);
});

test("a router that comes is told at once all there is, and one that is gone nothing more", () => {
  const bench = settled();
  bench.v2("a");
  bench.until(50);
  assert.deepEqual(bench.speakAt("r", "r2"), [`r2: ${JOIN[3]}`]);
  assert.deepEqual(bench.speakAt("r2"), []);
  bench.until(60);
  assert.deepEqual(bench.v2("b", "v2Report", OTHER), [`r2: to-ex ${OTHER} {} from 0.0.0.0`]);
});

test("while reports cross the bridge nothing is told, and nobody is asked in the querier's stead", () => {
  const bench = settled();
  bench.v2("a");
  bench.until(50);
  assert.deepEqual(bench.feed({ kind: "speak-at", name: "br0", ports: undefined }), []);
  assert.equal(bench.router.proxied(bench.now, "br0"), undefined);
  assert.deepEqual([bench.v2("a", "leave"), bench.v2("b", "v2Report", OTHER), bench.until(60)].flat(), []);
});

test("224.0.0.0/24 is never reported, and what a rule refuses is not either", () => {
  const bench = settled(3, { deny: [{ group: address(OTHER), length: 32 }] });
  assert.deepEqual([bench.v2("a", "v2Report", OTHER), bench.v2("a", "v2Report", "224.0.0.251")].flat(), []);
  bench.v2("a");
  const downstreams = [
    { name: "br0", snooping: true, proxyReports: "0.0.0.0", deny: [{ group: address(GROUP), length: 32 }] },
  ] as const;
  bench.until(50);
  const told = [...bench.feed({ kind: "configure", downstreams }), ...bench.until(55)];
  assert.ok(
    told.some((one) => one.endsWith(`r: ${LEAVE[3]}`)),
    told.join("\n"),
  );
  assert.deepEqual(bench.groups(), { r: [] });
});

test("static groups are asked for whoever is there", () => {
  const bench = settled(3, { staticGroups: [{ group: address(GROUP), sources: [source(1)] }] });
  assert.deepEqual(bench.groups(), { r: [GROUP] });
  bench.hear("r", query(ROUTER));
  assert.deepEqual(bench.until(50), [`45 r: is-in ${GROUP} {1} from 0.0.0.0`]);
});

test("a static group, which every port gets, hides no host whose port is not known", () => {
  const bench = settled(3, { staticGroups: [{ group: address(GROUP), sources: [source(1)] }] });
  bench.feed({ kind: "packet", name: "br0", bytes: report(HOSTS.a, ["to-ex", GROUP]) });
  const told = () =>
    bench.router.proxied(bench.now, "br0")?.flatMap(({ groups }) => groups.map(({ filter }) => filter.mode));
  assert.deepEqual(told(), ["exclude"]);
  // As when the bridge's table is opened again.
  bench.router.portMemberships(bench.now, "br0");
  assert.deepEqual(told(), ["exclude"]);
});

/** More hosts with a group each, of port a, than are taken at their word; so many of them wait. */
function crowd(waiting: number, version: 2 | 3): Bench {
  const igmp = { maxGroups: 16, newHostsPerMinute: 1, newHostsPerMinutePerPort: 1, version };
  const bench = settled(3, { igmp });
  bench.until(300);
  bench.hear("r", query(ROUTER));
  bench.hear(
    "a",
    report("10.0.0.20", ...Array.from({ length: 9 }, (_, n) => ["is-ex", `239.2.0.${n}`] as ["is-ex", string])),
  );
  for (let n = 0; n < 2 + waiting; n++) bench.hear("a", report(`10.0.0.${30 + n}`, ["is-ex", `239.3.0.${n}`]));
  return bench;
}

test("new hosts that wait are asked in the querier's stead, by hosts' ports alone; everybody is in the newest version only", () => {
  const queries = (bench: Bench) => bench.until(302).filter((one) => one.includes("query"));
  const toHosts = (text: string) => ["a", "b", "r2"].map((port) => `301 ${port}: ${text} from ${OURS}`);
  assert.deepEqual(queries(crowd(1, 3)), toHosts("v3 query 239.3.0.2"));
  assert.deepEqual(queries(crowd(17, 3)), toHosts("v3 query 0.0.0.0"));
  assert.deepEqual(queries(crowd(17, 2)), []);
});

test("the first word at a port is in the version in which somebody asked there before", () => {
  for (const port of ["r", "r2"] as const) {
    const bench = new Bench();
    bench.hear("r", query(ROUTER, { version: 2 }));
    bench.v2("a");
    const begins = [`${port}: ${JOIN[2]}`, `${port}: v2`];
    assert.deepEqual(
      bench.speakAt(port).filter((one) => one.startsWith(`${port}: `) && !one.includes("query")),
      begins,
    );
    bench.feed({ kind: "link", name: "br0", address: undefined });
    assert.deepEqual(
      bench.link().filter((one) => one.startsWith(port)),
      begins,
    );
  }
});

test("a link that was away is told anew; a stop says no leave", () => {
  const bench = settled();
  bench.v2("a");
  bench.until(50);
  bench.feed({ kind: "link", name: "br0", address: undefined });
  assert.deepEqual(bench.until(60), []);
  assert.deepEqual(
    bench.link().filter((one) => one.startsWith("r:")),
    [`r: ${JOIN[3]}`],
  );
  bench.until(70);
  assert.deepEqual([bench.feed({ kind: "stop" }), bench.until(400)].flat(), []);
});

test("RFC 4541 2.1.1 (4): when the bridge changes, hosts are asked in the querier's stead, and routers are not", () => {
  const bench = settled();
  const changed = () => bench.feed({ kind: "bridge", name: "br0", ports: ["a", "b", "r"], topology: "3" });
  assert.deepEqual(
    changed(),
    ["a", "b"].map((port) => `${port}: v3 query 0.0.0.0 from ${OURS}`),
  );
  const older = settled(3, { igmp: { version: 2 } });
  older.until(60);
  assert.deepEqual(older.feed({ kind: "bridge", name: "br0", ports: ["a", "r"], topology: "3" }), []);
});

test("until a router is heard to ask, what we ask is from 0.0.0.0: it may be behind any port, and is not to yield", () => {
  const bench = new Bench();
  bench.speakAt("r");
  const ask = () => bench.feed({ kind: "ask-all", name: "br0" });
  const asked = (source: string) => ["a", "b", "r2"].map((port) => `${port}: v3 query 0.0.0.0 from ${source}`);
  assert.deepEqual(ask(), asked("0.0.0.0"));
  bench.hear("r", query(ROUTER));
  assert.deepEqual(ask(), asked(OURS));
});

test("reports may come from the bridge's own address, and bear the tag that the frames of their port do", () => {
  const bench = settled(3, { proxyReports: "own", vlan: 10 });
  const asked = tagged(ethernet("02:00:00:00:00:09", query(ROUTER)), 10);
  bench.feed({ kind: "frame", name: "br0", port: "r", bytes: asked });
  assert.deepEqual(bench.v2("a"), [`r.10: to-ex ${GROUP} {} from ${OURS}`]);
});

test("where the bridge says with which tag its frames go out by a port, that holds, whatever came in there", () => {
  const bench = settled(3, { vlan: 10 });
  const say = (tags?: Record<string, number | undefined>) =>
    bench.feed({ kind: "bridge", name: "br0", ports: ["a", "b", "r"], topology: "", ...(tags && { tags }) });
  const ask = (packet: Uint8Array) => bench.feed({ kind: "frame", name: "br0", port: "r", bytes: packet });
  const asked = ethernet("02:00:00:00:00:09", query(ROUTER));
  say({ a: 10, b: 10, r: 10 });
  ask(asked);
  assert.deepEqual(bench.v2("a"), [`r.10: to-ex ${GROUP} {} from 0.0.0.0`]);
  say({ a: 10, b: 10, r: undefined });
  ask(tagged(asked, 10));
  assert.deepEqual(bench.v2("a", "v2Report", "239.1.1.2"), ["r: to-ex 239.1.1.2 {} from 0.0.0.0"]);
});

test("where nobody asks everything is repeated: networks were seen to forget what they did not ask about", () => {
  const bench = new Bench({ staticGroups: [{ group: address(GROUP) }], igmp: { mayQuery: false } });
  bench.until(40);
  bench.speakAt("r");
  assert.deepEqual(
    bench.until(80).slice(1),
    [59, 78].map((s) => `${s} r: is-ex ${GROUP} {} from 0.0.0.0`),
  );
});
