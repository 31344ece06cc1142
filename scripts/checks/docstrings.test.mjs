// What core, hal and targets export is described where it stands: a reader need not look for a caller to learn what a thing is.
import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";

const DECLARATION = /^export (?:declare )?(?:async )?(?:abstract )?(?:function\*?|class|const|interface|type) (\w+)/;
const CONSTANT = /^export const \w+ = /;

/**
 * The exports of a source text without a docstring. A run of constants needs one comment at its head.
 * @param {string} source
 * @returns {string[]}
 */
function undescribed(source) {
  const lines = source.split("\n");
  /** @type {string[]} */
  const missing = [];
  let run = false;
  for (const [index, line] of lines.entries()) {
    const [, name] = DECLARATION.exec(line) ?? [];
    const above = lines[index - 1] ?? "";
    /** @type {boolean} */
    const described = above.endsWith("*/") || (CONSTANT.test(line) && (above.startsWith("// ") || run));
    if (name !== undefined && !described) missing.push(name);
    run = CONSTANT.test(line) && described;
  }
  return missing;
}

/** @param {string} folder */
const sources = (folder) =>
  readdirSync(folder, { recursive: true, encoding: "utf8" })
    .filter((name) => name.endsWith(".ts") && !/\.(test|testkit|d)\.ts$/.test(name))
    .map((name) => join(folder, name));

for (const folder of ["core", "hal", "targets"]) {
  test(`every export of ${folder} has a docstring`, () => {
    const missing = sources(folder).flatMap((file) =>
      undescribed(readFileSync(file, "utf8")).map((name) => `${file}: ${name}`),
    );
    assert.deepEqual(missing, []);
  });
}

test("an export without a word is found, one with a docstring and a run of constants under a comment are not", () => {
  assert.deepEqual(undescribed("// File.\n\nexport const a = 1;\n"), ["a"]);
  assert.deepEqual(undescribed("/** A. */\nexport function a() {}\n\nexport class B {}\n"), ["B"]);
  assert.deepEqual(undescribed("// Offsets.\nexport const a = 1;\nexport const b = 2;\n"), []);
});
