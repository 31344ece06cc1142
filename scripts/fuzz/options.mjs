// The command line of the fuzzing.
import { parseArgs } from "node:util";

const USAGE = "usage: npm run fuzz -- [--for 10m | --seed N | --rounds N [--seed N]] [PART-OF-A-PATH...]";
const UNITS = { s: 1, m: 60, h: 3600 };

/**
 * Seconds in "90s", "10m", "1.5h"; undefined for anything else.
 * @param {string} text
 */
export function secondsOf(text) {
  const [, number, unit] = /^(\d+(?:\.\d+)?)([smh])$/.exec(text) ?? [];
  return unit === undefined ? undefined : Number(number) * UNITS[/** @type {keyof typeof UNITS} */ (unit)];
}

/**
 * Throws an Error whose message is for the user.
 * @param {string[]} args
 * @returns {{ seconds: number, seed: string | undefined, rounds: string | undefined, parts: string[] }}
 */
export function parseOptions(args) {
  const { values, positionals } = parse(args);
  const seconds = secondsOf(values.for ?? "1m");
  if (seconds === undefined) throw new Error(`--for takes a time as 90s, 10m or 2h, not "${values.for}"\n${USAGE}`);
  for (const name of /** @type {const} */ (["seed", "rounds"])) {
    const text = values[name];
    if (text === undefined || /^\d+$/.test(text)) continue;
    throw new Error(`--${name} takes a whole number, not "${text}"\n${USAGE}`);
  }
  if (values.rounds !== undefined && values.for !== undefined) throw new Error(`--for or --rounds\n${USAGE}`);
  return { seconds, seed: values.seed, rounds: values.rounds, parts: positionals };
}

/** @param {string[]} args */
function parse(args) {
  try {
    const text = /** @type {const} */ ({ type: "string" });
    return parseArgs({ args, options: { for: text, seed: text, rounds: text }, allowPositionals: true });
  } catch (error) {
    throw new Error(`${error instanceof Error ? error.message : error}\n${USAGE}`);
  }
}
