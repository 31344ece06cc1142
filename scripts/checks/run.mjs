// Runs test files with node's own runner and reporter, and keeps count of what failed and what was skipped.
import { availableParallelism } from "node:os";
import { run } from "node:test";
import { spec } from "node:test/reporters";

/**
 * @typedef {{ failed: number, skipped: string[] }} Outcome
 * @param {string[]} files
 * @param {{ timeout: number }} limits milliseconds for one file
 * @returns {Promise<Outcome>}
 */
export async function runTests(files, { timeout }) {
  const outcome = { failed: 0, skipped: /** @type {string[]} */ ([]) };
  if (files.length === 0) return outcome;
  const stream = run({ files, concurrency: Math.max(2, availableParallelism()), timeout });
  stream.on("test:fail", () => {
    outcome.failed += 1;
  });
  stream.on("test:pass", (test) => {
    if (test.skip !== undefined) outcome.skipped.push(`${test.name}: ${test.skip}`);
  });
  const report = stream.compose(new spec());
  report.pipe(process.stdout, { end: false });
  await new Promise((resolve, reject) => report.once("end", resolve).once("error", reject));
  return outcome;
}
