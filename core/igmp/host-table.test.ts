// Host tracking: what each statement makes of a host, who is told, when silence counts as leaving.
import assert from "node:assert/strict";
import { test } from "node:test";
import { address } from "../base/ipv4.ts";
import { seconds } from "../base/time.ts";
import { type HostChange, HostTable, type TrackedHost } from "./host-table.ts";
import { at, lastOctets, sources } from "./igmp.testkit.ts";
import type { RecordType } from "./report.ts";

const GROUP = address("239.1.1.1");
const GMI = seconds(260);
const LIMITS = { memberships: 10, sources: 64 };
const host = (n: number, mac = "02:00:00:00:00:01", port = "lan1"): TrackedHost => ({
  port,
  address: address(`10.0.0.${n}`),
  mac,
});

function say(table: HostTable, s: number, who: TrackedHost, type: RecordType, ...numbers: number[]): string[] {
  const statement = { type, group: GROUP, sources: sources(...numbers), message: "v3Report" } as const;
  return table.hear(at(s), who, statement, GMI).map(text);
}

const text = (change: HostChange): string =>
  change.kind === "drop" ? change.reason : `${change.kind}${change.kind === "host-left" ? ` ${change.cause}` : ""}`;

const wants = (table: HostTable): string =>
  table
    .memberships()
    .map(({ filter }) => `${filter.mode} ${lastOctets(filter.sources)}`.trim())
    .join("; ");

const ROWS: readonly [RecordType, number[], fromInclude: string, fromExclude: string][] = [
  ["is-in", [2, 3], "include 1 2 3", "exclude 1"],
  ["is-ex", [2, 3], "exclude 2 3", "exclude 2 3"],
  ["to-in", [2, 3], "include 2 3", "include 2 3"],
  ["to-ex", [2, 3], "exclude 2 3", "exclude 2 3"],
  ["allow", [2, 3], "include 1 2 3", "exclude 1"],
  ["block", [2, 3], "include 1", "exclude 1 2 3"],
];

for (const [type, named, fromInclude, fromExclude] of ROWS) {
  test(`${type} of {2,3} on a host that wants {1,2}: ${fromInclude}; on one that wants all but {1,2}: ${fromExclude}`, () => {
    for (const [start, end] of [
      ["to-in", fromInclude],
      ["to-ex", fromExclude],
    ] as const) {
      const table = new HostTable(LIMITS);
      assert.deepEqual(say(table, 0, host(9), start, 1, 2), ["host-joined"]);
      assert.deepEqual(say(table, 1, host(9), type, ...named), []);
      assert.equal(wants(table), end);
    }
  });
}

test("a host is its address and its MAC: the same address behind two MACs is two hosts", () => {
  const table = new HostTable(LIMITS);
  assert.deepEqual(say(table, 0, host(9), "to-ex"), ["host-joined"]);
  assert.deepEqual(say(table, 0, host(9, "02:00:00:00:00:02"), "to-ex"), ["host-joined"]);
  assert.deepEqual(say(table, 1, host(9), "to-in"), ["host-left left"]);
  assert.equal(table.memberships().length, 1);
});

test("a host that moves to another port ends on the old one and begins on the new one", () => {
  const table = new HostTable(LIMITS);
  say(table, 0, host(9), "to-ex");
  assert.deepEqual(say(table, 5, host(9, "02:00:00:00:00:01", "lan2"), "is-ex"), ["host-left moved", "host-joined"]);
  assert.deepEqual(
    table.memberships().map(({ host: { port }, since }) => [port, since]),
    [["lan2", at(5)]],
  );
});

test("tracking.too-many-sources: one host's list of sources is bounded, however often it adds some", () => {
  const table = new HostTable({ memberships: 10, sources: 3 });
  assert.deepEqual(say(table, 0, host(9), "allow", 1, 2), ["host-joined"]);
  assert.deepEqual(say(table, 0, host(9), "allow", 3, 4), ["tracking.too-many-sources"]);
  assert.deepEqual(say(table, 0, host(9), "allow", 5), ["tracking.too-many-sources"]);
  assert.equal(wants(table), "include 1 2 3");
  assert.deepEqual(say(table, 0, host(8), "to-ex", 1, 2, 3, 4), ["tracking.too-many-sources", "host-joined"]);
});

test("a membership: since when, last seen, by which message; a repeat moves only the last", () => {
  const table = new HostTable(LIMITS);
  say(table, 1, host(9), "to-ex");
  table.hear(at(5), host(9), { type: "is-ex", group: GROUP, sources: [], message: "v2Report" }, GMI);
  const [membership] = table.memberships();
  assert.deepEqual([membership?.since, membership?.lastSeen, membership?.message], [at(1), at(5), "v2Report"]);
});

test("a host not heard of for the group membership interval has gone, last seen when it was", () => {
  const table = new HostTable(LIMITS);
  say(table, 0, host(9), "to-ex");
  say(table, 100, host(9), "is-ex");
  say(table, 150, host(8), "to-ex");
  assert.deepEqual(table.poll(at(260)), [], "an early look finds nobody due");
  assert.equal(table.nextDeadline(), at(360));
  const [gone] = table.poll(at(360));
  assert.deepEqual([gone?.kind === "host-left" && gone.membership.lastSeen], [at(100)]);
  assert.equal(table.nextDeadline(), at(410));
});

test("a lost TO_IN heals: IS_IN does not renew a host that is known to exclude", () => {
  const table = new HostTable(LIMITS);
  say(table, 0, host(9), "to-ex");
  say(table, 200, host(9), "is-in", 1);
  assert.deepEqual(table.poll(at(260)).map(text), ["host-left expired"]);
});

test("who leaves without having joined is no event", () => {
  const table = new HostTable(LIMITS);
  assert.deepEqual(say(table, 0, host(9), "to-in"), []);
  assert.deepEqual(say(table, 0, host(9), "block", 1), []);
});

test("tracking.full: no room for another pair of host and group; those known go on", () => {
  const table = new HostTable({ ...LIMITS, memberships: 1 });
  say(table, 0, host(9), "to-ex");
  assert.deepEqual(say(table, 0, host(8), "to-ex"), ["tracking.full"]);
  assert.deepEqual(say(table, 1, host(9), "to-in"), ["host-left left"]);
  assert.deepEqual(say(table, 2, host(8), "to-ex"), ["host-joined"]);
});
