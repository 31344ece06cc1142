// The store: decisions are pure, the driver gives them rows and makes their writes durable, many in one transaction.
import type { HalError } from "./errors.ts";
import type { TableName, Tables } from "./tables.ts";

/** Rows of one table. All conditions must hold; `limit` bounds the answer. */
export interface Query<T extends TableName = TableName> {
  readonly table: T;
  readonly equal?: Partial<Tables[T]>;
  /** This column has no value. */
  readonly absent?: keyof Tables[T] & string;
  /** The column is below `before`, at or above `since`; rows without a value never match. */
  readonly range?: { readonly column: keyof Tables[T] & string; readonly since?: number; readonly before?: number };
  /** Order by this column; equals, and everything without it, by key. */
  readonly order?: keyof Tables[T] & string;
  readonly descending?: boolean;
  readonly limit: number;
}

export type AnyQuery = { [T in TableName]: Query<T> }[TableName];
export type AnyRow = Tables[TableName];

/** "put" adds the row or replaces the one with its key; "delete" needs the key's columns only, and a missing row is no fault. */
export type Write =
  | { [T in TableName]: { readonly put: T; readonly row: Tables[T] } }[TableName]
  | { [T in TableName]: { readonly delete: T; readonly key: Partial<Tables[T]> } }[TableName];

export interface Verdict<Outcome> {
  readonly outcome: Outcome;
  readonly writes: readonly Write[];
}

/** Asks for rows by yielding queries, then says what comes out and what to write. The same rows give the same verdict. */
export type Deciding<Outcome> = Generator<AnyQuery, Verdict<Outcome>, readonly AnyRow[]>;

/** Starts from the beginning at each call: a driver may decide again after a failed transaction. */
export type Decision<Outcome> = () => Deciding<Outcome>;

/** "fault": this decision could not be carried out (our own mistake, most likely); it wrote nothing, the others stand. */
export type Settled<Outcome> =
  | { readonly kind: "done"; readonly outcome: Outcome }
  | { readonly kind: "fault"; readonly error: HalError };

/**
 * Drivers: sqlite (one machine), memory (simulated, with crashes). A driver for a shared server fits too: queries are answered one
 * by one, so it may await each.
 */
export interface Store {
  /**
   * Carries out all decisions, in order and each seeing what the earlier ones wrote, in one transaction, and resolves when that is
   * durable. Rejects with HalError "store.full", "store.io", "store.locked", "store.closed": then nothing was written.
   */
  transact<Outcome>(decisions: readonly Decision<Outcome>[]): Promise<readonly Settled<Outcome>[]>;
  /** What is durable now. */
  read<T extends TableName>(query: Query<T>): Promise<readonly Tables[T][]>;
  close(): Promise<void>;
}

/** The rows that match. */
export function* find<T extends TableName>(
  query: Query<T>,
): Generator<AnyQuery, readonly Tables[T][], readonly AnyRow[]> {
  return (yield query as unknown as AnyQuery) as readonly Tables[T][];
}

/** The row with this key. */
export function* get<T extends TableName>(
  table: T,
  key: Partial<Tables[T]>,
): Generator<AnyQuery, Tables[T] | undefined, readonly AnyRow[]> {
  return (yield* find({ table, equal: key, limit: 1 }))[0];
}
