// Exit codes (BSD sysexits), so that init scripts and operators' scripts can tell a bad configuration from a missing broker.
import { HalError } from "../../core/ports/errors.ts";
import { CommandRefused } from "./admin.ts";

/** The codes by name; MEANINGS says them in words. */
export const EXIT = {
  ok: 0,
  mismatch: 1,
  usage: 64,
  data: 65,
  noInput: 66,
  unavailable: 69,
  software: 70,
  cannotCreate: 73,
  ioError: 74,
  permission: 77,
  configuration: 78,
} as const;

/** What each code says, as --help and the README tell it. */
export const MEANINGS: Readonly<Record<Exclude<keyof typeof EXIT, "ok">, string>> = {
  mismatch:
    "a test failed: a capture does not show what it was expected to show, each difference is listed; or a host does not get the group that `router status --why` asks about",
  usage: "the command line is wrong: a command or option that there is not, a value that cannot be one",
  data: "what was asked is refused: an id that is unknown, taken or in use; or a file that is no store, a capture that cannot be read whole, with what was read of it printed",
  noInput: "the store, the capture or the policy that a command works on is not there",
  unavailable: "something needed is not there: the running process, a port, an interface, an identity, a native part",
  software: "our own mistake",
  cannotCreate: "an identity file is there already, and none is replaced",
  ioError: "the store or the journal failed, or the output could not be written whole",
  permission: "no permission",
  configuration: "the configuration has faults; every one is listed",
};

/** The lines below --help. */
export const exitHelp = (): string =>
  [
    "Exit codes:",
    ...Object.entries(MEANINGS).map(([name, text]) => `  ${EXIT[name as keyof typeof EXIT]}  ${text}`),
  ].join("\n");

/** The code for what stopped us: a refusal, the machine's failures by kind; anything else is our own mistake. */
export function exitCodeOf(error: unknown): number {
  if (error instanceof CommandRefused) return EXIT.data;
  if (!(error instanceof HalError)) return EXIT.software;
  if (["store.missing", "capture.unreadable", "policy.unreadable"].includes(error.code)) return EXIT.noInput;
  if (error.code === "store.foreign") return EXIT.data;
  if (error.code.endsWith(".native-missing")) return EXIT.unavailable;
  if (error.code === "identity.exists") return EXIT.cannotCreate;
  if (error.code.endsWith(".permission")) return EXIT.permission;
  return /^(store|journal|stdout)\./.test(error.code) ? EXIT.ioError : EXIT.unavailable;
}

/** One or more lines for a person: what failed, what it needs, what to do instead. */
export function explain(error: unknown): string {
  if (error instanceof CommandRefused) return error.message;
  if (!(error instanceof HalError)) return error instanceof Error ? (error.stack ?? error.message) : String(error);
  const lines = [`${error.code}: ${error.message}`];
  if (error.needs !== undefined) lines.push(`  needs: ${error.needs}`);
  if (error.alternative !== undefined) lines.push(`  or: ${error.alternative}`);
  if (error.cause instanceof Error) lines.push(`  cause: ${error.cause.message}`);
  return lines.join("\n");
}
