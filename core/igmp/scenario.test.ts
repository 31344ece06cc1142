// One link on a simulated clock: a querier, a second router, three hosts, random delays. The log is text, and the seed decides it.

import assert from "node:assert/strict";
import { test } from "node:test";
import { SeededEntropy } from "../../hal/entropy/seeded.ts";
import { seededBelow } from "../base/chance.testkit.ts";
import { fuzz } from "../base/fuzz.testkit.ts";
import { address, formatIpv4 } from "../base/ipv4.ts";
import { after, earliest, type Instant, milliseconds } from "../base/time.ts";
import { ANY_SOURCE, filterOf, NO_SOURCE, type SourceFilter } from "./filter.ts";
import { MulticastHost } from "./host/host.ts";
import { at, source } from "./igmp.testkit.ts";
import type { RouterInterfaceOptions } from "./interface-events.ts";
import { checkPacket, senderOf } from "./messages/packet.ts";
import { RouterInterface } from "./router-interface.ts";
import { IGMP } from "./wire.ts";

const GROUP = address("239.1.1.1");
const SSM = address("232.1.1.1");

interface InFlight {
  readonly arrives: Instant;
  readonly from: number;
  readonly packet: Uint8Array;
}

/** Everybody hears everybody else, after 1 to 3 ms; of 100 packets `lost` arrive nowhere. */
class Wire {
  readonly log: string[] = [];
  readonly routers: RouterInterface[] = [];
  readonly hosts: MulticastHost[] = [];
  #flying: InFlight[] = [];
  #now = at(0);
  readonly #draw: (limit: number) => number;
  readonly #lost: number;

  constructor(
    seed: number,
    lost: number,
    options: RouterInterfaceOptions = {},
    versions: readonly (2 | 3)[] = [3, 3, 3],
  ) {
    this.#draw = seededBelow(seed);
    this.#lost = lost;
    this.routers = [new RouterInterface(IGMP, options), new RouterInterface(IGMP, options)];
    this.hosts = versions.map((version, n) => new MulticastHost(IGMP, new SeededEntropy(seed + n), { version }));
    for (const [i, router] of this.routers.entries()) {
      this.#router(i, router.receive(at(0), { kind: "up", address: address(`10.0.0.${i + 1}`) }));
    }
    for (const [i, host] of this.hosts.entries()) {
      this.#host(i, host.receive(at(0), { kind: "up", address: address(`10.0.0.${i + 9}`) }));
    }
  }

  want(host: number, group: typeof GROUP, filter: SourceFilter): void {
    this.#note(`host ${host} wants ${filter.mode} of ${formatIpv4(group)}`);
    this.#host(host, this.hosts[host]?.receive(this.#now, { kind: "want", group, filter }) ?? []);
  }

  /** Takes a router off the link, or back. */
  link(router: number, isUp: boolean): void {
    this.#note(`router ${router} ${isUp ? "is back" : "is away"}`);
    const event = isUp
      ? ({ kind: "up", address: address(`10.0.0.${router + 1}`) } as const)
      : ({ kind: "down" } as const);
    this.#router(router, this.routers[router]?.receive(this.#now, event) ?? []);
  }

  get seconds(): number {
    return this.#now / 1000;
  }

  until(s: number): void {
    for (;;) {
      const due = this.#nextDeadline();
      if (due === undefined || due > at(s)) break;
      this.#now = due;
      this.#step();
    }
    this.#now = at(s);
  }

  #nextDeadline(): Instant | undefined {
    const machines = [...this.routers, ...this.hosts].map((machine) => machine.nextDeadline());
    return earliest([...machines, ...this.#flying.map(({ arrives }) => arrives)]);
  }

  #step(): void {
    const landed = this.#flying.filter(({ arrives }) => arrives <= this.#now);
    this.#flying = this.#flying.filter(({ arrives }) => arrives > this.#now);
    for (const { from, packet } of landed) this.#deliver(from, packet);
    for (const [i, router] of this.routers.entries()) this.#router(i, router.poll(this.#now));
    for (const [i, host] of this.hosts.entries()) this.#host(i, host.poll(this.#now));
  }

  #deliver(from: number, bytes: Uint8Array): void {
    const event = { kind: "packet", bytes } as const;
    for (const [i, router] of this.routers.entries()) {
      if (i !== from) this.#router(i, router.receive(this.#now, event));
    }
    for (const [i, host] of this.hosts.entries()) {
      if (i + 2 !== from) this.#host(i, host.receive(this.#now, event));
    }
  }

  #router(i: number, effects: ReturnType<RouterInterface["receive"]>): void {
    for (const effect of effects) {
      if (effect.kind === "send") this.#send(i, effect.packet);
      else if (effect.kind !== "heard") this.#note(`router ${i} ${JSON.stringify(effect)}`);
    }
  }

  #host(i: number, effects: ReturnType<MulticastHost["receive"]>): void {
    for (const effect of effects) if (effect.kind === "send") this.#send(i + 2, effect.packet);
  }

  #send(from: number, packet: Uint8Array): void {
    const checked = checkPacket(packet);
    if (typeof checked === "string") assert.fail(checked);
    this.#note(`${formatIpv4(senderOf(checked))} ${checked.kind}`);
    if (this.#draw(100) < this.#lost) return;
    this.#flying.push({ arrives: after(this.#now, milliseconds(1 + this.#draw(3))), from, packet });
  }

  #note(text: string): void {
    this.log.push(`${(this.#now / 1000).toFixed(3)} ${text}`);
  }

  forwards(group: typeof GROUP, n: number): boolean[] {
    return this.routers.map((router) => router.forwards(this.#now, group, source(n)));
  }
}

function play(seed: number, lost: number): Wire {
  const wire = new Wire(seed, lost);
  wire.until(5);
  wire.want(0, GROUP, ANY_SOURCE);
  wire.want(1, GROUP, ANY_SOURCE);
  wire.want(2, SSM, filterOf("include", [source(1), source(2)]));
  wire.until(400);
  assert.deepEqual(wire.forwards(GROUP, 9), [true, true]);
  wire.want(0, GROUP, NO_SOURCE);
  wire.want(2, SSM, filterOf("include", [source(2)]));
  wire.until(500);
  return wire;
}

test("the same seed gives the same log, another seed another", () => {
  assert.deepEqual(play(1, 0).log, play(1, 0).log);
  assert.notDeepEqual(play(1, 0).log, play(2, 0).log);
});

for (const seed of [1, 2, 3, 4, 5]) {
  test(`seed ${seed}: both routers agree on what the link wants, through a leave and a blocked source`, () => {
    const wire = play(seed, 0);
    assert.deepEqual(wire.forwards(GROUP, 9), [true, true], "host 1 still watches");
    assert.deepEqual(wire.forwards(SSM, 1), [false, false]);
    assert.deepEqual(wire.forwards(SSM, 2), [true, true]);
    wire.want(1, GROUP, NO_SOURCE);
    wire.until(510);
    assert.deepEqual(wire.forwards(GROUP, 9), [false, false]);
    const queriers = wire.routers.map((router) => router.querier.kind);
    assert.deepEqual(queriers, ["querier", "non-querier"]);
    assert.deepEqual(
      wire.routers.map((router) => router.hosts().map(({ host }) => formatIpv4(host.address))),
      [["10.0.0.11"], ["10.0.0.11"]],
    );
  });
}

test("with one packet in ten lost, nobody who watches is ever without the group", () => {
  const wire = new Wire(77, 10);
  wire.want(0, GROUP, ANY_SOURCE);
  wire.want(1, GROUP, ANY_SOURCE);
  for (let s = 20; s < 2000; s += 20) {
    wire.until(s);
    assert.ok(wire.forwards(GROUP, 9)[0], `at ${s} s\n${wire.log.join("\n")}`);
  }
});

/** Longer than a packet of ours is on its way, and than hosts take to answer the first question after a flap. */
const [ON_ITS_WAY, ANSWERED] = [0.01, 1.01];
const GRACE = 260;

fuzz(
  "nobody who watches is without the group, whoever leaves, joins, speaks v2, asks, or takes a router off the link for a while",
  { seed: 4541, rounds: 400, passes: 2 },
  ({ seed, below, rounds }) => {
    const isolated = below(2) === 0;
    const wire = new Wire(seed, 0, { leave: "mac-based", isolated }, isolated ? [3, 3, 3, 3] : [3, 3, 2, 2]);
    /** From when on each host has to be served by each router; undefined while it does not watch. */
    const due = wire.hosts.map((): (number | undefined)[] => [undefined, undefined]);
    const isUp = [true, true];
    const wentAt = [0, 0];
    const check = (): void => {
      for (const [router, forwards] of wire.forwards(GROUP, 9).entries())
        for (const [host, from] of due.map((each) => each[router]).entries())
          if (isUp[router] && from !== undefined && from <= wire.seconds)
            assert.ok(forwards, `host ${host}, router ${router}\n${wire.log.slice(-40).join("\n")}`);
    };
    const watch = (host: number, watches: boolean): void => {
      wire.want(host, GROUP, watches ? ANY_SOURCE : NO_SOURCE);
      due[host] = isUp.map((up) => (watches ? (up ? wire.seconds + ON_ITS_WAY : Number.POSITIVE_INFINITY) : undefined));
    };
    const turn = (router: number): void => {
      const up = !isUp[router];
      // Beyond its grace a router knows nobody any more.
      const isNew = wire.seconds - (wentAt[router] ?? 0) >= GRACE;
      if (!up) wentAt[router] = wire.seconds;
      isUp[router] = up;
      wire.link(router, up);
      for (const each of due)
        if (up && each[router] !== undefined && (isNew || each[router] === Number.POSITIVE_INFINITY))
          each[router] = wire.seconds + ANSWERED;
    };
    for (let round = 0; round < rounds; round++) {
      const host = below(wire.hosts.length);
      if (below(8) === 0) turn(below(2));
      else if (due[host]?.[0] === undefined) watch(host, true);
      else if (below(3) === 0) watch(host, false);
      for (let steps = 1 + below(4); steps > 0; steps--) {
        wire.until(wire.seconds + (below(4) === 0 ? below(60) : below(300) / 100));
        check();
      }
    }
  },
);
