// The router bundle on one bridge that keeps two VLANs apart, as OpenWrt lays out its switches: hosts of both behind a trunk, behind access
// ports and behind a port of both. `npm run lab:vm` has a kernel with VLANs.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { toHex } from "../../core/base/bytes.ts";
import { query } from "../../core/igmp/igmp.testkit.ts";
import { numbers, withoutGap } from "./lab-host.testkit.ts";
import { type Actor, act, cable, inside, ip, makeNamespaces, removeNamespaces } from "./namespaces.testkit.ts";

const PREFIX = `vl-${process.pid}`;
const [ROUTER, TRUNK, TEN, TWENTY, BOTH, SENDER] = ["r", "t", "a", "b", "h", "s"].map(
  (name) => `${PREFIX}-${name}`,
) as [string, string, string, string, string, string];
const NAMESPACES = [ROUTER, TRUNK, TEN, TWENTY, BOTH, SENDER];
const [PORT, SOURCE] = ["5004", "10.1.0.2"];
const HELPER = "targets/router/lab-host.testkit.cjs";
/** In VLAN 20 only. */
const DENIED = "239.1.78.66";

const SETTINGS = [
  "id=lab-vlans",
  `socket=/tmp/${PREFIX}.sock`,
  "log.format=json",
  "upstream.interface=up0",
  ...["br-lan.10", "br-lan.20"].flatMap((name, i) =>
    [
      `interface=${name}`,
      "snooping=true",
      "queryInterval=2",
      "queryResponseInterval=0.5",
      "lastMemberQueryInterval=0.3",
    ].map((entry) => `downstreams.${i}.${entry}`),
  ),
  "rules.0.action=deny",
  "rules.0.vlan=20",
  `rules.0.groups.0=${DENIED}`,
].flatMap((setting) => ["--set", setting]);

interface Where {
  readonly host: string;
  readonly mac: string;
  readonly port?: string;
  readonly vlan?: number;
  readonly group: string;
}

interface Shown {
  readonly name: string;
  readonly querier: { readonly state: string };
  readonly groups: readonly { readonly group: string }[];
  readonly hosts: readonly Where[];
  readonly snooping: { readonly state: string; readonly counts: object };
  readonly ports: Readonly<Record<string, { readonly drops: Readonly<Record<string, number>> }>>;
}

const status = (): { interfaces: readonly Shown[]; refusals: readonly (Where & { rule: number })[] } =>
  JSON.parse(inside(ROUTER, process.execPath, "dist/router.cjs", ...SETTINGS, "status", "--json"));
const shown = (vlan: number): Shown =>
  status().interfaces.find(({ name }) => name === `br-lan.${vlan}`) ?? assert.fail("no such interface");
/** "10.10.0.12 behind a10 in 10", of the members of a group. */
const members = (vlan: number, group: string): readonly string[] =>
  shown(vlan)
    .hosts.filter((one) => one.group === group)
    .map(({ host, port, vlan: its }) => `${host} behind ${port} in ${its}`)
    .sort();
/** "a10 10": what the kernel has of a group, by port and VLAN. */
const entries = (group: string): readonly string[] =>
  Array.from(
    inside(ROUTER, "bridge", "mdb", "show", "dev", "br-lan").matchAll(/port (\S+) grp (\S+) .*vid (\d+)/g),
    ([, port, of, vid]) => (of === group ? [`${port} ${vid}`] : []),
  )
    .flat()
    .sort();

async function until(what: string, condition: () => boolean, limit = 8000): Promise<void> {
  const end = performance.now() + limit;
  while (!condition()) {
    assert.ok(performance.now() < end, what);
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

let [router, trunk, ten, twenty, both, sender, wireTen, wireTwenty]: (Actor | undefined)[] = [];
const the = (actor: Actor | undefined): Actor => actor ?? assert.fail("the lab is not built");
const streamOf = (group: string) => new RegExp(`> ${group.replaceAll(".", "\\.")}\\.${PORT}: UDP`);
/** By the kernel's stamps: the lines come later. */
const shownSince = (seconds: number, { lines }: Actor, group: string): number =>
  lines.filter((line) => streamOf(group).test(line) && Number(line.split(" ", 1)[0]) > seconds).length;
const gets = (host: Actor, group: string, count: number, limit = 8000): Promise<void> =>
  host.sawTimes(count, new RegExp(`^${group} \\d`), limit, host.lines.length);

/** A port of the bridge in these VLANs, of which the first, if it says so, is that of frames without a tag. */
function port(name: string, host: string, access: number | undefined, tagged: readonly number[]): void {
  cable(ROUTER, name, host, "eth0");
  ip("-n", ROUTER, "link", "set", name, "master", "br-lan");
  const vlan = (...words: string[]) => inside(ROUTER, "bridge", "vlan", ...words);
  vlan("del", "dev", name, "vid", "1");
  if (access !== undefined) vlan("add", "dev", name, "vid", `${access}`, "pvid", "untagged");
  for (const id of tagged) {
    vlan("add", "dev", name, "vid", `${id}`);
    ip("-n", host, "link", "add", "link", "eth0", "name", `eth0.${id}`, "type", "vlan", "id", `${id}`);
    ip("-n", host, "link", "set", `eth0.${id}`, "up");
  }
}

before(async () => {
  makeNamespaces(NAMESPACES);
  ip("-n", ROUTER, "link", "add", "br-lan", "type", "bridge", "vlan_filtering", "1", "mcast_snooping", "0");
  inside(ROUTER, "bridge", "vlan", "del", "dev", "br-lan", "vid", "1", "self");
  port("trunk", TRUNK, undefined, [10, 20]);
  port("a10", TEN, 10, []);
  port("b20", TWENTY, 20, []);
  port("both", BOTH, 20, [10]);
  cable(ROUTER, "up0", SENDER, "eth0");
  ip("-n", ROUTER, "link", "set", "br-lan", "up");
  for (const id of ["10", "20"]) {
    inside(ROUTER, "bridge", "vlan", "add", "dev", "br-lan", "vid", id, "self");
    ip("-n", ROUTER, "link", "add", "link", "br-lan", "name", `br-lan.${id}`, "type", "vlan", "id", id);
    ip("-n", ROUTER, "link", "set", `br-lan.${id}`, "up");
  }
  for (const [namespace, name, address] of [
    [ROUTER, "up0", "10.1.0.1"],
    [ROUTER, "br-lan.10", "10.10.0.100"],
    [ROUTER, "br-lan.20", "10.20.0.100"],
    [TRUNK, "eth0.10", "10.10.0.11"],
    [TRUNK, "eth0.20", "10.20.0.11"],
    [TEN, "eth0", "10.10.0.12"],
    [TWENTY, "eth0", "10.20.0.12"],
    [BOTH, "eth0", "10.20.0.13"],
    [BOTH, "eth0.10", "10.10.0.13"],
    [SENDER, "eth0", SOURCE],
  ] as const)
    ip("-n", namespace, "addr", "add", `${address}/24`, "dev", name);
  ip("-n", SENDER, "route", "add", "default", "dev", "eth0");
  const host = (namespace: string) => act(namespace, process.execPath, HELPER, "host", "0.0.0.0", PORT);
  [trunk, ten, twenty, both] = [TRUNK, TEN, TWENTY, BOTH].map(host);
  [wireTen, wireTwenty] = [TEN, TWENTY].map((one) =>
    act(one, "tcpdump", "-l", "-n", "-tt", "-Q", "in", "-i", "eth0", "udp or igmp"),
  );
  sender = act(SENDER, process.execPath, HELPER, "send", SOURCE, PORT);
  await the(sender).saw(/ready/, 15_000);
  for (const one of [wireTen, wireTwenty]) await the(one).saw(/listening on/, 15_000);
  router = act(ROUTER, process.execPath, "dist/router.cjs", ...SETTINGS);
  await the(router).saw(/"msg":"running"/, 90_000);
  // From then on the bridge looks into its table: it has known a querier for the response time.
  for (const wire of [wireTen, wireTwenty]) await the(wire).sawTimes(3, /igmp query v3(?!.*gaddr)/, 30_000);
});

after(() => removeNamespaces(NAMESPACES));

const join = (host: Actor, group: string, address: string): void => host.say(`join ${group} by ${address}`);

test("the bridge's table is kept for each VLAN", () => {
  assert.deepEqual(
    [10, 20].map(shown).map(({ snooping }) => [snooping.state, snooping.counts]),
    [
      ["kept", {}],
      ["kept", {}],
    ],
  );
});

test("a host of VLAN 10 behind a trunk is a member of VLAN 10 alone, and its entry in the kernel is VLAN 10's", async () => {
  const group = "239.1.78.1";
  the(sender).say(group);
  join(the(trunk), group, "10.10.0.11");
  await until("the port's entry is there", () => entries(group).length > 0);
  const from = [wireTen, wireTwenty].map((wire) => the(wire).lines.length);
  await gets(the(trunk), group, 100);
  assert.deepEqual([members(10, group), members(20, group)], [["10.10.0.11 behind trunk in 10"], []]);
  assert.deepEqual(
    shown(20).groups.map((one) => one.group),
    [],
  );
  assert.deepEqual(entries(group), ["trunk 10"]);
  for (const [i, wire] of [wireTen, wireTwenty].entries())
    assert.equal(the(wire).count(streamOf(group), from[i]), 0, "nothing of it reaches a neighbour");
});

test("the same group in both VLANs, tagged and untagged: each host is told with its port and VLAN, on an access port too", async () => {
  const group = "239.1.78.2";
  the(sender).say(group);
  join(the(ten), group, "10.10.0.12");
  join(the(twenty), group, "10.20.0.12");
  join(the(trunk), group, "10.20.0.11");
  for (const host of [ten, twenty, trunk]) await gets(the(host), group, 20);
  assert.deepEqual(members(10, group), ["10.10.0.12 behind a10 in 10"]);
  assert.deepEqual(members(20, group), ["10.20.0.11 behind trunk in 20", "10.20.0.12 behind b20 in 20"]);
  assert.deepEqual(entries(group), ["a10 10", "b20 20", "trunk 20"]);
  const told = the(router).lines.filter((line) => line.includes(`"group":"${group}"`) && line.includes('"joined"'));
  assert.deepEqual(told.map((line) => /"port":"\w+","vlan":\d+/.exec(line)?.[0]).sort(), [
    '"port":"a10","vlan":10',
    '"port":"b20","vlan":20',
    '"port":"trunk","vlan":20',
  ]);
});

test("a leave in one VLAN cuts its port only: the viewer of the other loses no packet", async () => {
  const group = "239.1.78.2";
  const from = the(twenty).lines.length;
  the(ten).say(`leave ${group}`);
  await until("the port is cut", () => entries(group).join() === "b20 20,trunk 20");
  const cut = Date.now() / 1000;
  await gets(the(twenty), group, 100);
  assert.deepEqual([members(10, group).length, members(20, group).length], [0, 2]);
  assert.equal(shownSince(cut, the(wireTen), group), 0, "nothing more reaches who has left");
  withoutGap(numbers(the(twenty), group, from));
});

test("behind a port of both VLANs, what has no tag is of the one that the bridge gives it, and of no other", async () => {
  const [untagged, tagged] = ["239.1.78.3", "239.1.78.4"];
  for (const group of [untagged, tagged]) the(sender).say(group);
  join(the(both), untagged, "10.20.0.13");
  join(the(both), tagged, "10.10.0.13");
  for (const group of [untagged, tagged]) await gets(the(both), group, 20);
  assert.deepEqual([members(10, untagged), members(20, untagged)], [[], ["10.20.0.13 behind both in 20"]]);
  assert.deepEqual([members(10, tagged), members(20, tagged)], [["10.10.0.13 behind both in 10"], []]);
  assert.deepEqual([entries(untagged), entries(tagged)], [["both 20"], ["both 10"]]);
  for (const vlan of [10, 20])
    assert.ok((shown(vlan).ports.both?.drops["frame.other-vlan"] ?? 0) > 0, `frames of the other than ${vlan}`);
  for (const [vlan, group] of [
    [10, untagged],
    [20, tagged],
  ] as const)
    assert.equal(
      shown(vlan).groups.some((one) => one.group === group),
      false,
    );
});

test("a rule with a VLAN holds in that VLAN", async () => {
  the(sender).say(DENIED);
  join(the(twenty), DENIED, "10.20.0.12");
  join(the(ten), DENIED, "10.10.0.12");
  await gets(the(ten), DENIED, 20);
  await until("the refusal is told", () => status().refusals.length > 0);
  const [refusal] = status().refusals.map(({ group, port, vlan, rule }) => ({ group, port, vlan, rule }));
  assert.deepEqual(refusal, { group: DENIED, port: "b20", vlan: 20, rule: 1 });
  assert.equal(the(twenty).count(new RegExp(`^${DENIED} \\d`)), 0);
  assert.deepEqual(entries(DENIED), ["a10 10"]);
});

test("a port that is moved to the other VLAN is that one's from then on", async () => {
  const group = "239.1.78.5";
  the(sender).say(group);
  join(the(ten), group, "10.10.0.12");
  await gets(the(ten), group, 5);
  const vlan = (...words: string[]) => inside(ROUTER, "bridge", "vlan", ...words);
  vlan("add", "dev", "a10", "vid", "20", "pvid", "untagged");
  vlan("del", "dev", "a10", "vid", "10");
  inside(TEN, "ip", "addr", "add", "10.20.0.14/24", "dev", "eth0");
  const other = "239.1.78.6";
  the(sender).say(other);
  join(the(ten), other, "10.20.0.14");
  await gets(the(ten), other, 20, 15_000);
  assert.deepEqual([members(10, other), entries(other)], [[], ["a10 20"]]);
  // The join may have come before the port was known to be of this VLAN; then the answer to a question tells.
  const isSeen = () => members(20, other).some((one) => one.endsWith("behind a10 in 20"));
  await until("the host is seen behind its port", isSeen, 30_000);
  await until("what it had there is over", () => !entries(group).includes("a10 10"), 15_000);
});

test("who asks in one VLAN is the querier of that one", async () => {
  // Without a tag: VLAN 20's, although the port is of VLAN 10 too; a lower address than ours.
  inside(BOTH, "ip", "addr", "add", "10.20.0.5/24", "dev", "eth0");
  const flood = act(BOTH, process.execPath, "hal/igmp/lab-flood.testkit.cjs", "eth0", toHex(query("10.20.0.5")));
  await until("the election of VLAN 20 is lost", () => shown(20).querier.state === "non-querier", 15_000);
  assert.equal(shown(10).querier.state, "querier");
  flood.process.kill("SIGKILL");
});
