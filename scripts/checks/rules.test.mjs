// Every rule of the house is enforced: each violation fails the type checker, the linter or our own check, by name.
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { cpSync, existsSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join, resolve } from "node:path";
import { after, before, test } from "node:test";
import { faultsIn } from "./code/faults.mjs";
import { openProgram } from "./code/program.mjs";

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
  "scripts/tsconfig.json",
  "scripts/checks/code/tsconfig.json",
];
/** @typedef {Record<string, string>} Files path to text */

/** The least tree that keeps to every rule. @type {Files} */
const CLEAN = {
  "core/base/rule.ts": "export const rule = (now: number): number => now + 1;\n",
  "core/base/rule.testkit.ts":
    'import { rule } from "./rule.ts";\n\nexport const rules = [rule(1), rule(2)] as const;\n',
  "core/base/rule.test.ts":
    'import assert from "node:assert/strict";\nimport { rules } from "./rule.testkit.ts";\n\nassert.deepEqual(rules, [2, 3]);\n',
  "core/router/effect.ts":
    'export type Effect = { readonly kind: "send"; readonly text: string } | { readonly kind: "drop" };\n',
  "hal/driver/driver.ts":
    'import { hostname } from "node:os";\nimport { rule } from "../../core/base/rule.ts";\n\nexport const driver = (): string => hostname() + rule(1);\n',
  "targets/service.ts":
    'import type { Effect } from "../core/router/effect.ts";\n\nexport function apply(effect: Effect): void {\n  switch (effect.kind) {\n    case "send":\n      process.stdout.write(effect.text);\n      return;\n    case "drop":\n      return;\n  }\n}\n',
  "targets/main.ts":
    'import { rule } from "../core/base/rule.ts";\nimport { driver } from "../hal/driver/driver.ts";\nimport { apply } from "./service.ts";\n\napply({ kind: "send", text: driver() + rule(2) });\napply({ kind: "drop" });\n',
  "scripts/twice.mjs": "/** @param {number} n */\nexport const twice = (n) => 2 * n;\n",
  "scripts/main.mjs": 'import { twice } from "./twice.mjs";\n\nprocess.exit(twice(0));\n',
};

/** targets/service.ts with a switch that names one kind of two, and this in its default. @param {string} statement */
const silentDefault = (statement) => `import type { Effect } from "../core/router/effect.ts";

export function apply(effect: Effect): unknown {
  switch (effect.kind) {
    case "send":
      process.stdout.write(effect.text);
      return 1;
    default:
      ${statement}
  }
  return 2;
}
`;
/** Defaults that say what becomes of what they do not name. */
const SPOKEN_DEFAULTS = ["throw new RangeError();", 'process.emitWarning("dropped");', 'return "dropped";'];

/** @type {{ name: string, files: Files, types?: RegExp, style?: RegExp, code?: RegExp }[]} */
const VIOLATIONS = [
  {
    name: "core imports hal",
    files: {
      "core/base/bad.ts": 'import { driver } from "../../hal/driver/driver.ts";\n\nexport const bad = driver;\n',
    },
    types: /core\/base\/bad\.ts.*(TS6307|TS6059|TS6305)/,
    style: /noRestrictedImports[\s\S]*core is pure/,
  },
  {
    name: "core imports a target",
    files: { "core/base/bad.ts": 'import { apply } from "../../targets/service.ts";\n\nexport const bad = apply;\n' },
    types: /core\/base\/bad\.ts.*(TS6307|TS6059|TS6305)/,
    style: /noRestrictedImports[\s\S]*core is pure/,
  },
  {
    name: "core imports a power of Node",
    files: { "core/base/bad.ts": 'import { createSocket } from "node:dgram";\n\nexport const bad = createSocket;\n' },
    types: /core\/base\/bad\.ts.*(TS2307|TS2591)/,
    style: /noRestrictedImports[\s\S]*core is pure/,
  },
  {
    name: "core reads the calendar",
    files: { "core/base/bad.ts": "export const bad = (): number => Date.now();\n" },
    style: /noRestrictedGlobals[\s\S]*Time is an argument/,
  },
  {
    name: "core sets a timer",
    files: { "core/base/bad.ts": "export const bad = (): unknown => setTimeout(() => {}, 1);\n" },
    types: /core\/base\/bad\.ts.*TS2304/,
    style: /noRestrictedGlobals[\s\S]*nextDeadline/,
  },
  {
    name: "core draws chance of its own",
    files: { "core/base/bad.ts": "export const bad = (): number => Math.random();\n" },
    code: /core\/base\/bad\.ts:1: Math\.random in core: chance is an argument/,
  },
  ...[
    ["const { random } = Math;\n\nexport const bad = random;\n", "Math in core is for Math\\.NAME"],
    ['export const bad = (): number => Math["random"]();\n', "Math in core is for Math\\.NAME"],
    ["const all = Math;\n\nexport const bad = (): number => all.random();\n", "Math in core is for Math\\.NAME"],
    ["export const bad = new globalThis.Date();\n", "globalThis in core"],
    ["export const bad = globalThis.setTimeout;\n", "globalThis in core"],
    ["const { Date: Calendar } = globalThis;\n\nexport const bad = new Calendar();\n", "globalThis in core"],
    ["export const bad = new Intl.DateTimeFormat().format();\n", "Intl in core"],
  ].map(([text = "", fault]) => ({
    name: `core takes time or chance by another name: ${text.split("\n")[0]}`,
    files: { "core/base/bad.ts": text },
    code: new RegExp(`core/base/bad\\.ts:1: ${fault}`),
  })),
  {
    name: "hal imports a target",
    files: { "hal/driver/bad.ts": 'import { apply } from "../../targets/service.ts";\n\nexport const bad = apply;\n' },
    types: /hal\/driver\/bad\.ts.*(TS6307|TS6059|TS6305)/,
    style: /noRestrictedImports[\s\S]*hal does not know the targets/,
  },
  ...[
    ["base", "ports"],
    ["ports", "igmp"],
    ["stream", "keys"],
    ["mpegts", "router"],
  ].map(([lower, upper]) => ({
    name: `core/${lower} imports core/${upper}, which is above it`,
    files: {
      [`core/${upper}/above.ts`]: "export const above = 1;\n",
      [`core/${lower}/bad.ts`]: `import { above } from "../${upper}/above.ts";\n\nexport const bad = above;\n`,
    },
    code: new RegExp(`core/${lower}/bad\\.ts:1: core/${lower} may not know core/${upper}`),
  })),
  {
    name: "a room of core without a layer",
    files: { "core/lost/bad.ts": 'import { rule } from "../base/rule.ts";\n\nexport const bad = rule;\n' },
    code: /core\/lost\/bad\.ts:1: this room has no layer/,
  },
  {
    name: "the product imports test support",
    files: { "core/base/bad.ts": 'import { rules } from "./rule.testkit.ts";\n\nexport const bad = rules;\n' },
    code: /core\/base\/bad\.ts:1: the product imports test support: core\/base\/rule\.testkit\.ts/,
  },
  {
    name: "two files import each other, be it only for types",
    files: {
      "hal/driver/one.ts": 'import { two } from "./two.ts";\n\nexport type One = 1;\nexport const one = two;\n',
      "hal/driver/two.ts": 'import type { One } from "./one.ts";\n\nexport const two: One = 1;\n',
    },
    code: /hal\/driver\/one\.ts:1: a circle of imports: hal\/driver\/one\.ts, hal\/driver\/two\.ts/,
  },
  {
    name: "two rooms import each other, though no two files do",
    files: {
      "core/igmp/one.ts": 'import { two } from "../stream/two.ts";\n\nexport const one = two;\n',
      "core/igmp/three.ts": "export const three = 3;\n",
      "core/stream/two.ts": "export const two = 2;\n",
      "core/stream/four.ts": 'import { three } from "../igmp/three.ts";\n\nexport const four = three;\n',
    },
    code: /a circle of imports: core\/igmp, core\/stream/,
  },
  {
    name: "an export that nothing uses",
    files: { "core/base/bad.ts": "export const bad = 1;\n" },
    code: /core\/base\/bad\.ts:1: bad: dead: nothing uses it/,
  },
  {
    name: "an export that only a test uses",
    files: {
      "core/base/bad.ts": "export const bad = 1;\n",
      "core/base/bad.test.ts":
        'import assert from "node:assert/strict";\nimport { bad } from "./bad.ts";\n\nassert.equal(bad, 1);\n',
    },
    code: /core\/base\/bad\.ts:1: bad: dead: only tests use it/,
  },
  {
    name: "an export that only its own file uses",
    files: {
      "targets/service.ts": `${CLEAN["targets/service.ts"]}\nexport const two = 2;\napply({ kind: two > 1 ? "drop" : "drop" });\n`,
    },
    code: /targets\/service\.ts:\d+: two: needs no export: only its own file uses it/,
  },
  {
    name: "a method that nothing calls, beside one that is called, and one that an interface asks for",
    files: {
      "core/base/bad.ts":
        "interface Named {\n  name(): string;\n}\n\nclass Bad implements Named {\n  name(): string {\n    return this.text();\n  }\n\n  text(): string {\n    return String(1);\n  }\n\n  unused(): string {\n    return String(2);\n  }\n}\n\nexport const bad: Named = new Bad();\n",
    },
    code: /^(?!.*Bad\.(name|text))[\s\S]*core\/base\/bad\.ts:14: Bad\.unused: dead: nothing uses it/,
  },
  {
    name: "a switch that misses an effect that another file has added",
    files: {
      "core/router/effect.ts": `${CLEAN["core/router/effect.ts"]?.trimEnd().slice(0, -1)} | { readonly kind: "new" };\n`,
    },
    style: /targets\/service\.ts[\s\S]*useExhaustiveSwitchCases[\s\S]*"new"/,
  },
  ...["break;", "return;", "return undefined;", "return [];", "process.exitCode;"].map((silence) => ({
    name: `a switch over a union whose default is ${silence}`,
    files: {
      "targets/service.ts": silentDefault(silence),
    },
    code: /targets\/service\.ts:8: a default that passes over what the union gets later/,
  })),
  {
    name: "a promise of another file that nobody waits for",
    files: {
      "hal/driver/late.ts": "export async function late(): Promise<number> {\n  return await Promise.resolve(1);\n}\n",
      "hal/driver/bad.ts": 'import { late } from "./late.ts";\n\nlate();\n',
    },
    style: /hal\/driver\/bad\.ts[\s\S]*noFloatingPromises/,
    code: /hal\/driver\/bad\.ts:3: nobody waits for this promise/,
  },
  {
    name: "a promise of Node that nobody waits for",
    files: { "hal/driver/bad.ts": 'import { mkdir } from "node:fs/promises";\n\nmkdir("x");\n' },
    code: /hal\/driver\/bad\.ts:3: nobody waits for this promise/,
  },
  {
    name: "a promise of Node in a script that nobody waits for",
    files: { "scripts/bad.mjs": 'import { mkdir } from "node:fs/promises";\n\nmkdir("x");\n' },
    code: /scripts\/bad\.mjs:3: nobody waits for this promise/,
  },
  {
    name: "an export of a script that nothing uses",
    files: { "scripts/bad.mjs": "export const bad = 1;\n" },
    code: /scripts\/bad\.mjs:1: bad: dead: nothing uses it/,
  },
  {
    name: "a promise where a condition is asked for",
    files: {
      "hal/driver/bad.ts":
        "async function late(): Promise<boolean> {\n  return await Promise.resolve(false);\n}\n\nif (late()) process.exit(1);\n",
    },
    style: /hal\/driver\/bad\.ts[\s\S]*noMisusedPromises/,
  },
  {
    name: "a script whose JSDoc is not true",
    files: { "scripts/bad.mjs": "/** @param {number} n */\nexport const bad = (n) => n.length;\n" },
    types: /scripts\/bad\.mjs.*TS2339/,
  },
  {
    name: "an exception for something that is no longer there",
    files: { "scripts/checks/code/kept.json": '{ "core/base/gone.ts gone": "it was needed once" }\n' },
    code: /core\/base\/gone\.ts gone: is gone, or used/,
  },
];

const tree = mkdtempSync(join(tmpdir(), "scl-rules-"));
/** The tree as one program; what has been changed since it was looked at. @type {import("./code/program.mjs").Program} */
let program;
const changes = { created: new Set(), changed: new Set(), deleted: new Set() };

/** @param {Files} files */
function write(files) {
  for (const [file, text] of Object.entries(files)) {
    const path = join(tree, file);
    (existsSync(path) ? changes.changed : changes.created).add(path);
    mkdirSync(dirname(path), { recursive: true });
    writeFileSync(path, text);
  }
}

/** The tree as it was. @param {Files} files what was written into it */
function undo(files) {
  for (const file of Object.keys(files).filter((file) => !(file in CLEAN))) {
    changes.deleted.add(join(tree, file));
    rmSync(join(tree, file));
  }
  write(CLEAN);
  look();
}

/** Has the compiler look at what has been changed. */
function look() {
  const { created, changed, deleted } = changes;
  program = program.after({ created: [...created], changed: [...changed], deleted: [...deleted] });
  for (const files of Object.values(changes)) files.clear();
}

/** @param {string} program @param {string[]} args */
function check(program, args) {
  const { status, stdout, stderr } = spawnSync(program, args, { cwd: tree, encoding: "utf8" });
  return { held: status === 0, text: stdout + stderr };
}
const tool = (/** @type {string} */ name) => join(ROOT, "node_modules/.bin", name);

/** What the command says, by a compiler that stays: to start it for every rule takes most of the time. */
function checkCode() {
  look();
  const faults = faultsIn(program, tree);
  return { held: faults.length === 0, text: faults.join("\n") };
}

const CHECKS = {
  types: () => check(tool("tsc"), ["-b", "--pretty", "false"]),
  style: () => check(tool("biome"), ["lint", "--colors=off", "core", "hal", "targets", "scripts"]),
  code: checkCode,
};
const KINDS = /** @type {const} */ (["types", "style", "code"]);

before(() => {
  for (const file of CONFIGURATION) cpSync(join(ROOT, file), join(tree, file));
  symlinkSync(join(ROOT, "node_modules"), join(tree, "node_modules"));
  write(CLEAN);
  program = openProgram(tree);
});
after(() => {
  program.close();
  rmSync(tree, { recursive: true, force: true });
});

test("a tree that keeps to the rules passes the type checker, the linter and our own check", () => {
  for (const kind of KINDS) {
    const { held, text } = CHECKS[kind]();
    assert.ok(held, `${kind}: ${text}`);
  }
});

test("the command of our own check ends with 0 when all is well, and otherwise with 1 and a line for each fault", (t) => {
  const command = () => check(process.execPath, [join(ROOT, "scripts/checks/code/main.mjs"), tree]);
  assert.deepEqual(command(), { held: true, text: "" });
  const files = { "core/base/bad.ts": "export const bad = 1;\nexport const worse = Math.random();\n" };
  write(files);
  t.after(() => undo(files));
  const { held, text } = command();
  assert.equal(held, false);
  assert.match(text, /^core\/base\/bad\.ts:2: Math\.random in core.*\n(core\/base\/bad\.ts:[12]: \w+: dead: .*\n){2}$/);
  assert.equal(checkCode().text, text.trimEnd());
});

for (const statement of SPOKEN_DEFAULTS) {
  test(`a switch over a union whose default is ${statement}: allowed`, (t) => {
    const files = { "targets/service.ts": silentDefault(statement) };
    write(files);
    t.after(() => undo(files));
    const { held, text } = CHECKS.code();
    assert.ok(held, text);
  });
}

for (const violation of VIOLATIONS) {
  test(`${violation.name}: refused`, (t) => {
    write(violation.files);
    t.after(() => undo(violation.files));
    for (const kind of KINDS) {
      const expected = violation[kind];
      if (expected === undefined) continue;
      const { held, text } = CHECKS[kind]();
      assert.equal(held, false, `${kind} lets it pass`);
      assert.match(text, expected);
    }
  });
}
