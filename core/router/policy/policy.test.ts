// The policy as a router with two downstreams applies it.

import assert from "node:assert/strict";
import { test } from "node:test";
import { ALL_SYSTEMS, ANY, address, formatIpv4, type Ipv4 } from "../../base/ipv4.ts";
import { after, type Instant, instant, seconds } from "../../base/time.ts";
import { ethernet, tagged } from "../../igmp/igmp.testkit.ts";
import { checkPacket, groupOf } from "../../igmp/messages/packet.ts";
import { type ReportRecord, recordsOf, reportLength, writeReport } from "../../igmp/messages/report.ts";
import { IGMP } from "../../igmp/wire.ts";
import type { DownstreamOptions, RouterEffect, RouterEvent, RouterOptions } from "../options.ts";
import { Router } from "../router.ts";
import type { Rule } from "./rules.ts";

const SOURCE = address("10.1.0.2");
const [NEWS, SPORT, FILM] = [address("239.1.0.1"), address("239.1.0.2"), address("239.1.9.1")];
const [A, B] = [address("10.2.0.11"), address("10.2.0.12")];
const PREMIUM = [{ group: address("239.1.9.0"), length: 24 }];
const NO_PREMIUM: Rule = { action: "deny", groups: PREMIUM };
const entropy = { bytes: (n: number) => new Uint8Array(n), below: (limit: number) => limit / 2 };

class Bench {
  readonly router: Router;
  readonly options: RouterOptions;
  now: Instant = instant(0);

  constructor(options: Partial<RouterOptions> = {}) {
    this.options = { upstreams: [{ name: "up" }], downstreams: [{ name: "lan" }, { name: "wifi" }], ...options };
    this.router = new Router(IGMP, this.options, entropy);
    this.link("up", "10.1.0.1");
    this.link("lan", "10.2.0.1");
    this.link("wifi", "10.3.0.1");
  }

  feed(event: RouterEvent): readonly string[] {
    return this.router.receive(this.now, event).flatMap(line);
  }

  link(name: string, own: string | undefined): readonly string[] {
    return this.feed({ kind: "link", name, address: own === undefined ? undefined : address(own) });
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

  says(host: Ipv4, type: ReportRecord["type"], group: Ipv4, ...sources: Ipv4[]): readonly string[] {
    const records = [{ type, group, sources }];
    const bytes = writeReport(new Uint8Array(reportLength(records)), host, records);
    return this.feed({ kind: "packet", name: "lan", bytes });
  }

  /** The same from a card. */
  frame(port: string, mac: string, host: Ipv4, group: Ipv4, ...vlans: number[]): readonly string[] {
    const records = [{ type: "to-ex", group, sources: [] }] as const;
    const packet = writeReport(new Uint8Array(reportLength(records)), host, records);
    return this.feed({ kind: "frame", name: "lan", port, bytes: tagged(ethernet(mac, packet), ...vlans) });
  }

  stream(group: Ipv4, source = SOURCE): readonly string[] {
    return this.feed({ kind: "no-route", source, group, inbound: "up" });
  }

  reload(options: Partial<RouterOptions>): readonly string[] {
    return this.feed({ kind: "configure", ...this.options, ...options });
  }

  /** What is asked for upstream. */
  get wanted(): readonly string[] {
    return [...this.router.upstreams()].flatMap((one) =>
      this.router
        .wanted(one)
        .map(({ group, filter }) => [formatIpv4(group), ...filter.sources.map(formatIpv4)].join(" ")),
    );
  }
}

function line(effect: RouterEffect): string[] {
  switch (effect.kind) {
    case "route":
      return [`route ${formatIpv4(effect.route.group)} > ${effect.route.outbound.join(" ") || "-"}`];
    case "joined":
      return [`joined ${formatIpv4(effect.membership.host.address)} ${formatIpv4(effect.membership.group)}`];
    case "left":
      return [`${effect.cause} ${formatIpv4(effect.membership.host.address)} ${formatIpv4(effect.membership.group)}`];
    case "send":
      return asked(effect.name, effect.packet);
    case "inquire":
      return [`inquire ${effect.macs.join(" ")}`];
    case "passes": {
      const text = (passes: typeof effect.added) => passes.map(({ port, group }) => `${port} ${formatIpv4(group)}`);
      return [`passes +${text(effect.added).join()} -${text(effect.removed).join()}`];
    }
    case "stand":
      return ["stand"];
    case "drop": {
      const { reason, rule, group = ANY, host } = effect;
      return [
        [reason, rule?.place ?? "", formatIpv4(host?.address ?? ANY), formatIpv4(group)]
          .filter((one) => one !== "")
          .join(" "),
      ];
    }
    default:
      return [];
  }
}

function asked(name: string, bytes: Uint8Array): string[] {
  const packet = checkPacket(bytes);
  assert.ok(typeof packet !== "string");
  if (packet.kind === "v3Report")
    return Array.from(recordsOf(packet), ({ type, group }) => `up ${type} ${formatIpv4(group)}`);
  return groupOf(packet) === ANY ? [`${name} asks all`] : [`${name} asks ${formatIpv4(groupOf(packet))}`];
}

const lan = (more: Partial<DownstreamOptions>): Partial<RouterOptions> => ({
  downstreams: [{ name: "lan", ...more }, { name: "wifi" }],
});

test("a host that is refused makes no membership, no route and no join upstream, and the refusal says by which rule", () => {
  const bench = new Bench({ rules: [{ action: "allow", groups: [{ group: NEWS, length: 32 }] }, NO_PREMIUM] });
  assert.deepEqual(bench.says(A, "to-ex", FILM), ["policy.denied 2 10.2.0.11 239.1.9.1"]);
  assert.deepEqual(bench.stream(FILM), ["route 239.1.9.1 > -"]);
  assert.deepEqual(bench.wanted, []);
  const [[, machine] = [undefined, undefined]] = [...bench.router.interfaces()];
  assert.deepEqual([machine?.groups(bench.now), machine?.hosts()], [[], []]);
  assert.deepEqual(bench.says(A, "to-ex", NEWS), ["up to-ex 239.1.0.1", "joined 10.2.0.11 239.1.0.1"]);
});

test("one host is refused and its neighbour served; the neighbour's leave is not kept from ending it", () => {
  const bench = new Bench({
    rules: [{ ...NO_PREMIUM, host: { kind: "subnet", subnet: { address: A, prefixLength: 32 } } }],
  });
  assert.deepEqual(bench.says(B, "to-ex", FILM), ["up to-ex 239.1.9.1", "joined 10.2.0.12 239.1.9.1"]);
  assert.deepEqual(bench.says(A, "to-ex", FILM), ["policy.denied 1 10.2.0.11 239.1.9.1"]);
  bench.says(B, "to-in", FILM);
  bench.says(A, "is-ex", FILM);
  assert.ok(bench.pass(5).includes("up to-in 239.1.9.1"));
});

test("what every machine joins of 224.0.0.0/24 is not the policy's matter", () => {
  const bench = new Bench({ rules: [{ action: "deny" }] });
  assert.deepEqual(bench.says(A, "to-ex", address("224.0.0.251")), ["joined 10.2.0.11 224.0.0.251"]);
  assert.deepEqual(bench.says(A, "to-ex", ALL_SYSTEMS), ["igmp.all-systems 0.0.0.0 0.0.0.0"]);
});

test("of several sources that a host names, those that are denied are left out", () => {
  const sources = [{ address: address("10.9.0.0"), prefixLength: 16 }];
  const bench = new Bench({ rules: [{ action: "deny", sources }] });
  const [bad, good] = [address("10.9.0.1"), SOURCE];
  const group = address("232.1.0.1");
  assert.deepEqual(bench.says(A, "allow", group, bad), ["policy.denied 1 10.2.0.11 232.1.0.1"]);
  assert.ok(bench.says(A, "allow", group, bad, good).includes("policy.denied 1 10.2.0.11 232.1.0.1"));
  assert.deepEqual(bench.wanted, ["232.1.0.1 10.1.0.2"]);
  // Who asks for a group from anybody does not get it from there either.
  bench.says(A, "to-ex", NEWS);
  assert.deepEqual(bench.stream(NEWS, bad), ["route 239.1.0.1 > -"]);
  assert.deepEqual(bench.stream(NEWS), ["route 239.1.0.1 > lan"]);
});

test("a host that changes over to what it may not have leaves what it had", () => {
  const bench = new Bench({
    rules: [{ action: "deny", sources: [{ address: address("10.9.0.0"), prefixLength: 16 }] }],
  });
  const group = address("232.1.0.1");
  bench.says(A, "allow", group, SOURCE);
  const lines = bench.says(A, "to-in", group, address("10.9.0.1"));
  assert.ok(lines.includes("left 10.2.0.11 232.1.0.1"), lines.join());
});

test("a rule that comes live ends what it denies, and asks; another viewer's picture stays", () => {
  const bench = new Bench();
  bench.says(A, "to-ex", FILM);
  bench.says(B, "to-ex", FILM);
  bench.stream(FILM);
  const rule: Rule = { ...NO_PREMIUM, host: { kind: "subnet", subnet: { address: A, prefixLength: 32 } } };
  const lines = bench.reload({ rules: [rule] });
  assert.deepEqual(
    lines.filter((one) => !one.endsWith("asks all")),
    ["lan asks 239.1.9.1", "policy.denied 1 10.2.0.11 239.1.9.1", "revoked 10.2.0.11 239.1.9.1"],
  );
  bench.says(B, "is-ex", FILM);
  assert.deepEqual(
    bench.pass(10).filter((one) => one.startsWith("route")),
    [],
  );
  const last = bench.reload({ rules: [NO_PREMIUM] });
  assert.ok(last.includes("revoked 10.2.0.12 239.1.9.1") && last.includes("route 239.1.9.1 > -"), last.join());
  assert.ok(last.includes("up to-in 239.1.9.1"));
});

test("a rule that goes live lets in who asks again, and everybody is asked at once", () => {
  const bench = new Bench({ rules: [NO_PREMIUM] });
  bench.says(A, "to-ex", FILM);
  bench.stream(FILM);
  assert.ok(bench.reload({ rules: [] }).includes("lan asks all"));
  assert.deepEqual(bench.says(A, "is-ex", FILM), [
    "route 239.1.9.1 > lan",
    "up to-ex 239.1.9.1",
    "joined 10.2.0.11 239.1.9.1",
  ]);
});

const PREVIEW: Rule = {
  action: "preview",
  groups: PREMIUM,
  preview: { watch: seconds(60), perDay: 2, pause: seconds(600) },
};

test("a rule by VLAN is about the tag that a tap shows, and a frame of another VLAN is nobody's here", () => {
  const bench = new Bench({
    ...lan({ vlan: 20 }),
    rules: [{ action: "deny", vlan: 20, groups: [{ group: FILM, length: 32 }] }],
  });
  bench.feed({ kind: "link", name: "lan", address: address("10.2.0.1"), trackingSource: "frames" });
  const card = "02:00:00:00:00:0a";
  assert.deepEqual(bench.frame("lan1", card, A, FILM, 20), [`tracking.refused 10.2.0.11 ${formatIpv4(FILM)}`]);
  assert.deepEqual(bench.frame("lan1", card, A, FILM, 30), ["frame.other-vlan 0.0.0.0 0.0.0.0"]);
  assert.deepEqual(bench.frame("lan1", card, A, NEWS, 30), ["frame.other-vlan 0.0.0.0 0.0.0.0"]);
  assert.deepEqual(bench.frame("lan1", card, A, NEWS, 20), []);
  assert.ok(bench.says(A, "to-ex", NEWS).includes(`joined ${formatIpv4(A)} ${formatIpv4(NEWS)}`));
  bench.reload({ ...lan({ vlan: 30 }), rules: [] });
  assert.deepEqual(bench.frame("lan1", card, A, NEWS, 20), ["frame.other-vlan 0.0.0.0 0.0.0.0"]);
});

test("a preview ends by itself, though the host says that it is still there, and is refused until its pause is over", () => {
  const bench = new Bench({ rules: [PREVIEW] });
  bench.says(A, "to-ex", FILM);
  bench.stream(FILM);
  bench.pass(50);
  assert.deepEqual(bench.says(A, "is-ex", FILM), []);
  const end = bench.pass(13);
  for (const one of ["policy.preview-over 1 10.2.0.11 239.1.9.1", "revoked 10.2.0.11 239.1.9.1", "route 239.1.9.1 > -"])
    assert.ok(end.includes(one), `${one} in ${end.join()}`);
  assert.deepEqual(bench.says(A, "is-ex", FILM), ["policy.preview-over 1 10.2.0.11 239.1.9.1"]);
  bench.pass(600);
  assert.ok(bench.says(A, "is-ex", FILM).includes("joined 10.2.0.11 239.1.9.1"));
});

test("a preview that becomes a right is not ended, and a right that becomes a preview is", () => {
  const bench = new Bench({ rules: [PREVIEW] });
  bench.says(A, "to-ex", FILM);
  bench.pass(30);
  bench.reload({ rules: [] });
  assert.ok(!bench.pass(100).some((one) => one.startsWith("revoked")));
  bench.says(A, "is-ex", FILM);
  bench.reload({ rules: [PREVIEW] });
  assert.ok(!bench.pass(29).some((one) => one.startsWith("revoked")));
  assert.ok(bench.pass(3).includes("revoked 10.2.0.11 239.1.9.1"));
});

const RATES = {
  channels: [{ groups: [{ group: address("239.1.0.0"), length: 16 }], kbitPerSecond: 4000 }],
  otherChannels: 0,
};

test("a channel that does not fit in is refused; when another ends, who was refused is asked and gets it", () => {
  const bench = new Bench({ ...lan({ bandwidth: 5000 }), bandwidth: RATES });
  bench.says(A, "to-ex", NEWS);
  assert.deepEqual(bench.says(B, "to-ex", SPORT), ["policy.interface-bandwidth 10.2.0.12 239.1.0.2"]);
  assert.deepEqual(bench.says(B, "to-ex", NEWS), ["joined 10.2.0.12 239.1.0.1"]);
  bench.says(A, "to-in", NEWS);
  bench.says(B, "to-in", NEWS);
  const freed = bench.pass(5);
  assert.ok(freed.includes("lan asks 239.1.0.2"), freed.join());
  assert.ok(bench.says(B, "is-ex", SPORT).includes("joined 10.2.0.12 239.1.0.2"));
});

test("the uplink carries a channel once for all, and a group that another interface has fits in", () => {
  const bench = new Bench({ upstreams: [{ name: "up", bandwidth: 5000 }], bandwidth: RATES });
  bench.says(A, "to-ex", NEWS);
  assert.deepEqual(bench.says(A, "to-ex", SPORT), ["policy.uplink-bandwidth 10.2.0.11 239.1.0.2"]);
  assert.deepEqual(bench.says(B, "to-ex", NEWS), ["joined 10.2.0.12 239.1.0.1"]);
  assert.deepEqual(bench.router.loads(), [{ carrier: { kind: "uplink", name: "up" }, capacity: 5000, load: 4000 }]);
});

test("less bandwidth than is in use ends nothing", () => {
  const bench = new Bench({ ...lan({ bandwidth: 9000 }), bandwidth: RATES });
  bench.says(A, "to-ex", NEWS);
  bench.says(A, "to-ex", SPORT);
  const lines = bench.reload({ ...lan({ bandwidth: 1000 }), bandwidth: RATES });
  assert.deepEqual(
    lines.filter((one) => !one.endsWith("asks all")),
    [],
  );
  assert.deepEqual(bench.says(A, "is-ex", NEWS), []);
});

test("a static group is asked for and delivered while its interface is up, without a host and whatever the rules say", () => {
  const bench = new Bench({ ...lan({ staticGroups: [{ group: FILM }] }), rules: [{ action: "deny" }] });
  assert.deepEqual(bench.wanted, ["239.1.9.1"]);
  assert.deepEqual(bench.stream(FILM), ["route 239.1.9.1 > lan"]);
  assert.deepEqual(bench.link("lan", undefined), ["route 239.1.9.1 > -", "up to-in 239.1.9.1"]);
  assert.deepEqual(bench.link("lan", "10.2.0.1").slice(0, 2), ["route 239.1.9.1 > lan", "lan asks all"]);
});

test("a viewer who leaves a static group does not end it; a reload does, and leaves the viewers of others alone", () => {
  const bench = new Bench(lan({ staticGroups: [{ group: FILM, sources: [SOURCE] }] }));
  bench.stream(FILM);
  bench.says(A, "to-ex", FILM);
  bench.says(A, "to-in", FILM);
  assert.ok(!bench.pass(10).some((one) => one.startsWith("route")));
  assert.deepEqual(bench.wanted, ["239.1.9.1 10.1.0.2"]);
  bench.says(A, "to-ex", NEWS);
  const lines = bench.reload(lan({}));
  assert.ok(lines.includes("route 239.1.9.1 > -"), lines.join());
  assert.deepEqual(bench.wanted, ["239.1.0.1"]);
});

const ENFORCE = {
  groups: [{ group: address("239.1.0.0"), length: 16 }],
  stands: seconds(600),
  afterwards: "closed",
  refresh: seconds(60),
} as const;
const CARD = "02:00:00:00:00:11";

/** Bridge ports are tapped; A joins FILM from lan1 and control permits it. */
function enforced(options: Partial<typeof ENFORCE> | { afterwards: "open" } = {}): Bench {
  const bench = new Bench({ enforce: { ...ENFORCE, ...options } });
  bench.feed({ kind: "link", name: "lan", address: address("10.2.0.1"), trackingSource: "frames" });
  bench.frame("lan1", CARD, A, FILM);
  bench.says(A, "to-ex", FILM);
  bench.stream(FILM);
  bench.feed({ kind: "permits", permits: [{ mac: CARD, groups: [FILM] }] });
  return bench;
}

test("enforce: a host is refused until control permits its card, then asked, and gets route and pass", () => {
  const bench = new Bench({ enforce: ENFORCE });
  bench.feed({ kind: "link", name: "lan", address: address("10.2.0.1"), trackingSource: "frames" });
  const seen = bench.frame("lan1", CARD, A, FILM);
  assert.deepEqual(seen, ["tracking.refused 10.2.0.11 239.1.9.1", `inquire ${CARD}`]);
  assert.deepEqual(bench.says(A, "to-ex", FILM), ["policy.no-word 10.2.0.11 239.1.9.1"]);
  bench.stream(FILM);
  assert.deepEqual(bench.feed({ kind: "permits", permits: [{ mac: CARD, groups: [FILM] }] }), [
    "passes +lan1 239.1.9.1 -",
    "lan asks 239.1.9.1",
    "stand",
  ]);
  assert.deepEqual(bench.says(A, "is-ex", FILM), ["route 239.1.9.1 > lan", "up to-ex 239.1.9.1"]);
  assert.deepEqual(bench.says(A, "to-ex", NEWS), ["policy.unpermitted 10.2.0.11 239.1.0.1"]);
});

test("enforce: a right that control takes back ends the membership and the pass", () => {
  const bench = enforced();
  bench.says(A, "is-ex", FILM);
  const lines = [...bench.feed({ kind: "permits", permits: [{ mac: CARD, groups: [] }] }), ...bench.pass(3)];
  for (const one of ["policy.unpermitted 10.2.0.11 239.1.9.1", "passes + -lan1 239.1.9.1", "route 239.1.9.1 > -"])
    assert.ok(lines.includes(one), `${one} in ${lines.join()}`);
});

for (const afterwards of ["open", "closed"] as const) {
  test(`enforce: control away for longer than its word stands: ${afterwards}`, () => {
    const bench = enforced({ afterwards } as { afterwards: "open" });
    for (let n = 0; n < 6; n++) {
      bench.says(A, "is-ex", FILM);
      assert.ok(!bench.pass(99).includes("route 239.1.9.1 > -"), `${n}`);
    }
    bench.says(A, "is-ex", FILM);
    bench.pass(20);
    const [, outcome] = [bench.says(A, "is-ex", FILM), bench.says(B, "to-ex", NEWS)];
    assert.equal(outcome.includes("policy.no-word 10.2.0.12 239.1.0.1"), afterwards === "closed", outcome.join());
    assert.deepEqual(
      bench.router.routes().map(({ outbound }) => outbound),
      [afterwards === "open" ? ["lan"] : []],
    );
  });
}
