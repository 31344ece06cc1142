// Runs test files with node's own runner and reporter, and keeps count of what failed, was skipped, or tested nothing.
import { availableParallelism } from "node:os";
import { resolve } from "node:path";
import { run } from "node:test";
import { dot, spec } from "node:test/reporters";

/**
 * @typedef {{ file: string, seconds: number }} Took
 * @typedef {{ passed: number, failed: number, skipped: string[], empty: string[], took: Took[] }} Outcome
 *   `empty`: files that registered no test; `took`: every file, the slowest first
 */

/**
 * Node tells of a file as of a test that has the file's name, and says that it passed only when there is no test in it.
 * @param {{ name: string, file?: string | undefined, nesting: number }} event
 */
const isFile = ({ name, file, nesting }) => nesting === 0 && file !== undefined && resolve(name) === resolve(file);

/** What node gives as the reason for a test that was not asked for. */
const NOT_ASKED = "test name does not match pattern";

/**
 * @param {string[]} files in the order in which they are begun
 * @param {{ timeout: number, only?: RegExp, brief?: boolean }} how milliseconds for one file; only tests of this name; `brief`: a dot each
 * @returns {Promise<Outcome>}
 */
export async function runTests(files, { timeout, only, brief = false }) {
  /** @type {Outcome} */
  const outcome = { passed: 0, failed: 0, skipped: [], empty: [], took: [] };
  if (files.length === 0) return outcome;
  const concurrency = availableParallelism() + 2;
  const stream = run({ files, concurrency, timeout, ...(only ? { testNamePatterns: [only] } : {}) });
  stream.on("test:fail", () => {
    outcome.failed += 1;
  });
  stream.on("test:pass", (test) => {
    if (test.skip === undefined) {
      if (isFile(test)) outcome.empty.push(test.name);
      else outcome.passed += 1;
    } else if (test.skip !== NOT_ASKED) outcome.skipped.push(`${test.name}: ${test.skip}`);
  });
  stream.on("test:complete", (test) => {
    if (isFile(test)) outcome.took.push({ file: test.name, seconds: test.details.duration_ms / 1000 });
  });
  const report = brief ? stream.compose(dot) : stream.compose(new spec());
  report.pipe(process.stdout, { end: false });
  await new Promise((resolve, reject) => report.once("end", resolve).once("error", reject));
  outcome.took.sort((a, b) => b.seconds - a.seconds);
  return outcome;
}
