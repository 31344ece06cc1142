// What the README promises is there, and no package runs an install script that nobody approved.
import assert from "node:assert/strict";
import { accessSync, constants, readdirSync, readFileSync } from "node:fs";
import { posix } from "node:path";
import { test } from "node:test";

const read = (/** @type {string} */ file) => readFileSync(file, "utf8");
const manifest = JSON.parse(read("package.json"));
const lock = JSON.parse(read("package-lock.json"));

test("the README's two commands exist and can be executed", () => {
  const readme = read("README.md");
  for (const command of ["scripts/demo", "scripts/test"]) {
    assert.ok(readme.includes(`./${command}`), `README.md does not name ./${command}`);
    accessSync(command, constants.X_OK);
  }
});

/** What is run in a checkout in which nothing has been compiled: by the README's commands, and by others before they compile. */
const BEFORE_TSC = [
  "esbuild.config.mjs",
  "scripts/show/main.mjs",
  "scripts/checks/main.mjs",
  "scripts/lab/main.mjs",
  "scripts/fuzz/main.mjs",
  "scripts/vm/main.mjs",
  "scripts/native/build.mjs",
  "scripts/nodes/prepare.mjs",
  "scripts/foreign/prepare.mjs",
];

/** Files that are imported by each of these, or by what they import. @param {string[]} entries */
function importedBy(entries) {
  const seen = new Set(entries);
  for (const file of seen) {
    if (file.startsWith("build/")) continue;
    for (const [, specifier = ""] of read(file).matchAll(/^(?:import|export|\}).*"(\.{1,2}\/[^"]+\.m?js)";$/gm))
      seen.add(posix.join(posix.dirname(file), specifier));
  }
  return seen;
}

test("what runs in a fresh checkout imports nothing that is yet to be compiled", () => {
  const imported = [...importedBy(BEFORE_TSC)];
  assert.ok(imported.includes("scripts/lab/process.mjs"), "the demo is made of the lab's parts");
  assert.deepEqual(
    imported.filter((file) => file.startsWith("build/")),
    [],
  );
});

test(".ci/run is executable and calls scripts/test with everything required", () => {
  accessSync(".ci/run", constants.X_OK);
  assert.match(read(".ci/run"), /\.\/scripts\/test --require-all/);
});

test("package.json approves each package that has an install script, and no other", () => {
  const withScripts = Object.entries(lock.packages)
    .filter(([, entry]) => entry.hasInstallScript === true && entry.optional !== true)
    .map(([path]) => path.slice(path.lastIndexOf("node_modules/") + "node_modules/".length));
  assert.deepEqual(Object.keys(manifest.allowScripts).sort(), [...new Set(withScripts)].sort());
});

test("every dependency is pinned to one version, the one in the lock file", () => {
  for (const [name, version] of Object.entries({ ...manifest.dependencies, ...manifest.devDependencies })) {
    assert.match(String(version), /^\d+\.\d+\.\d+$/, `${name} is not pinned`);
    assert.equal(lock.packages[`node_modules/${name}`]?.version, version);
  }
});

for (const folder of ["", "scripts/nodes/", "scripts/foreign/"]) {
  test(`${folder}package-lock.json names no registry: whoever installs uses their own`, () => {
    const text = read(`${folder}package-lock.json`);
    for (const [path, entry] of Object.entries(JSON.parse(text).packages))
      assert.equal(entry.resolved, undefined, path);
    assert.doesNotMatch(text, /"https?:\/\/[^"]*\.tgz"/);
  });
}

for (const [folder, kind] of [
  ["nodes", "optionalDependencies"],
  ["foreign", "dependencies"],
]) {
  test(`the versions of Node in scripts/${folder} are pinned, each with its hash`, () => {
    const { packages } = JSON.parse(read(`scripts/${folder}/package-lock.json`));
    for (const [name, what] of Object.entries(JSON.parse(read(`scripts/${folder}/package.json`))[kind ?? ""])) {
      assert.match(String(what), /^npm:node-linux-\w+@\d+\.\d+\.\d+$/);
      assert.match(packages[`node_modules/${name}`].integrity, /^sha512-/);
    }
  });
}

test("package.json says what it is, with which npm it is installed, and names no place", () => {
  for (const field of ["name", "version", "description", "license", "keywords", "engines"])
    assert.ok(manifest[field], field);
  assert.match(manifest.packageManager, /^npm@\d+\.\d+\.\d+$/);
  for (const field of ["repository", "homepage", "bugs"]) assert.equal(manifest[field], undefined, field);
  for (const command of ["build", "check", "lint", "unit", "fuzz", "test"])
    assert.ok(manifest.scripts[command], command);
});

test("nothing that a compiler has made is among the sources", () => {
  for (const folder of ["core", "hal", "targets"]) {
    const made = readdirSync(folder, { recursive: true, encoding: "utf8" }).filter((file) =>
      /\.(js|d\.ts|map)$/.test(file),
    );
    assert.deepEqual(made, folder === "hal" ? ["native-modules.d.ts"] : []);
  }
});

test("the lock file holds every optional package, of other platforms too: npm ci refuses it otherwise", () => {
  for (const [path, entry] of Object.entries(lock.packages)) {
    for (const name of Object.keys(entry.optionalDependencies ?? {})) {
      assert.ok(lock.packages[`node_modules/${name}`] ?? lock.packages[`${path}/node_modules/${name}`], name);
    }
  }
});

test("every script that package.json names exists", () => {
  for (const command of Object.values(manifest.scripts)) {
    for (const [path] of String(command).matchAll(/(?:scripts\/[\w./-]+|[\w.]+\.mjs)/g)) accessSync(path);
  }
});
