// What a run of tests is judged by, on this version of Node and on the others.

/** Captures from outside the repository are no part of it: without them their tests have nothing to read. */
const isMissed = (/** @type {string} */ skipped) => !skipped.endsWith("the capture is not here");

/**
 * What did not hold, in words; empty when all did.
 * @param {Pick<import("./run.mjs").Outcome, "passed" | "failed" | "skipped" | "empty" | "unended" | "left">} outcome
 * @param {{ requireAll: boolean }} how `requireAll`: a skipped test is a fault
 * @returns {string[]}
 */
export function faultsOf({ passed, failed, skipped, empty, unended, left }, { requireAll }) {
  const faults = [];
  const missed = skipped.filter(isMissed);
  if (passed + failed + skipped.length + empty.length === 0) faults.push("no test ran");
  if (failed > 0) faults.push(`${failed} tests failed`);
  for (const file of empty) faults.push(`${file} has no test in it`);
  for (const file of unended) faults.push(`${file} did not come to its end`);
  // Who fails need not clean up.
  if (failed === 0) for (const name of left) faults.push(`a test that passed left ${name} in the temporary folder`);
  if (requireAll && missed.length > 0) {
    faults.push(`${missed.length} skipped, but all were required: ${missed.join("; ")}`);
  }
  return faults;
}
