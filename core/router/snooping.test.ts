// A downstream with bridge ports in the whole router: what ports get, policy, and questions when the bridge changes.

import assert from "node:assert/strict";
import { test } from "node:test";
import { address, formatIpv4 } from "../base/ipv4.ts";
import { type SourceFilter, wantsNothing } from "../igmp/filter.ts";
import { at, ethernet, middle, report, v1v2Message } from "../igmp/igmp.testkit.ts";
import { IGMP } from "../igmp/wire.ts";
import type { DownstreamOptions, RouterEffect } from "./options.ts";
import { Router } from "./router.ts";

const GROUP = "239.1.1.1";
const [MAC, OTHER] = ["02:00:00:00:00:0a", "02:00:00:00:00:0b"];

const lines = (effects: readonly RouterEffect[]): string[] =>
  effects.flatMap((effect) => {
    if (effect.kind === "send") return ["query"];
    if (effect.kind !== "port-membership") return [];
    const what = effect.refused === true && wantsNothing(effect.filter) ? "refused" : effect.filter.mode;
    return [`${effect.port} ${formatIpv4(effect.group)} ${what}`];
  });

function bench(deny: readonly string[] = []) {
  const denied = deny.map((text) => ({ group: address(text), length: 32 }));
  const router = new Router(
    IGMP,
    { downstreams: [{ name: "br0", snooping: true, deny: denied }, { name: "lan1" }] },
    middle,
  );
  const feed = (s: number, event: Parameters<Router["receive"]>[1]): string[] => lines(router.receive(at(s), event));
  const bridge = (s: number, ports: readonly string[], topology = "3"): string[] =>
    feed(s, { kind: "bridge", name: "br0", ports, topology });
  const hear = (s: number, port: string, packet: Uint8Array): string[] =>
    feed(s, { kind: "frame", name: "br0", port, bytes: ethernet(MAC, packet) });
  bridge(0, ["a", "b"]);
  feed(0, { kind: "link", name: "br0", address: address("10.0.0.1"), trackingSource: "frames" });
  // The questions of the start are over (8.6).
  router.poll(at(32));
  return { router, feed, bridge, hear };
}

test("RFC 4541 2.1.1 (4): all are asked at once when the bridge changes; changes within a second are one more question", () => {
  const { router, bridge } = bench();
  assert.deepEqual(bridge(40, ["a", "b"]), [], "as before");
  assert.deepEqual(bridge(41, ["a", "b", "c"]), ["query"]);
  assert.deepEqual(bridge(41.2, ["a", "b", "c"], "4"), []);
  assert.deepEqual(bridge(41.5, ["a", "b", "c"], "3"), []);
  assert.equal(router.nextDeadline(), at(42));
  assert.deepEqual([lines(router.poll(at(42))), lines(router.poll(at(43)))], [["query"], []]);
});

test("a tap that was deaf asks too; a downstream whose ports are not kept asks nothing", () => {
  const { feed } = bench();
  assert.deepEqual(feed(40, { kind: "ask-all", name: "br0" }), ["query"]);
  for (const name of ["lan1", "none"]) {
    assert.deepEqual(feed(41, { kind: "ask-all", name }), []);
    assert.deepEqual(feed(41, { kind: "bridge", name, ports: ["x"], topology: "" }), []);
  }
});

test("RFC 4604: a port has of a group that becomes source-specific what its hosts ask for by name", () => {
  const { feed, hear } = bench();
  hear(40, "a", report("10.0.0.9", ["to-ex", GROUP]));
  hear(40, "a", report("10.0.0.9", ["allow", GROUP, address("10.1.0.1")]));
  hear(40, "b", report("10.0.0.8", ["to-ex", GROUP]));
  const sourceSpecific = [{ address: address("239.1.0.0"), prefixLength: 16 }];
  const downstreams = [{ name: "br0", snooping: true, igmp: { sourceSpecific } }];
  const told = feed(41, { kind: "configure", downstreams });
  assert.ok(told.includes(`a ${GROUP} include`) && told.includes(`b ${GROUP} include`), told.join());
  assert.deepEqual(
    told.filter((text) => text.includes("exclude")),
    [],
  );
  assert.deepEqual(hear(42, "b", report("10.0.0.8", ["is-ex", GROUP])), []);
});

test("what a port may not receive it does not get, and a changed policy is told for what is there", () => {
  const { router, feed, hear } = bench(["239.1.1.2"]);
  assert.deepEqual(hear(40, "a", v1v2Message("v2Report", "10.0.0.11", GROUP)), [`a ${GROUP} exclude`]);
  assert.deepEqual(hear(40, "a", v1v2Message("v2Report", "10.0.0.11", "239.1.1.2")), ["a 239.1.1.2 refused"]);
  const downstreams = [{ name: "br0", snooping: true, deny: [{ group: address(GROUP), length: 32 }] }];
  assert.deepEqual(
    feed(41, { kind: "configure", downstreams }).filter((line) => line.startsWith("a")),
    [`a ${GROUP} refused`],
  );
  assert.deepEqual(lines(router.portMemberships(at(41), "br0")), [`a ${GROUP} refused`]);
  assert.deepEqual(
    router.ports(at(41), "br0")?.map(({ port }) => port),
    ["a"],
  );
  assert.equal(router.ports(at(41), "lan1"), undefined);
});

test("who is denied live what its port had is refused it there when it answers, and what others have behind a port stays", () => {
  const { feed } = bench();
  const say = (s: number, port: string, mac: string): string[] => {
    const bytes = report("10.0.0.11", ["is-ex", GROUP]);
    const framed = feed(s, { kind: "frame", name: "br0", port, bytes: ethernet(mac, bytes) });
    return [...new Set([...framed, ...feed(s, { kind: "packet", name: "br0", bytes, mac })])];
  };
  for (const [port, mac] of [
    ["a", MAC],
    ["b", OTHER],
    ["b", MAC],
  ] as const)
    say(40, port, mac);
  const rules = [{ action: "deny", host: { kind: "mac", mac: MAC } }] as const;
  const downstreams = [{ name: "br0", snooping: true }];
  feed(41, { kind: "configure", downstreams, rules });
  assert.deepEqual(say(41, "a", MAC), [`a ${GROUP} refused`]);
  assert.deepEqual([say(41, "b", OTHER), say(41, "a", MAC), say(41, "b", MAC)], [[], [`a ${GROUP} refused`], []]);
});

test("a link that goes away takes the memberships of its ports with it", () => {
  const { feed, hear } = bench();
  hear(40, "a", v1v2Message("v2Report", "10.0.0.11", GROUP));
  feed(40, { kind: "packet", name: "br0", bytes: v1v2Message("v2Report", "10.0.0.11", GROUP) });
  const cut = [
    ...feed(41, { kind: "link", name: "br0", address: undefined }),
    ...feed(400, { kind: "ask-all", name: "br0" }),
  ];
  assert.deepEqual(cut, [`a ${GROUP} include`]);
});

test("what a tap hears of PIM is no drop", () => {
  const { router } = bench();
  const pim = v1v2Message("leave", "10.0.0.9", GROUP).fill(103, 9, 10);
  const told = router.receive(at(40), { kind: "frame", name: "br0", port: "a", bytes: ethernet(MAC, pim) });
  assert.deepEqual(told, []);
});

test("frames may run ahead of all their packets: what of them is refused, its port gets no more, and status can say why", () => {
  const igmp = { maxGroupsPerHost: 1 };
  const router = new Router(IGMP, { downstreams: [{ name: "br0", snooping: true, igmp }] }, middle);
  router.receive(at(0), { kind: "link", name: "br0", address: address("10.0.0.1"), trackingSource: "frames" });
  const packets = [GROUP, "239.1.1.2"].map((group) => v1v2Message("v2Report", "10.0.0.11", group));
  const framed = packets.map((one) => ({ kind: "frame", name: "br0", port: "a", bytes: ethernet(MAC, one) }) as const);
  assert.deepEqual(
    framed.flatMap((one) => lines(router.receive(at(1), one))),
    [`a ${GROUP} exclude`, "a 239.1.1.2 exclude"],
  );
  const said = packets.flatMap((bytes) => router.receive(at(1), { kind: "packet", name: "br0", bytes, mac: MAC }));
  assert.deepEqual(lines(said), ["a 239.1.1.2 refused"]);
  assert.deepEqual(
    said.flatMap((effect) => (effect.kind === "drop" ? [effect.reason] : [])),
    ["igmp.host-groups", "tracking.refused"],
  );
});

const STATIC = "239.5.5.5";
const staticOf = (group: string, ...sources: string[]) => ({
  group: address(group),
  ...(sources.length === 0 ? {} : { sources: sources.map(address) }),
});

/** What each port gets of the static group by the last that was said, as a bridge has it. */
class Ports {
  readonly router: Router;
  readonly #gets = new Map<string, string>();

  constructor(downstream: Partial<DownstreamOptions> = {}) {
    this.router = new Router(IGMP, { downstreams: [{ name: "br0", snooping: true, ...downstream }] }, middle);
    this.feed(0, { kind: "link", name: "br0", address: address("10.0.0.1"), trackingSource: "frames" });
  }

  feed(s: number, event: Parameters<Router["receive"]>[1]): this {
    this.#note(this.router.receive(at(s), event));
    return this;
  }

  bridge(s: number, ...ports: string[]): this {
    return this.feed(s, { kind: "bridge", name: "br0", ports, topology: "3" });
  }

  configure(s: number, downstream: Partial<DownstreamOptions>): this {
    return this.feed(s, { kind: "configure", downstreams: [{ name: "br0", snooping: true, ...downstream }] });
  }

  until(s: number): this {
    this.#note(this.router.poll(at(s)));
    return this;
  }

  /** What a host on a port says, which is heard as a frame and as a packet. */
  says(s: number, port: string, packet: Uint8Array): this {
    this.feed(s, { kind: "frame", name: "br0", port, bytes: ethernet(MAC, packet) });
    return this.feed(s, { kind: "packet", name: "br0", bytes: packet, mac: MAC });
  }

  #note(effects: readonly RouterEffect[]): void {
    for (const effect of effects)
      if (effect.kind === "port-membership" && effect.group === address(STATIC))
        this.#gets.set(effect.port, filterText(effect.filter));
  }

  /** Those that get something; a bridge that has forgotten all is told the same, and status has it. */
  get gets(): Readonly<Record<string, string>> {
    const told = [...this.#gets].filter(([, filter]) => filter !== "include {}");
    const again = new Map<string, string>();
    for (const effect of this.router.portMemberships(at(100), "br0"))
      if (effect.kind === "port-membership" && effect.group === address(STATIC) && !wantsNothing(effect.filter))
        again.set(effect.port, filterText(effect.filter));
    const sorted = (entries: Iterable<readonly [string, string]>) => Object.fromEntries([...entries].sort());
    assert.deepEqual(sorted(again), sorted(told));
    return sorted(told);
  }
}

const filterText = ({ mode, sources }: SourceFilter): string => `${mode} {${sources.map(formatIpv4).join(" ")}}`;

test("a static group is on every port of the bridge, of those that come later too, and not on one that has gone", () => {
  const ports = new Ports({ staticGroups: [staticOf(STATIC)] }).bridge(0, "a", "b");
  assert.deepEqual(ports.gets, { a: "exclude {}", b: "exclude {}" });
  assert.deepEqual(ports.bridge(5, "b", "c").gets, { b: "exclude {}", c: "exclude {}" });
  const views = ports.router.ports(at(5), "br0") ?? [];
  assert.deepEqual(
    views.map(({ port, groups }) => [port, groups.map(({ group }) => formatIpv4(group))]),
    [
      ["b", [STATIC]],
      ["c", [STATIC]],
    ],
  );
});

test("whatever the rules say a static group stays on its ports; from its sources only where it names some", () => {
  const deny = [{ group: address(STATIC), length: 32 }];
  const ports = new Ports({ staticGroups: [staticOf(STATIC, "10.1.0.2")], deny }).bridge(0, "a");
  assert.deepEqual(ports.gets, { a: "include {10.1.0.2}" });
  assert.deepEqual(ports.says(40, "a", report("10.0.0.9", ["to-ex", STATIC])).gets, { a: "include {10.1.0.2}" });
});

test("what hosts ask for besides is merged, and its end leaves what is static", () => {
  const ports = new Ports({ staticGroups: [staticOf(STATIC, "10.1.0.2")] }).bridge(0, "a", "b").until(32);
  ports.says(40, "a", report("10.0.0.9", ["allow", STATIC, address("10.1.0.7")]));
  assert.deepEqual(ports.gets, { a: "include {10.1.0.2 10.1.0.7}", b: "include {10.1.0.2}" });
  ports.says(41, "a", report("10.0.0.9", ["to-ex", STATIC]));
  assert.deepEqual(ports.gets, { a: "exclude {}", b: "include {10.1.0.2}" });
  ports
    .says(42, "a", report("10.0.0.9", ["to-in", STATIC]))
    .until(43)
    .until(44);
  assert.deepEqual(ports.gets, { a: "include {10.1.0.2}", b: "include {10.1.0.2}" });
});

test("other static groups hold at once: what was static ends where no host wants it", () => {
  const ports = new Ports().bridge(0, "a", "b").until(32);
  ports.says(40, "a", report("10.0.0.9", ["to-ex", STATIC]));
  assert.deepEqual(ports.gets, { a: "exclude {}" });
  assert.deepEqual(ports.configure(41, { staticGroups: [staticOf(STATIC)] }).gets, {
    a: "exclude {}",
    b: "exclude {}",
  });
  assert.deepEqual(ports.configure(42, { staticGroups: [staticOf(STATIC, "10.1.0.2")] }).gets, {
    a: "exclude {}",
    b: "include {10.1.0.2}",
  });
  assert.deepEqual(ports.configure(43, { staticGroups: [staticOf("239.5.5.6")] }).gets, { a: "exclude {}" });
});
