// What a host's report opens before the router has heard it is closed in the same turn where the router refuses the host. Real kernel.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { type TestContext, test } from "node:test";
import { address } from "../../core/base/ipv4.ts";
import { after, type Instant, instant, seconds } from "../../core/base/time.ts";
import { ethernet, middle, query, v1v2Message } from "../../core/igmp/igmp.testkit.ts";
import type { RouterInterfaceOptions } from "../../core/igmp/interface-events.ts";
import { IGMP } from "../../core/igmp/wire.ts";
import type { ForwardingTable } from "../../core/ports/forwarding.ts";
import type { RouterEffect, RouterEvent } from "../../core/router/options.ts";
import { Router } from "../../core/router/router.ts";
import { parseCache } from "../../hal/forwarding/kernel-tables.ts";
import { LinuxForwarding } from "../../hal/forwarding/linux.ts";
import { PacketIgmpSockets } from "../../hal/igmp/packet.ts";
import { eventually, inNamespace } from "../../hal/in-namespace.testkit.ts";
import { frameSender } from "../../hal/native/frame-sender.testkit.ts";

const HANGS = { timeout: 50_000 };
const SOURCE = address("10.8.1.2");
const [ONE, TWO, END] = ["239.1.1.1", "239.1.1.2", "224.0.0.77"] as const;
/** A router that has just started takes everybody for somebody who was there. */
const LATER = after(instant(0), seconds(600));

/** The cables ah0 to ah1 and ah2 to ah3; the router has the even ends. */
const CABLES = [
  "sysctl -qw net.ipv6.conf.all.disable_ipv6=1",
  ...[0, 2].flatMap((end, i) => [
    `ip link add ah${end} type veth peer name ah${end + 1}`,
    `ip addr add 10.8.${i + 1}.1/24 dev ah${end}`,
    `ip link set ah${end} up`,
    `ip link set ah${end + 1} up`,
  ]),
];

/** To how many interfaces the kernel forwards the group. */
const exitsOf = (group: string): number =>
  parseCache(readFileSync("/proc/net/ip_mr_cache", "latin1"))
    .filter((one) => one.group === address(group))
    .reduce((sum, { outbound }) => sum + outbound.length, 0);

const join = (host: number, group: string): Uint8Array =>
  ethernet(`02:00:00:00:08:${host}`, v1v2Message("v2Report", `10.8.2.${host}`, group));

/** A router over the kernel's routes, which hears ah2 and has the streams of both groups. */
class Bench {
  readonly #router: Router;
  readonly #table: ForwardingTable;
  readonly #say: (frame: Uint8Array) => void;
  /** What the kernel did with the second group as each packet was told of. */
  readonly told: number[] = [];
  readonly drops: string[] = [];
  #ends = 0;

  private constructor(router: Router, table: ForwardingTable, say: (frame: Uint8Array) => void) {
    this.#router = router;
    this.#table = table;
    this.#say = say;
  }

  static async open(t: TestContext, igmp: RouterInterfaceOptions, forwarder: "always" | "elected"): Promise<Bench> {
    const router = new Router(
      IGMP,
      { upstreams: [{ name: "ah0" }], downstreams: [{ name: "ah2", igmp, forwarder }] },
      middle,
    );
    const listener = { noRoute() {}, wrongInterface() {}, igmp() {}, failed() {} };
    const table = (await LinuxForwarding.loadNative()).open(listener);
    for (const name of ["ah0", "ah2"]) table.addInterface(name);
    const { send, close } = await frameSender("ah3");
    const bench = new Bench(router, table, send);
    const hearing = (await PacketIgmpSockets.load()).open("ah2", {
      packet: (packet) => bench.#heard(packet.slice()),
      failed: (error) => assert.fail(error),
    });
    t.after(() => {
      table.close();
      hearing.close();
      close();
    });
    for (const [name, own] of [
      ["ah0", "10.8.1.1"],
      ["ah2", "10.8.2.1"],
    ] as const)
      bench.#feed(instant(0), {
        kind: "link",
        name,
        address: address(own),
        addresses: [{ address: address(own), prefixLength: 24 }],
      });
    for (const group of [ONE, TWO])
      bench.#feed(LATER, { kind: "no-route", source: SOURCE, group: address(group), inbound: "ah0" });
    return bench;
  }

  #feed(now: Instant, event: RouterEvent): void {
    for (const effect of this.#router.receive(now, event)) this.#apply(effect);
  }

  #apply(effect: RouterEffect): void {
    if (effect.kind === "route") this.#table.set(effect.route);
    if (effect.kind === "ready") this.#table.prepare(effect.route, effect.names);
    if (effect.kind === "drop") this.drops.push(effect.reason);
  }

  /** Frames come in together, and all of them have been heard. */
  async hear(...frames: Uint8Array[]): Promise<void> {
    const before = this.#ends;
    for (const frame of [...frames, join(99, END)]) this.#say(frame);
    assert.ok(await eventually(() => this.#ends > before));
  }

  #heard(bytes: Uint8Array): void {
    if (address(END) === new DataView(bytes.buffer, bytes.byteOffset).getUint32(16)) {
      this.#ends++;
      return;
    }
    this.told.push(exitsOf(TWO));
    this.#feed(LATER, { kind: "packet", name: "ah2", bytes });
  }
}

if (inNamespace(import.meta.url, "refused hosts", CABLES)) {
  test("a host beyond maxGroupsPerHost: what its report opened is closed in the same turn", HANGS, async (t) => {
    const bench = await Bench.open(t, { maxGroupsPerHost: 1 }, "always");
    await bench.hear(join(11, ONE), join(11, TWO));
    assert.deepEqual([bench.told, exitsOf(ONE), exitsOf(TWO)], [[1, 1], 1, 0]);
    assert.deepEqual(bench.drops, ["igmp.host-groups"]);
  });

  test("a host beyond newHostsPerMinute: what its report opened is closed in the same turn", HANGS, async (t) => {
    // While half of the places are free nobody new is refused.
    const bench = await Bench.open(t, { newHostsPerMinute: 1, maxGroups: 8 }, "always");
    const others = [1, 2, 3, 4, 5, 6].map((n) => join(10 + n, `239.8.9.${n}`));
    await bench.hear(...others, join(20, TWO));
    assert.deepEqual([bench.told.at(-1), exitsOf(TWO)], [1, 0]);
    assert.deepEqual(bench.drops, ["igmp.new-hosts"]);
  });

  test(
    "a querier of a lower address, and a join in the same batch: the one who lost forwards nothing",
    HANGS,
    async (t) => {
      const bench = await Bench.open(t, {}, "elected");
      await bench.hear(ethernet("02:00:00:00:08:10", query("10.8.2.0")), join(11, TWO));
      assert.deepEqual([bench.told, exitsOf(TWO)], [[1, 0], 0]);
    },
  );
}
