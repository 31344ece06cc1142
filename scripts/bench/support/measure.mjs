// Medians, and what a process takes from its start to its end.
import { spawn } from "node:child_process";
import { once } from "node:events";

const PEAK = `${import.meta.dirname}/peak.cjs`;

/** @param {number[]} values */
export function median(values) {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[sorted.length >> 1] ?? Number.NaN;
}

/**
 * Milliseconds from spawn to end of `node ...args`, the median of several runs after one that warms the page cache.
 * @param {string[]} args
 * @param {number} [times]
 */
export async function untilExit(args, times = 7) {
  const taken = [];
  for (let left = times; left >= 0; left--) {
    const begin = performance.now();
    await once(spawn(process.execPath, args, { stdio: "ignore" }), "exit");
    if (left < times) taken.push(performance.now() - begin);
  }
  return median(taken);
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
