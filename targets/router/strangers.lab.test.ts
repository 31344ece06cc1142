// The router bundle while queries flood in on its upstream and every socket option takes 30 ms: no downstream takes one of them for
// its own, at the start, after a flap, for an interface that appears later, or when two interfaces change names. Needs root.
import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { after, before, test } from "node:test";
import { toHex } from "../../core/base/bytes.ts";
import { query } from "../../core/igmp/igmp.testkit.ts";
import { type Actor, act, cable, inside, ip, makeNamespaces, removeNamespaces } from "./namespaces.testkit.ts";

const PREFIX = `st-${process.pid}`;
const [ROUTER, CORE, LAN] = [`${PREFIX}-r`, `${PREFIX}-c`, `${PREFIX}-l`];
const root = process.getuid?.() === 0;
const skip = !root ? "needs root for network namespaces" : !existsSync("dist/router.cjs") && "needs npm run build";

/** Whoever believed these of lan0 or lan1 would stop asking there: the addresses are lower, two of them on the LANs' own subnets. */
const STRANGERS = ["10.0.0.42", "10.22.0.1", "10.23.0.1"].map((source) => toHex(query(source)));

const SETTINGS = [
  "id=lab-router",
  `socket=/tmp/${PREFIX}.sock`,
  "upstream.interface=core0",
  "downstreams.0.interface=lan0",
  "downstreams.1.interface=lan1",
  "log.format=json",
].flatMap((setting) => ["--set", setting]);
/** -D: what is spawned, and ended by a signal, is the router itself. */
const SLOWLY = ["strace", "-D", "-f", "-qq", "-o", "/dev/null", "-e", "trace=setsockopt"];
const DELAY = ["-e", "inject=setsockopt:delay_enter=30000"];

let [router, host, otherHost]: (Actor | undefined)[] = [];
const the = (actor: Actor | undefined): Actor => actor ?? assert.fail("the lab is not built");

function connect(name: string, far: string, own: string, theirs: string): void {
  cable(ROUTER, name, LAN, far);
  ip("-n", LAN, "addr", "add", `${theirs}/24`, "dev", far);
  ip("-n", ROUTER, "addr", "add", `${own}/24`, "dev", name);
}

interface Status {
  readonly interfaces: readonly {
    readonly name: string;
    readonly up: boolean;
    readonly querier: { readonly state: string };
  }[];
}

/** The downstreams that are up, with what they are. */
function duties(): Record<string, string> {
  const text = inside(ROUTER, process.execPath, "dist/router.cjs", ...SETTINGS, "status", "--json");
  const { interfaces } = JSON.parse(text) as Status;
  return Object.fromEntries(interfaces.filter(({ up }) => up).map(({ name, querier }) => [name, querier.state]));
}

const inUse = (name: string): RegExp => new RegExp(`"interface":"${name}".*is in use`);
const joined = (name: string, group: string): RegExp =>
  new RegExp(`"number":71.*"interface":"${name}".*"group":"${group}"`);
/** Nothing waits so long unless it waits for ever. */
const LIMIT = 20_000;

/** After a host's join has been heard on `name`, whatever came before it has been heard too. */
async function joins(who: Actor | undefined, name: string, group: string): Promise<void> {
  const from = the(router).lines.length;
  the(who).say(`join ${group}`);
  await the(router).saw(joined(name, group), LIMIT, from);
}

before(async () => {
  if (skip !== false) return;
  makeNamespaces([ROUTER, CORE, LAN]);
  cable(ROUTER, "core0", CORE, "eth0");
  ip("-n", ROUTER, "addr", "add", "10.0.0.22/24", "dev", "core0");
  connect("lan0", "eth0", "10.22.0.10", "10.22.0.11");
  const node = process.execPath;
  const flood = act(CORE, node, "hal/igmp/lab-flood.testkit.cjs", "eth0", ...STRANGERS);
  await flood.saw(/flooding/, LIMIT);
  host = act(LAN, node, "targets/router/lab-host.testkit.cjs", "host", "10.22.0.11", "5004");
  otherHost = act(LAN, node, "targets/router/lab-host.testkit.cjs", "host", "10.23.0.11", "5004");
  router = act(ROUTER, ...SLOWLY, ...DELAY, node, "dist/router.cjs", ...SETTINGS);
  await the(router).saw(/"msg":"running, waiting for interface lan1"/, LIMIT);
});

after(() => (root ? removeNamespaces([ROUTER, CORE, LAN]) : undefined));

test("at the start the LAN's querier hears nothing of the upstream's", { skip }, async () => {
  await joins(host, "lan0", "239.255.77.1");
  assert.deepEqual(duties(), { lan0: "querier" });
});

test("nor after its link was away", { skip }, async () => {
  const from = the(router).lines.length;
  ip("-n", ROUTER, "link", "set", "lan0", "down");
  await the(router).saw(/out of use/, LIMIT, from);
  ip("-n", ROUTER, "link", "set", "lan0", "up");
  await the(router).saw(inUse("lan0"), LIMIT, from);
  await joins(host, "lan0", "239.255.77.2");
  assert.deepEqual(duties(), { lan0: "querier" });
});

test("nor when the interface appears later", { skip }, async () => {
  connect("lan1", "eth1", "10.23.0.10", "10.23.0.11");
  await the(router).saw(inUse("lan1"), LIMIT);
  await joins(otherHost, "lan1", "239.255.77.3");
  assert.deepEqual(duties(), { lan0: "querier", lan1: "querier" });
});

test("two interfaces that change names change hosts", { skip }, async () => {
  const from = the(router).lines.length;
  const names = ["lan0", "lan1", "spare"] as const;
  for (const name of names.slice(0, 2)) ip("-n", ROUTER, "link", "set", name, "down");
  for (const [old, name] of [
    ["lan0", "spare"],
    ["lan1", "lan0"],
    ["spare", "lan1"],
  ] as const)
    ip("-n", ROUTER, "link", "set", old, "name", name);
  for (const name of names.slice(0, 2)) ip("-n", ROUTER, "link", "set", name, "up");
  for (const name of names.slice(0, 2)) await the(router).saw(inUse(name), LIMIT, from);
  await joins(host, "lan1", "239.255.77.4");
  await joins(otherHost, "lan0", "239.255.77.5");
  assert.equal(the(router).count(joined("lan0", "239.255.77.4"), from), 0);
  assert.deepEqual(duties(), { lan0: "querier", lan1: "querier" });
});
