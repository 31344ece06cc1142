// The direction core <- hal <- targets is enforced: each forbidden import fails the type checker or the linter, by name.
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { cpSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join, resolve } from "node:path";
import { after, before, test } from "node:test";

const ROOT = resolve(import.meta.dirname, "../..");
const CONFIGURATION = [
  ".gitignore",
  "biome.json",
  "package.json",
  "tsconfig.json",
  "tsconfig.base.json",
  "core/tsconfig.json",
  "core/tsconfig.test.json",
  "hal/tsconfig.json",
  "hal/tsconfig.test.json",
  "targets/tsconfig.json",
  "targets/tsconfig.test.json",
];
/** The least tree that keeps to the direction. */
const CLEAN = {
  "core/rule.ts": "export const rule = (now: number): number => now + 1;\n",
  "core/rule.test.ts":
    'import assert from "node:assert/strict";\nimport { rule } from "./rule.ts";\n\nassert.equal(rule(1), 2);\n',
  "hal/driver.ts":
    'import { hostname } from "node:os";\nimport { rule } from "../core/rule.ts";\n\nexport const driver = (): string => hostname() + rule(1);\n',
  "targets/main.ts":
    'import { rule } from "../core/rule.ts";\nimport { driver } from "../hal/driver.ts";\n\nexport const main = (): string => driver() + rule(2);\n',
};
/** @type {{ name: string, file: string, text: string, types?: RegExp, style?: RegExp }[]} */
const VIOLATIONS = [
  {
    name: "core imports hal",
    file: "core/bad.ts",
    text: 'import { driver } from "../hal/driver.ts";\n\nexport const bad = driver;\n',
    types: /core\/bad\.ts.*TS6307|TS6059|TS6305/,
    style: /noRestrictedImports[\s\S]*core is pure/,
  },
  {
    name: "core imports a target",
    file: "core/bad.ts",
    text: 'import { main } from "../targets/main.ts";\n\nexport const bad = main;\n',
    types: /TS6307|TS6059|TS6305/,
    style: /noRestrictedImports[\s\S]*core is pure/,
  },
  {
    name: "core imports a power of Node",
    file: "core/bad.ts",
    text: 'import { createSocket } from "node:dgram";\n\nexport const bad = createSocket;\n',
    types: /core\/bad\.ts.*TS2307|TS2591/,
    style: /noRestrictedImports[\s\S]*core is pure/,
  },
  {
    name: "core reads the calendar",
    file: "core/bad.ts",
    text: "export const bad = (): number => Date.now();\n",
    style: /noRestrictedGlobals[\s\S]*Time is an argument/,
  },
  {
    name: "core sets a timer",
    file: "core/bad.ts",
    text: "export const bad = (): unknown => setTimeout(() => {}, 1);\n",
    types: /core\/bad\.ts.*TS2304/,
    style: /noRestrictedGlobals[\s\S]*nextDeadline/,
  },
  {
    name: "hal imports a target",
    file: "hal/bad.ts",
    text: 'import { main } from "../targets/main.ts";\n\nexport const bad = main;\n',
    types: /TS6307|TS6059|TS6305/,
    style: /noRestrictedImports[\s\S]*hal does not know the targets/,
  },
];

const tree = mkdtempSync(join(tmpdir(), "scl-direction-"));

/**
 * @param {string} file
 * @param {string} text
 */
function write(file, text) {
  mkdirSync(dirname(join(tree, file)), { recursive: true });
  writeFileSync(join(tree, file), text);
}

/**
 * @param {string} tool
 * @param {string[]} args
 */
function check(tool, args) {
  const { status, stdout, stderr } = spawnSync(join(ROOT, "node_modules/.bin", tool), args, {
    cwd: tree,
    encoding: "utf8",
  });
  return { held: status === 0, text: stdout + stderr };
}
const types = () => check("tsc", ["-b", "--pretty", "false"]);
const style = () => check("biome", ["lint", "--colors=off", "core", "hal", "targets"]);

before(() => {
  for (const file of CONFIGURATION) cpSync(join(ROOT, file), join(tree, file));
  symlinkSync(join(ROOT, "node_modules"), join(tree, "node_modules"));
  for (const [file, text] of Object.entries(CLEAN)) write(file, text);
});
after(() => rmSync(tree, { recursive: true, force: true }));

test("a tree that keeps to the direction passes the type checker and the linter", () => {
  assert.equal(types().text, "");
  const linted = style();
  assert.ok(linted.held, linted.text);
});

for (const violation of VIOLATIONS) {
  test(`${violation.name}: refused`, (t) => {
    write(violation.file, violation.text);
    t.after(() => rmSync(join(tree, violation.file)));
    if (violation.types !== undefined) {
      const typed = types();
      assert.equal(typed.held, false, "the type checker lets it pass");
      assert.match(typed.text, violation.types);
    }
    if (violation.style !== undefined) {
      const linted = style();
      assert.equal(linted.held, false, "the linter lets it pass");
      assert.match(linted.text, violation.style);
    }
  });
}
