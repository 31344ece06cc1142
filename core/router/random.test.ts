// Random days of a router with two upstreams: after every event the kernel's routes and what is told upstream are as the rules say.

import assert from "node:assert/strict";
import { test } from "node:test";
import { seededBelow } from "../base/chance.testkit.ts";
import { address, formatIpv4, type Ipv4 } from "../base/ipv4.ts";
import { after, type Instant, instant, milliseconds, seconds } from "../base/time.ts";
import { middle } from "../igmp/igmp.testkit.ts";
import { checkPacket } from "../igmp/messages/packet.ts";
import { recordsOf, reportLength, writeReport } from "../igmp/messages/report.ts";
import { IGMP } from "../igmp/wire.ts";
import type { MulticastRoute } from "../ports/forwarding.ts";
import type { RouterEffect, RouterEvent } from "./options.ts";
import { Router } from "./router.ts";

const LINKS: Readonly<Record<string, string>> = { up: "10.1.0.1", iptv: "10.4.0.1", lan: "10.2.0.1", wifi: "10.3.0.1" };
const DOWN = ["lan", "wifi"];
const HEADENDS = ["10.1.0.2", "10.4.0.2", "10.99.0.2"].map(address);
const HOSTS: Readonly<Record<string, readonly Ipv4[]>> = {
  lan: ["10.2.0.11", "10.2.0.12"].map(address),
  wifi: ["10.3.0.11", "10.3.0.12"].map(address),
};
/** By group, the upstream that it comes from, and whether what LAN hosts send to it may go there. */
const GROUPS = [
  { group: address("239.1.1.1"), from: "iptv", goesUp: true },
  { group: address("239.1.1.2"), from: "iptv", goesUp: true },
  { group: address("239.2.2.2"), from: "up", goesUp: true },
  { group: address("239.255.7.7"), from: "up", goesUp: false },
  { group: address("239.255.255.250"), from: undefined, goesUp: false },
  { group: address("224.0.0.251"), from: undefined, goesUp: false },
] as const;
const SETTLED = 12;

const keyOf = ({ source, group }: { readonly source: Ipv4; readonly group: Ipv4 }): string => `${source},${group}`;

class Day {
  readonly #below: (limit: number) => number;
  readonly #router = new Router(
    IGMP,
    {
      upstreams: [
        { name: "up", linger: seconds(3), changesPerSecond: 5 },
        { name: "iptv", groups: [{ group: address("239.1.0.0"), length: 16 }] },
      ],
      downstreams: DOWN.map((name) => ({ name })),
      maxRoutes: 12,
      maxRoutesPerSource: 3,
    },
    middle,
  );
  readonly #kernel = new Map<string, MulticastRoute>();
  /** By upstream, the groups that its network takes us for a member of. */
  readonly #told: Readonly<Record<string, Set<Ipv4>>> = { up: new Set(), iptv: new Set() };
  readonly #isUp = new Set<string>();
  #now: Instant = instant(0);
  routes = 0;
  refused = 0;

  constructor(seed: number) {
    this.#below = seededBelow(seed);
    for (const name of Object.keys(LINKS)) this.#link(name, true);
  }

  step(): void {
    const [what, one] = [this.#below(10), this.#pick(GROUPS)];
    if (what < 3) this.#say(one.group);
    else if (what < 7) this.#arrive(one.group);
    else if (what < 9) this.pass(this.#below(1500));
    else if (this.#below(8) === 0) this.#flap();
    this.#check();
  }

  pass(ms: number): void {
    const end = after(this.#now, milliseconds(ms));
    for (let due = this.#router.nextDeadline(); due !== undefined && due <= end; due = this.#router.nextDeadline()) {
      this.#now = instant(Math.max(due, this.#now));
      this.#apply(this.#router.poll(this.#now));
      assert.ok((this.#router.nextDeadline() ?? Infinity) > this.#now, "a poll leaves nothing due");
    }
    this.#now = end;
  }

  /** Nothing changes for a while: then each upstream network knows exactly what is wanted of it. */
  settle(): void {
    for (const name of Object.keys(LINKS)) if (!this.#isUp.has(name)) this.#link(name, true);
    this.pass(SETTLED * 1000);
    for (const upstream of this.#router.upstreams()) {
      const wanted = GROUPS.filter(({ group, from }) => from === upstream.name && this.#isWanted(group));
      const told = [...(this.#told[upstream.name] ?? [])].map(formatIpv4).sort();
      assert.deepEqual(told, wanted.map(({ group }) => formatIpv4(group)).sort(), upstream.name);
    }
  }

  #isWanted(group: Ipv4): boolean {
    return [...this.#router.interfaces()].some(([, machine]) =>
      machine.forwards(this.#now, group, HEADENDS[0] ?? group),
    );
  }

  #pick<T>(list: readonly T[]): T {
    return list[this.#below(list.length)] ?? assert.fail("nothing to pick");
  }

  #say(group: Ipv4): void {
    const name = this.#pick(DOWN);
    const records = [{ type: this.#pick(["to-ex", "to-in", "is-ex"] as const), group, sources: [] }];
    const bytes = writeReport(new Uint8Array(reportLength(records)), this.#pick(HOSTS[name] ?? []), records);
    if (this.#isUp.has(name)) this.#feed({ kind: "packet", name, bytes });
  }

  /** As the kernel: it asks when it has no route, and tells of what comes in where the route goes out. */
  #arrive(group: Ipv4): void {
    const inbound = this.#pick([...this.#isUp]);
    const source = this.#pick([...HEADENDS, ...Object.values(HOSTS).flat()]);
    const route = this.#kernel.get(keyOf({ source, group }));
    if (route === undefined) this.#feed({ kind: "no-route", source, group, inbound });
    else if (route.outbound.includes(inbound)) this.#feed({ kind: "wrong-interface", source, group, inbound });
    assert.ok(this.#kernel.has(keyOf({ source, group })), "every question is answered");
  }

  #flap(): void {
    const name = this.#pick(Object.keys(LINKS));
    this.#link(name, !this.#isUp.has(name));
  }

  #link(name: string, up: boolean): void {
    const own = address(LINKS[name] ?? "");
    if (up) this.#isUp.add(name);
    else if (this.#isUp.size > 1) this.#isUp.delete(name);
    else return;
    if (!up) this.#forgetInterface(name);
    const addresses = [{ address: own, prefixLength: 24 }];
    this.#feed({ kind: "link", name, address: up ? own : undefined, ...(up ? { addresses } : {}) });
  }

  /** The virtual interface goes, and its routes with it; an upstream network forgets a line that is down. */
  #forgetInterface(name: string): void {
    this.#told[name]?.clear();
  }

  #feed(event: RouterEvent): void {
    this.#apply(this.#router.receive(this.#now, event));
  }

  #apply(effects: readonly RouterEffect[]): void {
    for (const effect of effects) {
      if (effect.kind === "route") this.#kernel.set(keyOf(effect.route), effect.route);
      if (effect.kind === "unroute") this.#kernel.delete(keyOf(effect));
      if (effect.kind === "send") this.#hear(effect.name, effect.packet);
      if (effect.kind === "drop" && effect.reason.startsWith("router.too-many")) this.refused++;
    }
  }

  #hear(name: string, bytes: Uint8Array): void {
    const [told, packet] = [this.#told[name], checkPacket(bytes)];
    if (told === undefined || typeof packet === "string" || packet.kind !== "v3Report") return;
    for (const { type, group } of recordsOf(packet)) {
      assert.ok(
        GROUPS.some((one) => one.group === group && one.from === name),
        `${formatIpv4(group)} on ${name}`,
      );
      if (type === "to-in") told.delete(group);
      else told.add(group);
    }
  }

  #check(): void {
    for (const route of this.#router.routes())
      assert.deepEqual(this.#kernel.get(keyOf(route)), route, "the kernel has what the router remembers");
    for (const route of this.#kernel.values()) this.#checkRoute(route);
    this.routes += this.#kernel.size;
  }

  #checkRoute({ source, group, inbound, outbound }: MulticastRoute): void {
    const text = `${formatIpv4(source)} ${formatIpv4(group)} ${inbound} > ${outbound.join(" ")}`;
    const { from, goesUp } = GROUPS.find((one) => one.group === group) ?? assert.fail(text);
    assert.ok(!outbound.includes(inbound), `never back: ${text}`);
    for (const name of outbound) {
      if (DOWN.includes(name)) continue;
      assert.ok(DOWN.includes(inbound) && goesUp && name === from, `up only from below, and what may: ${text}`);
    }
    if (outbound.length === 0) return;
    assert.ok(this.#mayCome(source, inbound, from), `from where it may: ${text}`);
    for (const [name, machine] of this.#router.interfaces()) {
      if (name === inbound || !this.#isUp.has(name) || group >>> 8 === 0xe00000) continue;
      assert.equal(outbound.includes(name), machine.forwards(this.#now, group, source), `down where wanted: ${text}`);
    }
  }

  /** A LAN's hosts from their LAN, everybody from the group's upstream; of a group without one, strangers from any LAN. */
  #mayCome(source: Ipv4, inbound: string, from: string | undefined): boolean {
    if (!DOWN.includes(inbound)) return from === undefined || inbound === from;
    const home = DOWN.find(
      (name) => HOSTS[name]?.includes(source) === true && (name === inbound || this.#isUp.has(name)),
    );
    return home === undefined ? from === undefined : home === inbound;
  }
}

for (const seed of [1, 2, 3])
  test(`routes, boundaries and what is told upstream hold through a random day (seed ${seed})`, () => {
    const day = new Day(seed);
    for (let hour = 0; hour < 20; hour++) {
      for (let i = 0; i < 150; i++) day.step();
      day.settle();
    }
    assert.ok(day.routes > 3000 && day.refused > 10, `${day.routes} routes seen, ${day.refused} refused`);
  });
