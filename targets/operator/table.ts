// Rows as a table for a person, or as a JSON array, line by line, so that a list of any length takes no memory.
import { printable } from "../../core/base/printable.ts";
import type { Listed } from "./listing.ts";

/** The rows that widths are taken from; a later cell that is wider stays whole and pushes the rest of its line aside. */
const MEASURED = 500;

/** The lines of a table; "(none)" when there is no row. */
export async function* tableLines(rows: AsyncIterable<Listed>, columns: readonly string[]): AsyncGenerator<string> {
  let measured: string[][] | undefined = [];
  let widths = columns.map((column) => column.length);
  const line = (cells: readonly string[]): string =>
    cells
      .map((text, i) => text.padEnd(widths[i] ?? 0))
      .join("  ")
      .trimEnd();
  const head = (lines: readonly string[][]): string[] => {
    widths = widths.map((width, i) => lines.reduce((most, cells) => Math.max(most, cells[i]?.length ?? 0), width));
    return [columns.map((column) => column.toUpperCase()), ...lines].map(line);
  };
  for await (const row of rows) {
    const cells = columns.map((column) => cell(row[column]));
    if (measured === undefined) yield line(cells);
    else if (measured.push(cells) === MEASURED) {
      yield* head(measured);
      measured = undefined;
    }
  }
  if (measured?.length === 0) yield "(none)";
  else if (measured !== undefined) yield* head(measured);
}

/** Lists in one cell; what is not there is a dash. */
function cell(value: Listed[string]): string {
  const text = typeof value === "object" ? value.join(" ") : String(value ?? "");
  return text === "" ? "-" : printable(text);
}

/** The lines of a JSON array, one row each. */
export async function* jsonLines(rows: AsyncIterable<object>): AsyncGenerator<string> {
  let before: string | undefined;
  yield "[";
  for await (const row of rows) {
    if (before !== undefined) yield `${before},`;
    before = `  ${JSON.stringify(row)}`;
  }
  if (before !== undefined) yield before;
  yield "]";
}
