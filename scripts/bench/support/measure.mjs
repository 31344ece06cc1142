// Medians, and what a process takes from its start to its end.
import { spawn } from "node:child_process";
import { once } from "node:events";

const PEAK = `${import.meta.dirname}/peak.cjs`;

/** @param {number[]} values */
export function median(values) {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[sorted.length >> 1] ?? Number.NaN;
}

/** Milliseconds from spawn to end of `node ...args`. */
async function untilExit(/** @type {string[]} */ args) {
  const begin = performance.now();
  await once(spawn(process.execPath, args, { stdio: "ignore" }), "exit");
  return performance.now() - begin;
}

/**
 * Medians of how long two commands of node take from start to end; in turn, so that a busy machine is busy for both, and after one
 * of each that warms the page cache.
 * @param {string[]} one
 * @param {string[]} other
 * @param {number} [times]
 */
export async function timesInTurn(one, other, times = 9) {
  /** @type {[number[], number[]]} */
  const taken = [[], []];
  for (let left = times; left >= 0; left--) {
    const both = [await untilExit(one), await untilExit(other)];
    if (left < times) both.forEach((time, index) => void taken[index]?.push(time));
  }
  return taken.map(median);
}

/**
 * Peak resident memory of `node ...args` at its end, in MiB.
 * @param {string[]} args
 */
export async function peakMemory(args) {
  const child = spawn(process.execPath, ["--require", PEAK, ...args], {
    stdio: ["ignore", "ignore", "ignore", "pipe"],
  });
  let told = "";
  child.stdio[3]?.on("data", (/** @type {Buffer} */ part) => {
    told += part.toString();
  });
  await once(child, "close");
  return Number(told) / 1024;
}
