// Programs that run to their end before we go on.
import { execFile, spawnSync } from "node:child_process";
import { promisify } from "node:util";

/**
 * Runs a program; its standard output. Throws with the program's own words when it fails.
 * @param {string} program
 * @param {string[]} args
 * @param {{ input?: string, env?: NodeJS.ProcessEnv, cwd?: string }} [options]
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

const run = promisify(execFile);

/**
 * The same while everything else goes on: for what takes longer than an answer that somebody else waits for, as the start of a bundle
 * on a busy machine does.
 * @param {string} program
 * @param {string[]} args
 * @returns {Promise<string>}
 */
export async function commandMeanwhile(program, args) {
  try {
    return (await run(program, args, { encoding: "utf8", maxBuffer: 64 << 20 })).stdout;
  } catch (cause) {
    const { code, signal, stderr = "", message } = /** @type {any} */ (cause);
    throw new Error(`${program} ${args.join(" ")}: exit ${code ?? signal}: ${stderr.trim() || message}`, { cause });
  }
}

/**
 * The same, but failure is an answer: false.
 * @param {string} program
 * @param {string[]} args
 */
export function succeeds(program, args) {
  return spawnSync(program, args, { stdio: "ignore" }).status === 0;
}
