// Where a route is ready: everybody who asks there would get it, so that a driver need not wait for what is decided of each.
import assert from "node:assert/strict";
import { test } from "node:test";
import { address, type Ipv4 } from "../base/ipv4.ts";
import { instant, seconds } from "../base/time.ts";
import { query, report } from "../igmp/igmp.testkit.ts";
import { IGMP } from "../igmp/wire.ts";
import type { DownstreamOptions, RouterEffect, RouterEvent, RouterOptions } from "./options.ts";
import { Router } from "./router.ts";

const [GROUP, SOURCE] = [address("239.1.1.1"), address("10.1.0.2")];
const entropy = { bytes: (n: number) => new Uint8Array(n), below: (limit: number) => limit / 2 };
const NOW = instant(0);
const HOST = { kind: "subnet", subnet: { address: address("10.2.0.11"), prefixLength: 32 } } as const;
const JOIN = report("10.2.0.11", ["to-ex", "239.1.1.1"]);

/** A router with two downstreams, and where its routes are ready by what it said. */
class Bench {
  readonly router: Router;
  readonly #ready = new Map<Ipv4, readonly string[]>();

  constructor(lan: Partial<DownstreamOptions> = {}, options: Partial<RouterOptions> = {}) {
    const downstreams = [{ name: "lan", ...lan }, { name: "wifi" }];
    this.router = new Router(IGMP, { upstreams: [{ name: "up" }], downstreams, ...options }, entropy);
    for (const [name, own] of Object.entries({ up: "10.1.0.1", lan: "10.2.0.1", wifi: "10.3.0.1" }))
      this.link(name, own);
  }

  feed(event: RouterEvent): readonly RouterEffect[] {
    const effects = this.router.receive(NOW, event);
    for (const effect of effects) {
      if (effect.kind === "route") this.#ready.delete(effect.route.group);
      if (effect.kind === "ready") this.#ready.set(effect.route.group, effect.names);
    }
    return effects;
  }

  link(name: string, own: string | undefined): void {
    const to = own === undefined ? undefined : address(own);
    const addresses = to === undefined ? [] : [{ address: to, prefixLength: 24 }];
    this.feed({ kind: "link", name, address: to, addresses });
  }

  stream(group = GROUP, inbound = "up", source = SOURCE): this {
    this.feed({ kind: "no-route", source, group, inbound });
    return this;
  }

  ready(group = GROUP): string {
    return this.#ready.get(group)?.join(" ") ?? "";
  }
}

test("a stream that nobody wants is ready wherever it may be asked for, and no more where it has been", () => {
  const bench = new Bench().stream();
  assert.equal(bench.ready(), "lan wifi");
  const said = bench.feed({ kind: "packet", name: "lan", bytes: JOIN });
  assert.equal(bench.ready(), "wifi");
  assert.deepEqual(
    said.slice(0, 2).map(({ kind }) => kind),
    ["route", "ready"],
  );
});

test("what comes from below is not ready where it comes from", () => {
  assert.equal(new Bench().stream(GROUP, "lan", address("10.2.0.9")).ready(), "wifi");
});

/** Each says what keeps a route from being ready on lan. */
const LACKS: readonly (readonly [string, Partial<DownstreamOptions>, Partial<RouterOptions>?])[] = [
  ["reports without Router Alert do not count", { igmp: { requireRouterAlert: true } }],
  ["reports from elsewhere do not count", { igmp: { verifySourceSubnet: true } }],
  ["sources are to be asked for by name", { igmp: { sourceSpecific: [{ address: GROUP, prefixLength: 32 }] } }],
  ["the group may not be received", { deny: [{ group: GROUP, length: 32 }] }],
  ["others are allowed by name", { allow: [{ group: address("239.2.0.0"), length: 16 }] }],
  ["one host may not have it", {}, { rules: [{ action: "deny", interface: "lan", host: HOST }] }],
  ["one port may not have it", {}, { rules: [{ action: "deny", interface: "lan", port: "lan1" }] }],
  [
    "there are previews",
    {},
    {
      rules: [
        {
          action: "preview",
          interface: "lan",
          preview: { watch: seconds(10), perDay: 1, pause: seconds(10) },
        },
      ],
    },
  ],
  ["the interface carries so much", { bandwidth: 10_000 }],
  ["a port carries so much", { portBandwidth: 10_000 }],
];

for (const [why, lan, options] of LACKS)
  test(`not ready where ${why}`, () => {
    assert.equal(new Bench(lan, options).stream().ready(), "wifi");
  });

test("nowhere ready where control is asked about each card, or the uplink carries so much", () => {
  const enforce = {
    groups: [{ group: GROUP, length: 32 }],
    stands: seconds(600),
    afterwards: "open",
    refresh: seconds(60),
  } as const;
  assert.equal(new Bench({}, { enforce }).stream().ready(), "");
  assert.equal(new Bench({}, { upstreams: [{ name: "up", bandwidth: 10_000 }] }).stream().ready(), "");
});

test("ready where the rules let everybody have the group, whatever they say of others", () => {
  const allow = [{ group: address("239.1.0.0"), length: 16 }];
  assert.equal(new Bench({ allow }).stream().ready(), "lan wifi");
  const rules = [{ action: "allow", host: HOST }, { action: "allow", groups: allow }, { action: "deny" }] as const;
  assert.equal(new Bench({}, { rules }).stream().ready(), "lan wifi");
});

test("neither link-local groups nor streams that come in where they may not are ready", () => {
  assert.equal(new Bench().stream(address("224.0.0.251"), "lan").ready(address("224.0.0.251")), "");
  const bounded = new Bench({}, { upstreams: [{ name: "up", deny: [{ group: GROUP, length: 32 }] }] });
  assert.equal(bounded.stream().ready(), "");
  assert.equal(new Bench({}, { maxRoutes: 1 }).stream().stream(address("239.1.1.2")).ready(address("239.1.1.2")), "");
});

test("ready follows links, the one who forwards, and other options", () => {
  const bench = new Bench({ forwarder: "elected" }).stream();
  bench.link("wifi", undefined);
  assert.equal(bench.ready(), "lan");
  bench.link("wifi", "10.3.0.1");
  assert.equal(bench.ready(), "lan wifi");
  bench.feed({ kind: "packet", name: "lan", bytes: query("10.2.0.0") });
  assert.equal(bench.ready(), "wifi");
  bench.feed({ kind: "configure", downstreams: [{ name: "wifi", deny: [{ group: GROUP, length: 32 }] }] });
  assert.equal(bench.ready(), "");
});

test("what a predecessor left is ready too, without a touch of its routes", () => {
  const bench = new Bench();
  const route = { source: SOURCE, group: GROUP, inbound: "up", outbound: ["lan"] };
  const said = bench.feed({ kind: "inherited", routes: [route] });
  assert.equal(bench.ready(), "wifi");
  assert.ok(!said.some(({ kind }) => kind === "route"));
});
