// Usage records for a bill: every record that overlaps the period, each with the seconds of it that lie within, and their sums.
import type { Store } from "../../core/ports/store.ts";
import type { UsageRecordRow } from "../../core/ports/tables.ts";
import { type Filters, isAskedFor, type Listed, plain, rowsOf } from "./listing.ts";

/** From `since` (included) until `until` (excluded), in milliseconds since 1970; open where one is absent. */
export interface Period {
  readonly since?: number | undefined;
  readonly until?: number | undefined;
}

/**
 * Milliseconds of a record within the period; undefined when it has no part in it. Periods that follow each other share out a record
 * without gap or overlap; one that took no time at all belongs to the period of its moment.
 */
export function billedWithin(record: Pick<UsageRecordRow, "since" | "until">, period: Period): number | undefined {
  const { since = Number.NEGATIVE_INFINITY, until = Number.POSITIVE_INFINITY } = period;
  const billed = Math.min(record.until, until) - Math.max(record.since, since);
  if (billed > 0) return billed;
  const isMoment = record.since === record.until;
  return isMoment && record.since >= since && record.since < until ? 0 : undefined;
}

/** Oldest first. `since` and `until` are the record's own, `billedSeconds` (to the millisecond) is its part of the period. */
export async function* listUsage(store: Store, asked: Period & Filters): AsyncGenerator<Listed> {
  const { device, until: before } = asked;
  const query = {
    table: "usage_record",
    order: "since",
    ...(device === undefined ? {} : { equal: { device } }),
    ...(before === undefined ? {} : { range: { column: "since" as const, before } }),
  } as const;
  for await (const row of rowsOf(store, query)) {
    const billed = isAskedFor(row, asked) ? billedWithin(row, asked) : undefined;
    if (billed !== undefined) yield { ...plain(row), billedSeconds: billed / 1000 };
  }
}

/** By what `usage --totals` can sum up. */
export const TOTALLED = ["subscriber", "device", "channel"] as const;
/** One of them. */
export type Totalled = (typeof TOTALLED)[number];

/** Sums of usage records, one for each combination of `by` that occurs: memory grows with these, not with the records. */
export class Totals {
  readonly #by: readonly Totalled[];
  readonly #sums = new Map<string, { readonly names: readonly string[]; records: number; billed: number }>();

  constructor(by: readonly Totalled[]) {
    this.#by = by;
  }

  add(row: Listed): void {
    const names = this.#by.map((column) => String(row[column]));
    const key = names.join(" ");
    const sum = this.#sums.get(key) ?? { names, records: 0, billed: 0 };
    sum.records += 1;
    // Whole milliseconds: sums of fractions would drift.
    sum.billed += Math.round(Number(row.billedSeconds) * 1000);
    this.#sums.set(key, sum);
  }

  /** In the order of the names; without names always exactly one row. */
  *rows(): Generator<Listed> {
    if (this.#by.length === 0 && this.#sums.size === 0) yield { records: 0, billedSeconds: 0 };
    const sums = [...this.#sums].sort(([a], [b]) => (a < b ? -1 : 1));
    for (const [, { names, records, billed }] of sums)
      yield {
        ...Object.fromEntries(this.#by.map((column, i) => [column, names[i] ?? ""])),
        records,
        billedSeconds: billed / 1000,
      };
  }
}

/** "3725.5 s (1:02:05.500)". */
export function durationText(seconds: number): string {
  const milliseconds = Math.round(seconds * 1000);
  const two = (value: number): string => String(Math.floor(value)).padStart(2, "0");
  const rest = String(milliseconds % 1000).padStart(3, "0");
  const clock = `${Math.floor(milliseconds / 3_600_000)}:${two((milliseconds / 60_000) % 60)}:${two((milliseconds / 1000) % 60)}`;
  return `${seconds} s (${clock}.${rest})`;
}
