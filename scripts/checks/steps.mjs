// One step of the check: a program whose exit code says whether it held.
import { spawnSync } from "node:child_process";

/**
 * Runs it with our output, says how long it took; false when it failed.
 * @param {string} name
 * @param {string} program
 * @param {string[]} args
 * @param {{ cwd?: string, quiet?: boolean }} [how] `quiet`: without its standard output
 */
export function step(name, program, args, { cwd = ".", quiet = false } = {}) {
  const begin = performance.now();
  process.stdout.write(`test: ${name} ...\n`);
  const { status, error } = spawnSync(program, args, {
    cwd,
    stdio: ["ignore", quiet ? "ignore" : "inherit", "inherit"],
  });
  const took = ((performance.now() - begin) / 1000).toFixed(1);
  const held = status === 0;
  process.stdout.write(`test: ${name} ${held ? "ok" : `FAILED${error ? ` (${error.message})` : ""}`} in ${took} s\n`);
  return held;
}
