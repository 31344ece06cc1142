// Rows in columns for a terminal: numbers to the right, text to the left and harmless, lines no wider than the screen.
import { printable } from "../../core/base/printable.ts";

/** What a cell holds; undefined is a dash. */
export type Cell = string | number | undefined;

/** A heading with all rows below it, aligned, each line at most `width` characters. */
export function tableLines(headings: readonly string[], rows: readonly (readonly Cell[])[], width: number): string[] {
  const texts = rows.map((row) => headings.map((_, i) => cellText(row[i])));
  const isNumber = headings.map((_, i) => rows.length > 0 && rows.every((row) => typeof (row[i] ?? 0) === "number"));
  const widths = headings.map((heading, i) => Math.max(heading.length, ...texts.map((row) => row[i]?.length ?? 0)));
  const line = (cells: readonly string[]): string =>
    cells
      .map((cell, i) => (isNumber[i] ? cell.padStart(widths[i] ?? 0) : cell.padEnd(widths[i] ?? 0)))
      .join("  ")
      .trimEnd();
  return [headings, ...texts].map((cells) => cutTo(width, line(cells)));
}

/** With "…" where it was cut. */
export const cutTo = (width: number, line: string): string =>
  line.length > width ? `${line.slice(0, Math.max(0, width - 1))}…` : line;

function cellText(cell: Cell): string {
  if (cell === undefined || cell === "") return "-";
  return typeof cell === "number" ? String(cell) : printable(cell);
}

/** A line that may be longer than the screen, broken at spaces and indented from the second on. */
export function wrapped(text: string, width: number, indent: string): string[] {
  const lines: string[] = [];
  let line = "";
  for (const word of printable(text).split(" ")) {
    const room = lines.length === 0 ? width : width - indent.length;
    if (line !== "" && line.length + 1 + word.length > room) {
      lines.push(line);
      line = word;
    } else line = line === "" ? word : `${line} ${word}`;
  }
  return [...lines, line].map((one, i) => (i === 0 ? one : `${indent}${one}`));
}
