// Somebody invents hosts behind the port of a viewer: how long a neighbour there waits who was never heard before, and who was.
import assert from "node:assert/strict";
import { test } from "node:test";
import { address } from "../base/ipv4.ts";
import { earliest, type Instant } from "../base/time.ts";
import { ANY_SOURCE, NO_SOURCE } from "./filter.ts";
import { MulticastHost } from "./host/host.ts";
import { at, ethernet, middle, report, source } from "./igmp.testkit.ts";
import type { RouterInterfaceEffect, RouterInterfaceOptions } from "./interface-events.ts";
import type { IgmpVersion } from "./messages/query.ts";
import type { RecordType } from "./messages/report.ts";
import { RouterInterface } from "./router-interface.ts";
import { IGMP } from "./wire.ts";

type Order = "no taps" | "frame first" | "packet first";

/** Two rounds and an answer, with the times of RFC 3376: what core/igmp/newcomers.ts promises. */
const BOUND = 11;

const octets = (n: number): string =>
  `${n >> 8}:${n & 255}`.replace(/\d+/g, (d) => Number(d).toString(16).padStart(2, "0"));

/** A link with a router that has been there for five minutes, a viewer, a neighbour, and somebody who invents hosts. */
class Street {
  readonly router: RouterInterface;
  readonly drops = new Map<string, number>();
  readonly #order: Order;
  readonly #hosts = new Map<string, MulticastHost>();
  #now = at(0);

  constructor(order: Order, options: RouterInterfaceOptions = {}) {
    this.#order = order;
    this.router = new RouterInterface(IGMP, {
      ...options,
      trackingSource: order === "no taps" ? "packets" : "frames",
    });
    this.#router(this.router.receive(this.#now, { kind: "up", address: address("10.0.0.1") }));
  }

  /** A kernel with this address and card joins. */
  want(from: string, group: string, isWanted = true, version: IgmpVersion = 3): void {
    const host = this.#hosts.get(from) ?? new MulticastHost(IGMP, middle, { version });
    if (!this.#hosts.has(from)) host.receive(this.#now, { kind: "up", address: address(from) });
    this.#hosts.set(from, host);
    const filter = isWanted ? ANY_SOURCE : NO_SOURCE;
    this.#host(from, host.receive(this.#now, { kind: "want", group: address(group), filter }));
  }

  /** Everybody but the router hears all; questions go to everybody. */
  #router(effects: readonly RouterInterfaceEffect[]): void {
    for (const effect of effects) {
      if (effect.kind === "drop") this.drops.set(effect.reason, (this.drops.get(effect.reason) ?? 0) + 1);
      if (effect.kind !== "send") continue;
      for (const [from, host] of this.#hosts)
        this.#host(from, host.receive(this.#now, { kind: "packet", bytes: effect.packet }));
    }
  }

  #host(from: string, effects: ReturnType<MulticastHost["poll"]>): void {
    const card = `02:00:00:00:${octets(Number(from.split(".")[3]))}`;
    for (const effect of effects) if (effect.kind === "send") this.say(card, effect.packet, this.portOf(from));
  }

  /** 10.0.0.1 to 10.0.0.99 live behind lan1, as whoever invents hosts does. */
  portOf(from: string): string {
    return Number(from.split(".")[3]) < 100 ? "lan1" : "lan2";
  }

  /** A message of this card. */
  say(card: string, bytes: Uint8Array, port = "lan1"): void {
    const packet = { kind: "packet", bytes, mac: card } as const;
    const frame = { kind: "frame", bytes: ethernet(card, bytes), port } as const;
    const events = { "no taps": [packet], "frame first": [frame, packet], "packet first": [packet, frame] } as const;
    for (const event of events[this.#order]) this.#router(this.router.receive(this.#now, event));
  }

  /** What is due until then, in the order of time. */
  run(until: Instant): void {
    for (;;) {
      const due = earliest([
        this.router.nextDeadline(),
        ...[...this.#hosts.values()].map((host) => host.nextDeadline()),
      ]);
      if (due === undefined || due > until) break;
      this.#now = due;
      this.#router(this.router.poll(due));
      for (const [from, host] of this.#hosts) this.#host(from, host.poll(due));
    }
    this.#now = until;
  }

  isServed(group: string): boolean {
    return this.router.forwards(this.#now, address(group), source(1));
  }

  isTracked(from: string, group: string): boolean {
    return this.router.members().some((one) => one.host.address === address(from) && one.group === address(group));
  }
}

const PER_SECOND = 150;

/** The n-th invented card, which wants eight groups that nobody has. */
function invented(n: number): { readonly card: string; readonly bytes: Uint8Array } {
  const records = Array.from({ length: 8 }, (_, i): [RecordType, string] => [
    "is-ex",
    `239.${7 + (n >> 13)}.${(n >> 5) & 255}.${(n & 31) * 8 + i}`,
  ]);
  const [high, low] = [10 + (n >> 8), n & 255];
  return { card: `02:66:00:00:${octets(n)}`, bytes: report(`10.0.${high}.${low}`, ...records) };
}

/** Floods from `from` to `to` seconds and does what is to be done at its second. */
function flood(street: Street, from: number, to: number, deeds: Readonly<Record<number, () => void>> = {}): void {
  for (let s = from; s < to; s++) {
    deeds[s]?.();
    for (let i = 0; i < PER_SECOND; i++) {
      street.run(at(s + i / PER_SECOND));
      const { card, bytes } = invented((s - from) * PER_SECOND + i);
      street.say(card, bytes);
    }
  }
}

/** Seconds until the group is delivered, while the flood goes on. */
function waited(street: Street, version: IgmpVersion): number {
  const FLOOD = 300;
  const COMES = 310;
  let served = Number.POSITIVE_INFINITY;
  const look = (s: number) => (): void => {
    if (s === COMES) street.want("10.0.0.7", "239.2.2.2", true, version);
    if (served > s && street.isServed("239.2.2.2")) served = s;
  };
  const seconds = Array.from({ length: 15 }, (_, i) => COMES + i);
  flood(street, FLOOD, COMES + 15, Object.fromEntries(seconds.map((s) => [s, look(s)])));
  return served - COMES;
}

for (const [order, version] of [
  ["no taps", 3],
  ["no taps", 2],
  ["frame first", 3],
  ["packet first", 2],
] as const) {
  test(`${PER_SECOND} invented cards a second behind the viewers' port, ${order}: a neighbour whom nobody knows is served within ${BOUND} s (v${version})`, () => {
    const street = new Street(order);
    street.run(at(300));
    const wait = waited(street, version);
    assert.ok(wait <= BOUND, `after ${wait} s`);
    assert.ok(street.isTracked("10.0.0.7", "239.2.2.2"));
    const refused = ["igmp.new-hosts", "igmp.port-new-hosts", "igmp.host-share"].map(
      (one) => street.drops.get(one) ?? 0,
    );
    assert.ok(refused.reduce((sum, one) => sum + one) > 0.85 * 25 * PER_SECOND * 8, `${refused}`);
    assert.equal(street.drops.get("igmp.too-many-groups") ?? 0, 0);
  });
}

test("without the limit the same flood takes every place: the neighbour is not served", () => {
  const none = Number.POSITIVE_INFINITY;
  const street = new Street("frame first", { newHostsPerMinute: none, newHostsPerMinutePerPort: none });
  street.run(at(300));
  assert.equal(waited(street, 3), Number.POSITIVE_INFINITY);
});

test("who is known is never refused for it: a viewer zaps through the flood and has each channel at once", () => {
  const street = new Street("no taps");
  street.run(at(280));
  street.want("10.0.0.9", "239.1.1.1");
  street.run(at(300));
  let last = "239.1.1.1";
  const zap = (group: string) => (): void => {
    street.want("10.0.0.9", last, false);
    street.want("10.0.0.9", group);
    last = group;
    assert.ok(street.isServed(group), group);
    assert.ok(street.isTracked("10.0.0.9", group));
  };
  flood(street, 300, 320, { 305: zap("239.1.1.2"), 310: zap("239.1.1.3"), 315: zap("239.1.1.4") });
});

/** Every one of them says all that it wants every four seconds, and so answers each question in time, or every half minute. */
const KEPT = 600;

/** When they speak: at every moment in the first 20 seconds and in the last 25 before the stranger comes, at every eighth in between. */
function* seconds(comes: number): Generator<number> {
  for (let i = 0; i < (comes + 25) * PER_SECOND; i++) {
    const s = i / PER_SECOND;
    if (s < 20 || s >= comes - 25 || i % 8 === 0) yield s;
  }
}

/** Seconds until a stranger is served that comes `comes` seconds after the first of those hosts. */
function waitedBeside(street: Street, from: string, comes: number, count = KEPT): number {
  const FROM = 300;
  const group = `239.2.2.${from.split(".")[3]}`;
  let said = 0;
  for (const s of seconds(comes)) {
    street.run(at(FROM + s));
    if (s === comes) street.want(from, group);
    const { card, bytes } = invented(said++ % count);
    street.say(card, bytes);
    if (s >= comes && street.isServed(group)) return s - comes;
  }
  return Number.POSITIVE_INFINITY;
}

for (const order of ["no taps", "frame first", "packet first"] as const) {
  for (const [from, where, bound] of [
    ["10.0.0.7", "behind their port", BOUND],
    ["10.0.0.107", "behind another", order === "no taps" ? BOUND : 1],
  ] as const) {
    // Once they have been there for a whole membership interval it no longer matters what comes first.
    for (const comes of order === "packet first" ? [20] : [20, 300]) {
      test(`${KEPT} invented hosts that keep answering, after ${comes} s, ${order}: a stranger ${where} is served within ${bound} s`, () => {
        const street = new Street(order);
        street.run(at(300));
        const wait = waitedBeside(street, from, comes);
        assert.ok(wait <= bound, `after ${wait} s, ${JSON.stringify([...street.drops])}`);
        assert.equal(street.drops.get("igmp.too-many-groups") ?? 0, 0);
      });
    }
  }
}
