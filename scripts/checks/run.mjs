// Runs test files with node's own runner and reporter, and keeps count of what failed, was skipped, or tested nothing.
import { once } from "node:events";
import { availableParallelism } from "node:os";
import { resolve } from "node:path";
import { run } from "node:test";
import { dot, spec } from "node:test/reporters";
import { scratchFolder } from "./scratch.mjs";
import { filesFor } from "./shared.mjs";

const CORES = availableParallelism();

/**
 * @typedef {{ file: string, seconds: number }} Took
 * @typedef {{ passed: number, failed: number, skipped: string[], empty: string[], unended: string[], took: Took[], left: string[] }} Outcome
 *   `empty`: files that registered no test; `unended`: files that shared a process and did not come to their end in it; `took`: every
 *   file, the slowest first; `left`: what was left in the temporary folder
 * @typedef {{ name: string, file?: string | undefined, nesting: number }} Told what node tells of a test, a suite or a file
 */

/** Node tells of a file as of a test that has the file's name, and says that it passed only when there is no test in it. */
const isFile = (/** @type {Told} */ { name, file, nesting }) =>
  nesting === 0 && file !== undefined && resolve(name) === resolve(file);

const slowestFirst = (/** @type {Took} */ a, /** @type {Took} */ b) => b.seconds - a.seconds;

/** What node gives as the reason for a test that was not asked for. */
const NOT_ASKED = "test name does not match pattern";
/** And for a suite in which a test failed. */
const TEST_FAILED = "subtestsFailed";

/**
 * Counts while it runs.
 * @param {import("node:test").TestsStream} stream
 * @param {string[][]} processes the files of each
 * @returns {Outcome}
 */
function countOf(stream, processes) {
  const shared = processes.filter(({ length }) => length > 1).flat();
  const alone = processes.filter(({ length }) => length === 1).flat();
  /** @type {Outcome} */
  const outcome = { passed: 0, failed: 0, skipped: [], empty: [], unended: [...shared], took: [], left: [] };
  const isSuite = (/** @type {Told} */ { name, nesting }) => nesting === 0 && shared.includes(name);
  let inside = 0;
  /** What is told of a suite comes after all that is told of what is in it. @param {Told} test */
  const note = (test) => {
    const before = inside;
    inside = test.nesting === 0 ? 0 : inside + 1;
    if (isSuite(test)) outcome.unended = outcome.unended.filter((file) => file !== test.name);
    return isSuite(test) && before === 0;
  };
  stream.on("test:fail", (test) => {
    note(test);
    const { failureType } = /** @type {{ failureType?: string }} */ (test.details.error);
    if (!isSuite(test) || failureType !== TEST_FAILED) outcome.failed += 1;
  });
  stream.on("test:pass", (test) => {
    const isEmpty = note(test) || isFile(test);
    if (test.skip !== undefined) {
      if (test.skip !== NOT_ASKED) outcome.skipped.push(`${test.name}: ${test.skip}`);
    } else if (isEmpty) outcome.empty.push(test.name);
    else if (!isSuite(test)) outcome.passed += 1;
  });
  stream.on("test:complete", (test) => {
    if (!isSuite(test) && !(isFile(test) && alone.includes(test.name))) return;
    outcome.took.push({ file: test.name, seconds: test.details.duration_ms / 1000 });
  });
  return outcome;
}

/**
 * @typedef {object} How
 * @property {number} timeout milliseconds for one process
 * @property {RegExp} [only] tests of this name
 * @property {boolean} [brief] a dot for each test
 * @property {number} [atOnce] processes
 */

/**
 * @param {string[][]} processes the files of each, in the order in which they are begun
 * @param {How} how
 * @returns {Promise<Outcome>}
 */
export async function runTests(processes, { timeout, only, brief = false, atOnce = CORES + 2 }) {
  // Whom else this machine trusts is no part of a test, and Node 20 reads them all at every start: more than half of what it takes.
  delete process.env.NODE_EXTRA_CA_CERTS;
  const scratch = scratchFolder();
  const { files, remove } = filesFor(processes);
  const stream = run({ files, concurrency: atOnce, timeout, ...(only ? { testNamePatterns: [only] } : {}) });
  const outcome = countOf(stream, processes);
  const report = brief ? stream.compose(dot) : stream.compose(new spec());
  report.pipe(process.stdout, { end: false });
  await once(report, "end");
  remove();
  outcome.left = scratch.remove();
  outcome.took.sort(slowestFirst);
  return outcome;
}

/** Two runs as if they had been one. @param {Outcome} one @param {Outcome} other @returns {Outcome} */
export const together = (one, other) => ({
  passed: one.passed + other.passed,
  failed: one.failed + other.failed,
  skipped: [...one.skipped, ...other.skipped],
  empty: [...one.empty, ...other.empty],
  unended: [...one.unended, ...other.unended],
  left: [...one.left, ...other.left],
  took: [...one.took, ...other.took].sort(slowestFirst),
});
