// The router bundle without the kernel's multicast routing (`forwarding: "relay"`), between real kernels. Needs root.
import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { after, before, test } from "node:test";
import { type Actor, act, cable, inside, ip, makeNamespaces, removeNamespaces } from "./namespaces.testkit.ts";

const PREFIX = `re-${process.pid}`;
const [ROUTER, VIEWER, HEADEND] = ["r", "v", "h"].map((name) => `${PREFIX}-${name}`) as [string, string, string];
const NAMESPACES = [ROUTER, VIEWER, HEADEND];
const [PORT, SOURCE, OTHER] = ["5004", "10.1.0.2", "10.1.0.3"];
const HELPER = "targets/router/lab-host.testkit.cjs";
const root = process.getuid?.() === 0;
const skip = !root ? "needs root for network namespaces" : !existsSync("dist/router.cjs") && "needs npm run build";

const SETTINGS = [
  "id=lab-relay",
  `socket=/tmp/${PREFIX}.sock`,
  "log.format=json",
  "forwarding=relay",
  "upstream.interface=up0",
  "downstreams.0.interface=lan0",
  "downstreams.0.queryInterval=2",
  "downstreams.0.queryResponseInterval=0.5",
  "downstreams.0.lastMemberQueryInterval=0.3",
].flatMap((setting) => ["--set", setting]);

interface Status {
  readonly drivers: Readonly<Record<string, { readonly driver: string; readonly lacks?: string }>>;
  readonly forwarding: Readonly<Record<string, number>>;
}

let [viewer, router]: (Actor | undefined)[] = [];
const the = (actor: Actor | undefined): Actor => actor ?? assert.fail("the lab is not built");
const numbersOf = (group: string, lines: readonly string[]): number[] =>
  lines.filter((line) => line.startsWith(`${group} `)).map((line) => Number(line.split(" ")[1]));

before(async () => {
  if (skip !== false) return;
  makeNamespaces(NAMESPACES);
  cable(ROUTER, "up0", HEADEND, "eth0");
  cable(ROUTER, "lan0", VIEWER, "eth0");
  for (const [namespace, name, address] of [
    [ROUTER, "up0", "10.1.0.1/24"],
    [ROUTER, "lan0", "10.2.0.1/24"],
    [HEADEND, "eth0", `${SOURCE}/24`],
    [HEADEND, "eth0", `${OTHER}/24`],
    [VIEWER, "eth0", "10.2.0.11/24"],
  ] as const)
    ip("-n", namespace, "addr", "add", address, "dev", name);
  for (const namespace of [VIEWER, HEADEND]) ip("-n", namespace, "route", "add", "default", "dev", "eth0");
  router = act(ROUTER, process.execPath, "dist/router.cjs", ...SETTINGS);
  viewer = act(VIEWER, process.execPath, HELPER, "host", "10.2.0.11", PORT);
  await the(router).saw(/"msg":"running"/);
});

after(() => (root ? removeNamespaces(NAMESPACES) : undefined));

const send = async (source: string, group: string): Promise<void> => {
  const sender = act(HEADEND, process.execPath, HELPER, "send", source, PORT);
  await sender.saw(/ready/);
  sender.say(group);
};

test("a viewer's group is relayed without a gap until it leaves, and the kernel routes nothing", { skip }, async () => {
  const group = "239.1.77.1";
  await send(SOURCE, group);
  the(viewer).say(`join ${group}`);
  await the(viewer).sawTimes(100, new RegExp(`^${group} \\d`), 5000);
  const numbers = numbersOf(group, the(viewer).lines);
  assert.deepEqual(
    numbers,
    numbers.map((_, i) => (numbers[0] ?? 0) + i),
    "no packet is missing, and none comes twice",
  );
  assert.equal(inside(ROUTER, "cat", "/proc/net/ip_mr_vif").trim().split("\n").length, 1);
  the(viewer).say(`leave ${group}`);
  await the(router).saw(new RegExp(`"number":82.*"group":"${group}"`));
});

test("of a source-specific group only the source that is asked for comes", { skip }, async () => {
  const group = "232.1.77.1";
  for (const source of [OTHER, SOURCE]) await send(source, group);
  const wire = act(VIEWER, "tcpdump", "-l", "-n", "-i", "eth0", "udp");
  await wire.saw(/listening on eth0/);
  the(viewer).say(`join ${group} ${SOURCE}`);
  await the(viewer).sawTimes(25, new RegExp(`^${group} \\d`), 5000);
  await wire.sawTimes(25, /10\.1\.0\.2\.\d+ > 232/, 5000);
  assert.equal(wire.count(/10\.1\.0\.3\.\d+ > 232/), 0);
});

test("status says that it relays, what that lacks, and what it dropped", { skip }, () => {
  const { drivers, forwarding } = JSON.parse(
    inside(ROUTER, process.execPath, "dist/router.cjs", ...SETTINGS, "status", "--json"),
  ) as Status;
  assert.equal(drivers.forwarding?.driver, "relay");
  assert.match(drivers.forwarding?.lacks ?? "", /not fragmented.* a restart interrupts/);
  assert.deepEqual(
    Object.keys(forwarding).filter((name) => !name.startsWith("relay.")),
    [],
  );
});

test("a second router that would relay the same gets a clear error", { skip }, async () => {
  const second = act(ROUTER, process.execPath, "dist/router.cjs", ...SETTINGS, "--set", `socket=/tmp/${PREFIX}.2.sock`);
  await second.saw(/another router relays multicast here/);
  const code = second.process.exitCode ?? (await new Promise((resolve) => second.process.once("exit", resolve)));
  assert.equal(code, 69);
});

test("SIGTERM is a stop here, and the log says so: nothing is left that a successor could take over", {
  skip,
}, async () => {
  const { process: child } = the(router);
  const exited = new Promise((resolve) => child.once("exit", resolve));
  child.kill("SIGTERM");
  assert.equal(await exited, 0);
  assert.equal(the(router).count(/"msg":"stopped"/), 1);
  assert.equal(the(router).count(/"msg":"handed over"/), 0);
});
