// A wrong path: somebody else's file stays as it is, octets and mode and what lies beside it; our own of every build are opened.
import assert from "node:assert/strict";
import { chmodSync, copyFileSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { test } from "node:test";
import Database from "better-sqlite3";
import { unixTime } from "../../core/base/time.ts";
import { freshPath, inNewFolder } from "../../core/reception/stores.testkit.ts";
import { writing } from "./contract.testkit.ts";
import { APPLICATION_ID, MIGRATIONS } from "./schema.ts";
import { openSqlite } from "./sqlite.ts";

const OTHERS =
  "CREATE TABLE bookmark (id INTEGER PRIMARY KEY, url TEXT); INSERT INTO bookmark (url) VALUES ('a'), ('b');";

function sqlite(path: string, ...sql: readonly string[]): void {
  const database = new Database(path);
  for (const one of sql) database.exec(one);
  database.close();
}

/** As a process leaves it that is killed: what it wrote is in the log only. */
function killed(path: string, ...sql: readonly string[]): void {
  const running = inNewFolder();
  const database = new Database(running);
  for (const one of ["PRAGMA journal_mode = WAL", ...sql]) database.exec(one);
  for (const end of ["", "-wal"]) copyFileSync(`${running}${end}`, `${path}${end}`);
  database.close();
}

const FOREIGN: Readonly<Record<string, (path: string) => void>> = {
  "a text": (path) => writeFileSync(path, "plain text, long enough to be looked at ".repeat(100)),
  "a text of three letters": (path) => writeFileSync(path, "abc"),
  "a database": (path) => sqlite(path, OTHERS),
  "a database with our version": (path) => sqlite(path, OTHERS, `PRAGMA user_version = ${MIGRATIONS.length}`),
  "a database in WAL mode": (path) => sqlite(path, "PRAGMA journal_mode = WAL", OTHERS, "PRAGMA user_version = 1"),
  "a database with a higher version": (path) => sqlite(path, OTHERS, "PRAGMA user_version = 57"),
  "a database with a mark": (path) => sqlite(path, OTHERS, "PRAGMA application_id = 1", "PRAGMA user_version = 1"),
  "a database with one of our tables' names": (path) =>
    sqlite(path, OTHERS, "CREATE TABLE device (id TEXT)", "PRAGMA user_version = 1"),
};

/** Everything in the file's folder: names, modes and octets. */
const folderOf = (path: string) =>
  readdirSync(dirname(path)).map((name) => {
    const file = join(dirname(path), name);
    return { name, mode: statSync(file).mode, octets: readFileSync(file, "hex") };
  });

for (const [what, make] of Object.entries(FOREIGN))
  test(`${what} at the path is no store of ours, and stays as it is`, () => {
    const path = inNewFolder();
    make(path);
    chmodSync(path, 0o644);
    const before = folderOf(path);
    for (const create of [false, true]) {
      const message = new RegExp(`^${path} is no store of ours: `);
      assert.throws(() => openSqlite({ path, create }), { name: "HalError", code: "store.foreign", message });
      assert.deepEqual(folderOf(path), before, `create ${create}`);
    }
  });

test("a database that another program has not yet written out of its log stays as it is too", () => {
  const path = inNewFolder();
  killed(path, OTHERS, "PRAGMA user_version = 1");
  const files = () => folderOf(path).filter(({ name }) => !name.endsWith("-shm"));
  const before = files();
  for (const create of [false, true]) {
    assert.throws(() => openSqlite({ path, create }), { code: "store.foreign" });
    assert.deepEqual(files(), before);
  }
});

test("a directory at the path is no store of ours, and keeps its mode", () => {
  const path = freshPath();
  mkdirSync(path, { recursive: true, mode: 0o755 });
  for (const create of [false, true])
    assert.throws(() => openSqlite({ path, create }), { code: "store.foreign", message: /no regular file/ });
  assert.equal(statSync(path).mode & 0o777, 0o755);
});

const CHANNEL = "INSERT INTO channel (id, title) VALUES ('one', '')";

/** Opens it as a command does that makes no store. */
async function channelsAt(path: string): Promise<readonly string[]> {
  const store = openSqlite({ path, create: false });
  const rows = await store.read({ table: "channel", limit: 9 });
  await store.close();
  return rows.map(({ id }) => id);
}

function markOf(path: string): unknown {
  const database = new Database(path, { readonly: true });
  const mark = database.pragma("application_id", { simple: true });
  database.close();
  return mark;
}

for (const [index] of MIGRATIONS.slice(0, 2).entries()) {
  const version = index + 1;
  const sql = [...MIGRATIONS.slice(0, version), `PRAGMA user_version = ${version}`, CHANNEL];
  for (const [state, make] of Object.entries({ closed: sqlite, killed }))
    test(`a store of version ${version} from a build that set no mark, ${state}, is opened and marked`, async () => {
      const path = inNewFolder();
      make(path, ...sql);
      assert.deepEqual(await channelsAt(path), ["one"]);
      assert.equal(markOf(path), APPLICATION_ID);
    });
}

test("a store of version 2 takes addresses of 16 octets beside the numbers that it has", async () => {
  const path = inNewFolder();
  const columns = 'router, interface, host, "group", since';
  const row = `INSERT INTO membership (${columns}) VALUES ('r1', 'eth1', ${0xffffffff}, ${0xef880101}, 1)`;
  sqlite(path, ...MIGRATIONS.slice(0, 2), "PRAGMA user_version = 2", row);
  const known = { router: "r1", interface: "eth1", host: 0xffffffff, group: 0xef880101, since: unixTime(1) };
  const longer = { ...known, host: `${"0000:".repeat(7)}0001`, group: `ff3e:${"0000:".repeat(6)}0001` };
  const store = openSqlite({ path });
  await store.transact([writing({ put: "membership", row: longer })]);
  assert.deepEqual(await store.read({ table: "membership", limit: 9 }), [known, longer]);
  await store.close();
});

test("a store of version 3 keeps what it has, and takes policies of routers", async () => {
  const path = inNewFolder();
  const marked = [`PRAGMA application_id = ${APPLICATION_ID}`, "PRAGMA user_version = 3"];
  sqlite(path, ...MIGRATIONS.slice(0, 3), ...marked, CHANNEL);
  const row = { router: "r1", revision: 5, at: unixTime(1), policy: "{}" };
  const store = openSqlite({ path });
  await store.transact([writing({ put: "router_policy", row })]);
  assert.deepEqual(await store.read({ table: "router_policy", limit: 9 }), [row]);
  assert.equal((await store.read({ table: "channel", limit: 9 })).length, 1);
  await store.close();
});

test("the file of a new store says whose it is before anything is written out of its log", async () => {
  const path = freshPath();
  const store = openSqlite({ path });
  assert.equal(readFileSync(path).readInt32BE(68), APPLICATION_ID);
  await store.close();
});

test("a database in which nothing is becomes a store only where one may be made", async () => {
  const path = inNewFolder();
  sqlite(path, OTHERS, "DROP TABLE bookmark");
  assert.throws(() => openSqlite({ path, create: false }), { code: "store.missing", message: /the database is empty/ });
  await openSqlite({ path }).close();
  assert.deepEqual(await channelsAt(path), []);
});
