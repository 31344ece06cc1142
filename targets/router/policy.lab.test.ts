// Control gives the router bundle a policy while two watch: who is denied sees nothing more, the other loses no packet; the word stands
// without control. Real kernels, real bundles, needs root.
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { type Actor, act, cable, inside, ip, makeNamespaces, removeNamespaces } from "./namespaces.testkit.ts";
import type { RouterStatus } from "./status.ts";

const PREFIX = `po-${process.pid}`;
const [ROUTER, HOST_A, HOST_B, SENDER] = ["r", "a", "b", "s"].map((name) => `${PREFIX}-${name}`) as [
  string,
  string,
  string,
  string,
];
const root = process.getuid?.() === 0;
const isBuilt = existsSync("dist/router.cjs") && existsSync("dist/control.cjs");
const skip = !root ? "needs root for network namespaces" : !isBuilt && "needs npm run build";

const [GROUP, STATIC] = ["239.78.0.1", "239.78.0.2"];
const MAC_A = "02:00:00:00:78:0a";
/** Nothing waits so long unless it waits for ever. */
const LIMIT = 30_000;

const folder = mkdtempSync(join(tmpdir(), "sealcast-policy-"));
const file = (name: string): string => join(folder, name);
const settings = (...all: readonly string[]): string[] => all.flatMap((setting) => ["--set", setting]);
const node = process.execPath;

const CONTROL = settings(
  "broker.listeners.0.port=18830",
  `keyServer.identity=${file("key-server.json")}`,
  `reception.identity=${file("reception-server.json")}`,
  `store.path=${file("control.db")}`,
  `socket=${file("control.sock")}`,
);

function operator(...command: string[]): { readonly code: number | null; readonly out: string; readonly err: string } {
  const done = spawnSync(node, ["dist/control.cjs", ...CONTROL, ...command], { encoding: "utf8" });
  return { code: done.status, out: done.stdout, err: done.stderr };
}

function control(...command: string[]): string {
  const { code, out, err } = operator(...command);
  assert.equal(code, 0, err);
  return out;
}

const policy = (value: object): string => {
  writeFileSync(file("policy.json"), JSON.stringify(value));
  return file("policy.json");
};
const give = (value: object): string => control("router", "policy", "set", "po-router", policy(value));

interface Listed {
  readonly router: string;
  readonly revision?: number;
  readonly state: string;
  readonly faults?: readonly string[];
}
const standing = (): Listed | undefined =>
  (JSON.parse(control("router", "policy", "list", "--json")) as Listed[]).find(({ router: id }) => id === "po-router");

let routerSettings: readonly string[] = [];
const router = (...command: string[]): string => inside(ROUTER, node, "dist/router.cjs", ...routerSettings, ...command);
const status = (): RouterStatus => JSON.parse(router("status", "--json")) as RouterStatus;
const startRouter = (): Actor => act(ROUTER, node, "dist/router.cjs", ...routerSettings);

/** The bridge ports that get a group. */
const portsOf = (group: string): readonly string[] =>
  (status().interfaces[0]?.snooping?.perPort ?? [])
    .filter(({ groups }) => groups.some((one) => one.group === group))
    .map(({ port }) => port);

let [router_, server, sender, a, b]: (Actor | undefined)[] = [];
const the = (actor: Actor | undefined): Actor => actor ?? assert.fail("the lab is not built");

async function until(what: string, isSo: () => boolean): Promise<void> {
  for (const end = performance.now() + LIMIT; !isSo(); await new Promise((resolve) => setTimeout(resolve, 50)))
    assert.ok(performance.now() < end, `waited in vain for ${what}`);
}

/** Packets of the sender. A bridge floods until it has known a querier for the time to answer that its first query gave, 1 s. */
const FLOODED = 75;
const STREAM = new RegExp(`^${GROUP} \\d+`);
/** So many packets more, however long it takes them to come. */
const gets = (host: Actor | undefined, packets: number): Promise<void> =>
  the(host).sawTimes(packets, STREAM, LIMIT, the(host).lines.length);
/** The numbers of the packets that the host has got since its line `from`. */
const numbers = (host: Actor | undefined, from: number): readonly number[] =>
  the(host)
    .lines.slice(from)
    .filter((line) => STREAM.test(line))
    .map((line) => Number(line.split(" ")[1]));

async function ended(actor: Actor, signal: NodeJS.Signals): Promise<void> {
  const end = new Promise((resolve) => actor.process.once("exit", resolve));
  actor.process.kill(signal);
  await end;
}

/** The number of the packet that was sent last. */
async function sentSoFar(): Promise<number> {
  const from = the(sender).lines.length;
  the(sender).say("?");
  await the(sender).saw(/^sent \d+$/, LIMIT, from);
  return Number(the(sender).lines.slice(from).join(" ").split(" ")[1]);
}

/**
 * A gets nothing of what was sent after this packet, while B gets a hundred more. By the packets' numbers: lines come late, more so when a
 * command ran.
 */
async function onlyBWatches(last: number): Promise<void> {
  const more = Math.max(last, await sentSoFar()) + 100;
  await until("later packets at B", () => (numbers(b, 0).at(-1) ?? 0) > more);
  assert.deepEqual(
    numbers(a, 0).filter((number) => number > last),
    [],
  );
}

before(async () => {
  if (skip !== false) return;
  makeNamespaces([ROUTER, HOST_A, HOST_B, SENDER]);
  ip("-n", ROUTER, "link", "add", "br0", "type", "bridge", "mcast_snooping", "0");
  for (const [namespace, name, own, mac] of [
    [SENDER, "up0", "10.1.0.2", undefined],
    [HOST_A, "port-a", "10.2.0.11", MAC_A],
    [HOST_B, "port-b", "10.2.0.12", undefined],
  ] as const) {
    cable(ROUTER, name, namespace, "eth0");
    if (mac !== undefined) ip("-n", namespace, "link", "set", "eth0", "address", mac);
    ip("-n", namespace, "addr", "add", `${own}/24`, "dev", "eth0");
    ip("-n", namespace, "route", "add", "default", "via", own.replace(/\d+$/, "1"));
    if (name !== "up0") ip("-n", ROUTER, "link", "set", name, "master", "br0");
  }
  ip("-n", ROUTER, "link", "set", "br0", "up");
  ip("-n", ROUTER, "addr", "add", "10.1.0.1/24", "dev", "up0");
  ip("-n", ROUTER, "addr", "add", "10.2.0.1/24", "dev", "br0");
  control("init");
  control("service", "add", "po-router", "--role", "router", "--identity-out", file("router.json"));
  const reception = JSON.parse(control("peers", "router")) as { id: string; publicKey: string };
  routerSettings = settings(
    "id=po-router",
    "log.format=json",
    `socket=${file("router.sock")}`,
    "upstream.interface=up0",
    "downstreams.0.interface=br0",
    "downstreams.0.snooping=true",
    "broker.url=mqtt://127.0.0.1:18830",
    `identity=${file("router.json")}`,
    `reception.id=${reception.id}`,
    `reception.publicKey="${reception.publicKey}"`,
    `evidence.file=${file("router.evidence")}`,
    `policy.file=${file("router.policy")}`,
  );
  const lab = "targets/router/lab-host.testkit.cjs";
  a = act(HOST_A, node, lab, "host", "10.2.0.11", "5004");
  b = act(HOST_B, node, lab, "host", "10.2.0.12", "5004");
  sender = act(SENDER, node, lab, "sender", "10.1.0.2", "5004");
  server = act(ROUTER, node, "dist/control.cjs", ...CONTROL, "run");
  await server.saw(/running/, LIMIT);
  router_ = startRouter();
  await router_.saw(/"msg":"running"/, LIMIT);
  await router_.saw(/broker connected/, LIMIT);
  await the(sender).saw(/ready/, LIMIT);
  for (const group of [GROUP, STATIC]) the(sender).say(group);
  for (const host of [a, b]) host.say(`join ${GROUP}`);
  await Promise.all([gets(a, 20), gets(b, 20)]);
});

after(async () => {
  if (root) await removeNamespaces([ROUTER, HOST_A, HOST_B, SENDER]);
  rmSync(folder, { recursive: true, force: true });
});

test("of two that watch on one bridge one is denied live: its stream ends, the other loses no packet", {
  skip,
}, async () => {
  const from = the(b).lines.length;
  assert.match(
    give({ rules: [{ action: "deny", host: MAC_A, groups: ["239.78.0.0/16"] }] }),
    /router po-router: policy/,
  );
  await until("the router to have it", () => standing()?.state === "in force");
  await until("the end of it at A's port", () => !portsOf(GROUP).includes("port-a"));
  await onlyBWatches((await sentSoFar()) + FLOODED);
  const seen = numbers(b, from);
  assert.deepEqual(
    seen,
    seen.map((_, i) => (seen[0] ?? 0) + i),
    "no packet is missing",
  );
});

test("status has the policy, its revision and whose the rule is; why names it, and control has the evidence", {
  skip,
}, async () => {
  const { policy: inForce, refusals, warnings } = status();
  assert.equal(inForce.revision, standing()?.revision);
  assert.deepEqual([inForce.entries, inForce.kept, warnings], [["rules"], "on disk", []]);
  assert.deepEqual(inForce.rules, [{ rule: 1, from: "control", says: `deny 239.78.0.0/16 to ${MAC_A}` }]);
  const refusal = refusals.find(({ rule }) => rule !== undefined);
  assert.deepEqual([refusal?.mac, refusal?.rule, refusal?.ruleFrom], [MAC_A, 1, "control"]);
  const why = spawnSync("ip", [
    ...["netns", "exec", ROUTER, node, "dist/router.cjs", ...routerSettings],
    ...["status", "--json", "--why", GROUP, "10.2.0.11"],
  ]);
  assert.match(String(why.stdout), /was refused .*rule 1 of control's `rules` decides \(policy\.denied\)/);
  await until("the end of its membership at control", () =>
    /"mac":"02:00:00:00:78:0a"[^}]*"until":/.test(control("memberships", "--json")),
  );
});

test("a static group is asked for and delivered at every port though nobody has joined it, whatever the rules say", {
  skip,
}, async () => {
  const wires = [HOST_A, HOST_B].map((host) =>
    act(host, "tcpdump", "-l", "-n", "-Q", "in", "-i", "eth0", "udp and dst", STATIC),
  );
  for (const wire of wires) await wire.saw(/listening on/, LIMIT);
  const rules = [{ action: "deny", host: MAC_A, groups: ["239.78.0.0/16"] }];
  give({ rules, downstreams: [{ interface: "br0", staticGroups: [{ group: STATIC }] }] });
  for (const wire of wires) await wire.sawTimes(100, /> 239\.78\.0\.2\.5004: UDP/, LIMIT);
  assert.ok(status().upstream?.groups.includes(STATIC));
  assert.deepEqual([...portsOf(STATIC)].sort(), ["port-a", "port-b"]);
  give({ rules });
  await until("the end of it at the ports", () => portsOf(STATIC).length === 0);
  // tcpdump tells of a packet up to a second late.
  await gets(b, 100);
  const before = wires.map((wire) => wire.lines.length);
  await gets(b, 100);
  assert.deepEqual(
    wires.map((wire) => wire.lines.length),
    before,
  );
});

test("a policy that cannot be is refused by the command with the entry's path, and the router hears nothing of it", {
  skip,
}, async () => {
  const before = standing();
  const file_ = policy({ rules: [{ action: "forbid" }], downstreams: [{ interface: "br0", maxGroups: 0, colour: 1 }] });
  const { code, err } = operator("router", "policy", "set", "po-router", file_);
  assert.equal(code, 65);
  for (const path of ["rules.0.action", "downstreams.0.maxGroups", "downstreams.0.colour"])
    assert.ok(err.includes(`${path}: `), err);
  assert.deepEqual(standing(), before);
});

test("one that only the router can refuse it refuses in words, and what was in force stays", { skip }, async () => {
  const { revision } = status().policy;
  give({ rules: [{ action: "deny", interface: "eth9" }] });
  await until("the refusal", () => standing()?.state === "refused");
  assert.deepEqual(standing()?.faults, ["rules.0.interface: this router has no downstream eth9; it has br0"]);
  assert.deepEqual([status().policy.revision, status().warnings.length], [revision, 1]);
  await onlyBWatches(await sentSoFar());
});

/** A asks again, and its bridge has heard it. */
async function asksAgain(): Promise<void> {
  const wire = act(HOST_A, "tcpdump", "-l", "-n", "-Q", "out", "-i", "eth0", "igmp");
  await wire.saw(/listening on/, LIMIT);
  the(a).say(`leave ${GROUP}`);
  the(a).say(`join ${GROUP}`);
  await wire.saw(/igmp v3 report/, LIMIT);
}

test("without control the word stands, over a restart of the router too, though A asks while nobody listens", {
  skip,
}, async () => {
  const { revision } = status().policy;
  await ended(the(server), "SIGKILL");
  const last = await sentSoFar();
  for (const signal of ["SIGTERM", "SIGKILL"] as const) {
    await ended(the(router_), signal);
    await asksAgain();
    router_ = startRouter();
    await router_.saw(/"msg":"running"/, LIMIT);
  }
  assert.deepEqual([status().policy.revision, status().policy.rules[0]?.from], [revision, "control"]);
  await onlyBWatches(last);
  await until("A to be refused anew", () => status().refusals.some(({ mac }) => mac === MAC_A));
});

test("control comes back and takes the policy back: the file holds, and A watches again", { skip }, async () => {
  server = act(ROUTER, node, "dist/control.cjs", ...CONTROL, "run");
  await server.saw(/running/, LIMIT);
  control("router", "policy", "clear", "po-router");
  await gets(a, 50);
  assert.deepEqual([status().policy.entries, status().policy.rules], [[], []]);
  await until("control to know", () => standing()?.state === "in force");
});

const hasNft = ["/usr/sbin/nft", "/sbin/nft", "/usr/bin/nft"].some((path) => existsSync(path));

test("control gives what is enforced: with no device registered nobody watches, and both do when it is taken back", {
  skip: skip || (!hasNft && "needs nft"),
}, async () => {
  const isGuarded = (): boolean => inside(ROUTER, "nft", "list", "tables").includes("bridge sealcast");
  await Promise.all([gets(a, 20), gets(b, 20)]);
  give({ enforce: { groups: ["239.78.0.0/16"], afterwards: "closed" } });
  await until("nobody to be a member", () => status().interfaces[0]?.hosts.length === 0);
  const { enforce, policy: inForce } = status();
  assert.deepEqual(
    [inForce.entries, enforce?.permitted, enforce?.ports, isGuarded()],
    [["enforce"], 0, "guarded", true],
  );
  control("router", "policy", "clear", "po-router");
  await Promise.all([gets(a, 50), gets(b, 50)]);
  assert.deepEqual([status().enforce, isGuarded()], [undefined, false]);
});
