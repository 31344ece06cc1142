// Paging over a store, for every driver: each row once, in order, whatever the page size, ties, absent columns and writes in between.
import assert from "node:assert/strict";
import { existsSync, mkdirSync, writeFileSync } from "node:fs";
import { dirname } from "node:path";
import { test } from "node:test";
import { pages, type RowQuery, type Write } from "../../core/ports/store.ts";
import type { MembershipRow } from "../../core/ports/tables.ts";
import { at, decided, T0 } from "../../core/reception/decisions.testkit.ts";
import { freshPath, scenario } from "../../core/reception/stores.testkit.ts";
import { writing } from "./contract.testkit.ts";
import { openSqlite } from "./sqlite.ts";

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

type MembershipQuery = Omit<RowQuery<"membership">, "limit" | "after">;

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

for (const [how, query] of Object.entries(ORDERS))
  scenario(`pages of any size are together what one query gives, ${how}`, async (store) => {
    await decided(store, writing(...memberships(50)));
    const whole = await store.read({ ...query, limit: 1_000 });
    assert.equal(whole.length, query.range === undefined ? 50 : 33);
    for (const size of [1, 2, 3, 7, 33, 50, 51]) {
      const paged = [];
      for await (const page of pages(store, query, size)) paged.push(...page);
      assert.deepEqual(paged, whole, `pages of ${size}`);
    }
  });

scenario("all of several ranges must hold", async (store) => {
  await decided(store, writing(...memberships(50)));
  const ranges = [
    { column: "since", before: (T0 + 10_000) as number },
    { column: "until", since: T0 + 995_000 },
  ] as const;
  const found = await store.read({ table: "membership", range: ranges, limit: 99 });
  assert.ok(found.length > 5 && found.length < 30);
  for (const { since, until } of found) assert.ok(since < at(10) && until !== undefined && until >= at(995));
});

scenario("rows written between two pages neither repeat nor hide another", async (store) => {
  const rows = memberships(40);
  await decided(store, writing(...rows));
  const seen: string[] = [];
  let added = 0;
  for await (const page of pages(store, { table: "membership", order: "since" }, 10)) {
    seen.push(...page.map(({ host, since }) => `${host} ${since}`));
    await decided(store, writing({ put: "membership", row: { ...membership(0), host: added++ } }));
  }
  assert.equal(seen.length, 40);
  assert.equal(new Set(seen).size, 40);
});

scenario("an empty table has no page", async (store) => {
  for await (const page of pages(store, { table: "device" })) assert.fail(`a page of ${page.length}`);
});

test("sqlite: a store that is not there, or an empty file, is not made into one unless asked", async () => {
  const path = freshPath();
  assert.throws(() => openSqlite({ path, create: false }), {
    code: "store.missing",
    message: /no store at .*test\.db/,
  });
  assert.equal(existsSync(dirname(path)), false);
  const empty = freshPath();
  mkdirSync(dirname(empty));
  writeFileSync(empty, "");
  assert.throws(() => openSqlite({ path: empty, create: false }), { code: "store.missing", message: /is empty/ });
  await openSqlite({ path }).close();
  await openSqlite({ path, create: false }).close();
});
