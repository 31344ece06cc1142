import assert from "node:assert/strict";
import { milliseconds, minutes } from "../base/time.ts";
import type { Store } from "../ports/store.ts";
import type { MembershipRow } from "../ports/tables.ts";
import { at, decided } from "./decisions.testkit.ts";
import { decideRouterReport, type RouterReport } from "./router-reports.ts";
import { scenario } from "./stores.testkit.ts";
import { decideSweep } from "./sweep.ts";

const host = { interface: "eth1", host: 0x0a00000b, group: 0xefff4d01, sources: [] };
const joined = { change: "joined", ...host, at: at(1) } as const;
const left = { change: "left", ...host, at: at(9) } as const;
const report = (store: Store, sequence: number, changes: RouterReport["changes"], dropped = 0, process = 7) =>
  decided(store, () => decideRouterReport({ router: "r1", process, sequence, dropped, changes }, at(10)));
const rows = (store: Store): Promise<readonly MembershipRow[]> => store.read({ table: "membership", limit: 10 });

scenario("a join and a leave are one row of evidence, also within one report", async (store) => {
  await report(store, 1, [joined, left]);
  const { interface: name, host: who, group } = host;
  const key = { router: "r1", interface: name, host: who, group };
  assert.deepEqual(await rows(store), [{ ...key, since: at(1), until: at(9), cause: "left" }]);
});

scenario("a repeated report changes nothing", async (store) => {
  await report(store, 1, [joined], 3);
  await report(store, 2, [left]);
  const before = await rows(store);
  await report(store, 2, [left]);
  await report(store, 1, [joined]);
  assert.deepEqual(await rows(store), before);
  const [last] = await store.read({ table: "router_report", limit: 1 });
  assert.equal(last?.dropped, 3);
});

scenario("a leave and a join of the same millisecond, told twice, leave the host joined", async (store) => {
  await report(store, 1, [joined]);
  const again = [left, { ...joined, at: left.at }] as const;
  await report(store, 2, again);
  await report(store, 2, again);
  const told = (await rows(store)).map(({ since, until }) => [since, until]);
  assert.deepEqual(told, [
    [at(1), at(9)],
    [at(9), undefined],
  ]);
});

scenario("a port and a MAC that are learnt later are added to the open row", async (store) => {
  await report(store, 1, [joined]);
  await report(store, 2, [{ ...joined, at: at(2), port: "lan1", mac: "02:00:00:00:00:01" }]);
  assert.deepEqual(
    (await rows(store)).map(({ since, port, mac }) => ({ since, port, mac })),
    [{ since: at(1), port: "lan1", mac: "02:00:00:00:00:01" }],
  );
});

scenario(
  "a host that moves to another port ends its row and begins another; what ends on the old port ends nothing",
  async (store) => {
    const port = (name: string, s: number) => ({ ...joined, port: name, at: at(s) });
    await report(store, 1, [port("lan1", 1)]);
    await report(store, 2, [port("lan2", 2)]);
    await report(store, 1, [port("lan1", 1)]);
    await report(store, 3, [{ ...left, change: "expired", port: "lan1" }]);
    const told = (await rows(store)).map(({ since, until, port: name, cause }) => [since, until, name, cause]);
    assert.deepEqual(told, [
      [at(1), at(2), "lan1", "moved"],
      [at(2), undefined, "lan2", undefined],
    ]);
  },
);

scenario("a VLAN that is learnt later is added to the open row, and one that changes begins another", async (store) => {
  const tag = (vlan: number, s: number) => ({ ...joined, port: "lan1", vlan, at: at(s) });
  await report(store, 1, [{ ...joined, port: "lan1" }]);
  await report(store, 2, [tag(20, 2)]);
  await report(store, 3, [tag(30, 3)]);
  const told = (await rows(store)).map(({ since, until, vlan, cause }) => [since, until, vlan, cause]);
  assert.deepEqual(told, [
    [at(1), at(3), 20, "moved"],
    [at(3), undefined, 30, undefined],
  ]);
});

scenario("a router that starts anew closes what the process before it left open, once", async (store) => {
  await report(store, 1, [joined, { ...joined, host: 0x0a00000c }]);
  await report(store, 1, [{ ...joined, at: at(9) }], 0, 8);
  await report(store, 1, [{ ...joined, at: at(9) }], 0, 8);
  const told = (await rows(store)).map(({ host: who, since, until, cause }) => [
    Number(who) & 255,
    since,
    until,
    cause,
  ]);
  assert.deepEqual(told, [
    [11, at(1), at(10), "restarted"],
    [11, at(9), undefined, undefined],
    [12, at(1), at(10), "restarted"],
  ]);
});

scenario("what a process left open has ended when its successor began, however late that is told", async (store) => {
  await report(store, 1, [joined]);
  const told = { router: "r1", process: 8, sequence: 1, dropped: 0 };
  await decided(store, () => decideRouterReport({ ...told, started: at(4), changes: [] }, at(10_000)));
  assert.deepEqual(
    (await rows(store)).map(({ until, cause }) => [until, cause]),
    [[at(4), "restarted"]],
  );
});

scenario("what the process before repeats is known, whatever its number", async (store) => {
  await report(store, 1, [joined]);
  await report(store, 1, [{ ...joined, at: at(9) }], 0, 8);
  const before = [await rows(store), await store.read({ table: "router_report", limit: 1 })];
  await report(store, 1, [joined]);
  await report(store, 2, [left]);
  assert.deepEqual([await rows(store), await store.read({ table: "router_report", limit: 1 })], before);
});

scenario("a host of 16 octets is told from one of 4, and from its neighbour", async (store) => {
  const group = `ff3e:${"0000:".repeat(6)}0001`;
  const member = (host: string, more: object) => ({
    ...joined,
    host: `fe80:${"0000:".repeat(6)}${host}`,
    group,
    ...more,
  });
  await report(store, 1, [joined, member("000a", {}), member("000b", {})]);
  await report(store, 2, [member("000a", { change: "left", at: at(9) })]);
  assert.deepEqual(
    (await rows(store)).map(({ host: who, until }) => [String(who).slice(-4), until]),
    [
      [String(joined.host).slice(-4), undefined],
      ["000a", at(9)],
      ["000b", undefined],
    ],
  );
});

scenario("how sure a membership is, is kept", async (store) => {
  await report(store, 1, [
    { ...joined, certainty: "exact" },
    { ...joined, host: 0x0a00000c, certainty: "shared" },
  ]);
  assert.deepEqual(
    (await rows(store)).map(({ certainty }) => certainty),
    ["exact", "shared"],
  );
});

const numbers = { since: at(1), until: at(5), joined: 0, left: 0, expired: 0, refused: 4 };
const refusal = { interface: "eth1", host: 0x0a00000b, group: 0xefff4d01, reason: "igmp.host-groups", ...numbers };

scenario("counts are kept once each, with and without a place, and go when they are old", async (store) => {
  const counts = [{ ...numbers, joined: 7 }, refusal];
  const told = { router: "r1", process: 7, sequence: 1, dropped: 3, changes: [], counts };
  for (const now of [at(6), at(7)]) await decided(store, () => decideRouterReport(told, now));
  const kept = () => store.read({ table: "evidence_count", limit: 10 });
  const key = { router: "r1", process: 7, sequence: 1 };
  assert.deepEqual(await kept(), [
    { ...key, position: 0, ...counts[0] },
    { ...key, position: 1, ...counts[1] },
  ]);
  const sweep = { grace: milliseconds(0), evidenceFor: minutes(1) };
  await decided(store, () => decideSweep(sweep, at(65)));
  assert.equal((await kept()).length, 2);
  await decided(store, () => decideSweep(sweep, at(66)));
  assert.deepEqual(await kept(), []);
});

scenario("a leave without a join is no evidence, and old evidence goes", async (store) => {
  await report(store, 1, [left]);
  assert.deepEqual(await rows(store), []);
  await report(store, 2, [joined, left]);
  const sweep = { grace: milliseconds(0), evidenceFor: minutes(1) };
  await decided(store, () => decideSweep(sweep, at(60)));
  assert.equal((await rows(store)).length, 1);
  await decided(store, () => decideSweep(sweep, at(70)));
  assert.deepEqual(await rows(store), []);
});
