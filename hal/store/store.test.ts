import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { readdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import Database from "better-sqlite3";
import type { Decision } from "../../core/ports/store.ts";
import { LAYOUT } from "../../core/ports/tables.ts";
import { decided, octets, register, T0 } from "../../core/reception/decisions.testkit.ts";
import { freshPath, inNewFolder, STORE_DRIVERS } from "../../core/reception/stores.testkit.ts";
import { storeContract, writing } from "./contract.testkit.ts";
import { GroupCommit } from "./group-commit.ts";
import { type CommitFate, MemoryDisk, MemoryStore } from "./memory.ts";
import { openSqlite } from "./sqlite.ts";

for (const driver of STORE_DRIVERS) storeContract(driver);

const putChannel = (id: string, title: string): Decision<string> =>
  // biome-ignore lint/correctness/useYield: needs no rows
  function* () {
    return { outcome: id, writes: [{ put: "channel", row: { id, title } }] };
  };

test("memory: a process that dies before its commit leaves nothing, after it everything, and answers neither", async () => {
  for (const [fate, rows] of [
    ["dies-before", 0],
    ["dies-after", 1],
  ] as const) {
    const disk = new MemoryDisk();
    const store = new MemoryStore(disk, () => fate);
    assert.equal(store.transactNow([putChannel("one", "")]), undefined);
    assert.equal(store.alive, false);
    assert.equal((await new MemoryStore(disk).read({ table: "channel", limit: 9 })).length, rows);
  }
});

test("memory: a full disk rejects the whole transaction, and the next one succeeds when there is space", async () => {
  let fate: CommitFate = "full";
  const store = new MemoryStore(new MemoryDisk(), () => fate);
  await assert.rejects(store.transact([putChannel("one", "")]), { code: "store.full" });
  assert.deepEqual(await store.read({ table: "channel", limit: 9 }), []);
  fate = "commits";
  assert.equal(await decided(store, putChannel("one", "")), "one");
});

test("sqlite: the schema has exactly the columns that the tables declare", async () => {
  const path = freshPath();
  await openSqlite({ path }).close();
  const database = new Database(path);
  for (const [table, { columns }] of Object.entries(LAYOUT)) {
    const found = database.prepare(`SELECT name FROM pragma_table_info('${table}')`).pluck().all();
    assert.deepEqual([...found].sort(), Object.keys(columns).sort(), table);
  }
  assert.equal(database.pragma("journal_mode", { simple: true }), "wal");
  database.close();
});

test("sqlite: only the owner can read any of its files", async () => {
  const path = freshPath();
  const store = openSqlite({ path });
  await register(store);
  for (const name of readdirSync(join(path, ".."))) {
    assert.equal(statSync(join(path, "..", name)).mode & 0o777, 0o600, name);
  }
  await store.close();
});

test("sqlite: what was written stays answered although somebody else keeps the log, with its erased keys, from being cut", async () => {
  const path = freshPath();
  const store = openSqlite({ path, busyTimeout: 50 });
  const row = {
    channel: "one",
    epoch: 1,
    masterKey: octets(0xa5),
    masterSalt: octets(1),
    state: "offered",
    switchAt: T0,
  } as const;
  await decided(store, writing({ put: "epoch", row }));
  const reader = new Database(path);
  reader.exec("BEGIN; SELECT count(*) FROM epoch;");
  await decided(store, writing({ delete: "epoch", key: { channel: "one", epoch: 1 } }));
  const hasKey = (): boolean => readFileSync(`${path}-wal`).includes(Buffer.from(octets(0xa5)));
  assert.equal(hasKey(), true, "somebody still reads");
  reader.close();
  assert.equal(await decided(store, putChannel("one", "")), "one");
  assert.equal(hasKey(), false, "cut off with the next transaction");
  await store.close();
});

test("sqlite: a store that cannot be read says so as a HalError", async () => {
  const path = freshPath();
  const store = openSqlite({ path });
  await register(store);
  await store.close();
  const database = new Database(path);
  const page = Number(database.prepare("SELECT rootpage FROM sqlite_master WHERE name = 'device'").pluck().get());
  const size = Number(database.pragma("page_size", { simple: true }));
  database.close();
  const file = readFileSync(path);
  file.fill(0x77, (page - 1) * size, page * size);
  writeFileSync(path, file);
  const broken = openSqlite({ path });
  await assert.rejects(broken.read({ table: "device", limit: 9 }), { name: "HalError", code: "store.corrupt" });
  await broken.close();
});

test("sqlite: a store of a newer version is left alone", async () => {
  const path = freshPath();
  await openSqlite({ path }).close();
  const database = new Database(path);
  database.pragma("user_version = 999");
  database.close();
  assert.throws(() => openSqlite({ path }), { code: "store.version" });
});

test("sqlite: a path that cannot be is told", () => {
  const path = inNewFolder();
  writeFileSync(path, "");
  assert.throws(() => openSqlite({ path: join(path, "below-a-file.db") }), { code: "store.open" });
});

test("sqlite: another process that holds the store is told as locked", async () => {
  const path = freshPath();
  const store = openSqlite({ path, busyTimeout: 20 });
  const other = new Database(path);
  other.exec("BEGIN IMMEDIATE");
  await assert.rejects(store.transact([putChannel("one", "")]), { code: "store.locked" });
  other.exec("ROLLBACK");
  assert.equal(await decided(store, putChannel("one", "")), "one");
  other.close();
  await store.close();
});

test("sqlite: a full store rejects, keeps what it has, and goes on when there is space", async () => {
  const path = freshPath();
  const limited = openSqlite({ path, sizeLimit: 256 * 1024 });
  let kept = 0;
  const fill = async (): Promise<void> => {
    for (; ; kept++) await decided(limited, putChannel(`c${kept}`, "x".repeat(4000)));
  };
  await assert.rejects(fill(), { code: "store.full" });
  assert.ok(kept > 10);
  assert.equal((await limited.read({ table: "channel", limit: 1000 })).length, kept);
  await decided(limited, putChannel("c0", ""));
  await limited.close();
  const wider = openSqlite({ path });
  await decided(wider, putChannel("again", "x".repeat(4000)));
  assert.equal((await wider.read({ table: "channel", limit: 1000 })).length, kept + 1);
  await wider.close();
});

test("sqlite: an erased epoch is gone from every file", async () => {
  const path = freshPath();
  const store = openSqlite({ path });
  const masterKey = new TextEncoder().encode("a key to erase!!");
  const row = {
    channel: "one",
    epoch: 1,
    masterKey,
    masterSalt: octets(1, 12),
    state: "announced",
    switchAt: T0,
  } as const;
  const onDisk = (): boolean =>
    readdirSync(join(path, "..")).some((name) => readFileSync(join(path, "..", name)).includes(Buffer.from(masterKey)));
  await decided(store, writing({ put: "epoch", row }));
  assert.equal(onDisk(), true);
  await decided(store, writing({ delete: "epoch", key: { channel: "one", epoch: 1 } }));
  assert.equal(onDisk(), false);
  await store.close();
});

test("group commit: decisions of one turn share a transaction, a fault stays with its own, a full queue refuses", async () => {
  const store = new MemoryStore();
  const commits = new GroupCommit(store, { group: 10, queue: 3 });
  const fails: Decision<string> = function* () {
    yield { table: "channel", limit: 1 };
    throw new RangeError("a mistake of ours");
  };
  const answers = await Promise.allSettled([
    commits.run(putChannel("one", "")),
    commits.run(fails),
    commits.run(putChannel("two", "")),
    commits.run(putChannel("three", "")),
  ]);
  assert.deepEqual(
    answers.map((answer) => (answer.status === "fulfilled" ? answer.value : answer.reason.code)),
    ["one", "store.decision", "two", "store.busy"],
  );
  assert.equal(commits.figures.commits, 1);
});

/** Kills the child in mid-write after `lines` acknowledgements; returns everything it acknowledged. */
async function killedAfter(child: ChildProcess, lines: number): Promise<string[]> {
  const acknowledged: string[] = [];
  const reader = createInterface({ input: child.stdout as NodeJS.ReadableStream });
  reader.on("line", (line) => {
    if (line.length === 32) acknowledged.push(line);
    if (acknowledged.length === lines) child.kill("SIGKILL");
  });
  await Promise.all([once(child, "exit"), once(reader, "close")]);
  return acknowledged;
}

test("sqlite: after kill -9 nothing acknowledged is lost or there twice", async () => {
  const path = freshPath();
  const empty = openSqlite({ path });
  await register(empty);
  await empty.close();
  const program = fileURLToPath(new URL("writing-child.testkit.js", import.meta.url));
  const acknowledged: string[] = [];
  for (let round = 0; round < 4; round++) {
    const child = spawn(process.execPath, [program, path, String(1 + round * 100_000)], {
      stdio: ["ignore", "pipe", "inherit"],
    });
    const least = 60 + round * 37;
    const ids = await killedAfter(child, least);
    assert.ok(ids.length >= least, `round ${round}: the child acknowledged ${ids.length} before it was killed`);
    acknowledged.push(...ids);
  }
  const store = openSqlite({ path });
  const records = await store.read({ table: "usage_record", limit: 100_000 });
  const ids = new Set(records.map(({ reception }) => reception));
  assert.deepEqual(
    acknowledged.filter((id) => !ids.has(id)),
    [],
  );
  assert.equal(ids.size, records.length);
  // At most what was committed or superseded but not yet acknowledged when the process died: one a device and round.
  assert.ok(records.length - acknowledged.length <= 2 * 2 * 4, `${records.length} of ${acknowledged.length}`);
  await store.close();
});
