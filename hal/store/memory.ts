// A store in memory that outlives its process: what a simulation uses, with crashes before and after the commit.
import { HalError } from "../../core/ports/errors.ts";
import {
  type AnyRow,
  type AnyRowQuery,
  type Decision,
  type Range,
  type RowQuery,
  rangesOf,
  type Settled,
  type Store,
  type Write,
} from "../../core/ports/store.ts";
import { LAYOUT, type TableName, type Tables } from "../../core/ports/tables.ts";

type Row = Readonly<Record<string, unknown>>;

/** The rows of one table or of its pending changes (undefined: deleted), by key. */
type Rows = Map<string, Row>;

/** The disk: hand the same one to the store of the next process. */
export class MemoryDisk {
  readonly #tables = new Map<TableName, Rows>();

  rows(table: TableName): Rows {
    let rows = this.#tables.get(table);
    if (rows === undefined) {
      rows = new Map();
      this.#tables.set(table, rows);
    }
    return rows;
  }

  find(query: AnyRowQuery): readonly Row[] {
    const exact = exactKey(query);
    const candidates =
      exact === undefined ? this.rows(query.table).values() : present(this.rows(query.table).get(exact));
    const compare = comparing(query);
    const { after } = query as { readonly after?: object };
    const found: Row[] = [];
    for (const row of candidates)
      if (matches(row, query) && (after === undefined || compare(row, after as Row) > 0)) found.push(row);
    return found.sort(compare).slice(0, query.limit);
  }

  /** Applies the write and returns what undoes it. */
  apply(write: Write): () => void {
    const [table, key] =
      "put" in write ? [write.put, keyOf(write.put, write.row)] : [write.delete, keyOf(write.delete, write.key)];
    const rows = this.rows(table);
    const old = rows.get(key);
    if ("put" in write) rows.set(key, { ...write.row });
    else rows.delete(key);
    return () => (old === undefined ? rows.delete(key) : rows.set(key, old));
  }
}

function* present(row: Row | undefined): Iterable<Row> {
  if (row !== undefined) yield row;
}

const keyOf = (table: TableName, row: object): string =>
  JSON.stringify(LAYOUT[table].key.map((column) => (row as Row)[column]));

function exactKey({ table, equal }: AnyRowQuery): string | undefined {
  if (equal === undefined || LAYOUT[table].key.some((column) => !(column in equal))) return undefined;
  return keyOf(table, equal);
}

function matches(row: Row, query: AnyRowQuery): boolean {
  const { equal, absent } = query;
  for (const [column, value] of Object.entries(equal ?? {})) if (row[column] !== value) return false;
  if (absent !== undefined && row[absent] !== undefined) return false;
  return rangesOf(query).every((range) => isWithin(row[range.column], range));
}

const isWithin = (value: unknown, { since, before }: Range): boolean =>
  typeof value === "number" && (since === undefined || value >= since) && (before === undefined || value < before);

type Ordered = string | number | undefined;

const compareValues = (a: Ordered, b: Ordered): number => {
  if (a === b) return 0;
  if (a === undefined) return -1;
  if (b === undefined) return 1;
  // A column of addresses has both: SQLite puts numbers first.
  if (typeof a !== typeof b) return typeof a === "number" ? -1 : 1;
  return a < b ? -1 : 1;
};

/** Absent values come first, as NULL does in SQLite. */
function comparing({ table, order, descending }: AnyRowQuery): (a: Row, b: Row) => number {
  const sign = descending === true ? -1 : 1;
  const columns = [...(order === undefined ? [] : [order]), ...LAYOUT[table].key] as readonly string[];
  return (a, b) => {
    for (const column of columns) {
      const by = compareValues(a[column] as Ordered, b[column] as Ordered);
      if (by !== 0) return by * sign;
    }
    return 0;
  };
}

/** What happens at a commit: it succeeds, the process dies before or after it, or the disk is full. */
export type CommitFate = "commits" | "dies-before" | "dies-after" | "full";

/** One process's store on a `MemoryDisk`. */
export class MemoryStore implements Store {
  readonly #disk: MemoryDisk;
  readonly #fate: () => CommitFate;
  #open = true;

  /** `fate` is asked once a transaction; after a death nothing is answered any more. */
  constructor(disk = new MemoryDisk(), fate: () => CommitFate = () => "commits") {
    this.#disk = disk;
    this.#fate = fate;
  }

  /** False after the simulated death of the process, or `close`. */
  get alive(): boolean {
    return this.#open;
  }

  transact<Outcome>(decisions: readonly Decision<Outcome>[]): Promise<readonly Settled<Outcome>[]> {
    const settled = this.transactNow(decisions);
    if (settled instanceof HalError) return Promise.reject(settled);
    return settled === undefined ? new Promise(() => {}) : Promise.resolve(settled);
  }

  /** The same in one call, for simulations that keep no promises: the error, or undefined when the process died. */
  transactNow<Outcome>(decisions: readonly Decision<Outcome>[]): readonly Settled<Outcome>[] | HalError | undefined {
    if (!this.#open) return new HalError("store.closed", "the store is closed");
    const undo: (() => void)[] = [];
    const settled = decisions.map((decision) => this.#carryOut(decision, undo));
    const fate = this.#fate();
    if (fate === "full" || fate === "dies-before") for (const step of undo.reverse()) step();
    if (fate === "full") return new HalError("store.full", "the disk is full", { needs: "space on the disk" });
    if (fate === "commits") return settled;
    this.#open = false;
    return undefined;
  }

  read<T extends TableName>(query: RowQuery<T>): Promise<readonly Tables[T][]> {
    if (!this.#open) return Promise.reject(new HalError("store.closed", "the store is closed"));
    return Promise.resolve(this.#disk.find(query as unknown as AnyRowQuery) as unknown as readonly Tables[T][]);
  }

  close(): Promise<void> {
    this.#open = false;
    return Promise.resolve();
  }

  #carryOut<Outcome>(decision: Decision<Outcome>, undo: (() => void)[]): Settled<Outcome> {
    const mine: (() => void)[] = [];
    try {
      const deciding = decision();
      let step = deciding.next();
      while (step.done !== true) step = deciding.next(this.#disk.find(step.value) as unknown as readonly AnyRow[]);
      for (const write of step.value.writes) mine.push(this.#disk.apply(write));
      undo.push(...mine);
      return { kind: "done", outcome: step.value.outcome };
    } catch (cause) {
      for (const step of mine.reverse()) step();
      return { kind: "fault", error: new HalError("store.decision", "a decision could not be carried out", { cause }) };
    }
  }
}
