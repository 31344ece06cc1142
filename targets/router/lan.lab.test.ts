// What happens on a viewer's network, with the router bundle between real kernels: a switch that asks too, a cable that comes loose,
// another address, a small MTU. Needs root.
import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { after, before, test } from "node:test";
import { toHex } from "../../core/base/bytes.ts";
import { address } from "../../core/base/ipv4.ts";
import { seconds } from "../../core/base/time.ts";
import { query, report } from "../../core/igmp/igmp.testkit.ts";
import { type Actor, act, cable, inside, ip, makeNamespaces, removeNamespaces } from "./namespaces.testkit.ts";

const PREFIX = `ln-${process.pid}`;
const [ROUTER, LAN, SENDER] = [`${PREFIX}-r`, `${PREFIX}-l`, `${PREFIX}-s`];
const root = process.getuid?.() === 0;
const skip = !root ? "needs root for network namespaces" : !existsSync("dist/router.cjs") && "needs npm run build";

const GROUP = "239.255.77.1";
const SOURCE = "10.1.0.2";
const MTU = 1400;

const SETTINGS = [
  "id=lab-router",
  `socket=/tmp/${PREFIX}.sock`,
  "upstream.interface=up0",
  "downstreams.0.interface=lan0",
  "downstreams.0.maxSources=400",
  'downstreams.0.leave="standard"',
  "log.format=json",
].flatMap((setting) => ["--set", setting]);

let [router, host, sender, packets, wire]: (Actor | undefined)[] = [];
const the = (actor: Actor | undefined): Actor => actor ?? assert.fail("the lab is not built");
/** Nothing waits so long unless it waits for ever. */
const LIMIT = 20_000;

interface Status {
  readonly interfaces: readonly { readonly querier: Record<string, unknown>; readonly hosts: readonly object[] }[];
  readonly messages: Record<string, number>;
  readonly drops: Record<string, number>;
}

const status = (): Status =>
  JSON.parse(inside(ROUTER, process.execPath, "dist/router.cjs", ...SETTINGS, "status", "--json")) as Status;

async function puts(packet: Uint8Array): Promise<void> {
  const from = the(packets).lines.length;
  the(packets).say(toHex(packet));
  await the(packets).saw(/^sent$/, LIMIT, from);
}

/** The next datagrams of the stream reach the host, none of them missing since its line `from`. */
async function watches(count: number, from = the(host).lines.length): Promise<void> {
  await the(host).sawTimes(count, new RegExp(`^${GROUP} `), LIMIT, from);
  const numbers = the(host)
    .lines.slice(from)
    .filter((line) => line.startsWith(GROUP))
    .map((line) => Number(line.split(" ")[1]));
  assert.deepEqual(
    numbers,
    numbers.map((_, i) => (numbers[0] ?? 0) + i),
  );
}

before(async () => {
  if (skip !== false) return;
  makeNamespaces([ROUTER, LAN, SENDER]);
  cable(ROUTER, "up0", SENDER, "eth0");
  cable(ROUTER, "lan0", LAN, "eth0");
  ip("-n", ROUTER, "link", "set", "lan0", "mtu", String(MTU));
  for (const [namespace, name, text] of [
    [ROUTER, "up0", "10.1.0.1"],
    [ROUTER, "lan0", "10.2.0.5"],
    [SENDER, "eth0", SOURCE],
    [LAN, "eth0", "10.2.0.11"],
  ] as const)
    ip("-n", namespace, "addr", "add", `${text}/24`, "dev", name);
  ip("-n", SENDER, "route", "add", "default", "via", "10.1.0.1");
  ip("-n", LAN, "route", "add", "default", "via", "10.2.0.5");
  const node = process.execPath;
  wire = act(LAN, "tcpdump", "-l", "-n", "-v", "-i", "eth0", "igmp");
  host = act(LAN, node, "targets/router/lab-host.testkit.cjs", "host", "10.2.0.11", "5004");
  sender = act(SENDER, node, "targets/router/lab-host.testkit.cjs", "send", SOURCE, "5004");
  packets = act(LAN, node, "targets/router/lab-packets.testkit.cjs", "eth0");
  router = act(ROUTER, node, "dist/router.cjs", ...SETTINGS);
  await the(router).saw(/"msg":"running"/, LIMIT);
  await the(wire).saw(/listening on/, LIMIT);
  await the(packets).saw(/ready/, LIMIT);
  await the(sender).saw(/ready/, LIMIT);
  the(sender).say(GROUP);
  the(host).say(`join ${GROUP}`);
  await watches(10);
});

after(() => (root ? removeNamespaces([ROUTER, LAN, SENDER]) : undefined));

test("a switch that asks too, from a lower address: nobody loses a packet, and the router says who asks", {
  skip,
}, async () => {
  await puts(query("10.2.0.2", { queryInterval: seconds(31_744), robustness: 7 }));
  await the(router).saw(/"level":40.*"address":"10\.2\.0\.2".*we are not the querier/, LIMIT);
  await watches(50);
  const { state, address: who } = status().interfaces[0]?.querier ?? {};
  assert.deepEqual([state, who], ["non-querier", "10.2.0.2"]);
  assert.equal(status().messages["82"], undefined);
});

test("a question of nobody on this network changes nothing, is counted, and the router says who put it", {
  skip,
}, async () => {
  await puts(query("9.9.9.9", { group: address(GROUP), maxResponse: seconds(0.1) }));
  await the(router).saw(/"level":40.*"reason":"igmp\.query-off-subnet","address":"9\.9\.9\.9"/, LIMIT);
  await watches(20);
  assert.equal(status().drops["igmp.query-off-subnet"], 1);
});

test("a network that is renumbered: nobody loses a packet, and the router asks from its new address", {
  skip,
}, async () => {
  const from = the(wire).lines.length;
  ip("-n", ROUTER, "addr", "add", "10.3.0.5/24", "dev", "lan0");
  ip("-n", ROUTER, "addr", "del", "10.2.0.5/24", "dev", "lan0");
  await the(wire).saw(/10\.3\.0\.5 > 224\.0\.0\.1: igmp query v3/, LIMIT, from);
  await watches(50);
  assert.equal(status().messages["82"], undefined);
  ip("-n", ROUTER, "addr", "add", "10.2.0.5/24", "dev", "lan0");
  ip("-n", ROUTER, "addr", "del", "10.3.0.5/24", "dev", "lan0");
  await the(wire).saw(/10\.2\.0\.5 > 224\.0\.0\.1: igmp query v3/, LIMIT, from);
});

test("an address that is taken out and put back, at once or after a second, at either end: nobody loses a packet", {
  skip,
}, async () => {
  const from = the(host).lines.length;
  await watches(10);
  for (const [name, text] of [
    ["up0", "10.1.0.1"],
    ["lan0", "10.2.0.5"],
  ] as const)
    for (const wait of [0, 1000]) {
      ip("-n", ROUTER, "addr", "flush", "dev", name);
      await new Promise((resolve) => setTimeout(resolve, wait));
      ip("-n", ROUTER, "addr", "add", `${text}/24`, "dev", name);
      await watches(25);
    }
  await watches(10, from);
  assert.equal(status().messages["82"], undefined);
});

test("a cable that comes loose: delivery goes on with the link, before its viewer has said anything", {
  skip,
}, async () => {
  const before = status();
  const from = the(router).lines.length;
  // A kernel reports what it has joined when its own interface comes back, not when the other end of its cable does.
  ip("-n", ROUTER, "link", "set", "lan0", "down");
  await the(router).saw(/"number":82/, LIMIT, from);
  ip("-n", ROUTER, "link", "set", "lan0", "up");
  await the(router).saw(/"number":72/, LIMIT, from);
  await watches(10);
  assert.equal(status().messages["71"], before.messages["71"], "the same membership, not a new one");
  assert.equal(the(router).count(/has not reported/, from), 0);
});

test("a link of 1400 octets: 366 sources are asked about in packets that fit, and all arrive", { skip }, async () => {
  const sources = Array.from({ length: 366 }, (_, i) => address(`10.7.${i >> 8}.${i & 255}`));
  for (const part of [sources.slice(0, 200), sources.slice(200)])
    await puts(report("10.2.0.12", ["allow", "232.1.1.1", ...part]));
  await puts(report("10.2.0.12", ["to-in", "232.1.1.1", address(SOURCE)]));
  // 341 and 25 of them, each twice.
  const asked = /igmp query v3 \[max resp time 1\.0s\] \[gaddr 232\.1\.1\.1/;
  await the(wire).sawTimes(4, asked, LIMIT);
});
