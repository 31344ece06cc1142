// The scenarios of FRR's topotests for IGMP, its proxy and SSM, against the router bundle: hosts are kernels, and scapy where there must be
// many. Needs root.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { LAN, Lab, record, skip } from "./lab.testkit.ts";
import { type Heard, until } from "./wire.testkit.ts";

const QUICK = { lastMemberQueryInterval: 0.5 };
const [FEW_GROUPS, FEW_SOURCES, IMMEDIATE, ALLOW, DENY, MANY, V3, V2, TIMERS, BY_SOURCE] = [
  0, 1, 2, 3, 4, 5, 6, 7, 8, 9,
];
const LANS = [
  { maxGroups: 4 },
  { maxSources: 64 },
  { version: 2, leave: "immediate" },
  { allow: ["225.0.0.0/24", "232.0.0.0/24", "239.10.0.0/16"] },
  { deny: ["227.0.0.1/32"] },
  { ...QUICK, maxSources: 4096 },
  QUICK,
  QUICK,
  {},
  {},
];
const RULES = [{ action: "deny", interface: `lan${BY_SOURCE}`, sources: ["192.0.2.20/32"] }];
const UPSTREAM = { interface: "up0", deny: ["239.255.255.250/32", "239.77.0.0/16"] };

let lab: Lab;
before(async () => {
  if (skip === false) lab = await Lab.start("cr", LANS, { upstream: UPSTREAM, rules: RULES });
});
after(() => lab?.close());

const ANY = "exclude  / ";
const ROUTER = "10.1.0.1";

/** What the router tells upstream of a group: "to-ex", "allow 192.0.2.1". */
const told = (group: string, types: readonly string[]) => (one: Heard) =>
  one.src === ROUTER &&
  (one.records?.some(([type, about]) => about === group && types.includes(String(type))) ?? false);

const isTold = (group: string, type: string, from: number): Promise<readonly Heard[]> =>
  lab.uplink.hears(`${type} of ${group} upstream`, told(group, [type]), from);

test("FRR multicast_features: four groups at most, and who has one keeps it", { skip }, async () => {
  const groups = [1, 2, 3, 4, 5].map((n) => `226.1.1.${n}`);
  const before = await lab.status();
  // Of a host each: one alone may not take all the room.
  for (const [i, group] of groups.entries()) {
    const src = LAN.at(FEW_GROUPS, 101 + i);
    await lab.says(FEW_GROUPS, {
      kind: "report3",
      src,
      mac: `02:00:00:00:01:0${i}`,
      records: [record("to-ex", group)],
    });
  }
  await until("a refusal", async () => (await lab.drops(before))["igmp.too-many-groups"] === 1);
  const states = await Promise.all(groups.map((group) => lab.state(FEW_GROUPS, group)));
  assert.deepEqual(states, [ANY, ANY, ANY, ANY, "nothing"]);
});

test("FRR multicast_features: so many sources of a group at most, the rest counted", { skip }, async () => {
  const group = "232.1.1.7";
  const sources = Array.from({ length: 66 }, (_, i) => i + 1);
  const before = await lab.status();
  await lab.reports(FEW_SOURCES, record("is-in", group, ...sources));
  await lab.reaches(FEW_SOURCES, group, `include ${sources.slice(0, 64).join(" ")}`);
  // The group's list, and the list that is kept of that host.
  assert.deepEqual(await lab.drops(before), { "igmp.too-many-sources": 2, "tracking.too-many-sources": 1 });
});

test("FRR multicast_features: immediate leave of a v2 host ends delivery without a question", { skip }, async () => {
  const group = "239.10.1.1";
  lab.speaks(IMMEDIATE, 2);
  await lab.kernel("join", IMMEDIATE, group);
  await lab.reaches(IMMEDIATE, group, ANY);
  const from = lab.hosts.now;
  await lab.kernel("leave", IMMEDIATE, group);
  await lab.reaches(IMMEDIATE, group, "nothing");
  assert.deepEqual(lab.questions(IMMEDIATE, group, from), []);
});

test("FRR multicast_gmp_access_list_topo1: joins inside and outside of what an interface allows, by name", {
  skip,
}, async () => {
  const before = await lab.status();
  await lab.kernel("join", ALLOW, "225.0.0.100");
  await lab.kernel("join", ALLOW, "225.0.1.100");
  await lab.kernel("join", ALLOW, "232.0.0.123", "192.0.2.10");
  await lab.kernel("join", ALLOW, "232.0.1.123", "192.0.2.10");
  await lab.reaches(ALLOW, "232.0.0.123", "include 10");
  await lab.reaches(ALLOW, "225.0.0.100", ANY);
  const refused = async (): Promise<number> =>
    Object.values(await lab.drops(before)).reduce((sum, times) => sum + times, 0);
  await until("two refusals by name", async () => (await refused()) >= 2);
  assert.deepEqual(await lab.delivered(ALLOW, "225.0.0.100", [10]), [10]);
  assert.deepEqual(await lab.delivered(ALLOW, "225.0.1.100", [10]), []);
  assert.deepEqual(await lab.delivered(ALLOW, "232.0.0.123", [10, 11]), [10]);
  assert.deepEqual(await lab.delivered(ALLOW, "232.0.1.123", [10]), []);
});

test("FRR multicast_gmp_access_list_topo1: of the sources that a host names, those that are denied are left out", {
  skip,
}, async () => {
  const [named, any] = ["232.5.0.1", "225.5.0.1"];
  const before = await lab.status();
  await lab.kernel("join", BY_SOURCE, named, "192.0.2.20");
  await lab.kernel("join", BY_SOURCE, named, "192.0.2.10");
  await lab.reaches(BY_SOURCE, named, "include 10");
  await until("a refusal by name", async () => ((await lab.drops(before))["policy.denied"] ?? 0) > 0);
  assert.deepEqual(await lab.delivered(BY_SOURCE, named, [10, 20]), [10]);
  // Who asks for a group from anybody does not get it from there either.
  await lab.kernel("join", BY_SOURCE, any);
  await lab.reaches(BY_SOURCE, any, ANY);
  assert.deepEqual(await lab.delivered(BY_SOURCE, any, [10, 20]), [10]);
});

test("FRR multicast_gmp_route_map_topo1: what one interface denies another one gets", { skip }, async () => {
  await lab.kernel("join", DENY, "227.0.0.1");
  await lab.kernel("join", V3, "227.0.0.1");
  await lab.reaches(V3, "227.0.0.1", ANY);
  assert.deepEqual(await lab.delivered(V3, "227.0.0.1", [1]), [1]);
  assert.deepEqual(await lab.delivered(DENY, "227.0.0.1", [1]), []);
});

test("FRR pim_igmp_specific_query_frag: 4000 sources in reports of 250, all blocked: each in LMQC queries of the link's size", {
  skip,
}, async () => {
  const group = "232.4.4.4";
  const sources = Array.from({ length: 4000 }, (_, i) => `10.99.${i >> 8}.${i & 255}`);
  const reports = Array.from({ length: 16 }, (_, i) => sources.slice(250 * i, 250 * (i + 1)));
  for (const part of reports) await lab.reports(MANY, record("allow", group, ...part));
  const count = async (): Promise<number> => {
    const { interfaces } = await lab.status();
    return interfaces[MANY]?.groups.find((one) => one.group === group)?.requested.length ?? 0;
  };
  await until("4000 sources", async () => (await count()) === sources.length);
  const from = lab.hosts.now;
  for (const part of reports) await lab.reports(MANY, record("block", group, ...part));
  await until("none of them", async () => (await count()) === 0);
  const asked = lab.questions(MANY, group, from);
  const times = new Map<string, number>();
  for (const source of asked.flatMap((one) => one.sources ?? [])) times.set(source, (times.get(source) ?? 0) + 1);
  assert.equal(times.size, sources.length);
  assert.deepEqual([...new Set(times.values())], [2]);
  assert.ok(asked.every(({ length = 0, sound }) => length <= 1500 && sound));
});

test("FRR multicast_ssm_topo1: a source-specific join brings that source, one without a source nothing", {
  skip,
}, async () => {
  const group = "232.7.7.7";
  await lab.kernel("join", V3, group, "192.0.2.1");
  await lab.reaches(V3, group, "include 1");
  assert.deepEqual(await lab.delivered(V3, group, [1, 2]), [1]);
  await lab.kernel("leave", V3, group, "192.0.2.1");
  await lab.reaches(V3, group, "nothing");
  await lab.kernel("join", V3, "232.7.7.8");
  await lab.hasHeard(V3);
  assert.equal(await lab.state(V3, "232.7.7.8"), "nothing");
});

test("FRR pim_basic_igmp_proxy: what hosts of both versions join is joined upstream in v3, once, and left with the last", {
  skip,
}, async () => {
  const group = "239.30.1.1";
  lab.speaks(V2, 2);
  const from = lab.uplink.now;
  await lab.kernel("join", V2, group);
  await isTold(group, "to-ex", from);
  const more = lab.uplink.now;
  await lab.kernel("join", V3, group);
  await lab.reaches(V3, group, ANY);
  await lab.kernel("leave", V2, group);
  await lab.reaches(V2, group, "nothing");
  assert.deepEqual(lab.uplink.heard(told(group, ["to-in"]), more), [], "the other still watches");
  assert.deepEqual(await lab.delivered(V3, group, [1]), [1]);
  await lab.kernel("leave", V3, group);
  await isTold(group, "to-in", more);
});

test("FRR pim_basic_igmp_proxy: sources are merged upstream (RFC 4605 4.1)", { skip }, async () => {
  const group = "239.30.1.2";
  const from = lab.uplink.now;
  await lab.kernel("join", V3, group, "192.0.2.1");
  await isTold(group, "allow", from);
  await lab.reports(MANY, record("allow", group, 1, 2));
  const two = (one: Heard): boolean =>
    one.records?.some(([, about, sources]) => about === group && sources.includes("192.0.2.2")) ?? false;
  await lab.uplink.hears("the second source upstream", two, from);
  // A v2 member elsewhere wants everybody.
  await lab.says(TIMERS, { kind: "report2", group });
  await isTold(group, "to-ex", from);
});

test("FRR pim_basic_igmp_proxy: what the upstream's filter denies is not told there", { skip }, async () => {
  const from = lab.uplink.now;
  await lab.kernel("join", V3, "239.77.1.1");
  await lab.reaches(V3, "239.77.1.1", ANY);
  await lab.kernel("join", V3, "239.78.1.1");
  await isTold("239.78.1.1", "to-ex", from);
  assert.deepEqual(lab.uplink.heard(told("239.77.1.1", ["to-ex", "is-ex"]), from), []);
});

test("RFC 3376 5.2, RFC 4605 4.1: asked upstream, the router answers with what is wanted below, in the querier's version", {
  skip,
}, async () => {
  const group = "239.78.1.1";
  const from = lab.uplink.now;
  await lab.uplink.put("eth0", { kind: "query3", src: "10.1.0.9", code: 5 });
  await isTold(group, "is-ex", from);
  await lab.uplink.put("eth0", { kind: "query2", src: "10.1.0.9", group: "0.0.0.0", code: 5 });
  const report = (one: Heard): boolean => one.kind === "report2" && one.src === ROUTER && one.group === group;
  const [first] = await lab.uplink.hears("a v2 report", report, from);
  assert.deepEqual([first?.dst, first?.ttl, first?.alert, first?.sound], [group, 1, true, true]);
});

test("FRR multicast_pim_sm_topo1: a new query interval and response time are on the wire after a reload", {
  skip,
}, async () => {
  const from = lab.hosts.now;
  await lab.reload((_, n) => (n === TIMERS ? { queryInterval: 4, queryResponseInterval: 3 } : {}));
  const general = (one: Heard): boolean => one.on === `eth${TIMERS}` && one.kind === "query" && one.group === "0.0.0.0";
  // The first one after a change asks for short answers.
  const queries = await lab.hosts.hears("queries", (one) => general(one) && one.qqic === 4, from, 2);
  assert.deepEqual(queries[1]?.code, 30);
});

test("FRR pim_igmp_join_startup, pim_basic_igmp_proxy: a router that is stopped and started learns from its first query who is there", {
  skip,
}, async () => {
  const [older, newer] = ["239.31.1.1", "239.31.1.2"];
  await lab.kernel("join", V2, older);
  await lab.kernel("join", V3, newer, "192.0.2.1");
  await lab.reaches(V2, older, ANY);
  await lab.reaches(V3, newer, "include 1");
  const from = lab.uplink.now;
  await lab.restart("SIGINT");
  const left = (one: Heard): boolean => one.src === ROUTER && one.kind === "leave" && one.group === older;
  await lab.uplink.hears("its leave upstream, in the version of that querier", left, from);
  await lab.reaches(V2, older, ANY);
  await lab.reaches(V3, newer, "include 1");
  assert.deepEqual(await lab.delivered(V2, older, [1]), [1]);
  assert.deepEqual(await lab.delivered(V3, newer, [1, 2]), [1]);
});
