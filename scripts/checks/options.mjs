// The command line of the checks.
import { KINDS } from "./tests.mjs";

const USAGE = "usage: scripts/test [--require-all] [--unit | --bundles] [PART-OF-A-PATH...]";

/** @typedef {import("./tests.mjs").Kind} Kind */

/**
 * Throws an Error whose message is for the user.
 * @param {string[]} args
 * @param {NodeJS.ProcessEnv} environment
 * @returns {{ requireAll: boolean, kinds: readonly Kind[], parts: string[], isWhole: boolean }} `isWhole`: nothing was chosen
 */
export function parseOptions(args, environment) {
  const known = ["--require-all", "--unit", "--bundles"];
  const unknown = args.filter((arg) => arg.startsWith("--") && !known.includes(arg));
  if (unknown.length > 0) throw new Error(`unknown option ${unknown.join(" ")}; ${USAGE}`);
  const parts = args.filter((arg) => !arg.startsWith("--"));
  const kinds = kindsOf(args);
  const requireAll = args.includes("--require-all") || environment.CI === "true";
  return { requireAll, kinds, parts, isWhole: parts.length === 0 && kinds.includes("lab") };
}

/** `--unit` and `--bundles` choose, together both; without them everything. @param {string[]} args @returns {readonly Kind[]} */
function kindsOf(args) {
  /** @type {Kind[]} */
  const chosen = [];
  if (args.includes("--unit")) chosen.push("unit");
  if (args.includes("--bundles")) chosen.push("bundle");
  return chosen.length > 0 ? chosen : KINDS;
}
