// Which test files there are, in the order in which they run: fast layers first, the lab last.
import { existsSync, readdirSync } from "node:fs";
import { join } from "node:path";

/** Folders whose tests are TypeScript and run from build/, then the one whose tests run as they are. */
const COMPILED = ["core", "hal", "targets"];
const PLAIN = ["scripts"];

/**
 * Every file below `folder` whose name ends in one of `endings`, sorted.
 * @param {string} folder
 * @param {string[]} endings
 * @returns {string[]}
 */
function filesBelow(folder, endings) {
  if (!existsSync(folder)) return [];
  return readdirSync(folder, { recursive: true, encoding: "utf8" })
    .filter((name) => endings.some((ending) => name.endsWith(ending)) && !name.includes("node_modules"))
    .map((name) => join(folder, name))
    .sort();
}

/** Source test to the file that node runs: core/igmp/x.test.ts is build/core/igmp/x.test.js. */
const compiled = (/** @type {string} */ source) => join("build", source.replace(/\.ts$/, ".js"));

/** @returns {{ source: string, file: string, lab: boolean }[]} */
function allTests() {
  const tests = [
    ...COMPILED.flatMap((folder) => filesBelow(folder, [".test.ts"])).map((source) => ({
      source,
      file: compiled(source),
    })),
    ...PLAIN.flatMap((folder) => filesBelow(folder, [".test.mjs"])).map((source) => ({ source, file: source })),
  ].map((test) => ({ ...test, lab: /\.lab\.test\.(ts|mjs)$/.test(test.source) }));
  return [...tests.filter((test) => !test.lab), ...tests.filter((test) => test.lab)];
}

/** Network namespaces and raw sockets are root's. */
export const isRoot = () => process.getuid?.() === 0;

/**
 * The files to run, and in words what is left out.
 * @param {string[]} parts only files with one of these in their path; all when empty
 * @returns {{ files: string[], skipped: string[] }}
 */
export function chooseTests(parts) {
  const wanted = allTests().filter((test) => parts.length === 0 || parts.some((part) => test.source.includes(part)));
  const runnable = wanted.filter((test) => !test.lab || isRoot());
  const left = wanted.length - runnable.length;
  return {
    files: runnable.map((test) => test.file),
    skipped: left > 0 ? [`${left} lab files need root (network namespaces): sudo ./scripts/test`] : [],
  };
}
