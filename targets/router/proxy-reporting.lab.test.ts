// The router bundle as a switch with proxy reporting between two viewers and a router with the kernel's own querier, which the bridge of
// another namespace is: its table says what it has been told, and its stream goes where that says. Needs root, and nft.
import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { after, before, test } from "node:test";
import { whyNotWithNft } from "./lab-host.testkit.ts";
import { type Actor, act, cable, inside, ip, makeNamespaces, removeNamespaces } from "./namespaces.testkit.ts";

const PREFIX = `px-${process.pid}`;
const [SWITCH, HOST_A, HOST_B, ROUTER] = ["s", "a", "b", "r"].map((name) => `${PREFIX}-${name}`) as [
  string,
  string,
  string,
  string,
];
const NAMESPACES = [SWITCH, HOST_A, HOST_B, ROUTER];
/** The switch has the lowest address: it would win an election. */
const [PORT, SOURCE] = ["5004", "10.4.0.9"];
const HELPER = "targets/router/lab-host.testkit.cjs";
const skip = whyNotWithNft() || (!existsSync("dist/router.cjs") && "needs npm run build");

const SETTINGS = [
  "id=lab-proxy",
  `socket=/tmp/${PREFIX}.sock`,
  "log.format=json",
  "forwarding=bridge",
  "downstreams.0.interface=br0",
  "downstreams.0.proxyReporting=true",
  "downstreams.0.queryInterval=15",
  "downstreams.0.queryResponseInterval=0.5",
  "downstreams.0.lastMemberQueryInterval=0.3",
].flatMap((setting) => ["--set", setting]);

interface Proxied {
  readonly state: string;
  readonly counts: object;
  readonly perPort: readonly {
    readonly port: string;
    readonly version: number;
    readonly groups: readonly { readonly group: string }[];
  }[];
}

const proxied = (): Proxied =>
  JSON.parse(inside(SWITCH, process.execPath, "dist/router.cjs", ...SETTINGS, "status", "--json")).interfaces[0]
    .snooping.proxied;
/** Whether the router's kernel sends the group to the switch. */
const isTold = (group: string): boolean =>
  inside(ROUTER, "bridge", "mdb", "show", "dev", "brr").includes(`port eth0 grp ${group} `);
const hasFilter = (): boolean => inside(SWITCH, "nft", "list", "tables").includes("sealcast_reports");

async function until(what: string, condition: () => boolean, limit = 15_000): Promise<void> {
  const end = performance.now() + limit;
  while (!condition()) {
    assert.ok(performance.now() < end, what);
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

let [router, wire, wireA, wireB, a, b]: (Actor | undefined)[] = [];
const the = (actor: Actor | undefined): Actor => actor ?? assert.fail("the lab is not built");
const gets = (host: Actor, group: string, count: number, limit = 10_000): Promise<void> =>
  host.sawTimes(count, new RegExp(`^${group} \\d`), limit, host.lines.length);
/** The numbers of the datagrams that `host` has got since its line `from`. */
const withoutGap = (host: Actor, group: string, from: number): void => {
  const lines = host.lines.slice(from).filter((line) => line.startsWith(`${group} `));
  const seen = lines.map((line) => Number(line.split(" ")[1]));
  const missing = seen.flatMap((number, i) =>
    i > 0 && number !== (seen[i - 1] ?? 0) + 1 ? [[seen[i - 1], number]] : [],
  );
  assert.deepEqual(missing, [], `no packet is missing between these, of ${seen[0]} to ${seen.at(-1)}`);
};

const start = (): Actor => act(SWITCH, process.execPath, "dist/router.cjs", ...SETTINGS);
async function ended({ process: child, lines }: Actor, signal: NodeJS.Signals): Promise<void> {
  assert.equal(child.exitCode ?? child.signalCode, null, `it has ended by itself:\n${lines.slice(-5).join("\n")}`);
  const end = new Promise((resolve) => child.once("exit", resolve));
  child.kill(signal);
  await end;
}

/** But what the bridge's own kernel joined: 224.0.0.106, to hear of routers (RFC 4286). */
const REPORT = /igmp (v\d report|leave)(?!.*224\.0\.0\.106)/;
type Said = "joins" | "leaves" | "answers";
/** A host's message that says so of a group. */
const saying = (version: 2 | 3, what: Said, group: string): RegExp => {
  const text = group.replaceAll(".", "\\.");
  if (version === 2) return new RegExp(what === "leaves" ? `igmp leave ${text}` : `igmp v2 report ${text}`);
  return new RegExp(`gaddr ${text} ${{ joins: "to_ex", leaves: "to_in", answers: "is_ex" }[what]}`);
};
const GENERAL_QUERY = /igmp query v[23](?!.*gaddr)/;

/** What is from one of them. */
const HOSTS = /10\.4\.0\.1[12] > /;

/** Everybody, at once, as when its querier is turned on; by itself every 15 s. */
function routerAsks(): void {
  for (const on of ["0", "1"]) ip("-n", ROUTER, "link", "set", "brr", "type", "bridge", "mcast_querier", on);
}

before(async () => {
  if (skip !== false) return;
  makeNamespaces(NAMESPACES);
  cable(SWITCH, "port-a", HOST_A, "eth0");
  cable(SWITCH, "port-b", HOST_B, "eth0");
  cable(SWITCH, "port-r", ROUTER, "eth0");
  ip("-n", SWITCH, "link", "add", "br0", "type", "bridge", "mcast_snooping", "0");
  for (const port of ["port-a", "port-b", "port-r"]) ip("-n", SWITCH, "link", "set", port, "master", "br0");
  ip("-n", SWITCH, "link", "set", "br0", "up");
  ip("-n", ROUTER, "link", "add", "brr", "type", "bridge");
  // In hundredths of a second; the rest as it is by default: it remembers for 260 s who was heard.
  const times = {
    query_interval: 1500,
    startup_query_interval: 1500,
    query_response_interval: 50,
    last_member_interval: 30,
  };
  const querier = ["mcast_query_use_ifaddr", "1", "mcast_igmp_version", "3"];
  const settings = Object.entries(times).flatMap(([name, value]) => [`mcast_${name}`, String(value)]);
  ip("-n", ROUTER, "link", "set", "brr", "type", "bridge", ...querier, ...settings);
  ip("-n", ROUTER, "link", "set", "eth0", "master", "brr");
  ip("-n", ROUTER, "link", "set", "brr", "up");
  for (const [namespace, name, address] of [
    [SWITCH, "br0", "10.4.0.1"],
    [HOST_A, "eth0", "10.4.0.11"],
    [HOST_B, "eth0", "10.4.0.12"],
    [ROUTER, "brr", SOURCE],
  ] as const)
    ip("-n", namespace, "addr", "add", `${address}/24`, "dev", name);
  for (const [namespace, name] of [
    [HOST_A, "eth0"],
    [HOST_B, "eth0"],
    [ROUTER, "brr"],
  ] as const)
    ip("-n", namespace, "route", "add", "default", "dev", name);
  wire = act(ROUTER, "tcpdump", "-l", "-n", "-v", "-i", "eth0", "igmp");
  [wireA, wireB] = [HOST_A, HOST_B].map((host) =>
    act(host, "tcpdump", "-l", "-n", "-v", "-Q", "in", "-i", "eth0", "igmp"),
  );
  for (const one of [wire, wireA, wireB]) await the(one).saw(/listening on/);
  a = act(HOST_A, process.execPath, HELPER, "host", "10.4.0.11", PORT);
  b = act(HOST_B, process.execPath, HELPER, "host", "10.4.0.12", PORT);
  const sender = act(ROUTER, process.execPath, HELPER, "send", SOURCE, PORT);
  await sender.saw(/ready/);
  for (const group of [GROUPS[2], GROUPS[3], LASTING]) sender.say(group);
  router = start();
  await the(router).saw(/"msg":"running"/, 20_000);
  routerAsks();
  await the(router).saw(/reports stay within the bridge/, 20_000);
  for (const host of [a, b]) the(host).say(`join ${LASTING}`);
  await gets(the(b), LASTING, 10);
});

after(() => (skip === false ? removeNamespaces(NAMESPACES) : undefined));

const GROUPS = { 2: "239.4.2.2", 3: "239.4.3.3" } as const;
const LASTING = "239.4.1.1";

test("the router is known by its questions, goes on asking though our address is lower, and is told by its port", {
  skip,
}, async () => {
  const { state, perPort } = proxied();
  assert.deepEqual([state, perPort.map(({ port, version }) => [port, version])], ["in force", [["port-r", 3]]]);
  const from = the(wire).lines.length;
  await the(wire).saw(GENERAL_QUERY, 40_000, from);
  assert.equal(the(wire).count(/10\.4\.0\.1 > .*igmp query/), 0);
});

/** The router asks everybody, and has heard this in answer. */
async function isAsked(answer = /igmp v[23] report/): Promise<void> {
  const from = the(wire).lines.length;
  routerAsks();
  await the(wire).saw(GENERAL_QUERY, 10_000, from);
  await the(wire).saw(answer, 10_000, from);
}

/** Two viewers of one group come and go. */
async function comeAndGo(version: 2 | 3): Promise<void> {
  const group = GROUPS[version];
  const says = (what: Said): RegExp => saying(version, what, group);
  const from = the(wire).lines.length;
  the(a).say(`join ${group}`);
  await gets(the(a), group, 5);
  the(b).say(`join ${group}`);
  await gets(the(b), group, 100);
  // Once more, as a host does. In version 2 an answer looks like a join.
  if (version === 3) assert.equal(the(wire).count(says("joins"), from), 2);
  const [second, stream] = [the(wire).lines.length, the(b).lines.length];
  the(a).say(`leave ${group}`);
  await the(wireA).saw(new RegExp(`igmp query.*gaddr ${group}`), 10_000);
  await gets(the(b), group, 100);
  withoutGap(the(b), group, stream);
  if (version === 3) assert.equal(the(wire).count(says("joins"), second), 0);
  assert.equal(the(wire).count(says("leaves"), second), 0);
  const asked = the(wire)
    .lines.slice(from)
    .filter((line) => /igmp query.*gaddr/.test(line));
  assert.deepEqual(asked, [], "nor is it asked");
  assert.ok(isTold(group));
  const last = the(wire).lines.length;
  the(b).say(`leave ${group}`);
  await until("the router stops", () => !isTold(group));
  // Version 3 says it once more.
  await the(wire).sawTimes(version - 1, says("leaves"), 10_000, last);
  await isAsked();
  assert.equal(the(wire).count(says("leaves"), last), version - 1);
  assert.equal(the(wire).count(HOSTS, from), 0, "nothing of hosts");
  assert.deepEqual(proxied().counts, {});
}

/**
 * Of a group that both have watched all the time: nothing is still to be said of it unasked. A querier that is turned on may ask twice in a
 * row.
 */
async function isAnsweredOnce(version: 2 | 3): Promise<void> {
  await isAsked();
  // Longer than anybody has to answer.
  await gets(the(b), LASTING, 50);
  const from = the(wire).lines.length;
  await isAsked(saying(version, "answers", LASTING));
  await gets(the(b), LASTING, 50);
  const [asked, answers] = [GENERAL_QUERY, saying(version, "answers", LASTING)].map((one) =>
    the(wire).count(one, from),
  );
  assert.ok(answers === 1 || answers === asked, the(wire).lines.slice(from).join("\n"));
}

test("v3: two viewers join, the router hears one join; one leaves, it hears nothing; the last, one leave", {
  skip,
}, async () => {
  await comeAndGo(3);
});

test("v3: a router that asks everybody is answered once", { skip }, () => isAnsweredOnce(3));

test("v2: two viewers join, the router hears one join; one leaves, it hears nothing; the last, one leave", {
  skip,
}, async () => {
  ip("-n", ROUTER, "link", "set", "brr", "type", "bridge", "mcast_igmp_version", "2");
  routerAsks();
  await until("version 2 is spoken", () => proxied().perPort[0]?.version === 2);
  await comeAndGo(2);
});

test("v2: a router that asks everybody is answered once", { skip }, () => isAnsweredOnce(2));

test("reports never reach the other host", { skip }, () => {
  for (const one of [wireA, wireB])
    assert.deepEqual(
      the(one).lines.filter((line) => REPORT.test(line)),
      [],
    );
});

test("a killed switch that is started again says no leave, and nobody loses a packet", { skip }, async () => {
  const [from, stream] = [the(wire).lines.length, the(b).lines.length];
  await ended(the(router), "SIGKILL");
  router = start();
  await the(router).saw(/reports stay within the bridge/, 40_000);
  await isAsked(saying(2, "answers", LASTING));
  await gets(the(b), LASTING, 50);
  withoutGap(the(b), LASTING, stream);
  for (const version of [2, 3] as const) assert.equal(the(wire).count(saying(version, "leaves", LASTING), from), 0);
  const last = the(wire).lines.length;
  await isAsked(saying(2, "answers", LASTING));
  assert.equal(the(wire).count(HOSTS, last), 0, "nothing of hosts");
});

test("a killed switch that is not started again: after a query interval the router hears the hosts", {
  skip,
}, async () => {
  const stream = the(b).lines.length;
  await ended(the(router), "SIGKILL");
  await the(wire).saw(HOSTS, 60_000, the(wire).lines.length);
  await gets(the(b), LASTING, 50);
  withoutGap(the(b), LASTING, stream);
  router = start();
  await the(router).saw(/reports stay within the bridge/, 40_000);
});

test("another program takes the filter away: it is put back", { skip }, async () => {
  inside(SWITCH, "nft", "flush", "ruleset");
  await until("the filter is back", hasFilter);
  assert.equal(proxied().state, "in force");
});

test("a stop says no leave and takes the filter away: hosts speak for themselves, and lose nothing", {
  skip,
}, async () => {
  const [from, stream] = [the(wire).lines.length, the(b).lines.length];
  await ended(the(router), "SIGINT");
  assert.equal(hasFilter(), false);
  await isAsked(HOSTS);
  await gets(the(b), LASTING, 50);
  withoutGap(the(b), LASTING, stream);
  for (const version of [2, 3] as const) assert.equal(the(wire).count(saying(version, "leaves", LASTING), from), 0);
});
