// Routes that are prepared: a host's report opens them before anybody is told of it, and nothing else does.
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { type TestContext, test } from "node:test";
import { fuzz } from "../../core/base/fuzz.testkit.ts";
import { address, formatIpv4, type Ipv4, isMulticast } from "../../core/base/ipv4.ts";
import { ethernet, query, readdressed, report, source, tagged, v1v2Message } from "../../core/igmp/igmp.testkit.ts";
import { statementsIn } from "../../core/igmp/messages/host-statement.ts";
import { destinationAddress } from "../../core/igmp/messages/ip-header.ts";
import { checkPacket } from "../../core/igmp/messages/packet.ts";
import { isExclude } from "../../core/igmp/messages/report.ts";
import { mutate, repair } from "../../core/igmp/mutation.testkit.ts";
import type { ForwardingListener, ForwardingTable } from "../../core/ports/forwarding.ts";
import { PacketIgmpSockets } from "../igmp/packet.ts";
import { eventually, inNamespace } from "../in-namespace.testkit.ts";
import { frameSender } from "../native/frame-sender.testkit.ts";
import { parseCache, parseVifs } from "./kernel-tables.ts";
import { LinuxForwarding } from "./linux.ts";

const HOST = "10.9.2.11";
const MAC = "02:00:00:00:00:11";
const [GROUP, OTHER, END] = [address("239.1.1.1"), address("239.1.1.2"), address("239.9.9.9")] as [Ipv4, Ipv4, Ipv4];
const ROUTE = { source: address("10.9.1.2"), group: GROUP, inbound: "rt0", outbound: [] };
const HANGS = { timeout: 50_000 };

const nothing: ForwardingListener = { noRoute() {}, wrongInterface() {}, igmp() {}, failed() {} };

/** The cables rt0 to rt1, rt2 to rt3 and rt4 to rt5; the router has the even ends. */
const CABLES = [
  "sysctl -qw net.ipv6.conf.all.disable_ipv6=1",
  ...[0, 2, 4].flatMap((end, i) => [
    `ip link add rt${end} type veth peer name rt${end + 1}`,
    `ip addr add 10.9.${i + 1}.1/24 dev rt${end}`,
    `ip link set rt${end} up`,
    `ip link set rt${end + 1} up`,
  ]),
];

/** Where the kernel lets the streams of a group leave. */
function leavesOn(group: Ipv4): string {
  const names = new Map(
    parseVifs(readFileSync("/proc/net/ip_mr_vif", "latin1")).map(({ number, name }) => [number, name]),
  );
  const routes = parseCache(readFileSync("/proc/net/ip_mr_cache", "latin1")).filter((one) => one.group === group);
  return routes.flatMap(({ outbound }) => outbound.map((number) => names.get(number))).join(" ");
}

const join = (group = GROUP): Uint8Array => v1v2Message("v2Report", HOST, formatIpv4(group));

/** A table with the route in it, prepared for rt2, and what the kernel had when a report was told of. */
class Bench {
  readonly table: ForwardingTable;
  /** Where the group left as each packet was told of. */
  readonly told: string[] = [];
  /** What is done then. */
  decide = (_packet: Uint8Array): void => {};
  /** A frame comes in. */
  readonly say: (frame: Uint8Array) => void;
  #ends = 0;

  private constructor(table: ForwardingTable, say: (frame: Uint8Array) => void) {
    this.table = table;
    this.say = say;
  }

  static async open(t: Pick<TestContext, "after">, on = "rt2"): Promise<Bench> {
    const table = (await LinuxForwarding.loadNative()).open(nothing);
    for (const name of ["rt0", "rt2", "rt4"]) table.addInterface(name);
    const { send, close } = await frameSender(`rt${Number(on.slice(2)) + 1}`);
    const bench = new Bench(table, send);
    const hearing = (await PacketIgmpSockets.load()).open(on, {
      packet: (packet) => bench.#heard(packet.slice()),
      failed: (error) => assert.fail(error),
    });
    t.after(() => {
      table.close();
      hearing.close();
      close();
    });
    bench.prepare();
    return bench;
  }

  prepare(route = ROUTE): void {
    this.table.set(route);
    this.table.prepare(route, ["rt2"]);
  }

  /** Frames come in together, and all of them have been heard. */
  async hear(...frames: Uint8Array[]): Promise<void> {
    const before = this.#ends;
    for (const frame of frames) this.say(frame);
    this.say(ethernet(MAC, join(END)));
    assert.ok(await eventually(() => this.#ends > before));
  }

  #heard(packet: Uint8Array): void {
    const isEnd = packet.length === join().length && packet.subarray(16).every((one, i) => one === join(END)[16 + i]);
    if (isEnd) {
      this.#ends++;
      return;
    }
    this.told.push(leavesOn(GROUP));
    this.decide(packet);
  }
}

const frame = (packet: Uint8Array): Uint8Array => ethernet(MAC, packet);

function broken(packet: Uint8Array, at: number): Uint8Array {
  const changed = packet.slice();
  changed[at] = (changed[at] ?? 0) ^ 1;
  return changed;
}

const OPENING: readonly (readonly [string, Uint8Array])[] = [
  ["a v2 report", join()],
  ["a v1 report", v1v2Message("v1Report", HOST, "239.1.1.1")],
  ["TO_EX({})", report(HOST, ["to-ex", "239.1.1.1"])],
  ["IS_EX({})", report(HOST, ["is-ex", "239.1.1.1"])],
  ["a record behind others", report(HOST, ["is-in", "232.1.1.1", source(1)], ["to-ex", "239.1.1.1"])],
  ["a host without an address", v1v2Message("v2Report", "0.0.0.0", "239.1.1.1")],
];

const OTHERS: readonly (readonly [string, Uint8Array])[] = [
  ["another group", join(OTHER)],
  ["a leave", v1v2Message("leave", HOST, "239.1.1.1")],
  ["a query", query(HOST, { group: GROUP })],
  ["IS_IN", report(HOST, ["is-in", "239.1.1.1", source(1)])],
  ["ALLOW", report(HOST, ["allow", "239.1.1.1", source(1)])],
  ["BLOCK", report(HOST, ["block", "239.1.1.1", source(1)])],
  ["TO_IN({})", report(HOST, ["to-in", "239.1.1.1"])],
  ["TO_EX without one source", report(HOST, ["to-ex", "239.1.1.1", source(1)])],
  ["a wrong checksum of the message", broken(join(), 27)],
  ["a wrong checksum of the header", broken(join(), 11)],
  ["a packet to this machine alone", readdressed(join(), { to: "10.9.2.1" })],
  ["a packet that is cut", join().subarray(0, 31)],
];

/** Whether the gate of core finds that somebody asks for the whole group, in a packet to a group. */
function asksForAll(packet: Uint8Array): boolean {
  const checked = checkPacket(packet);
  if (typeof checked === "string" || !isMulticast(destinationAddress(packet))) return false;
  return statementsIn(checked).some(
    ({ type, group, sources }) => group === GROUP && isExclude(type) && sources.length === 0,
  );
}

if (inNamespace(import.meta.url, "ready routes", CABLES)) {
  for (const [what, packet] of OPENING)
    test(`${what} opens a route before it is told of`, HANGS, async (t) => {
      const bench = await Bench.open(t);
      assert.equal(leavesOn(GROUP), "");
      bench.decide = () => bench.table.set({ ...ROUTE, outbound: ["rt2"] });
      await bench.hear(frame(packet));
      assert.deepEqual([bench.told, leavesOn(GROUP)], [["rt2"], "rt2"]);
    });

  for (const [what, packet] of OTHERS)
    test(`${what} opens nothing`, HANGS, async (t) => {
      const bench = await Bench.open(t);
      await bench.hear(frame(packet));
      assert.deepEqual(
        bench.told.filter((names) => names !== ""),
        [],
      );
      await bench.hear(frame(join()));
      assert.equal(bench.told.at(-1), "rt2", "it is ready all the same");
    });

  test("of another VLAN, or on an interface that is not ready, a report opens nothing", HANGS, async (t) => {
    const bench = await Bench.open(t);
    await bench.hear(tagged(frame(join()), 7));
    assert.deepEqual(
      bench.told.filter((names) => names !== ""),
      [],
    );
    bench.table.prepare(ROUTE, ["rt4"]);
    await bench.hear(frame(join()));
    assert.equal(bench.told.at(-1), "");
  });

  test(
    "what was opened and nobody confirms is closed when all has been told, and not opened again",
    HANGS,
    async (t) => {
      const bench = await Bench.open(t);
      await bench.hear(frame(join()));
      assert.deepEqual([bench.told, leavesOn(GROUP)], [["rt2"], ""]);
      await bench.hear(frame(join()));
      assert.equal(bench.told.at(-1), "");
      bench.prepare();
      await bench.hear(frame(join()));
      assert.equal(bench.told.at(-1), "rt2");
    },
  );

  for (const ready of [[], ["rt4"], ["rt2"]])
    test(`what was opened and is prepared anew for ${ready.join() || "nobody"} is closed at once`, HANGS, async (t) => {
      const bench = await Bench.open(t);
      let after: string | undefined;
      bench.decide = () => {
        bench.table.prepare(ROUTE, ready);
        after ??= leavesOn(GROUP);
      };
      await bench.hear(frame(join()));
      assert.deepEqual([bench.told, after, leavesOn(GROUP)], [["rt2"], "", ""]);
    });

  test("what the route has by now stays open when it is prepared for others", HANGS, async (t) => {
    const bench = await Bench.open(t);
    const route = { ...ROUTE, outbound: ["rt2"] };
    bench.decide = () => {
      bench.table.set(route);
      bench.table.prepare(route, ["rt4"]);
    };
    await bench.hear(frame(join()));
    assert.deepEqual([bench.told, leavesOn(GROUP)], [["rt2"], "rt2"]);
  });

  test("of a burst everything is open before the first of it is told of, from every source", HANGS, async (t) => {
    const bench = await Bench.open(t);
    bench.prepare({ ...ROUTE, source: address("10.9.1.3") });
    await bench.hear(...Array.from({ length: 40 }, () => frame(join(OTHER))), frame(join()));
    assert.equal(bench.told.at(-1), "rt2 rt2");
  });

  test("who asks while others of the burst are told of does not wait for them", HANGS, async (t) => {
    const bench = await Bench.open(t);
    bench.decide = () => {
      bench.decide = () => {};
      bench.say(frame(join()));
    };
    await bench.hear(frame(join(OTHER)), frame(join(OTHER)));
    assert.deepEqual(bench.told.slice(0, 2), ["", "rt2"]);
  });

  test("a route that leads somewhere already keeps that, opened and closed again", HANGS, async (t) => {
    const bench = await Bench.open(t);
    bench.prepare({ ...ROUTE, outbound: ["rt4"] } as never);
    await bench.hear(frame(join()));
    assert.deepEqual([bench.told, leavesOn(GROUP)], [["rt2 rt4"], "rt4"]);
  });

  test("a route that is set anew, or taken out, is not ready", HANGS, async (t) => {
    const bench = await Bench.open(t);
    bench.table.set(ROUTE);
    await bench.hear(frame(join()));
    bench.prepare();
    bench.table.remove(ROUTE.source, ROUTE.group);
    await bench.hear(frame(join()));
    bench.table.prepare(ROUTE, ["rt2"]);
    await bench.hear(frame(join()));
    assert.deepEqual([bench.told, leavesOn(GROUP)], [["", "", ""], ""]);
  });

  test("an interface that is taken out is ready for nothing when another gets its number", HANGS, async (t) => {
    const bench = await Bench.open(t, "rt4");
    bench.table.removeInterface("rt4");
    bench.table.removeInterface("rt2");
    bench.table.addInterface("rt4");
    bench.table.addInterface("rt2");
    await bench.hear(frame(join()));
    assert.deepEqual(bench.told, [""]);
  });

  test("routing that was closed leaves nothing ready for the next one", HANGS, async (t) => {
    (await Bench.open(t)).table.close();
    const bench = await Bench.open(t);
    bench.table.set(ROUTE);
    await bench.hear(frame(join()));
    assert.equal(bench.told.at(-1), "");
  });

  fuzz(
    "a report opens a route when, and only when, the gate of core finds it asks for the whole group",
    { seed: 3376, rounds: 300 },
    async ({ rounds, below }) => {
      let close = (): void => {};
      const bench = await Bench.open({ after: (end) => (close = end as () => void) });
      const [good, wrong] = [OPENING.map(([, packet]) => packet), new Set<string>()];
      let asked = 0;
      bench.decide = (packet) => {
        const asks = asksForAll(packet);
        if ((bench.told.at(-1) === "rt2") !== asks) wrong.add(Buffer.from(packet).toString("hex"));
        if (asks) asked++;
        bench.prepare();
      };
      try {
        for (let round = 0; round < rounds; round++) {
          const packet = mutate(good[below(good.length)] ?? join(), below);
          if (below(2) === 0) repair(packet);
          await bench.hear(frame(packet));
        }
      } finally {
        close();
      }
      assert.deepEqual([...wrong], []);
      assert.ok(asked > rounds / 20 && asked < rounds / 2, `${asked} of ${rounds} asked`);
    },
  );

  test("nothing of the kernel's routing is left", () => {
    assert.equal(leavesOn(GROUP), "");
    assert.match(execFileSync("cat", ["/proc/net/ip_mr_cache"], { encoding: "utf8" }), /^Group[^\n]*\n$/);
  });
}
