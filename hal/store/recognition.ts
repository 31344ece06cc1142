// Whether a file is a store of ours, found out without a change to it: a wrong path must not harm somebody else's file.
import { closeSync, existsSync, openSync, readSync, realpathSync, statSync } from "node:fs";
import Database from "better-sqlite3";
import { readUint32 } from "../../core/base/bytes.ts";
import { APPLICATION_ID, MIGRATIONS, UNMARKED_VERSIONS } from "./schema.ts";

/** What is at a path. "nothing" and "foreign" say why, as the end of a sentence that began with the path. */
export type Found =
  | { readonly kind: "ours" }
  | { readonly kind: "nothing"; readonly why: string }
  | { readonly kind: "foreign"; readonly why: string };

const OURS: Found = { kind: "ours" };
const foreign = (why: string): Found => ({ kind: "foreign", why });

// The database header, https://sqlite.org/fileformat2.html 1.3.
const HEADER_LENGTH = 100;
const MAGIC = "SQLite format 3\0";
const USER_VERSION = 60;
const APPLICATION = 68;

/**
 * Changes neither octets nor mode of the file. A file without a page, or a database without a table, is nothing yet. `busyTimeout` as in
 * `SqliteOptions`. Throws the kernel's error or SQLite's.
 */
export function lookAt(path: string, busyTimeout: number): Found {
  const found = statSync(path, { throwIfNoEntry: false });
  if (found === undefined) return { kind: "nothing", why: "" };
  if (!found.isFile()) return foreign("it is no regular file");
  if (found.size === 0) return { kind: "nothing", why: ": the file is empty" };
  const header = headerOf(path);
  if (!Buffer.from(header).toString("latin1").startsWith(MAGIC)) return foreign("it is no SQLite database");
  const mark = readUint32(header, APPLICATION);
  if (mark === APPLICATION_ID) return OURS;
  // Stores of earlier builds have no mark, and are of the versions that were then.
  if (mark !== 0 || readUint32(header, USER_VERSION) > UNMARKED_VERSIONS) return foreign("it is another program's");
  return lookInto(path, busyTimeout);
}

function headerOf(path: string): Uint8Array {
  const file = openSync(path, "r");
  try {
    const header = new Uint8Array(HEADER_LENGTH);
    return header.subarray(0, readSync(file, header, 0, HEADER_LENGTH, 0));
  } finally {
    closeSync(file);
  }
}

/** The header may be older than what stands in the write-ahead log, so SQLite is asked. */
function lookInto(path: string, timeout: number): Found {
  const database = new Database(path, { readonly: hasLog(path), fileMustExist: true, timeout });
  try {
    if (database.pragma("application_id", { simple: true }) === APPLICATION_ID) return OURS;
    const version = Number(database.pragma("user_version", { simple: true }));
    const tables = database.prepare("SELECT name FROM sqlite_schema WHERE type = 'table'").pluck().all();
    if (version === 0 && tables.length === 0) return { kind: "nothing", why: ": the database is empty" };
    const isOurs = version > 0 && version <= UNMARKED_VERSIONS && FIRST_TABLES.every((name) => tables.includes(name));
    return isOurs ? OURS : foreign("its tables are others");
  } finally {
    database.close();
  }
}

/**
 * What a log holds is written into the file by a connection that may write. Where there is none such a connection has nothing to write,
 * and takes away the `-wal` and `-shm` that it made, which one that may only read would leave.
 */
function hasLog(path: string): boolean {
  const real = realpathSync(path);
  return existsSync(`${real}-wal`) || existsSync(`${real}-journal`);
}

const FIRST_TABLES = [...(MIGRATIONS[0] ?? "").matchAll(/CREATE TABLE (\w+)/g)].map(([, name]) => name);
