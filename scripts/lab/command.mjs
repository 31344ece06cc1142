// Programs that run to their end before we go on.
import { spawnSync } from "node:child_process";

/**
 * Runs a program; its standard output. Throws with the program's own words when it fails.
 * @param {string} program
 * @param {string[]} args
 * @param {{ input?: string, env?: NodeJS.ProcessEnv }} [options]
 * @returns {string}
 */
export function command(program, args, options = {}) {
  const done = spawnSync(program, args, { encoding: "utf8", maxBuffer: 64 << 20, ...options });
  if (done.error) throw new Error(`${program}: ${done.error.message}`, { cause: done.error });
  if (done.status !== 0) {
    throw new Error(
      `${program} ${args.join(" ")}: exit ${done.status ?? done.signal}: ${done.stderr.trim() || done.stdout.trim()}`,
    );
  }
  return done.stdout;
}

/**
 * The same, but failure is an answer: false.
 * @param {string} program
 * @param {string[]} args
 */
export function succeeds(program, args) {
  return spawnSync(program, args, { stdio: "ignore" }).status === 0;
}
