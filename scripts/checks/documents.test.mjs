// The documents follow the tree: every path that they name is there, and every room of the tree has its line in the architecture.
import assert from "node:assert/strict";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { basename, dirname, join, normalize } from "node:path";
import { test } from "node:test";

/** Every README of a room, wherever it stands. @param {string} top @returns {string[]} */
const readmesBelow = (top) =>
  readdirSync(top, { recursive: true, encoding: "utf8" })
    .filter((name) => basename(name) === "README.md")
    .map((name) => join(top, name));

const DOCUMENTS = [
  "README.md",
  "CONTRIBUTING.md",
  "SECURITY.md",
  ...["core", "hal", "targets", "scripts"].flatMap(readmesBelow),
  ...readdirSync("docs")
    .filter((name) => name.endsWith(".md"))
    .map((name) => `docs/${name}`),
];

/** A file or folder of ours, by its path from the root; not the same words inside of an address or of a longer path. */
const PATH = /(?<![\w./:@-])(?:\.\/)?((?:core|hal|targets|scripts|docs|\.ci)(?:\/[\w.*-]+)+)/g;
const LINK = /\]\((?!https?:|mailto:|#)([^)#\s]+)/g;
/** CAPITALS stand for a name that the reader chooses. */
const isPattern = (/** @type {string} */ path) => /(^|\/)[A-Z]{2,}/.test(path);
const withoutStop = (/** @type {string} */ path) => path.replace(/[.-]+$/, "");

/** @param {string} text @returns {string[]} */
const pathsIn = (text) =>
  [...text.matchAll(PATH)].map(([, path = ""]) => withoutStop(path)).filter((path) => !isPattern(path));

/** Links are relative to their document. @param {string} text @param {string} document @returns {string[]} */
const linksIn = (text, document) =>
  [...text.matchAll(LINK)].map(([, link = ""]) => normalize(join(dirname(document), link)));

/** `name.ts` without a folder, as the README of a room names the files beside it. */
const BARE = /`([\w.-]+\.(?:[cm]?[jt]s))`/g;

/** @param {string} text @param {string} document @returns {string[]} */
const neighboursIn = (text, document) =>
  basename(document) === "README.md" && dirname(document) !== "."
    ? [...text.matchAll(BARE)].map(([, name = ""]) => join(dirname(document), name))
    : [];

/** A star stands for any part of a name. @param {string} path */
function isThere(path) {
  if (!path.includes("*")) return existsSync(path);
  const name = new RegExp(`^${basename(path).replaceAll(".", "\\.").replaceAll("*", ".*")}$`);
  return existsSync(dirname(path)) && readdirSync(dirname(path)).some((one) => name.test(one));
}

/** @param {string} text @param {string} document @returns {string[]} */
const missingIn = (text, document) =>
  [...pathsIn(text), ...linksIn(text, document), ...neighboursIn(text, document)].filter((path) => !isThere(path));

for (const document of DOCUMENTS) {
  test(`every path in ${document} is there`, () => {
    const text = readFileSync(document, "utf8");
    assert.deepEqual(missingIn(text, document), []);
  });
}

test("a path that is not there is found, in code, in a sentence, in a table and in a link", () => {
  const text = [
    "`core/nowhere.ts`, see hal/nothing/at-all.ts.",
    "| `./scripts/none` |",
    "[x](gone.md) [y](https://example.org/core/web.ts)",
    "`core/base/time.ts` `core/base/b*.ts` `core/base/*.none` hal/PORT/DRIVER.ts dist/core/x.cjs",
  ].join("\n");
  assert.deepEqual(missingIn(text, "docs/x.md"), [
    "core/nowhere.ts",
    "hal/nothing/at-all.ts",
    "scripts/none",
    "core/base/*.none",
    "docs/gone.md",
  ]);
});

test("a file that the README of a room names without a folder stands beside it", () => {
  assert.ok(DOCUMENTS.includes("hal/bus/README.md"));
  const text = "`mqtt.ts` `endpoint.ts` `contract.ts` `limits.connections`";
  assert.deepEqual(missingIn(text, "hal/bus/README.md"), ["hal/bus/endpoint.ts", "hal/bus/contract.ts"]);
});

test("every room of core, hal and targets has its line in the architecture", () => {
  const named = new Set(pathsIn(readFileSync("docs/architecture.md", "utf8")));
  const rooms = ["core", "hal", "targets"].flatMap((top) =>
    readdirSync(top, { withFileTypes: true })
      .filter((entry) => entry.isDirectory())
      .map((entry) => `${top}/${entry.name}`),
  );
  assert.ok(rooms.length > 30);
  assert.deepEqual(
    rooms.filter((room) => !named.has(room)),
    [],
  );
});
