// The store on one machine's disk: SQLite in WAL mode, synchronous=FULL, so that what is answered survives a power cut.
import { chmodSync, closeSync, openSync } from "node:fs";
import { dirname } from "node:path";
import Database from "better-sqlite3";
import { HalError } from "../../core/ports/errors.ts";
import {
  type AnyRow,
  type AnyRowQuery,
  type Decision,
  type RowQuery,
  rangesOf,
  type Settled,
  type Store,
  type Write,
} from "../../core/ports/store.ts";
import { LAYOUT, type TableName, type Tables } from "../../core/ports/tables.ts";
import { makeFolder } from "../folder.ts";
import { lookAt } from "./recognition.ts";
import { APPLICATION_ID, MIGRATIONS } from "./schema.ts";

/** Where the database is, and its bounds. */
export interface SqliteOptions {
  /** The database file; `-wal` and `-shm` files lie beside it. Made with mode 0600, its directory too when missing. */
  readonly path: string;
  /** The file may grow to this many octets (default: as far as the disk goes); beyond it "store.full". */
  readonly sizeLimit?: number;
  /** How long to wait for another process that holds the store. */
  readonly busyTimeout?: number;
  /** False: throws "store.missing" instead of making a store where none is. Default: true. */
  readonly create?: boolean;
}

const BUSY_TIMEOUT = 5_000;

/**
 * Opens, and brings an older store up to date. A file that is no store of ours is left as it is. Throws HalError "store.native-missing",
 * "store.missing", "store.foreign", "store.open", "store.version", "store.locked", "store.corrupt", "store.full".
 */
export function openSqlite(options: SqliteOptions): Store {
  const database = openDatabase(options);
  try {
    prepare(database, options);
    return new SqliteStore(database);
  } catch (cause) {
    database.close();
    throw asHalError(cause, options.path);
  }
}

function openDatabase({ path, create = true, busyTimeout = BUSY_TIMEOUT }: SqliteOptions): Database.Database {
  try {
    const found = lookAt(path, busyTimeout);
    if (found.kind === "foreign") throw foreign(path, found.why);
    if (found.kind === "nothing") {
      if (!create) throw new HalError("store.missing", `there is no store at ${path}${found.why}`);
      makeFile(path);
    }
    chmodSync(path, 0o600);
    return new Database(path, { timeout: busyTimeout, fileMustExist: true });
  } catch (cause) {
    throw asHalError(cause, path);
  }
}

const foreign = (path: string, why: string): HalError =>
  new HalError("store.foreign", `${path} is no store of ours: ${why}`, {
    needs: "as `store.path` the path of a store, or one where no file is; a store that was damaged, from a backup",
  });

/** Made by us first, so that it never is readable by others, not even for a moment; SQLite gives -wal and -shm the same mode. */
function makeFile(path: string): void {
  makeFolder(dirname(path), 0o700);
  closeSync(openSync(path, "a", 0o600));
}

function prepare(database: Database.Database, { path, sizeLimit }: SqliteOptions): void {
  mark(database);
  database.pragma("journal_mode = WAL");
  database.pragma("synchronous = FULL");
  database.pragma("secure_delete = ON");
  database.pragma("journal_size_limit = 16777216");
  migrate(database, path);
  if (sizeLimit !== undefined) {
    const pageSize = database.pragma("page_size", { simple: true }) as number;
    database.pragma(`max_page_count = ${Math.max(1, Math.floor(sizeLimit / pageSize))}`);
  }
}

/** Before a new store has a write-ahead log: so its file itself says whose it is, from the first page on. */
function mark(database: Database.Database): void {
  if (database.pragma("application_id", { simple: true }) === APPLICATION_ID) return;
  database.pragma(`application_id = ${APPLICATION_ID}`);
}

function migrate(database: Database.Database, path: string): void {
  const step = database.transaction(() => {
    const version = database.pragma("user_version", { simple: true }) as number;
    if (version > MIGRATIONS.length) {
      throw new HalError("store.version", `${path} has version ${version}, this program knows ${MIGRATIONS.length}`, {
        needs: "a newer release",
        alternative: "another `store` path",
      });
    }
    for (const sql of MIGRATIONS.slice(version)) database.exec(sql);
    database.pragma(`user_version = ${MIGRATIONS.length}`);
  });
  step.immediate();
}

const CODES: readonly (readonly [RegExp, string, string])[] = [
  [/^(SQLITE_FULL|ENOSPC|EDQUOT)/, "store.full", "space on the disk"],
  [/^(SQLITE_BUSY|SQLITE_LOCKED)/, "store.locked", "the other process that holds the store to end"],
  [/^(SQLITE_NOTADB|SQLITE_CORRUPT)/, "store.corrupt", "an undamaged store, from a backup"],
  [
    /^(SQLITE_CANTOPEN|SQLITE_READONLY|EACCES|EPERM|EROFS|ENOENT|ENOTDIR|EISDIR)/,
    "store.open",
    "a path that this user may write",
  ],
  [/^(SQLITE_IOERR|EIO)/, "store.io", "a sound disk"],
  [
    /^(native\.missing|ERR_DLOPEN_FAILED|MODULE_NOT_FOUND)/,
    "store.native-missing",
    "better_sqlite3.node for this Node",
  ],
];

/** A failure of the machine; undefined for our own mistakes, such as a broken constraint. */
function machineFailure(cause: unknown, path: string): HalError | undefined {
  const code = cause instanceof Error && "code" in cause ? String(cause.code) : "";
  const known = CODES.find(([pattern]) => pattern.test(code));
  if (known === undefined) return undefined;
  return new HalError(known[1], `${path}: ${(cause as Error).message}`, { cause, needs: known[2] });
}

function asHalError(cause: unknown, path: string): HalError {
  if (cause instanceof HalError) return cause;
  const message = cause instanceof Error ? cause.message : String(cause);
  return machineFailure(cause, path) ?? new HalError("store.open", `${path}: ${message}`, { cause });
}

type Value = string | number | Uint8Array | null;
type Statement = Database.Statement<Value[], Record<string, Value>>;

class SqliteStore implements Store {
  readonly #database: Database.Database;
  readonly #statements = new Map<string, Statement>();
  /** Keys were deleted, and the write-ahead log still has them. */
  #erasing = false;

  constructor(database: Database.Database) {
    this.#database = database;
  }

  // Async, so that every failure is a rejection.
  async transact<Outcome>(decisions: readonly Decision<Outcome>[]): Promise<readonly Settled<Outcome>[]> {
    this.#mustBeOpen();
    const settled = this.#together(decisions) ?? decisions.map((decision) => this.#alone(decision));
    if (this.#erasing) this.#truncateLog();
    return settled;
  }

  /** Erased keys are still in the log. The transaction is on disk already, so what fails here is no failure of it: it is tried again. */
  #truncateLog(): void {
    try {
      const [{ busy } = { busy: 1 }] = this.#database.pragma("wal_checkpoint(TRUNCATE)") as { busy: number }[];
      this.#erasing = busy !== 0;
    } catch (cause) {
      if (machineFailure(cause, this.#database.name) === undefined) throw cause;
    }
  }

  async read<T extends TableName>(query: RowQuery<T>): Promise<readonly Tables[T][]> {
    this.#mustBeOpen();
    try {
      return this.#find(query as unknown as AnyRowQuery) as unknown as readonly Tables[T][];
    } catch (cause) {
      throw machineFailure(cause, this.#database.name) ?? cause;
    }
  }

  async close(): Promise<void> {
    this.#database.close();
  }

  #mustBeOpen(): void {
    if (!this.#database.open) throw new HalError("store.closed", "the store is closed");
  }

  /** All in one transaction; undefined when one of them is at fault, and then nothing was written. */
  #together<Outcome>(decisions: readonly Decision<Outcome>[]): Settled<Outcome>[] | undefined {
    try {
      return this.#database
        .transaction(() => decisions.map((decision): Settled<Outcome> => this.#carryOut(decision)))
        .immediate();
    } catch (cause) {
      const failure = machineFailure(cause, this.#database.name);
      if (failure !== undefined) throw failure;
      return undefined;
    }
  }

  #alone<Outcome>(decision: Decision<Outcome>): Settled<Outcome> {
    try {
      return this.#database.transaction(() => this.#carryOut(decision)).immediate();
    } catch (cause) {
      const failure = machineFailure(cause, this.#database.name);
      if (failure !== undefined) throw failure;
      return { kind: "fault", error: new HalError("store.decision", "a decision could not be carried out", { cause }) };
    }
  }

  #carryOut<Outcome>(decision: Decision<Outcome>): Settled<Outcome> {
    const deciding = decision();
    let step = deciding.next();
    while (step.done !== true) step = deciding.next(this.#find(step.value) as unknown as readonly AnyRow[]);
    for (const write of step.value.writes) {
      this.#apply(write);
      if ("delete" in write && LAYOUT[write.delete].secret === true) this.#erasing = true;
    }
    return { kind: "done", outcome: step.value.outcome };
  }

  #apply(write: Write): void {
    if ("delete" in write) {
      const key = write.key as Record<string, Value>;
      const columns = LAYOUT[write.delete].key as readonly string[];
      const where = columns.map((column) => `"${column}" = ?`).join(" AND ");
      this.#prepared(`DELETE FROM ${write.delete} WHERE ${where}`).run(...columns.map((column) => toSql(key[column])));
      return;
    }
    const row = write.row as unknown as Record<string, Value>;
    const columns = Object.keys(LAYOUT[write.put].columns);
    this.#prepared(putStatement(write.put, columns)).run(...columns.map((column) => toSql(row[column])));
  }

  #find(query: AnyRowQuery): readonly object[] {
    const { sql, values } = selectStatement(query);
    return this.#prepared(sql)
      .all(...values)
      .map(fromSql);
  }

  /** Bounded by the statements that the source text can make. */
  #prepared(sql: string): Statement {
    let statement = this.#statements.get(sql);
    if (statement === undefined) {
      statement = this.#database.prepare<Value[], Record<string, Value>>(sql);
      this.#statements.set(sql, statement);
    }
    return statement;
  }
}

/** An upsert by key: unlike REPLACE it never removes another row that breaks a unique column, but fails. */
function putStatement(table: TableName, columns: readonly string[]): string {
  const key = LAYOUT[table].key as readonly string[];
  const quoted = columns.map((column) => `"${column}"`).join(", ");
  const rest = columns.filter((column) => !key.includes(column));
  const update =
    rest.length === 0
      ? "NOTHING"
      : `UPDATE SET ${rest.map((column) => `"${column}" = excluded."${column}"`).join(", ")}`;
  const places = columns.map(() => "?").join(", ");
  const conflict = key.map((column) => `"${column}"`).join(", ");
  return `INSERT INTO ${table} (${quoted}) VALUES (${places}) ON CONFLICT (${conflict}) DO ${update}`;
}

interface Condition {
  readonly sql: string;
  readonly values: readonly Value[];
}

function selectStatement(query: AnyRowQuery): { sql: string; values: readonly Value[] } {
  const { table, equal, absent, order, descending, limit } = query;
  const conditions: Condition[] = Object.entries(equal ?? {}).map(([column, value]) => ({
    sql: `"${column}" = ?`,
    values: [toSql(value as Value)],
  }));
  if (absent !== undefined) conditions.push({ sql: `"${absent}" IS NULL`, values: [] });
  for (const { column, since, before } of rangesOf(query)) {
    if (since !== undefined) conditions.push({ sql: `"${column}" >= ?`, values: [since] });
    if (before !== undefined) conditions.push({ sql: `"${column}" < ?`, values: [before] });
  }
  if (query.after !== undefined) conditions.push(following(query, query.after as object as Record<string, Value>));
  const direction = descending === true ? " DESC" : "";
  const by = [...(order === undefined ? [] : [order]), ...LAYOUT[table].key].map((column) => `"${column}"${direction}`);
  const where = conditions.length === 0 ? "" : ` WHERE ${conditions.map(({ sql }) => sql).join(" AND ")}`;
  const sql = `SELECT * FROM ${table}${where} ORDER BY ${by.join(", ")} LIMIT ?`;
  return { sql, values: [...conditions.flatMap(({ values }) => values), limit] };
}

/** Row values compare column by column, as ORDER BY does, except with NULL: the first ascending, the last descending. */
function following(query: AnyRowQuery, row: Readonly<Record<string, Value>>): Condition {
  const { table, order, descending } = query;
  const key = LAYOUT[table].key as readonly string[];
  const operator = descending === true ? "<" : ">";
  const beyond = (columns: readonly string[]): Condition => ({
    sql: `(${columns.map((column) => `"${column}"`).join(", ")}) ${operator} (${columns.map(() => "?").join(", ")})`,
    values: columns.map((column) => toSql(row[column])),
  });
  if (order === undefined) return beyond(key);
  if (toSql(row[order]) === null) {
    const { sql, values } = beyond(key);
    return { sql: `("${order}" IS ${descending === true ? "NULL AND" : "NOT NULL OR"} ${sql})`, values };
  }
  const { sql, values } = beyond([order, ...key]);
  // The OR keeps SQLite from seeking in an index, so it stands only where rows without a value can follow.
  const nullsFollow = descending === true && mayBeAbsent(query, order);
  return { sql: nullsFollow ? `(${sql} OR "${order}" IS NULL)` : sql, values };
}

function mayBeAbsent(query: AnyRowQuery, column: string): boolean {
  const columns: Readonly<Record<string, string>> = LAYOUT[query.table].columns;
  return columns[column]?.endsWith("?") === true && !rangesOf(query).some((range) => range.column === column);
}

const toSql = (value: Value | undefined): Value => value ?? null;

/** NULL becomes an absent property, a Buffer plain octets. */
function fromSql(row: Record<string, Value>): object {
  const plain: Record<string, Value> = {};
  for (const [column, value] of Object.entries(row)) {
    if (value === null) continue;
    plain[column] = value instanceof Uint8Array ? new Uint8Array(value) : value;
  }
  return plain;
}
