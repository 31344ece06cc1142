// What conformance suites such as ANVL test of an IGMP router, among it each case that FRR's issues name, against the router bundle:
// frames made and questions read by scapy. Needs root.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { LAN, Lab, record, skip } from "./lab.testkit.ts";
import type { Frame, Heard } from "./wire.testkit.ts";

const QUICK = { lastMemberQueryInterval: 0.3 };
/** Long enough for what has to happen between two questions. */
const SLOW = { lastMemberQueryInterval: 1.5 };
/** RFC 3376 8.5: 2 * 2 + 0.5 = 4.5 s, with the querier's own robustness and interval. */
const BRIEF = { queryInterval: 2, queryResponseInterval: 1, lastMemberQueryInterval: 0.3 };

const [MESSAGES, ALERT, V2, ELECTION, MODES, SUBNET, V2_TAKEN, SILENT] = [0, 1, 2, 3, 4, 5, 6, 7];
const LANS = [
  QUICK,
  { ...QUICK, requireRouterAlert: true },
  { ...SLOW, version: 2 },
  QUICK,
  QUICK,
  { ...QUICK, verifySourceSubnet: true },
  { ...QUICK, version: 2 },
  BRIEF,
];

let lab: Lab;
before(async () => {
  if (skip === false) lab = await Lab.start("ca", LANS);
});
after(() => lab?.close());

const ANY = "exclude  / ";
let groups = 0;
/** A group that no other case speaks of. */
const fresh = (): string => {
  groups += 1;
  return `239.20.0.${groups}`;
};

/** A host says this, and the group is wanted of everybody. */
async function joins(n: number, group: string, frame: Partial<Frame> & Pick<Frame, "kind">): Promise<void> {
  await lab.says(n, { group, ...frame });
  await lab.reaches(n, group, ANY);
}

/** A host says this, and nothing comes of it but the drops that are told. */
async function ignores(n: number, group: string, ...frames: (Partial<Frame> & Pick<Frame, "kind">)[]) {
  const [before, state] = [await lab.status(), await lab.state(n, group)];
  const from = lab.hosts.now;
  await lab.says(n, ...frames.map((frame) => ({ group, ...frame })));
  await lab.hasHeard(n);
  assert.equal(await lab.state(n, group), state);
  assert.deepEqual(lab.questions(n, group, from), []);
  return await lab.drops(before);
}

const querier = async (n: number): Promise<string> => {
  const { interfaces } = await lab.status();
  const { state, address = "" } = interfaces[n]?.querier ?? assert.fail(`no lan${n}`);
  return `${state} ${address}`.trim();
};

const onLan = (n: number) => (one: Heard) => one.on === `eth${n}`;

test("general queries: to 224.0.0.1, TTL 1, TOS 0xc0, Router Alert, code, QRV and QQIC as configured", {
  skip,
}, async () => {
  const [first] = await lab.hosts.hears(
    "the router's first query",
    (one) => onLan(MESSAGES)(one) && one.kind === "query" && one.group === "0.0.0.0",
  );
  const { src, dst, ttl, tos, alert, sound, version, code, qrv, qqic, s, sources, length } = first ?? assert.fail();
  assert.deepEqual(
    { src, dst, ttl, tos, alert, sound, version, qrv, qqic, s, sources, length },
    {
      src: LAN.router(MESSAGES),
      dst: "224.0.0.1",
      ttl: 1,
      tos: 0xc0,
      alert: true,
      sound: true,
      version: 3,
      qrv: 2,
      qqic: 125,
      s: 0,
      sources: [],
      length: 24 + 12,
    },
  );
  assert.ok(code === 10 || code === 100, `${code}: a start asks for short answers`);
});

test("a v2 querier's general query has 8 octets and a linear code", { skip }, async () => {
  const [first] = await lab.hosts.hears("its query", (one) => onLan(V2)(one) && one.kind === "query");
  assert.deepEqual([first?.version, first?.length, first?.sound], [2, 24 + 8, true]);
});

test("startup queries come a quarter of the interval apart, then every interval", { skip }, async () => {
  const general = (one: Heard): boolean => onLan(SILENT)(one) && one.kind === "query" && one.group === "0.0.0.0";
  await lab.hosts.hears("general queries", general, 0, 4);
  assert.ok(lab.hosts.heard(general).every(({ qqic, qrv }) => qqic === BRIEF.queryInterval && qrv === 2));
});

test("reports of all three versions make a member, with and without octets behind the message (FRR PR#10334)", {
  skip,
}, async () => {
  for (const trailing of ["", "deadbeef", "00"]) {
    await joins(MESSAGES, fresh(), { kind: "report1", trailing });
    await joins(MESSAGES, fresh(), { kind: "report2", trailing });
    const group = fresh();
    await lab.says(MESSAGES, { kind: "report3", records: [record("to-ex", group)], trailing });
    await lab.reaches(MESSAGES, group, ANY);
  }
});

test("a report is no stream: the kernel asks for no route, whoever sent it and with which options", {
  skip,
}, async () => {
  const ways = [{}, { alert: false }, { src: "172.16.9.9" }, { src: "0.0.0.0" }];
  const named = ways.map((way) => ({ ...way, group: fresh() }));
  const before = await lab.status();
  for (const way of named) await joins(MESSAGES, way.group, { kind: "report2", ...way });
  const last = fresh();
  // A stream of its own: whatever the kernel asked before is answered.
  await joins(MESSAGES, last, { kind: "report2" });
  assert.deepEqual(await lab.delivered(MESSAGES, last, [1]), [1]);
  const { routes } = await lab.status();
  assert.deepEqual(
    routes.filter(({ group, source }) => group === last && source !== "192.0.2.1"),
    [],
  );
  assert.deepEqual(
    routes.filter(({ group }) => named.some((one) => one.group === group)),
    [],
  );
  assert.deepEqual(await lab.drops(before), {});
});

test("a leave with octets behind it is asked about, and ends the group after LMQC questions (FRR PR#10334)", {
  skip,
}, async () => {
  const group = fresh();
  await joins(MESSAGES, group, { kind: "report2" });
  const from = lab.hosts.now;
  await lab.says(MESSAGES, { kind: "leave", group, trailing: "cafe" });
  await lab.reaches(MESSAGES, group, "nothing");
  const asked = lab.questions(MESSAGES, group, from);
  assert.deepEqual(
    asked.map(({ dst, ttl, alert, sound, code }) => ({ dst, ttl, alert, sound, code })),
    [1, 2].map(() => ({ dst: group, ttl: 1, alert: true, sound: true, code: 3 })),
  );
});

test("a leave to the group instead of 224.0.0.2 is heeded (RFC 2236 section 6)", { skip }, async () => {
  const group = fresh();
  await joins(MESSAGES, group, { kind: "report2" });
  await lab.says(MESSAGES, { kind: "leave", group, dst: group });
  await lab.reaches(MESSAGES, group, "nothing");
});

test("a leave with a wrong checksum brings no group-specific query (FRR #6868)", { skip }, async () => {
  const group = fresh();
  await joins(MESSAGES, group, { kind: "report2" });
  assert.deepEqual(await ignores(MESSAGES, group, { kind: "leave", wrong: true }), { "igmp.checksum": 1 });
});

test("a report whose checksum leaves out the octets behind the message is dropped", { skip }, async () => {
  const group = fresh();
  const right = (await lab.hosts.message({ kind: "report2", group })).replaceAll(":", "");
  // As a sender would that sums eight octets only: the rest makes the sum wrong.
  const before = await lab.status();
  await lab.says(MESSAGES, { kind: "raw", octets: `${right}beef`, dst: group, wrong: true });
  await lab.hasHeard(MESSAGES);
  assert.deepEqual(await lab.drops(before), { "igmp.checksum": 1 });
  assert.equal(await lab.state(MESSAGES, group), "nothing");
});

test("reports from 0.0.0.0 are heeded (RFC 3376 4.2.13, FRR PR#10118)", { skip }, async () => {
  await joins(MESSAGES, fresh(), { kind: "report2", src: "0.0.0.0" });
  const group = fresh();
  await lab.says(MESSAGES, { kind: "report3", src: "0.0.0.0", records: [record("is-ex", group)] });
  await lab.reaches(MESSAGES, group, ANY);
});

test("reports from off the subnet are heeded, unless that is to be checked; then 0.0.0.0 still is", {
  skip,
}, async () => {
  await joins(MESSAGES, fresh(), { kind: "report2", src: "172.16.9.9" });
  assert.deepEqual(await ignores(SUBNET, fresh(), { kind: "report2", src: "172.16.9.9" }), { "igmp.off-subnet": 1 });
  await joins(SUBNET, fresh(), { kind: "report2", src: "0.0.0.0" });
});

test("reports with another TTL or TOS are heeded (RFC 3376 asks routers for no test; FRR PR#9074 drops them)", {
  skip,
}, async () => {
  for (const odd of [{ ttl: 64 }, { tos: 0 }]) {
    const group = fresh();
    await lab.says(MESSAGES, { kind: "report3", records: [record("to-ex", group)], ...odd });
    await lab.reaches(MESSAGES, group, ANY);
  }
});

test("reports to any address of the interface are heeded: its own, 224.0.0.1, the group (RFC 3376 4.2.14)", {
  skip,
}, async () => {
  const mac = lab.atRouter("cat", `/sys/class/net/lan${MESSAGES}/address`).trim();
  for (const to of [{ dst: LAN.router(MESSAGES), to: mac }, { dst: "224.0.0.1" }]) {
    const group = fresh();
    await lab.says(MESSAGES, { kind: "report3", records: [record("to-ex", group)], ...to });
    await lab.reaches(MESSAGES, group, ANY);
    await joins(MESSAGES, fresh(), { kind: "report2", ...to });
  }
});

test("reports without Router Alert are heeded, unless it is required (FRR PR#18202)", { skip }, async () => {
  await joins(MESSAGES, fresh(), { kind: "report2", alert: false });
  const reason = { "igmp.no-router-alert": 2 };
  const group = fresh();
  const without = { alert: false, records: [record("to-ex", group)] };
  assert.deepEqual(
    await ignores(ALERT, group, { kind: "report2", alert: false }, { kind: "report3", ...without }),
    reason,
  );
  await joins(ALERT, group, { kind: "report2" });
});

test("unknown types and those of other protocols are ignored by name (RFC 3376 4, mtrace: FRR PR#5585)", {
  skip,
}, async () => {
  const others = [
    "1f000000ffffffff",
    "1e00000000000000",
    "13000000",
    "1400000000000000",
    "ff00000000000000",
    "30000000",
  ];
  const frames = others.map((octets) => ({ kind: "raw", octets, dst: "224.0.0.2" }) as const);
  assert.deepEqual(await ignores(MESSAGES, fresh(), ...frames), { "igmp.unknown-type": 4, "igmp.truncated": 2 });
});

test("messages shorter than 8 octets, and queries of 9 to 11, are ignored (RFC 3376 7.1)", { skip }, async () => {
  const cut = ["16", "160000", "16000000efef01", "22000000"].map((octets) => ({ octets, dst: "224.0.0.22" }));
  const queries = [9, 10, 11].map((length) => ({ octets: "11640000".padEnd(2 * length, "0"), dst: "224.0.0.1" }));
  const frames = [...cut, ...queries].map((one) => ({ kind: "raw", ...one, src: LAN.at(MESSAGES, 2) }) as const);
  const found = await ignores(MESSAGES, fresh(), ...frames);
  assert.deepEqual(found, { "igmp.truncated": 4, "igmp.query-length": 3 });
  assert.equal(await querier(MESSAGES), "querier");
});

test("a report that ends within a record says nothing at all", { skip }, async () => {
  const group = fresh();
  const records = [record("to-ex", group)];
  assert.deepEqual(await ignores(MESSAGES, group, { kind: "report3", records, count: 2 }), {
    "igmp.record-truncated": 1,
  });
});

test("auxiliary data is skipped, the record behind it heeded (RFC 3376 4.2.6, 4.2.10)", { skip }, async () => {
  const [first, second] = [fresh(), fresh()];
  await lab.says(MESSAGES, { kind: "report3", records: [["to-ex", first, [], 3], record("is-in", second, 1)] });
  await lab.reaches(MESSAGES, second, "include 1");
  assert.equal(await lab.state(MESSAGES, first), ANY);
});

test("unknown record types are ignored, their neighbours heeded (RFC 3376 4.2.12)", { skip }, async () => {
  const [first, second] = [fresh(), fresh()];
  const before = await lab.status();
  await lab.reports(MESSAGES, record(7, first, 1), record(0, first), record("to-ex", second));
  await lab.reaches(MESSAGES, second, ANY);
  assert.equal(await lab.state(MESSAGES, first), "nothing");
  assert.deepEqual(await lab.drops(before), { "igmp.record-type": 2 });
});

test("224.0.0.1 and what is no group have no members", { skip }, async () => {
  assert.deepEqual(await ignores(MESSAGES, "224.0.0.1", { kind: "report2" }), { "igmp.all-systems": 1 });
  assert.deepEqual(await ignores(MESSAGES, "10.9.9.9", { kind: "report3", records: [record("to-ex", "10.9.9.9")] }), {
    "igmp.record-group": 1,
  });
});

test("INCLUDE of a source in a group that is not source-specific delivers that source alone (FRR PR#10912)", {
  skip,
}, async () => {
  const group = fresh();
  await lab.reports(MESSAGES, record("is-in", group, 1));
  await lab.reaches(MESSAGES, group, "include 1");
  assert.deepEqual(await lab.delivered(MESSAGES, group, [1, 2]), [1]);
});

test("TO_IN of no source ends a group, IS_IN of none changes nothing (FRR PR#9435)", { skip }, async () => {
  const group = fresh();
  await lab.reports(MESSAGES, record("to-ex", group));
  await lab.reaches(MESSAGES, group, ANY);
  assert.deepEqual(await ignores(MESSAGES, group, { kind: "report3", records: [record("is-in", group)] }), {});
  await lab.reports(MESSAGES, record("to-in", group));
  await lab.reaches(MESSAGES, group, "nothing");
});

test("TO_EX and IS_EX of a source-specific group are ignored, so are v1 and v2 (RFC 4604 2.2.4)", {
  skip,
}, async () => {
  const group = "232.9.9.9";
  const records = [record("to-ex", group), record("is-ex", group, 1)];
  const found = await ignores(
    MESSAGES,
    group,
    { kind: "report3", records },
    { kind: "report2" },
    { kind: "report1" },
    { kind: "leave" },
  );
  assert.deepEqual(found, { "igmp.ssm-exclude": 2, "igmp.ssm-older-version": 3 });
});

test("sources pulled back during a question are asked about with S, the others without (RFC 3376 6.6.3.2)", {
  skip,
}, async () => {
  const group = fresh();
  await lab.reports(MESSAGES, record("is-in", group, 1, 2, 3));
  await lab.reaches(MESSAGES, group, "include 1 2 3");
  const from = lab.hosts.now;
  await lab.reports(MESSAGES, record("block", group, 1, 2));
  const [first] = await lab.asks(MESSAGES, group, from, 1);
  assert.deepEqual([first?.s, first?.sources, first?.dst], [0, ["192.0.2.1", "192.0.2.2"], group]);
  // Another host still wants the first.
  await lab.says(MESSAGES, { kind: "report3", src: LAN.at(MESSAGES, 78), records: [record("is-in", group, 1)] });
  await lab.reaches(MESSAGES, group, "include 1 3");
  const again = lab.questions(MESSAGES, group, from).slice(1);
  assert.deepEqual(
    again.map(({ s, sources }) => [s, sources]).sort(),
    [
      [0, ["192.0.2.2"]],
      [1, ["192.0.2.1"]],
    ],
    "each message names its own",
  );
});

test("a v2 member makes the group ignore BLOCK and the list of TO_EX; a v1 member leaves too (RFC 3376 7.3.2)", {
  skip,
}, async () => {
  const [v2, v1] = [fresh(), fresh()];
  await joins(MODES, v2, { kind: "report2" });
  const block = await ignores(MODES, v2, { kind: "report3", records: [record("block", v2, 1)] });
  assert.deepEqual(block, { "igmp.block-older-mode": 1 });
  await lab.reports(MODES, record("to-ex", v2, 1, 2));
  await lab.hasHeard(MODES);
  assert.equal(await lab.state(MODES, v2), ANY);
  await joins(MODES, v1, { kind: "report1" });
  const records = [record("to-in", v1)];
  const ends = await ignores(MODES, v1, { kind: "leave" }, { kind: "report3", records });
  assert.deepEqual(ends, { "igmp.v1-mode": 2 });
});

test("a leave for a group without members brings no question (RFC 2236 section 3)", { skip }, async () => {
  assert.deepEqual(await ignores(MESSAGES, fresh(), { kind: "leave" }), { "igmp.leave-no-group": 1 });
});

test("a v2 querier asked about a leave does not yield until it has asked (FRR #10422, #11491)", { skip }, async () => {
  const group = fresh();
  await joins(V2, group, { kind: "report2" });
  const from = lab.hosts.now;
  await lab.says(V2, { kind: "leave", group });
  await lab.asks(V2, group, from, 1);
  const lower = { kind: "query2", src: LAN.at(V2, 2), dst: "224.0.0.1" } as const;
  await lab.says(V2, lower);
  await lab.hasHeard(V2);
  assert.equal(await querier(V2), "querier");
  const asked = await lab.asks(V2, group, from, 2);
  assert.deepEqual(
    asked.map(({ version, code, length }) => [version, code, length]),
    [1, 2].map(() => [2, 15, 32]),
  );
  await lab.reaches(V2, group, "nothing");
  await lab.says(V2, lower);
  await lab.hasHeard(V2);
  assert.equal(await querier(V2), `non-querier ${LAN.at(V2, 2)}`);
});

test("a non-querier ignores leaves, and the querier's own question ends the group (FRR #12556)", { skip }, async () => {
  const group = fresh();
  await joins(V2_TAKEN, group, { kind: "report2" });
  const winner = LAN.at(V2_TAKEN, 2);
  await lab.says(V2_TAKEN, { kind: "query2", src: winner, dst: "224.0.0.1" });
  await lab.hasHeard(V2_TAKEN);
  assert.equal(await querier(V2_TAKEN), `non-querier ${winner}`);
  assert.deepEqual(await ignores(V2_TAKEN, group, { kind: "leave" }), { "igmp.leave-not-querier": 1 });
  await lab.says(V2_TAKEN, { kind: "query2", src: winner, group, code: 2 });
  await lab.reaches(V2_TAKEN, group, "nothing");
});

test("the election: a higher address loses, 0.0.0.0, a unicast query, TTL 64 and an off-subnet sender never win", {
  skip,
}, async () => {
  const mac = lab.atRouter("cat", `/sys/class/net/lan${ELECTION}/address`).trim();
  const found = await ignores(
    ELECTION,
    "0.0.0.0",
    { kind: "query3", src: LAN.at(ELECTION, 9) },
    { kind: "query3", src: "0.0.0.0" },
    { kind: "query3", src: LAN.at(ELECTION, 2), dst: LAN.router(ELECTION), to: mac },
    { kind: "query3", src: LAN.at(ELECTION, 2), ttl: 64 },
    { kind: "query3", src: "9.9.9.9" },
  );
  assert.deepEqual(found, { "igmp.query-unicast": 1, "igmp.query-ttl": 1, "igmp.query-off-subnet": 1 });
  assert.equal(await querier(ELECTION), "querier");
});

test("the election: the lower address wins, delivery goes on, and nobody is asked about leaves", { skip }, async () => {
  const group = fresh();
  await lab.reports(ELECTION, record("to-ex", group));
  await lab.reaches(ELECTION, group, ANY);
  const from = lab.hosts.now;
  await lab.says(ELECTION, { kind: "query3", src: LAN.at(ELECTION, 2) });
  await lab.hasHeard(ELECTION);
  assert.equal(await querier(ELECTION), `non-querier ${LAN.at(ELECTION, 2)}`);
  assert.deepEqual(await lab.delivered(ELECTION, group, [1]), [1]);
  await lab.reports(ELECTION, record("to-in", group));
  await lab.hasHeard(ELECTION);
  assert.deepEqual(lab.questions(ELECTION, group, from), []);
  assert.equal(await lab.state(ELECTION, group), ANY);
});

test("queries of another querier lower timers, those with S do not (RFC 3376 6.6.1)", { skip }, async () => {
  const [kept, ended] = [fresh(), fresh()];
  await lab.reports(ELECTION, record("to-ex", kept), record("to-ex", ended));
  await lab.reaches(ELECTION, ended, ANY);
  const about = { kind: "query3", src: LAN.at(ELECTION, 2), code: 1 } as const;
  await lab.says(ELECTION, { ...about, group: kept, s: 1 }, { ...about, group: ended });
  await lab.reaches(ELECTION, ended, "nothing");
  assert.equal(await lab.state(ELECTION, kept), ANY);
});

test("a querier that falls silent is waited for, then the router asks again (RFC 3376 6.6.2, 8.5)", {
  skip,
}, async () => {
  await lab.says(SILENT, { kind: "query3", src: LAN.at(SILENT, 2), qqic: 2, qrv: 1, code: 10 });
  await lab.hasHeard(SILENT);
  assert.equal(await querier(SILENT), `non-querier ${LAN.at(SILENT, 2)}`);
  const from = lab.hosts.now;
  await lab.asks(SILENT, "0.0.0.0", from, 1);
  assert.equal(await querier(SILENT), "querier");
});
