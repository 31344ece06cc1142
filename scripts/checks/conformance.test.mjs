// docs/conformance.md follows the tree: its tests are there under those names, what is left out has a reason, and no case is missing in it.
import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { test } from "node:test";

const DOCUMENT = "docs/conformance.md";
const LABS = "targets/router/conformance";

/** The cells of a row of a table, trimmed; a bar after a backslash is none of its edges. */
const cellsOf = (/** @type {string} */ line) =>
  line
    .split(/(?<!\\)\|/)
    .slice(1, -1)
    .map((cell) => cell.trim());

/** Rows of so many cells, without heads and rules. @param {string} text @param {number} cells */
const rowsOf = (text, cells) =>
  text
    .split("\n")
    .filter((line) => line.startsWith("|") && !line.startsWith("|---"))
    .map(cellsOf)
    .filter((row) => row.length === cells && !["section", "name", "case"].includes(row[0] ?? ""));

const rowsIn = (/** @type {string} */ text) => rowsOf(text, 3);
/** Each router that is compared, and the case. */
const COMPARED = 5;

const FILE = /^(?:core|hal|targets|scripts)\/\S+\.test\.(?:ts|mjs)$/;
const TEST = /^(\w+): `(.+)`$/;
/** A reason in words. */
const LEFT_OUT = /^left out: \S+(?: \S+){3,}/;

/** The names of the tests of a source text, without the address family that some are run for, and of the rows that tests are made from. @param {string} source */
function namesIn(source) {
  const calls = source.matchAll(/(?:^|[^\w.])(?:test|fuzz)\(\s*"([^"]+)"/g);
  const families = source.matchAll(/\btest\(`([^`$]+)\$\{suffix\}`/g);
  const rows = source.matchAll(/\b(?:name|section):\s*"([^"]+)"/g);
  return new Set([...calls, ...families, ...rows].map(([, name = ""]) => name));
}

/**
 * What the document says that does not hold.
 * @param {string} text
 * @param {(file: string) => string} read
 */
function faultsIn(text, read) {
  const rows = rowsIn(text);
  const files = new Map(rows.filter(([, file = ""]) => FILE.test(file)).map(([name = "", file = ""]) => [name, file]));
  return rows
    .filter(([, file = ""]) => !FILE.test(file))
    .filter(([, , held = ""]) => {
      const [, key = "", name = ""] = TEST.exec(held) ?? [];
      const file = files.get(key);
      return !(LEFT_OUT.test(held) || (file !== undefined && namesIn(read(file)).has(name)));
    })
    .map((cells) => cells.join(" | "));
}

const read = (/** @type {string} */ file) => readFileSync(file, "utf8");

test("every case names a test that there is, or says why there is none", () => {
  assert.deepEqual(faultsIn(read(DOCUMENT), read), []);
});

test("every case of the conformance labs is in the table", () => {
  const named = new Set(rowsIn(read(DOCUMENT)).map(([, , held = ""]) => TEST.exec(held)?.[2]));
  const labs = readdirSync(LABS).filter((name) => name.endsWith(".lab.test.ts"));
  assert.ok(labs.length > 0);
  const missing = labs.flatMap((lab) => [...namesIn(read(`${LABS}/${lab}`))].filter((name) => !named.has(name)));
  assert.deepEqual(missing, []);
});

test("the comparison with other routers has every case, and ours holds in each", () => {
  const rows = rowsOf(read(DOCUMENT), COMPARED).map(([name, ours]) => `${name}: ${ours}`);
  const cases = [...namesIn(read("scripts/compare/cases.mjs"))].map((name) => `${name}: yes`);
  assert.deepEqual(rows, cases);
});

test("a test that is not there, a file without a name and a bare `left out` are found", () => {
  const text = [
    "| name | file | what is tested |",
    "|---|---|---|",
    "| one | core/a.test.ts | a |",
    "| section | case | test |",
    "|---|---|---|",
    "| 1 | a \\| b | one: `is there` |",
    "| 2 | b | one: `is not there` |",
    "| 3 | c | two: `is there` |",
    "| 4 | d | left out: later |",
    "| 5 | e | left out: the kernel does it itself |",
    "| 6 | f | |",
  ].join("\n");
  const faults = faultsIn(text, () => 'test("is there", () => {});');
  assert.deepEqual(
    faults.map((fault) => fault[0]),
    ["2", "3", "4", "6"],
  );
});
