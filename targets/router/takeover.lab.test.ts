// The router bundle is killed, crashes or is restarted while a viewer watches, and the next one takes over: loss is counted in packets.
// Needs root.
import assert from "node:assert/strict";
import { once } from "node:events";
import { existsSync, readdirSync, readFileSync, readlinkSync } from "node:fs";
import { after, before, beforeEach, test } from "node:test";
import { address } from "../../core/base/ipv4.ts";
import { report } from "../../core/igmp/igmp.testkit.ts";
import { parseCache, parseVifs } from "../../hal/forwarding/kernel-tables.ts";
import { farewellText } from "./farewell.ts";
import { type Actor, act, cable, inside, ip, makeNamespaces, removeNamespaces } from "./namespaces.testkit.ts";

const PREFIX = `to-${process.pid}`;
const NAMESPACES = ["r", "a", "b", "s"].map((name) => `${PREFIX}-${name}`);
const [ROUTER = "", HOST_A = "", HOST_B = "", SENDER = ""] = NAMESPACES;
const root = process.getuid?.() === 0;
const skip = !root ? "needs root for network namespaces" : !existsSync("dist/router.cjs") && "needs npm run build";
/** Waits end when it happens; a busy machine may take its time. */
const LIMIT = 60_000;

const GROUP = "239.255.77.1";
const PORT = "5004";
/** Packets a second. */
const RATE = 500;
/** Seconds in which the next one begins, however busy the machine is; and where none begins. */
const [TAKEOVER, BRIEF] = [300, 4];
const [QUERY_INTERVAL, RESPONSE_INTERVAL] = [8, 2];
/** For so many seconds the kernel does not ask again about a source that it has asked about (net/ipv4/ipmr.c). */
const UNANSWERED = 10;
/** RFC 3376 8.6 and 8.7: two startup queries, a quarter of the interval apart, and the time to answer the second. */
const ASSUMED = QUERY_INTERVAL / 4 + RESPONSE_INTERVAL;

function settings(socket: string, ...downstreams: readonly string[]): readonly string[] {
  const each = downstreams.flatMap((name, i) => [
    `downstreams.${i}.interface=${name}`,
    `downstreams.${i}.queryInterval=${QUERY_INTERVAL}`,
    `downstreams.${i}.queryResponseInterval=${RESPONSE_INTERVAL}`,
  ]);
  const whole = [
    "id=lab-router",
    `socket=/tmp/${PREFIX}-${socket}.sock`,
    "upstream.interface=up0",
    `takeover=${TAKEOVER}`,
    "log.format=json",
  ];
  return [...whole, ...each].flatMap((setting) => ["--set", setting]);
}

const BOTH = settings("one", "lan0", "lan1");
const ALONE = [...BOTH, "--set", `takeover=${BRIEF}`];
const NODE = process.execPath;

let [sender, a, b, router]: (Actor | undefined)[] = [];
const the = (actor: Actor | undefined): Actor => actor ?? assert.fail("the lab is not built");

/** A router that has begun its work. */
async function start(given = BOTH, ...nodeOptions: readonly string[]): Promise<Actor> {
  router = act(ROUTER, NODE, ...nodeOptions, "dist/router.cjs", ...given);
  await router.saw(/"msg":"running/, LIMIT);
  return router;
}

async function end(actor: Actor, signal: NodeJS.Signals): Promise<number | null> {
  const exited = once(actor.process, "exit");
  actor.process.kill(signal);
  const [code] = (await exited) as [number | null];
  return code;
}

interface Count {
  readonly received: number;
  readonly lost: number;
  /** Unix time, ms. */
  readonly lastAt: number;
}

/** What a viewer got since it was last asked. */
async function count(viewer: Actor): Promise<Count> {
  const from = viewer.lines.length;
  viewer.say("count");
  await viewer.saw(/^\{/, LIMIT, from);
  return JSON.parse(viewer.lines.slice(from).find((line) => line.startsWith("{")) ?? "{}") as Count;
}

/** Waits until the viewer has had `packets` more; what it got in the time. */
async function watch(viewer: Actor, packets: number): Promise<Count> {
  const limit = performance.now() + LIMIT + (packets / RATE) * 1000;
  let [received, lost] = [0, 0];
  for (;;) {
    const more = await count(viewer);
    received += more.received;
    lost += more.lost;
    if (received >= packets) return { received, lost, lastAt: more.lastAt };
    assert.ok(performance.now() < limit, `${received} of ${packets} packets`);
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

async function join(viewer: Actor): Promise<void> {
  viewer.say(`join ${GROUP}`);
  await watch(viewer, RATE / 5);
}

async function leave(viewer: Actor): Promise<void> {
  const from = viewer.lines.length;
  viewer.say("leave");
  await viewer.saw(/^left/, LIMIT, from);
}

/** The routers and keepers in the router's namespace. */
function processes(): readonly string[] {
  const namespace = inside(ROUTER, "readlink", "/proc/self/ns/net").trim();
  return readdirSync("/proc").flatMap((pid) => {
    try {
      if (!/^\d+$/.test(pid) || readlinkSync(`/proc/${pid}/ns/net`) !== namespace) return [];
      return [readFileSync(`/proc/${pid}/cmdline`, "latin1").replaceAll("\0", " ")];
    } catch {
      return [];
    }
  });
}

const table = (name: "vif" | "cache"): readonly string[] =>
  inside(ROUTER, "cat", `/proc/net/ip_mr_${name}`).trim().split("\n").slice(1);
const vifs = (): readonly string[] => table("vif").map((line) => line.trim().split(/\s+/)[1] ?? "");

/** Of each route, where it leads. */
function destinations(): readonly (readonly string[])[] {
  const names = new Map(parseVifs(table("vif").join("\n")).map(({ number, name }) => [number, name]));
  return parseCache(table("cache").join("\n")).map(({ outbound }) => outbound.map((number) => names.get(number) ?? ""));
}

async function until(condition: () => boolean, limit: number): Promise<boolean> {
  const last = performance.now() + limit;
  while (!condition() && performance.now() < last) await new Promise((resolve) => setTimeout(resolve, 20));
  return condition();
}

const TOOK_OVER = /took over the routes/;
const delivery = (number: 72 | 82) => new RegExp(`"number":${number}`);

before(async () => {
  if (skip !== false) return;
  makeNamespaces(NAMESPACES);
  cable(ROUTER, "up0", SENDER, "eth0");
  cable(ROUTER, "lan0", HOST_A, "eth0");
  cable(ROUTER, "lan1", HOST_B, "eth0");
  for (const [namespace, name, address] of [
    [ROUTER, "up0", "10.1.0.1"],
    [ROUTER, "lan0", "10.2.0.1"],
    [ROUTER, "lan1", "10.3.0.1"],
    [SENDER, "eth0", "10.1.0.2"],
    [HOST_A, "eth0", "10.2.0.11"],
    [HOST_B, "eth0", "10.3.0.11"],
  ] as const)
    ip("-n", namespace, "addr", "add", `${address}/24`, "dev", name);
  const program = "targets/router/lab-stream.testkit.cjs";
  sender = act(SENDER, NODE, program, "stream", "10.1.0.2", PORT, String(RATE));
  a = act(HOST_A, NODE, program, "viewer", "10.2.0.11", PORT);
  b = act(HOST_B, NODE, program, "viewer", "10.3.0.11", PORT);
  await sender.saw(/ready/, LIMIT);
  sender.say(GROUP);
  await start();
  await join(the(a));
});

beforeEach(async () => {
  if (skip === false) await count(the(a));
});

after(() => (root ? removeNamespaces(NAMESPACES) : undefined));

test("killed and started again: the viewer loses no packet, and his delivery does not begin anew", {
  skip,
}, async () => {
  await end(the(router), "SIGKILL");
  const successor = await start();
  await successor.saw(TOOK_OVER, LIMIT);
  // Well into the time for which his own report counts.
  const { lost } = await watch(the(a), (ASSUMED + 2) * RATE);
  assert.equal(lost, 0);
  assert.deepEqual([successor.count(delivery(72)), successor.count(delivery(82))], [0, 0]);
  assert.ok(successor.count(/"number":71.*"host":"10\.2\.0\.11"/) > 0, "he has been asked, and has answered");
});

/** What the access network hears of IGMP. */
async function listenUpstream(): Promise<Actor> {
  const wire = act(SENDER, "tcpdump", "-l", "-n", "-v", "-i", "eth0", "igmp");
  await wire.saw(/listening on eth0/, LIMIT);
  return wire;
}

const LEFT = new RegExp(`${GROUP.replaceAll(".", "\\.")} to_in`);

async function nobodyNoticed(successor: Actor, upstream: Actor): Promise<void> {
  await successor.saw(TOOK_OVER, LIMIT);
  assert.equal((await watch(the(a), (ASSUMED + 2) * RATE)).lost, 0);
  assert.deepEqual([successor.count(delivery(72)), successor.count(delivery(82)), upstream.count(LEFT)], [0, 0, 0]);
  await end(upstream, "SIGINT");
}

test("ended by SIGTERM and started again, as in a planned restart: no packet is lost, no group left upstream", {
  skip,
}, async () => {
  const upstream = await listenUpstream();
  assert.equal(await end(the(router), "SIGTERM"), 0);
  assert.equal(the(router).count(/"msg":"handed over"/), 1);
  await nobodyNoticed(await start(), upstream);
});

const CRASHES = `data:text/javascript,process.on("SIGUSR2",()=>{throw new Error("a mistake of ours")})`;

test("a mistake of ours ends it with 70: the viewer loses no packet, and no group is left upstream", {
  skip,
}, async () => {
  await end(the(router), "SIGTERM");
  const faulty = await start(BOTH, "--import", CRASHES);
  await watch(the(a), RATE);
  const upstream = await listenUpstream();
  assert.equal(await end(faulty, "SIGUSR2"), 70);
  await nobodyNoticed(await start(), upstream);
});

test("ten times in a row, however early it is killed again", { skip }, async () => {
  for (let times = 0; times < 10; times++) {
    await end(the(router), "SIGKILL");
    router = act(ROUTER, NODE, "dist/router.cjs", ...BOTH);
    await router.saw(times % 2 === 0 ? TOOK_OVER : /"msg":"running/, LIMIT);
  }
  const { lost } = await watch(the(a), (ASSUMED + 2) * RATE);
  assert.equal(lost, 0);
  const keepers = () => processes().filter((line) => line.includes("sealcast-router-keeper")).length;
  assert.ok(await until(() => keepers() === 1, LIMIT), `${keepers()} keepers`);
});

test("a second one is told who the first is, ends with 69, and harms nothing", { skip }, async () => {
  const first = the(router);
  const second = act(ROUTER, NODE, "dist/router.cjs", ...settings("two", "lan0", "lan1"));
  const [code] = (await once(second.process, "exit")) as [number];
  assert.equal(code, 69);
  await second.saw(
    new RegExp(`mroute\\.in-use.*another sealcast router holds.*process ${first.process.pid}\\b`),
    LIMIT,
  );
  assert.equal((await watch(the(a), RATE)).lost, 0);
  assert.equal(first.process.exitCode, null);
});

test("who leaves while no router runs is cut off when the startup queries are answered; the other sees nothing of it", {
  skip,
}, async () => {
  await join(the(b));
  await count(the(a));
  await end(the(router), "SIGKILL");
  await leave(the(b));
  const successor = await start();
  await successor.saw(/"number":82.*"interface":"lan1"/, ASSUMED * 1000 + LIMIT);
  assert.deepEqual(destinations(), [["lan0"]]);
  assert.equal(successor.count(/"number":82.*"interface":"lan0"/), 0);
  assert.equal((await watch(the(a), RATE)).lost, 0);
});

test("started with other interfaces it takes over those that are still its own, and takes out the others", {
  skip,
}, async () => {
  await join(the(b));
  await end(the(router), "SIGKILL");
  await count(the(b));
  await start(settings("one", "lan1"));
  assert.deepEqual([...vifs()].sort(), ["lan1", "up0"]);
  assert.equal((await watch(the(b), (ASSUMED + 2) * RATE)).lost, 0);
  await count(the(a));
  await watch(the(b), RATE);
  assert.equal((await count(the(a))).received, 0, "lan0 is not routed any more");
  await end(the(router), "SIGKILL");
  await count(the(b));
  await start();
  await watch(the(a), RATE);
  assert.equal((await count(the(b))).lost, 0);
  await leave(the(b));
});

test("an uplink that had no address for long: the stream is back with the address, not when the kernel forgets it had asked", {
  skip,
}, async () => {
  const from = the(router).lines.length;
  ip("-n", ROUTER, "addr", "flush", "dev", "up0");
  await the(router).saw(/"interface":"up0".*out of use/, LIMIT, from);
  await count(the(a));
  const at = performance.now();
  ip("-n", ROUTER, "addr", "add", "10.1.0.1/24", "dev", "up0");
  await watch(the(a), RATE / 5);
  const seconds = (performance.now() - at) / 1000;
  assert.ok(seconds < UNANSWERED / 2, `${seconds} s`);
});

/** The time of `takeover` as it passes on this machine, from now on. */
function briefly(): { readonly began: number; over(): Promise<number> } {
  const [began, sleep] = [Date.now(), act(ROUTER, "sleep", String(BRIEF))];
  const ended = once(sleep.process, "exit").then(() => Date.now());
  return { began, over: () => ended };
}

/** The last packet came when the time was over. */
async function endedInTime({ began, over }: ReturnType<typeof briefly>): Promise<void> {
  const { lastAt } = await count(the(a));
  const [span, expected] = [lastAt - began, (await over()) - began];
  assert.ok(span > (BRIEF - 1) * 1000 && span < expected + 2000, `${span} ms, ${expected} ms expected`);
}

test("killed and not started again: the stream ends in time, and nothing is left", { skip }, async () => {
  await end(the(router), "SIGKILL");
  await start(ALONE);
  await count(the(a));
  await watch(the(a), RATE / 5);
  const time = briefly();
  await end(the(router), "SIGKILL");
  assert.ok(await until(() => vifs().length === 0, LIMIT), "routing goes on");
  assert.deepEqual(table("cache"), []);
  await endedInTime(time);
  assert.ok(await until(() => processes().length === 0, LIMIT), processes().join("\n"));
});

test("ended by SIGTERM and not started again: the stream ends in time, then the groups are left upstream", {
  skip,
}, async () => {
  await start(ALONE);
  await watch(the(a), RATE / 5);
  const upstream = await listenUpstream();
  const time = briefly();
  assert.equal(await end(the(router), "SIGTERM"), 0);
  await upstream.saw(LEFT, BRIEF * 1000 + LIMIT);
  assert.deepEqual([vifs(), table("cache")], [[], []]);
  await endedInTime(time);
  await end(upstream, "SIGINT");
  assert.ok(await until(() => processes().length === 0, LIMIT), processes().join("\n"));
});

/** The command beside the router, and what it says; throws for another exit code than 0. */
const stop = (given = BOTH): string => inside(ROUTER, NODE, "dist/router.cjs", ...given, "stop").trim();

test("`stop` ends at once the streams of a router that handed over, and leaves its groups upstream", {
  skip,
}, async () => {
  await start();
  await watch(the(a), RATE / 5);
  const upstream = await listenUpstream();
  assert.equal(await end(the(router), "SIGTERM"), 0);
  assert.match(stop(), /^what the last router left has ended/);
  assert.deepEqual([vifs(), table("cache"), processes()], [[], [], []]);
  await upstream.saw(LEFT, LIMIT);
  assert.match(stop(), /none has left anything/);
  await end(upstream, "SIGINT");
});

test("`stop` stops a router that runs, and one with another socket is named", { skip }, async () => {
  await start();
  await watch(the(a), RATE / 5);
  assert.throws(
    () => stop(settings("other", "lan0")),
    /router\.elsewhere: the router of process \d+ does not listen on/,
  );
  const upstream = await listenUpstream();
  assert.equal(stop(), "the router has stopped");
  assert.deepEqual([vifs(), table("cache"), processes()], [[], [], []]);
  await upstream.saw(LEFT, LIMIT);
  await end(upstream, "SIGINT");
});

test("a farewell leaves the groups on every link that is there still, takes guard and filter off and leaves bridges to the kernel", {
  skip,
}, async () => {
  for (const left of ["sealcast", "sealcast_reports"]) inside(ROUTER, "nft", `add table bridge ${left}`);
  for (const words of [
    "link add br7 up type bridge mcast_snooping 1",
    "link add pt0 up master br7 type veth peer name pt1",
  ])
    ip("-n", ROUTER, ...words.split(" "));
  const bridges = new URL("../../hal/bridge/linux.js", import.meta.url).href;
  const set = `.open("br7").set("pt0", ${address(GROUP)}, { mode: "exclude", sources: [] }); process.exit()`;
  const settings = new URL("../../hal/bridge/settings.js", import.meta.url).href;
  const program = `import { LinuxBridgeTables } from "${bridges}"; import { BridgeSettings } from "${settings}"; (await LinuxBridgeTables.load(new BridgeSettings()))${set}`;
  inside(ROUTER, NODE, "--input-type=module", "-e", program);
  assert.match(inside(ROUTER, "bridge", "mdb", "show"), new RegExp(GROUP));
  const leave = report("10.1.0.1", ["to-in", GROUP]);
  const upstream = await listenUpstream();
  const farewell = act(ROUTER, NODE, "dist/router.cjs", "__farewell");
  const leaves = ["gone0", "up0"].map((name) => ({ name, packet: leave }));
  const tables = ["br7", "gone0"].map((bridge) => ({ bridge }));
  farewell.process.stdin?.end(farewellText({ leaves, isGuarded: true, isProxied: true, tables, found: undefined }));
  assert.deepEqual(await once(farewell.process, "exit"), [0, null], farewell.lines.join("\n"));
  await upstream.saw(LEFT, LIMIT);
  assert.equal(inside(ROUTER, "nft", "list tables").trim(), "");
  // Nobody has noted that it did not snoop by itself: then the kernel goes on with what its ports have asked for, and ends it by itself.
  assert.doesNotMatch(inside(ROUTER, "bridge", "mdb", "show"), new RegExp(`${GROUP}.*permanent`));
  for (const name of ["br7", "pt0"]) ip("-n", ROUTER, "link", "del", name);
  await end(upstream, "SIGINT");
});

test("a stop leaves no process, no interface and no route", { skip }, async () => {
  await start();
  await watch(the(a), RATE / 5);
  const upstream = await listenUpstream();
  assert.equal(await end(the(router), "SIGINT"), 0);
  assert.deepEqual([vifs(), table("cache")], [[], []]);
  await upstream.saw(LEFT, LIMIT);
  await end(upstream, "SIGINT");
  assert.ok(await until(() => processes().length === 0, LIMIT), processes().join("\n"));
});
