// Frames that are almost IGMP at a running router: it lives, names what it drops, and a viewer on the same bridge misses nothing.

import assert from "node:assert/strict";
import { existsSync, readFileSync } from "node:fs";
import { after, before, test } from "node:test";
import { seedOf, withSeed } from "../../core/base/fuzz.testkit.ts";
import { type Actor, act, cable, ip, makeNamespaces, removeNamespaces } from "../router/namespaces.testkit.ts";
import { ask } from "../shared/admin.ts";
import { endedBy } from "../shared/processor-wait.testkit.ts";
import { isRoot, type Json } from "./bundles.testkit.ts";

const FRAMES = 30_000;
const SEED = seedOf(1);
const MOST_GROWTH = 64 * 1024 * 1024;
const PREFIX = `fl-${process.pid}`;
const [ROUTER, VIEWER, ENEMY, SENDER] = ["r", "v", "e", "s"].map((name) => `${PREFIX}-${name}`) as [
  string,
  string,
  string,
  string,
];
const NAMESPACES = [ROUTER, VIEWER, ENEMY, SENDER];
const PORT = "5004";
const GROUP = "239.255.77.1";
const skip = !isRoot ? "needs root for network namespaces" : !existsSync("dist/router.cjs") && "needs npm run build";
const SETTINGS = [
  "id=fl-router",
  `socket=/tmp/${PREFIX}.sock`,
  "upstream.interface=up0",
  "downstreams.0.interface=br0",
  "downstreams.0.queryInterval=8",
  "downstreams.0.queryResponseInterval=1",
  "downstreams.0.lastMemberQueryInterval=0.5",
].flatMap((setting) => ["--set", setting]);

function build(): void {
  makeNamespaces(NAMESPACES);
  cable(ROUTER, "up0", SENDER, "eth0");
  cable(ROUTER, "port-v", VIEWER, "eth0");
  cable(ROUTER, "port-e", ENEMY, "eth0");
  ip("-n", ROUTER, "link", "add", "br0", "type", "bridge", "mcast_querier", "1", "mcast_igmp_version", "3");
  for (const port of ["port-v", "port-e"]) ip("-n", ROUTER, "link", "set", port, "master", "br0");
  ip("-n", ROUTER, "link", "set", "br0", "up");
  for (const [namespace, name, address, gateway] of [
    [ROUTER, "up0", "10.1.0.1"],
    [ROUTER, "br0", "10.2.0.1"],
    [SENDER, "eth0", "10.1.0.2", "10.1.0.1"],
    [VIEWER, "eth0", "10.2.0.11", "10.2.0.1"],
    [ENEMY, "eth0", "10.2.0.12", "10.2.0.1"],
  ] as const) {
    ip("-n", namespace, "addr", "add", `${address}/24`, "dev", name);
    if (gateway !== undefined) ip("-n", namespace, "route", "add", "default", "via", gateway);
  }
}

const SOCKET = `/tmp/${PREFIX}.sock`;
const status = async (): Promise<Json> => (await ask(SOCKET, "/status"))?.body;

/** Resident octets. `ip netns exec` has become the router. */
const memory = (router: Actor): number =>
  Number(/^VmRSS:\s+(\d+) kB/m.exec(readFileSync(`/proc/${router.process.pid}/status`, "utf8"))?.[1]) * 1024;

async function more(viewer: Actor, packets: number): Promise<void> {
  const from = viewer.lines.length;
  const end = performance.now() + 8000;
  while (viewer.lines.length < from + packets) {
    assert.ok(performance.now() < end, `too few packets: ${viewer.lines.length - from}`);
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}

before(() => {
  if (skip === false) build();
});
after(() => (isRoot ? removeNamespaces(NAMESPACES) : undefined));

test(`${FRAMES} frames that are almost IGMP`, { skip }, () =>
  withSeed(SEED, async () => {
    const node = process.execPath;
    const sender = act(SENDER, node, "targets/router/lab-host.testkit.cjs", "send", "10.1.0.2", PORT);
    const viewer = act(VIEWER, node, "targets/router/lab-host.testkit.cjs", "host", "10.2.0.11", PORT);
    const router = act(ROUTER, node, "dist/router.cjs", ...SETTINGS, "--set", "log.format=json");
    await router.saw(/"msg":"running"/);
    await router.saw(/tap is listening/);
    await sender.saw(/ready/);
    sender.say(GROUP);
    viewer.say(`join ${GROUP}`);
    await viewer.saw(new RegExp(`^joined ${GROUP}`));
    await more(viewer, 25);

    const [before, from] = [memory(router), viewer.lines.length];
    const frames = [
      "targets/failures/hostile-frames.testkit.mjs",
      "eth0",
      "10.2.0.12",
      GROUP,
      String(FRAMES),
      String(SEED),
    ];
    const enemy = act(ENEMY, node, ...frames);
    await enemy.saw(/^sent/, 30_000);
    // Beyond the last-member and the membership time, so that what the frames took away would show.
    await more(viewer, 150);
    const numbers = viewer.lines.slice(from).map((line) => Number(line.split(" ")[1]));
    const [first = 0] = numbers;
    assert.deepEqual(
      numbers,
      numbers.map((_, n) => first + n),
      "no packet is missing",
    );

    const { drops } = await status();
    const names = [
      "ip.truncated",
      "ip.version",
      "ip.checksum",
      "ip.fragment",
      "ip.source",
      "igmp.truncated",
      "igmp.checksum",
    ];
    names.push("igmp.unknown-type", "igmp.query-truncated", "igmp.record-truncated", "igmp.record-type");
    for (const name of [...names, "igmp.group-not-multicast", "igmp.too-many-sources"])
      assert.ok(drops[name] > 0, `${name}: ${JSON.stringify(drops)}`);
    assert.ok(memory(router) - before < MOST_GROWTH, `grown by ${memory(router) - before}`);
    const { code, took } = await endedBy("SIGINT", router.process);
    assert.equal(code, 0, router.lines.slice(-5).join("\n"));
    assert.ok(took < 2000, `${took} ms`);
  }),
);
