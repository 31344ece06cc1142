// Rows as a table for a person.
import type { Listed } from "./listing.ts";

export function formatTable(rows: readonly Listed[]): string {
  if (rows.length === 0) return "(none)";
  const columns = [...new Set(rows.flatMap((row) => Object.keys(row)))];
  const cells = rows.map((row) => columns.map((column) => cell(row[column])));
  const widths = columns.map((column, i) => Math.max(column.length, ...cells.map((line) => line[i]?.length ?? 0)));
  const line = (parts: readonly string[]): string =>
    parts
      .map((part, i) => part.padEnd(widths[i] ?? 0))
      .join("  ")
      .trimEnd();
  return [line(columns.map((column) => column.toUpperCase())), ...cells.map(line)].join("\n");
}

/** Lists in one cell; what is not there is a dash. */
function cell(value: Listed[string]): string {
  const text = typeof value === "object" ? value.join(" ") : String(value ?? "");
  return text === "" ? "-" : text;
}
