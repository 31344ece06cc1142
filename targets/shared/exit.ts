// Exit codes (BSD sysexits), so that init scripts can tell a bad configuration from a missing broker.
import { HalError } from "../../core/ports/errors.ts";

export const EXIT = {
  ok: 0,
  usage: 64,
  data: 65,
  noInput: 66,
  unavailable: 69,
  software: 70,
  ioError: 74,
  permission: 77,
  configuration: 78,
} as const;

/** The code for what stopped us: the machine's failures by kind, anything else is our own mistake. */
export function exitCodeOf(error: unknown): number {
  if (!(error instanceof HalError)) return EXIT.software;
  if (error.code.endsWith(".permission")) return EXIT.permission;
  if (error.code.startsWith("store.") || error.code.startsWith("journal.")) return EXIT.ioError;
  return EXIT.unavailable;
}

/** One or more lines for a person: what failed, what it needs, what to do instead. */
export function explain(error: unknown): string {
  if (!(error instanceof HalError)) return error instanceof Error ? (error.stack ?? error.message) : String(error);
  const lines = [`${error.code}: ${error.message}`];
  if (error.needs !== undefined) lines.push(`  needs: ${error.needs}`);
  if (error.alternative !== undefined) lines.push(`  or: ${error.alternative}`);
  if (error.cause instanceof Error) lines.push(`  cause: ${error.cause.message}`);
  return lines.join("\n");
}
