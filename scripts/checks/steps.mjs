// One step of the check: a program whose exit code says whether it held.
import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";

/** That with which this process began: what a run of tests makes of it, its temporary folder first of all, ends with that run. */
const ENVIRONMENT = { ...process.env };

/** @param {string} name @param {boolean} held @param {number} begin of performance.now() @param {Error} [error] */
function verdict(name, held, begin, error) {
  const took = ((performance.now() - begin) / 1000).toFixed(1);
  return `test: ${name} ${held ? "ok" : `FAILED${error ? ` (${error.message})` : ""}`} in ${took} s\n`;
}

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
    env: ENVIRONMENT,
    stdio: ["ignore", quiet ? "ignore" : "inherit", "inherit"],
  });
  process.stdout.write(verdict(name, status === 0, begin, error));
  return status === 0;
}

/**
 * Runs it beside whatever else runs: what it says comes in one piece at its end.
 * @param {string} name
 * @param {string} program
 * @param {string[]} args
 * @param {(pid: number | undefined) => void} [started]
 * @returns {Promise<boolean>} false when it failed
 */
export async function stepBeside(name, program, args, started) {
  const begin = performance.now();
  const child = spawn(program, args, { env: ENVIRONMENT, stdio: ["ignore", "pipe", "pipe"] });
  started?.(child.pid);
  let said = "";
  for (const stream of [child.stdout, child.stderr]) stream.setEncoding("utf8").on("data", (text) => (said += text));
  const { status, error } = await once(child, "close").then(
    ([status]) => ({ status, error: undefined }),
    (error) => ({ status: null, error }),
  );
  process.stdout.write(said + verdict(name, status === 0, begin, error));
  return status === 0;
}
