// Paging over a store, for every driver: each row once, in order, whatever the page size, ties, absent columns and writes in between.
import assert from "node:assert/strict";
import { existsSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { type UnixTime, unixTime } from "../../core/base/time.ts";
import { pages, type Query, type Store, type Write } from "../../core/ports/store.ts";
import type { MembershipRow } from "../../core/ports/tables.ts";
import { MemoryStore } from "./memory.ts";
import { openSqlite } from "./sqlite.ts";

const folder = mkdtempSync(join(tmpdir(), "sealcast-paging-"));
after(() => rmSync(folder, { recursive: true }));
let files = 0;
const DRIVERS: Readonly<Record<string, () => Store>> = {
  memory: () => new MemoryStore(),
  sqlite: () => openSqlite({ path: join(folder, `${files++}.db`) }),
};

const T0 = 1_700_000_000_000;
const at = (seconds: number): UnixTime => unixTime(T0 + seconds * 1000);

async function write(store: Store, writes: readonly Write[]): Promise<void> {
  const [settled] = await store.transact([
    // biome-ignore lint/correctness/useYield: needs no rows
    function* () {
      return { outcome: undefined, writes };
    },
  ]);
  assert.equal(settled?.kind, "done");
}

/** Three hosts a second, so that `since` has ties; every third is still there and has no `until`. */
const membership = (n: number): MembershipRow => ({
  router: "r1",
  interface: "br0",
  host: 0x0a000000 + ((n * 7) % 100),
  group: 0xefff4d01,
  since: at(Math.floor(n / 3)),
  ...(n % 3 === 0 ? {} : { until: at(1_000 - (n % 10)), cause: "left" as const }),
});

const memberships = (count: number): Write[] =>
  Array.from({ length: count }, (_, n): Write => ({ put: "membership", row: membership(n) }));

type MembershipQuery = Omit<Query<"membership">, "limit" | "after">;

const ORDERS: Readonly<Record<string, MembershipQuery>> = {
  "by key": { table: "membership" },
  "by key, descending": { table: "membership", descending: true },
  "by a column with ties": { table: "membership", order: "since" },
  "by a column that some rows lack": { table: "membership", order: "until" },
  "by a column that some rows lack, descending": { table: "membership", order: "until", descending: true },
  "within a range of the column of order": {
    table: "membership",
    order: "until",
    descending: true,
    range: { column: "until", since: 0 },
  },
};

for (const [driver, open] of Object.entries(DRIVERS)) {
  for (const [how, query] of Object.entries(ORDERS))
    test(`${driver}: pages of any size are together what one query gives, ${how}`, async () => {
      const store = open();
      await write(store, memberships(50));
      const whole = await store.read({ ...query, limit: 1_000 });
      assert.equal(whole.length, query.range === undefined ? 50 : 33);
      for (const size of [1, 2, 3, 7, 33, 50, 51]) {
        const paged = [];
        for await (const page of pages(store, query, size)) paged.push(...page);
        assert.deepEqual(paged, whole, `pages of ${size}`);
      }
      await store.close();
    });

  test(`${driver}: all of several ranges must hold`, async () => {
    const store = open();
    await write(store, memberships(50));
    const ranges = [
      { column: "since", before: (T0 + 10_000) as number },
      { column: "until", since: T0 + 995_000 },
    ] as const;
    const found = await store.read({ table: "membership", range: ranges, limit: 99 });
    assert.ok(found.length > 5 && found.length < 30);
    for (const { since, until } of found) assert.ok(since < at(10) && until !== undefined && until >= at(995));
    await store.close();
  });

  test(`${driver}: rows written between two pages neither repeat nor hide another`, async () => {
    const store = open();
    const rows = memberships(40);
    await write(store, rows);
    const seen: string[] = [];
    let added = 0;
    for await (const page of pages(store, { table: "membership", order: "since" }, 10)) {
      seen.push(...page.map(({ host, since }) => `${host} ${since}`));
      await write(store, [{ put: "membership", row: { ...membership(0), host: added++ } }]);
    }
    assert.equal(seen.length, 40);
    assert.equal(new Set(seen).size, 40);
    await store.close();
  });

  test(`${driver}: an empty table has no page`, async () => {
    const store = open();
    for await (const page of pages(store, { table: "device" })) assert.fail(`a page of ${page.length}`);
    await store.close();
  });
}

test("sqlite: a store that is not there, or an empty file, is not made into one unless asked", async () => {
  const path = join(folder, "nowhere", "control.db");
  assert.throws(() => openSqlite({ path, create: false }), {
    code: "store.missing",
    message: /no store at .*control\.db/,
  });
  assert.equal(existsSync(join(folder, "nowhere")), false);
  const empty = join(folder, "empty.db");
  writeFileSync(empty, "");
  assert.throws(() => openSqlite({ path: empty, create: false }), { code: "store.missing", message: /is empty/ });
  await openSqlite({ path }).close();
  await openSqlite({ path, create: false }).close();
});
