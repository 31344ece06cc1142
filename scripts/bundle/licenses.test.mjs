// A bundle may be given away only with the licences of what is inside it: each is found, or the build fails.
import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { after, test } from "node:test";
import { packageFolder, thirdPartyText, worksIn } from "./licenses.mjs";

const root = mkdtempSync(join(tmpdir(), "scl-licenses-"));
after(() => rmSync(root, { recursive: true, force: true }));

/**
 * @param {string} name
 * @param {Record<string, string>} files
 * @param {object} [manifest]
 */
function install(name, files, manifest = { license: "MIT" }) {
  const all = { "package.json": JSON.stringify({ name, version: "1.2.3", ...manifest }), ...files };
  for (const [file, text] of Object.entries(all)) {
    const path = join(root, "node_modules", name, file);
    mkdirSync(dirname(path), { recursive: true });
    writeFileSync(path, text);
  }
}

install("plain", { LICENSE: "plain's terms\r\n" });
install("@scope/scoped", { "licence.md": "scoped's terms" });
install("plain/node_modules/inner", { COPYING: "inner's terms" });
install("apache", { LICENSE: "apache's terms", NOTICE: "apache's notice" });
install("old", { LICENSE: "old's terms" }, { licenses: [{ type: "MIT" }, { type: "BSD" }] });
install("twin", { LICENSE: "plain's terms" });
install("bare", { "index.js": "" });
install("nameless", { LICENSE: "terms" }, {});
install("native", { LICENSE: "native's terms", "build/native.node": "" });

const works = (/** @type {string[]} */ ...inputs) => worksIn(inputs, root);

test("an input belongs to the innermost package; ours belong to none", () => {
  assert.equal(packageFolder("core/base/time.ts"), undefined);
  assert.equal(packageFolder("node_modules/a/lib/b.js"), "node_modules/a");
  assert.equal(packageFolder("node_modules/@s/a/b.js"), "node_modules/@s/a");
  assert.equal(packageFolder("node_modules/a/node_modules/c/d.js"), "node_modules/a/node_modules/c");
  assert.equal(packageFolder("addon:/somewhere/node_modules/a/build/a.node"), "node_modules/a");
});

test("every package of the inputs is named once, by name, with its version, its licence and its text", () => {
  const found = works(
    "core/base/time.ts",
    "node_modules/plain/a.js",
    "node_modules/plain/b.js",
    "node_modules/@scope/scoped/c.js",
    "node_modules/plain/node_modules/inner/d.js",
    "node_modules/old/e.js",
  );
  assert.deepEqual(found, [
    { name: "@scope/scoped", version: "1.2.3", license: "MIT", text: "scoped's terms" },
    { name: "old", version: "1.2.3", license: "MIT OR BSD", text: "old's terms" },
    { name: "plain", version: "1.2.3", license: "MIT", text: "plain's terms" },
    { name: "plain/node_modules/inner", version: "1.2.3", license: "MIT", text: "inner's terms" },
  ]);
});

test("a notice goes with its licence", () => {
  assert.equal(works("node_modules/apache/a.js")[0]?.text, "apache's notice\n\napache's terms");
});

test("a package without a licence text fails the build, and says what to do", () => {
  assert.throws(() => works("node_modules/bare/index.js"), /bare has no licence file .* scripts\/bundle\/licenses/);
});

test("a package that does not name its licence fails the build", () => {
  assert.throws(() => works("node_modules/nameless/index.js"), /nameless\/package\.json does not name its licence/);
});

test("an addon of which nobody has said what is compiled into it fails the build", () => {
  assert.throws(() => works("addon:/x/node_modules/native/build/native.node"), /does not say what is compiled/);
});

test("what is compiled into the addons is named: nan, and SQLite with its version", () => {
  const inputs = ["raw-socket/build/raw.node", "better-sqlite3/build/better_sqlite3.node"];
  const found = worksIn(
    inputs.map((input) => `addon:/x/node_modules/${input}`),
    ".",
  );
  assert.deepEqual(
    found.map(({ name }) => name),
    ["better-sqlite3", "nan", "raw-socket", "SQLite"],
  );
  const [, , raw, sqlite] = found;
  assert.match(raw?.text ?? "", /NoSpaceships Ltd[\s\S]*Permission is hereby granted/);
  assert.match(sqlite?.version ?? "", /^3\.\d+\.\d+$/);
  assert.match(sqlite?.text ?? "", /disclaims copyright/);
});

test("the kept texts are still what the packages say", () => {
  const kept = readFileSync("scripts/bundle/licenses/raw-socket.txt", "utf8").trim();
  assert.ok(readFileSync("node_modules/raw-socket/README.md", "utf8").includes(kept));
  const header = readFileSync("node_modules/better-sqlite3/deps/sqlite3/sqlite3.h", "utf8").replace(/^\*\* ?/gm, "");
  assert.ok(header.includes(readFileSync("scripts/bundle/licenses/sqlite.txt", "utf8").trim()));
});

test("packages under the same text share it", () => {
  const text = thirdPartyText("x.cjs", works("node_modules/plain/a.js", "node_modules/twin/a.js"));
  assert.match(text, /plain 1\.2\.3 \(MIT\)\ntwin 1\.2\.3 \(MIT\)\n/);
  assert.equal(text.split("plain's terms").length, 2);
});
