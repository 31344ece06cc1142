// Random days of a router with rules, previews, a narrow line and a control that changes its mind, against what the rules say in plain
// words: nobody is a member who may not be, nothing goes out that nobody may have, and what is counted is what is carried.

import assert from "node:assert/strict";
import { fuzz } from "../../base/fuzz.testkit.ts";
import { address, formatIpv4, type Ipv4, ipv4 } from "../../base/ipv4.ts";
import { after, type Instant, instant, seconds } from "../../base/time.ts";
import { ethernet } from "../../igmp/igmp.testkit.ts";
import { type ReportRecord, reportLength, writeReport } from "../../igmp/messages/report.ts";
import { IGMP } from "../../igmp/wire.ts";
import type { RouterEffect, RouterEvent, RouterOptions } from "../options.ts";
import { Router } from "../router.ts";
import type { Rule } from "./rules.ts";

const BASE = address("239.1.0.0");
const GROUPS = Array.from({ length: 8 }, (_, n) => ipv4(BASE + n));
const HOSTS = Array.from({ length: 6 }, (_, n) => ipv4(address("10.2.0.10") + n));
const RATE = 1000;
const MAX = 4 * RATE;
const TYPES = ["is-ex", "to-ex", "to-in", "is-in", "allow", "block"] as const;
const SOURCE = address("10.1.0.2");

const macOf = (host: Ipv4): string => `02:00:00:00:00:${(host & 255).toString(16).padStart(2, "0")}`;

type Below = (limit: number) => number;
const pick = <T>(below: Below, all: readonly T[]): T => all[below(all.length)] ?? assert.fail("nothing to pick");

/** Rules by host and group, as plain as can be. */
function someRules(below: Below): readonly Rule[] {
  return Array.from({ length: below(5) }, (): Rule => {
    const scope = {
      ...(below(2) === 0 ? {} : { host: { kind: "mac", mac: macOf(pick(below, HOSTS)) } as const }),
      ...(below(3) === 0 ? {} : { groups: [{ group: pick(below, GROUPS), length: pick(below, [30, 31, 32]) }] }),
    };
    const preview = { watch: seconds(20 + below(60)), perDay: 1 + below(3), pause: seconds(below(300)) };
    const action = pick(below, ["allow", "deny", "preview"] as const);
    return action === "preview" ? { ...scope, action, preview } : { ...scope, action };
  });
}

/** The model: undefined for what no rule decides. */
function decided(rules: readonly Rule[], host: Ipv4, group: Ipv4): Rule | undefined {
  for (const rule of rules) {
    const isHost = rule.host === undefined || (rule.host.kind === "mac" && rule.host.mac === macOf(host));
    const isGroup = rule.groups?.some((prefix) => (group ^ prefix.group) >>> (32 - prefix.length) === 0) ?? true;
    if (isHost && isGroup) return rule;
  }
  return undefined;
}

class Day {
  now: Instant = instant(0);
  rules: readonly Rule[] = [];
  readonly permits = new Map<string, ReadonlySet<Ipv4>>();
  readonly passes = new Set<string>();
  readonly router: Router;
  readonly #below: Below;

  constructor(below: Below) {
    this.#below = below;
    this.router = new Router(IGMP, this.options, { bytes: (n) => new Uint8Array(n), below: (limit) => below(limit) });
    this.feed({ kind: "link", name: "up", address: address("10.1.0.1") });
    this.feed({ kind: "link", name: "lan", address: address("10.2.0.1"), trackingSource: "frames" });
    for (const group of GROUPS) this.feed({ kind: "no-route", source: SOURCE, group, inbound: "up" });
  }

  get options(): RouterOptions {
    return {
      upstreams: [{ name: "up" }],
      downstreams: [{ name: "lan", bandwidth: MAX }],
      bandwidth: { channels: [], otherChannels: RATE },
      rules: this.rules,
      enforce: {
        groups: [{ group: BASE, length: 30 }],
        stands: seconds(1e6),
        refresh: seconds(1000),
        afterwards: "closed",
      },
    };
  }

  feed(event: RouterEvent): void {
    for (const effect of this.router.receive(this.now, event)) this.#heed(effect);
  }

  #heed(effect: RouterEffect): void {
    if (effect.kind !== "passes") return;
    for (const { port, group } of effect.removed)
      assert.ok(this.passes.delete(`${port} ${group}`), "a pass is taken away");
    for (const { port, group } of effect.added) {
      assert.ok(!this.passes.has(`${port} ${group}`), "a pass is new");
      this.passes.add(`${port} ${group}`);
    }
  }

  step(): void {
    const below = this.#below;
    switch (below(12)) {
      case 0:
        this.rules = someRules(below);
        this.feed({ kind: "configure", ...this.options });
        break;
      case 1:
        this.#told();
        break;
      case 2:
        this.#pass(seconds(1 + below(120)));
        break;
      default:
        this.#says();
    }
  }

  #told(): void {
    const mac = macOf(pick(this.#below, HOSTS));
    const groups = GROUPS.filter(() => this.#below(3) > 0);
    this.permits.set(mac, new Set(groups));
    this.feed({ kind: "permits", permits: [{ mac, groups }] });
  }

  #says(): void {
    const host = pick(this.#below, HOSTS);
    const record: ReportRecord = { type: pick(this.#below, TYPES), group: pick(this.#below, GROUPS), sources: [] };
    const sources = ["is-in", "allow", "block"].includes(record.type) && this.#below(2) === 0 ? [SOURCE] : [];
    const records = [{ ...record, sources }];
    const bytes = writeReport(new Uint8Array(reportLength(records)), host, records);
    const mac = macOf(host);
    const frame = { kind: "frame", name: "lan", port: `lan${host & 1}`, bytes: ethernet(mac, bytes) } as const;
    const packet = { kind: "packet", name: "lan", bytes, mac } as const;
    // Either may be heard first.
    for (const event of this.#below(2) === 0 ? [frame, packet] : [packet, frame]) this.feed(event);
  }

  #pass(span: number): void {
    const end = after(this.now, span as ReturnType<typeof seconds>);
    for (let due = this.router.nextDeadline(); due !== undefined && due <= end; due = this.router.nextDeadline()) {
      this.now = due;
      for (const effect of this.router.poll(due)) this.#heed(effect);
    }
    this.now = end;
  }

  /** Whether control's word, as far as the router asked for it, lets the host have the group. */
  #isPermitted(host: Ipv4, group: Ipv4): boolean {
    return group >= BASE + 4 || this.permits.get(macOf(host))?.has(group) === true;
  }

  check(): void {
    const [[, lan] = assert.fail("no downstream")] = [...this.router.interfaces()];
    for (const { host, group } of lan.members()) {
      const text = `${formatIpv4(host.address)} ${formatIpv4(group)}`;
      assert.notEqual(decided(this.rules, host.address, group)?.action, "deny", text);
      assert.ok(this.#isPermitted(host.address, group), `${text} is not permitted`);
    }
    for (const { group, outbound } of this.router.routes()) {
      // What ends because each host is denied by itself ends as if they had left: after the last-member queries.
      const isEachHost = this.rules.some(({ action }) => action !== "deny");
      const mayBeHad = isEachHost || HOSTS.some((host) => decided(this.rules, host, group)?.action !== "deny");
      assert.ok(!outbound.includes("lan") || mayBeHad, `${formatIpv4(group)} goes out to nobody`);
    }
    const carried = lan.groups(this.now).length * RATE;
    const load = this.router.loads().find(({ carrier }) => carrier.kind === "interface")?.load ?? 0;
    assert.ok(load <= MAX && load <= carried, `${load} of ${carried}`);
  }
}

fuzz(
  "a router's policy, whatever hosts, operator and control do",
  { seed: 1, rounds: 400, passes: 10 },
  ({ below, rounds }) => {
    const day = new Day(below);
    for (let round = 0; round < rounds; round++) {
      day.step();
      day.check();
    }
  },
);
