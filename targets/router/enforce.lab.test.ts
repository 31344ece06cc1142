// Two hosts on one bridge join the same group, and control permits one: the other gets no packet. Real kernels, needs root.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { after, before, test } from "node:test";
import { whyNotWithNft } from "./lab-host.testkit.ts";
import { type Actor, act, cable, inside, ip, makeNamespaces, removeNamespaces } from "./namespaces.testkit.ts";

const PREFIX = `en-${process.pid}`;
const [ROUTER, GUEST, PAYER, SENDER] = [`${PREFIX}-r`, `${PREFIX}-a`, `${PREFIX}-b`, `${PREFIX}-s`];
const skip = whyNotWithNft();

const GROUP = "239.77.0.1";
const MACS = { [GUEST]: "02:00:00:00:77:0a", [PAYER]: "02:00:00:00:77:0b" };
/** Seconds that the last word stands: the least that the configuration allows. */
const STANDS = 10;
const CONFIG = {
  id: "lab",
  upstream: { interface: "up0" },
  downstreams: [{ interface: "br0", queryInterval: 4, queryResponseInterval: 1 }],
  enforce: { groups: ["239.77.0.0/16"], afterwards: "closed", stands: STANDS, refresh: 1 },
  broker: { url: "mqtt://nowhere" },
  identity: "none",
  reception: { id: "none", publicKey: "09".padEnd(64, "0") },
};
/** Nothing waits so long unless it waits for ever. */
const LIMIT = 30_000;

let [router, guest, payer]: (Actor | undefined)[] = [];
const the = (actor: Actor | undefined): Actor => actor ?? assert.fail("the lab is not built");

function connect(namespace: string, name: string, own: string, theirs: string, mac?: string): void {
  cable(ROUTER, name, namespace, "eth0");
  if (mac !== undefined) ip("-n", namespace, "link", "set", "eth0", "address", mac);
  ip("-n", namespace, "addr", "add", `${theirs}/24`, "dev", "eth0");
  ip("-n", namespace, "route", "add", "default", "via", own);
}

function startRouter(): Actor {
  return act(ROUTER, process.execPath, "build/targets/router/enforced-router.testkit.js", JSON.stringify(CONFIG));
}

const STREAM = new RegExp(`^${GROUP} \\d+`);
const received = (host: Actor | undefined): number => the(host).count(STREAM);
/** So many packets more, however long it takes them to come. */
const gets = (host: Actor | undefined, packets: number) => {
  const from = the(host).lines.length;
  return the(host).sawTimes(packets, STREAM, LIMIT, from);
};
const guardThere = (): boolean => inside(ROUTER, "nft", "list", "tables").includes("bridge sealcast");

before(async () => {
  if (skip !== false) return;
  makeNamespaces([ROUTER, GUEST, PAYER, SENDER]);
  // A bridge that floods: what the guest's port gets, it gets whatever it has reported.
  ip("-n", ROUTER, "link", "add", "br0", "type", "bridge", "mcast_snooping", "0");
  connect(SENDER, "up0", "10.1.0.1", "10.1.0.2");
  connect(GUEST, "port-a", "10.2.0.1", "10.2.0.11", MACS[GUEST]);
  connect(PAYER, "port-b", "10.2.0.1", "10.2.0.12", MACS[PAYER]);
  for (const port of ["port-a", "port-b"]) ip("-n", ROUTER, "link", "set", port, "master", "br0");
  ip("-n", ROUTER, "link", "set", "br0", "up");
  ip("-n", ROUTER, "addr", "add", "10.1.0.1/24", "dev", "up0");
  ip("-n", ROUTER, "addr", "add", "10.2.0.1/24", "dev", "br0");
  const lab = "targets/router/lab-host.testkit.cjs";
  guest = act(GUEST, process.execPath, lab, "host", "10.2.0.11", "5004");
  payer = act(PAYER, process.execPath, lab, "host", "10.2.0.12", "5004");
  const sender = act(SENDER, process.execPath, lab, "sender", "10.1.0.2", "5004");
  router = startRouter();
  await the(router).saw(/"msg":"running"/, LIMIT);
  await the(router).sawTimes(2, /tap is listening/, LIMIT);
  await sender.saw(/ready/, LIMIT);
  sender.say(GROUP);
});

after(() => (skip === false ? removeNamespaces([ROUTER, GUEST, PAYER, SENDER]) : undefined));

test("both join, one is permitted: it gets the stream and its neighbour on the bridge not one packet", {
  skip,
}, async () => {
  the(router).say(`permit ${MACS[PAYER]} ${GROUP}`);
  the(guest).say(`join ${GROUP}`);
  the(payer).say(`join ${GROUP}`);
  await gets(payer, 100);
  assert.equal(received(guest), 0);
});

test("the neighbour gets it as soon as it is permitted, and nothing more when the right is taken back", {
  skip,
}, async () => {
  the(router).say(`permit ${MACS[GUEST]} ${GROUP}`);
  await gets(guest, 50);
  the(router).say(`forbid ${MACS[GUEST]}`);
  // Asked within a refresh; then the stream goes on beside it.
  await the(router).saw(/"change":"expired".*02:00:00:00:77:0a|02:00:00:00:77:0a.*"change":"expired"/, LIMIT);
  await gets(payer, 20);
  const before = received(guest);
  await gets(payer, 100);
  assert.equal(received(guest), before);
});

/** With its helpers, as in a power cut. */
async function kill({ process: child }: Actor): Promise<void> {
  const children = readFileSync(`/proc/${child.pid}/task/${child.pid}/children`, "utf8").trim().split(" ");
  const ended = new Promise((resolve) => child.once("exit", resolve));
  for (const pid of [child.pid, ...children.map(Number)]) if (pid) process.kill(pid, "SIGKILL");
  await ended;
}

test("a router that is killed leaves the guard, and the next one takes it over: never a packet for the neighbour", {
  skip,
}, async () => {
  const before = received(guest);
  await kill(the(router));
  assert.ok(guardThere());
  router = startRouter();
  the(router).say(`permit ${MACS[PAYER]} ${GROUP}`);
  await gets(payer, 100);
  assert.equal(received(guest), before);
});

test("another program flushes all of nftables: the guard is put back, with what control has permitted", {
  skip,
}, async () => {
  const from = the(router).lines.length;
  inside(ROUTER, "nft", "flush", "ruleset");
  await the(router).saw(/in force again/, LIMIT, from);
  const before = received(guest);
  await gets(payer, 100);
  assert.equal(received(guest), before);
});

test("control goes away: its last word stands for the time configured, then nobody gets anything, until it speaks", {
  skip,
}, async () => {
  const [count, since, from] = [received(guest), performance.now(), the(router).lines.length];
  the(router).say("away");
  await gets(payer, 200);
  await the(router).saw(/delivery ends/, LIMIT, from);
  const stood = (performance.now() - since) / 1000;
  // The last word may have been said a refresh before.
  assert.ok(stood >= STANDS - 1.5, `only ${stood} s`);
  the(router).say("back");
  await gets(payer, 50);
  assert.equal(received(guest), count);
});

test("enforced no more, and again, while two watch: the guest gets it and is cut, the other loses no packet", {
  skip,
}, async () => {
  const first = the(payer).lines.length;
  const begun = received(guest);
  the(router).say(`reload ${JSON.stringify({ ...CONFIG, enforce: undefined })}`);
  await gets(guest, 50);
  assert.ok(!guardThere());
  const from = the(router).lines.length;
  the(router).say(`reload ${JSON.stringify(CONFIG)}`);
  await the(router).saw(/02:00:00:00:77:0a.*"change":"expired"|"change":"expired".*02:00:00:00:77:0a/, LIMIT, from);
  assert.ok(guardThere());
  await gets(payer, 20);
  const cut = received(guest);
  await gets(payer, 100);
  assert.deepEqual([received(guest), cut > begun], [cut, true]);
  const numbers = the(payer)
    .lines.slice(first)
    .flatMap((line) => /^239\S+ (\d+)/.exec(line)?.[1] ?? [])
    .map(Number);
  const [start = 0, end = 0] = [numbers[0], numbers.at(-1)];
  assert.equal(numbers.length, end - start + 1, `every packet of ${start} to ${end}`);
});

test("a stop removes the guard", { skip }, async () => {
  assert.ok(guardThere());
  const { process: child } = the(router);
  child.kill("SIGTERM");
  await new Promise((resolve) => child.once("exit", resolve));
  assert.ok(!guardThere());
});
