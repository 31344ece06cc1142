// The store: decisions are pure, the driver gives them rows and makes their writes durable, many in one transaction.
import type { HalError } from "./errors.ts";
import type { TableName, Tables } from "./tables.ts";

/** The column is below `before`, at or above `since`; a row without a value never matches. */
export interface Range<T extends TableName = TableName> {
  readonly column: keyof Tables[T] & string;
  readonly since?: number;
  readonly before?: number;
}

/** Rows of one table. All conditions must hold; `limit` bounds the answer. */
export interface RowQuery<T extends TableName = TableName> {
  readonly table: T;
  readonly equal?: Partial<Tables[T]>;
  /** This column has no value. */
  readonly absent?: keyof Tables[T] & string;
  /** One range, or several that must all hold. */
  readonly range?: Range<T> | readonly Range<T>[];
  /** Order by this column; equals, and everything without it, by key. */
  readonly order?: keyof Tables[T] & string;
  readonly descending?: boolean;
  /** Only rows that follow this one in the query's order: the last of the page before (its key and the column of `order` count). */
  readonly after?: Tables[T];
  readonly limit: number;
}

/** A query of any one table. */
export type AnyRowQuery = { [T in TableName]: RowQuery<T> }[TableName];
/** A row of any one table. */
export type AnyRow = Tables[TableName];

/** "put" adds the row or replaces the one with its key; "delete" needs the key's columns only, and a missing row is no fault. */
export type Write =
  | { [T in TableName]: { readonly put: T; readonly row: Tables[T] } }[TableName]
  | { [T in TableName]: { readonly delete: T; readonly key: Partial<Tables[T]> } }[TableName];

/** What a decision comes to: the outcome for whoever asked, true only once all `writes`, in their order, are durable. */
export interface Conclusion<Outcome> {
  readonly outcome: Outcome;
  readonly writes: readonly Write[];
}

/** Asks for rows by yielding queries, then says what comes out and what to write. The same rows give the same conclusion. */
export type Deciding<Outcome> = Generator<AnyRowQuery, Conclusion<Outcome>, readonly AnyRow[]>;

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
  read<T extends TableName>(query: RowQuery<T>): Promise<readonly Tables[T][]>;
  close(): Promise<void>;
}

/** Rows that one step of `pages` takes from the store: few enough that a server answers others in between. */
const PAGE_ROWS = 1_000;

/**
 * All rows that match, page by page, so that memory does not grow with their number. No transaction spans the pages: a row that is
 * there from the first page to the last comes exactly once, one that is added or removed meanwhile may or may not. Rejects as `read`.
 */
export async function* pages<T extends TableName>(
  store: Pick<Store, "read">,
  query: Omit<RowQuery<T>, "limit" | "after">,
  size = PAGE_ROWS,
): AsyncGenerator<readonly Tables[T][], void> {
  let page = await store.read<T>({ ...query, limit: size });
  while (page.length > 0) {
    yield page;
    const after = page.at(-1);
    if (page.length < size || after === undefined) return;
    page = await store.read<T>({ ...query, after, limit: size });
  }
}

/** The ranges of a query, as a list. */
export const rangesOf = ({ range }: Pick<AnyRowQuery, "range">): readonly Range[] =>
  range === undefined ? [] : ([range].flat() as readonly Range[]);

/** The rows that match. */
export function* find<T extends TableName>(
  query: RowQuery<T>,
): Generator<AnyRowQuery, readonly Tables[T][], readonly AnyRow[]> {
  return (yield query as unknown as AnyRowQuery) as readonly Tables[T][];
}

/** The row with this key. */
export function* get<T extends TableName>(
  table: T,
  key: Partial<Tables[T]>,
): Generator<AnyRowQuery, Tables[T] | undefined, readonly AnyRow[]> {
  return (yield* find({ table, equal: key, limit: 1 }))[0];
}
