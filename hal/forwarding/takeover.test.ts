// A process that routes is killed; what the next one finds, takes over, takes out and tells. On a real kernel only.
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { type TestContext, test } from "node:test";
import { address, formatIpv4 } from "../../core/base/ipv4.ts";
import { type Duration, seconds } from "../../core/base/time.ts";
import type { ForwardingListener, ForwardingTable } from "../../core/ports/forwarding.ts";
import { eventually, inNamespace } from "../in-namespace.testkit.ts";
import { ReceiveRoom } from "../native/socket.ts";
import { loadSockets } from "../native.ts";
import { linesOf, start } from "../stretched-window.testkit.ts";
import { findKeepers, Keeper } from "./keeper.ts";
import { parseCache, parseVifs } from "./kernel-tables.ts";
import { LinuxForwarding, type TakeoverOptions } from "./linux.ts";
import { MRT } from "./mroute-octets.ts";
import { type MrouteSocket, nativeMrouteSockets } from "./mroute-socket.ts";

const HANGS = { timeout: 20_000 };
const INTERFACES = ["rt0", "rt2", "rt4"] as const;
const SOURCE = address("10.9.1.2");
const [GROUP, OTHER, LATE] = [address("239.255.77.1"), address("239.255.77.2"), address("239.255.77.3")];
const CABLES = [
  "sysctl -qw net.ipv6.conf.all.disable_ipv6=1 net.ipv4.conf.all.rp_filter=0 net.ipv4.conf.default.rp_filter=0",
  "sysctl -qw net.ipv4.ip_forward=1",
  ...INTERFACES.flatMap((name, i) => [
    `ip link add ${name} type veth peer name rt${2 * i + 1}`,
    `ip addr add 10.9.${i + 1}.1/24 dev ${name}`,
    `ip link set ${name} up`,
    `ip link set rt${2 * i + 1} up`,
  ]),
];

const NOTHING: ForwardingListener = { noRoute() {}, wrongInterface() {}, igmp() {}, failed() {} };
const options = (warnings: string[], span: Duration, interfaces: readonly string[] = INTERFACES): TakeoverOptions => ({
  span,
  interfaces,
  farewell: [],
  warn: (text) => void warnings.push(text),
});

/** The process that is killed: routes from rt0 to rt2 and rt4, and from rt4 to nowhere. */
async function route(span: Duration, file: string | undefined, last = ""): Promise<void> {
  const farewell = file === undefined ? [] : ["sh", "-c", `cat > "$1"; ${last}`, "sh", file];
  const forwarding = await LinuxForwarding.loadNative({ ...options([], span), farewell });
  const table = forwarding.open(NOTHING);
  for (const name of INTERFACES) table.addInterface(name);
  table.set({ source: SOURCE, group: GROUP, inbound: "rt0", outbound: ["rt2", "rt4"] });
  table.set({ source: SOURCE, group: OTHER, inbound: "rt4", outbound: [] });
  process.stdout.write("routes\n");
  process.stdin.on("data", () => {
    assert.ok(table.handOver(() => LAST_WORDS));
    process.exit(0);
  });
  process.stdin.on("end", () => process.exit(0));
}

/** More than a pipe that somebody reads a line of may have swallowed. */
const LAST_WORDS = "the last words ".repeat(1000);

/** Routes and hands over; what it has the keeper say comes into `file`, and then it does what comes `last`. */
async function handsOver(t: TestContext, span: Duration, file: string, last = ""): Promise<void> {
  const child = start(t, [process.execPath, new URL(import.meta.url).pathname, "route", String(span), file, last]);
  assert.equal((await linesOf(child).next()).value, "routes");
  const ended = once(child, "exit");
  child.stdin?.write("hand over\n");
  assert.deepEqual(await ended, [0, null]);
}

/** Routes and dies. */
async function predecessor(t: TestContext, span: Duration): Promise<void> {
  const child = start(t, [process.execPath, new URL(import.meta.url).pathname, "route", String(span)]);
  assert.equal((await linesOf(child).next()).value, "routes");
  const ended = once(child, "exit");
  child.kill("SIGKILL");
  await ended;
}

const vifs = (): readonly string[] => parseVifs(readFileSync("/proc/net/ip_mr_vif", "latin1")).map(({ name }) => name);
const routed = () => parseCache(readFileSync("/proc/net/ip_mr_cache", "latin1")).map(({ group }) => formatIpv4(group));
const inherited = (table: ForwardingTable): readonly string[] =>
  table.inherited().map(({ group, inbound, outbound }) => [formatIpv4(group), inbound, ">", ...outbound].join(" "));
const nobodyKeeps = (): Promise<boolean> => eventually(() => findKeepers().length === 0, HANGS.timeout);

if (process.argv[2] === "route") await route(Number(process.argv[3]) as Duration, process.argv[4], process.argv[5]);
else if (inNamespace(import.meta.url, "takeover", CABLES)) {
  const { datagram, linuxBench } = await import("./linux.testkit.ts");
  const raw = await LinuxForwarding.load();
  const bench = await linuxBench(INTERFACES, SOURCE, GROUP, raw, eventually);

  test(
    "what a killed process routed is taken over as it is, with what the kernel asked in between",
    HANGS,
    async (t) => {
      await predecessor(t, seconds(60));
      const { inject, left } = await bench.open();
      inject("rt0", "alone");
      const isCarried = await eventually(() => left("rt2").length === 1 && left("rt4").length === 1);
      assert.ok(
        isCarried,
        [...left("rt2"), "|", ...left("rt4"), readFileSync("/proc/net/ip_mr_cache", "latin1")].join(" "),
      );
      await new Promise<void>((resolve) => bench.inject("rt2", datagram(address("10.9.2.2"), LATE, "asks"), resolve));

      const warnings: string[] = [];
      const asked: string[] = [];
      const noRoute: ForwardingListener["noRoute"] = (_, group, inbound) =>
        asked.push(`${formatIpv4(group)} ${inbound}`);
      const table = (await LinuxForwarding.loadNative(options(warnings, seconds(60)))).open({ ...NOTHING, noRoute });
      assert.deepEqual(inherited(table), ["239.255.77.2 rt4 >", "239.255.77.1 rt0 > rt2 rt4"].sort());
      assert.deepEqual(asked, [], "not before the caller is ready to be told");
      assert.ok(await eventually(() => asked.length > 0));
      assert.deepEqual(asked, ["239.255.77.3 rt2"]);

      for (const name of INTERFACES) table.addInterface(name);
      inject("rt0", "taken over");
      assert.ok(await eventually(() => left("rt2").length === 2 && left("rt4").length === 2));
      assert.equal(table.use().find(({ group }) => group === GROUP)?.packets, 2, "the counters go on");
      table.set({ source: SOURCE, group: GROUP, inbound: "rt0", outbound: ["rt4"] });
      inject("rt0", "changed");
      assert.ok(await eventually(() => left("rt4").length === 3));
      assert.equal(left("rt2").length, 2);
      assert.ok(await eventually(() => findKeepers().length === 1));
      assert.deepEqual(
        findKeepers().map(({ router }) => router),
        [process.pid],
      );
      table.close();
      assert.deepEqual([vifs(), routed(), warnings], [[], [], []]);
      assert.ok(await nobodyKeeps());
    },
  );

  test("interfaces that are not ours are taken out, and what came in on them", HANGS, async (t) => {
    await predecessor(t, seconds(60));
    const table = (await LinuxForwarding.loadNative(options([], seconds(60), ["rt0", "rt2"]))).open(NOTHING);
    assert.deepEqual(inherited(table), ["239.255.77.1 rt0 > rt2"]);
    assert.deepEqual([vifs(), routed()], [["rt0", "rt2"], ["239.255.77.1"]]);
    table.close();
    assert.ok(await nobodyKeeps());
  });

  test("an interface that was made anew is another one", HANGS, async (t) => {
    await predecessor(t, seconds(60));
    const ip = (line: string): void => void execFileSync("ip", line.split(" "));
    const makeAnew = (name: string, peer: string): void => {
      ip(`link del ${name}`);
      ip(`link add ${name} type veth peer name ${peer}`);
      ip(`link set ${name} up`);
    };
    makeAnew("rt4", "rt5");
    const table = (await LinuxForwarding.loadNative(options([], seconds(60)))).open(NOTHING);
    assert.deepEqual(inherited(table), ["239.255.77.1 rt0 > rt2"]);
    makeAnew("rt2", "rt3");
    for (const name of INTERFACES) table.addInterface(name);
    assert.deepEqual([...vifs()].sort(), INTERFACES);
    table.close();
    assert.ok(await nobodyKeeps());
  });

  test("raw-socket cannot take over: it says so, ends the keeper and begins anew", HANGS, async (t) => {
    await predecessor(t, seconds(60));
    const warnings: string[] = [];
    const table = (await LinuxForwarding.load(options(warnings, seconds(60)))).open(NOTHING);
    assert.match(warnings.join(), /begins anew.*raw-socket takes no descriptors/);
    assert.deepEqual([inherited(table), vifs(), routed()], [[], [], []]);
    assert.ok(await nobodyKeeps());
    table.close();
  });

  test("a router is never taken for alive once it is dead, however soon the next one looks", HANGS, async (t) => {
    for (let times = 0; times < 10; times++) {
      await predecessor(t, seconds(60));
      const seen: unknown[] = [];
      // The keeper wakes up and starts its sleep in this time.
      await eventually(() => seen.push(...findKeepers().map(({ router }) => router)) > 30, seconds(1));
      assert.deepEqual(new Set(seen), new Set([undefined]));
      (await LinuxForwarding.loadNative(options([], seconds(0)))).open(NOTHING).close();
      assert.ok(await nobodyKeeps());
    }
  });

  test("nobody comes: routing ends by itself after the span, and the keeper too", HANGS, async (t) => {
    await predecessor(t, seconds(1));
    assert.deepEqual(vifs(), INTERFACES);
    assert.ok(await nobodyKeeps());
    // A process that ends has no arguments any more a moment before it gives up its sockets.
    assert.ok(await eventually(() => vifs().length === 0));
    assert.deepEqual(routed(), []);
  });

  test("what was handed over is taken over, and then nobody bids farewell", HANGS, async (t) => {
    const file = join(mkdtempSync(join(tmpdir(), "sealcast-farewell-")), "said");
    t.after(() => rmSync(dirname(file), { recursive: true }));
    await handsOver(t, seconds(60), file);
    assert.deepEqual(vifs(), INTERFACES);
    const table = (await LinuxForwarding.loadNative(options([], seconds(60)))).open(NOTHING);
    assert.equal(inherited(table).length, 2);
    table.close();
    assert.ok(await nobodyKeeps());
    assert.ok(!existsSync(file));
  });

  test(
    "what was handed over and nobody takes over ends after the span, and the farewell is bidden",
    HANGS,
    async (t) => {
      const file = join(mkdtempSync(join(tmpdir(), "sealcast-farewell-")), "said");
      t.after(() => rmSync(dirname(file), { recursive: true }));
      await handsOver(t, seconds(1), file);
      assert.deepEqual(vifs(), INTERFACES);
      const isSaid = () => existsSync(file) && readFileSync(file, "utf8") === `${LAST_WORDS}\n`;
      assert.ok(await eventually(isSaid, HANGS.timeout), "nothing was said");
      assert.deepEqual([vifs(), routed()], [[], []]);
      assert.ok(await nobodyKeeps());
    },
  );

  test(
    "a farewell that is being bidden when the next one starts is ended, however that one routes",
    HANGS,
    async (t) => {
      const file = join(mkdtempSync(join(tmpdir(), "sealcast-farewell-")), "said");
      t.after(() => rmSync(dirname(file), { recursive: true }));
      for (const next of [await LinuxForwarding.loadNative(options([], seconds(60))), raw]) {
        rmSync(file, { force: true });
        await handsOver(t, seconds(1), file, "sleep 600; :");
        assert.ok(await eventually(() => existsSync(file), HANGS.timeout), "nothing is said");
        const bidding = findKeepers();
        assert.deepEqual(
          bidding.map(({ router }) => router),
          [undefined],
        );
        const table = next.open(NOTHING);
        const isThere = () => findKeepers().some(({ pid }) => pid === bidding[0]?.pid);
        assert.ok(await eventually(() => !isThere(), HANGS.timeout));
        assert.deepEqual(inherited(table), []);
        table.close();
        assert.ok(await nobodyKeeps());
      }
    },
  );

  test("a stop after a handing over leaves nothing, and without a keeper nothing is handed over", HANGS, async () => {
    const table = (await LinuxForwarding.loadNative(options([], seconds(60)))).open(NOTHING);
    for (const name of INTERFACES) table.addInterface(name);
    assert.ok(table.handOver(() => ""));
    assert.deepEqual(vifs(), INTERFACES);
    table.close();
    assert.ok(await nobodyKeeps());
    assert.ok(await eventually(() => vifs().length === 0, HANGS.timeout));
    const alone = raw.open(NOTHING);
    assert.equal(
      alone.handOver(() => assert.fail()),
      false,
    );
    alone.close();
  });

  test("with a span of 0 nothing outlives the process", HANGS, async (t) => {
    await predecessor(t, seconds(0));
    assert.deepEqual([vifs(), routed(), findKeepers()], [[], [], []]);
  });

  test("while one routes another is told who that is, whichever driver either has", HANGS, async () => {
    const native = await LinuxForwarding.loadNative(options([], seconds(60)));
    for (const first of [native, raw]) {
      const table = first.open(NOTHING);
      for (const second of [native, raw]) assert.throws(() => second.open(NOTHING), { code: "mroute.in-use" });
      table.close();
    }
    const table = native.open(NOTHING);
    const message = `another sealcast router holds multicast routing: process ${process.pid}`;
    assert.throws(() => raw.open(NOTHING), { code: "mroute.in-use", message });
    table.close();
    assert.ok(await nobodyKeeps());
  });

  test("who is seen nowhere and still holds routing is ending, and is waited for", HANGS, async () => {
    const sockets = nativeMrouteSockets(await loadSockets("test"), new ReceiveRoom(128));
    let refusals = 3;
    const make = (): MrouteSocket => {
      const socket = sockets.make();
      const setOption: MrouteSocket["setOption"] = (option, value) => {
        if (option === MRT.init && refusals-- > 0) throw new Error("Address already in use");
        socket.setOption(option, value);
      };
      return { ...socket, setOption };
    };
    new LinuxForwarding({ ...sockets, make }).open(NOTHING).close();
    assert.equal(refusals, -1);
  });

  test("of two that take over at once one gets it, and the other is told", HANGS, async (t) => {
    await predecessor(t, seconds(60));
    const sockets = nativeMrouteSockets(await loadSockets("test"), new ReceiveRoom(128));
    const [dead] = findKeepers();
    assert.ok(dead !== undefined && dead.router === undefined);
    const taken = sockets.take(dead.pid);
    assert.ok(typeof taken !== "string");
    assert.throws(() => sockets.take(dead.pid), { code: "mroute.in-use" });
    taken.close();
    const table = (await LinuxForwarding.loadNative(options([], seconds(0)))).open(NOTHING);
    assert.equal(inherited(table).length, 2, "the first has died of it, and the next gets all");
    table.close();
    assert.ok(await nobodyKeeps());
  });

  test("a keeper that is killed is told of and replaced", HANGS, async () => {
    const warnings: string[] = [];
    const keeper = new Keeper(0, { span: seconds(60), farewell: [] }, (why) => void warnings.push(why));
    assert.ok(await eventually(() => findKeepers().length === 1));
    const [first] = findKeepers();
    process.kill(first?.pid ?? 0, "SIGKILL");
    assert.ok(await eventually(() => warnings.length > 0, HANGS.timeout));
    assert.deepEqual(warnings, ["it ended by SIGKILL"]);
    assert.ok(await eventually(() => findKeepers().some(({ pid }) => pid !== first?.pid), HANGS.timeout));
    keeper.end();
    assert.ok(await nobodyKeeps());
  });

  test("close the bench", bench.close);
}
