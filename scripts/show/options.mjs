// The demo's command line.
import { parseArgs } from "node:util";

const USAGE = "usage: scripts/demo [--for SECONDS] [--report FILE] [--loopback]";

/**
 * Throws an Error whose message is for the user.
 * @param {string[]} args
 * @returns {{ seconds: number | undefined, report: string | undefined, loopback: boolean }}
 */
export function parseOptions(args) {
  /** @type {{ for?: string, report?: string, loopback?: boolean }} */
  let values;
  try {
    ({ values } = parseArgs({
      args,
      options: { for: { type: "string" }, report: { type: "string" }, loopback: { type: "boolean" } },
    }));
  } catch (error) {
    throw new Error(`${error instanceof Error ? error.message : error}\n${USAGE}`);
  }
  const seconds = values.for === undefined ? undefined : Number(values.for);
  if (seconds !== undefined && !(seconds >= 10 && seconds <= 86_400)) {
    throw new Error(`--for takes 10 to 86400 seconds, not "${values.for}"\n${USAGE}`);
  }
  return { seconds, report: values.report, loopback: values.loopback ?? false };
}
