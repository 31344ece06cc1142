import assert from "node:assert/strict";
import { test } from "node:test";
import { unixTime } from "../../core/base/time.ts";
import type { Write } from "../../core/ports/store.ts";
import type { MembershipRow } from "../../core/ports/tables.ts";
import { writing } from "../../hal/store/contract.testkit.ts";
import { MemoryStore } from "../../hal/store/memory.ts";
import { countZaps, listCounts, listDisagreements, listZaps } from "./evidence.ts";
import { listTable } from "./listing.ts";

const GROUP = 0xefff4d01;
const T0 = 1_767_225_600_000;
const octets = new Uint8Array(32);

async function storeWith(...writes: readonly Write[]): Promise<MemoryStore> {
  const store = new MemoryStore();
  await store.transact([writing(...writes)]);
  return store;
}

async function all<T>(rows: AsyncIterable<T>): Promise<T[]> {
  const found: T[] = [];
  for await (const row of rows) found.push(row);
  return found;
}

const mac = (n: number): string => `02:00:00:00:00:0${n}`;

const device = (n: number, more: object = { mac: mac(n) }): Write => ({
  put: "device",
  row: { id: `box${n}`, subscriber: "s", publicKey: octets, passwordHash: octets, status: "active", ...more },
});

const receiving = (n: number, seconds = 0): Write => ({
  put: "live_reception",
  row: {
    ...{ device: `box${n}`, channel: "one", reception: String(n).repeat(32), subscriber: "s" },
    ...{
      since: unixTime(T0 + seconds * 1000),
      firstEpoch: 1,
      epoch: 1,
      heldUntil: unixTime(T0),
      lastSeen: unixTime(T0),
    },
  },
});

const member = (n: number, more: Partial<MembershipRow> = {}): Write => ({
  put: "membership",
  row: {
    ...{ router: "r1", interface: "br0", host: 0x0a000000 + n, group: GROUP, since: unixTime(T0), mac: mac(n) },
    ...{ certainty: "exact", ...more },
  },
});

const channel: Write = {
  put: "key_channel",
  row: {
    ...{ channel: "one", headend: "he", maker: "headend", group: GROUP, port: 5004, suite: "AEAD_AES_128_GCM" },
    ...{ mkiLength: 4, ssrc: 7, payloadType: 33, interval: 1000, overlap: 1000, window: 1000, lastEpoch: 1 },
  },
};

const disagreements = async (store: MemoryStore, seconds = 61, grace = 60) =>
  (await all(listDisagreements(store, T0 + seconds * 1000, grace * 1000))).map(
    ({ state, device: who, host, certainty }) => [state, who, host, certainty].join(" "),
  );

test("keys and memberships that disagree are listed, those that agree are not", async () => {
  const store = await storeWith(
    ...[1, 2, 3].map((n) => device(n)),
    device(4, {}),
    channel,
    ...[1, 3, 4].map((n) => receiving(n)),
    ...[1, 2, 9].map((n) => member(n)),
    // Neither in a channel's group, nor a member any more.
    member(8, { group: GROUP + 1 }),
    member(7, { until: unixTime(T0 + 1), cause: "left" }),
  );
  assert.deepEqual(await disagreements(store), [
    "joined, not keyed box2 10.0.0.2 exact",
    "joined, unknown  10.0.0.9 exact",
    "keyed, not joined box3  exact",
    "keyed, no MAC box4  exact",
  ]);
});

test("what has just begun is not judged yet: key and join come in any order", async () => {
  const store = await storeWith(
    device(1),
    device(2),
    channel,
    receiving(1, 30),
    member(2, { since: unixTime(T0 + 30_000) }),
  );
  assert.deepEqual(await disagreements(store, 89), []);
  assert.deepEqual(await disagreements(store, 90), [
    "joined, not keyed box2 10.0.0.2 exact",
    "keyed, not joined box1  exact",
  ]);
  assert.equal((await disagreements(store, 31, 1)).length, 2);
});

test("where a v1 or v2 host is in the group, another may be silent behind it", async () => {
  const store = await storeWith(
    device(1),
    device(2),
    channel,
    receiving(1),
    receiving(2),
    member(2, { certainty: "shared" }),
  );
  assert.deepEqual(await disagreements(store), ["keyed, not joined box1  shared"]);
});

const visit = (group: number, since: number, until?: number, cause: MembershipRow["cause"] = "left") => ({
  group,
  since: unixTime(T0 + since),
  ...(until === undefined ? {} : { until: unixTime(T0 + until), cause }),
});

test("a zap is a leave and a join of another group within five seconds, in either order, each counted once", () => {
  assert.equal(countZaps([]), 0);
  assert.equal(countZaps([visit(1, 0, 10_000), visit(2, 10_050, 20_000), visit(3, 19_950)]), 2);
  assert.equal(countZaps([visit(1, 0, 10_000), visit(2, 15_000)]), 1);
  assert.equal(countZaps([visit(1, 0, 10_000), visit(2, 15_001)]), 0);
  assert.equal(countZaps([visit(1, 0, 10_000), visit(1, 10_050)]), 0, "the same group again");
  assert.equal(countZaps([visit(1, 0, 10_000, "expired"), visit(2, 10_050)]), 0, "nobody left");
  assert.equal(countZaps([visit(1, 0, 10_000), visit(2, 0, 10_000), visit(3, 10_050)]), 1, "two leaves, one join");
});

test("zaps are listed for each host, with their rate, and memberships that ended before are left out", async () => {
  const at = (seconds: number) => unixTime(T0 + seconds * 1000);
  const one = Array.from({ length: 60 }, (_, n) =>
    member(1, { group: GROUP + (n % 2), since: at(n * 60), until: at(n * 60 + 59), cause: "left" }),
  );
  const store = await storeWith(device(1), ...one, member(2), member(3, { until: at(1), cause: "left" }));
  const listed = (await all(listZaps(store, at(3600), at(2)))).map((row) => [
    row.host,
    row.device,
    row.zaps,
    row.perHour,
    row.visits,
  ]);
  assert.deepEqual(listed, [
    ["10.0.0.1", "box1", 59, 59, 60],
    ["10.0.0.2", undefined, 0, 0, 1],
  ]);
});

test("counts and routers are listed whole, the newest count first", async () => {
  const numbers = { joined: 0, left: 0, expired: 0, refused: 2, reason: "igmp.host-groups" };
  const counts = Array.from(
    { length: 1_200 },
    (_, n): Write => ({
      put: "evidence_count",
      row: {
        ...{ router: "r1", process: 7, sequence: n, position: 0, interface: "br0", host: 0x0a000001, group: GROUP },
        ...{ since: unixTime(T0), until: unixTime(T0 + n), ...numbers },
      },
    }),
  );
  const report: Write = {
    put: "router_report",
    row: { router: "r1", process: 7, sequence: 9, dropped: 3, at: unixTime(T0) },
  };
  const store = await storeWith(...counts, report);
  const rows = await all(listCounts(store));
  assert.deepEqual([rows.length, rows[0]?.until, rows[0]?.host], [1_200, "2026-01-01T00:00:01.199Z", "10.0.0.1"]);
  assert.deepEqual(
    (await all(listTable(store, "router_report"))).map(({ router, dropped }) => [router, dropped]),
    [["r1", 3]],
  );
});
