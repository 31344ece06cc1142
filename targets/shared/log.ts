// Structured logs: JSON lines for collectors, a human form on a terminal.
import { type Logger, pino } from "pino";
import pretty from "pino-pretty";

export type { Logger };
export const LEVELS = ["fatal", "error", "warn", "info", "debug", "trace", "silent"] as const;

export interface LogOptions {
  readonly level: (typeof LEVELS)[number];
  /** "auto": human on a terminal, JSON elsewhere. */
  readonly format: "auto" | "json" | "human";
  /** Standard output carries a stream (a set-top writing TS to a player): log to standard error. */
  readonly toStderr: boolean;
}

/** Synchronous on purpose: the last line before an exit must arrive. Lines carry role and id. */
export function createLogger(options: LogOptions, role: string, id: string | undefined): Logger {
  const descriptor = options.toStderr ? 2 : 1;
  const terminal = options.toStderr ? process.stderr.isTTY : process.stdout.isTTY;
  const human = options.format === "human" || (options.format === "auto" && terminal === true);
  const destination = human
    ? pretty({
        destination: descriptor,
        sync: true,
        colorize: terminal === true,
        ignore: "pid,hostname,role,id",
        messageFormat: "{role} {id} {msg}",
        translateTime: "SYS:HH:MM:ss.l",
      })
    : pino.destination({ dest: descriptor, sync: true });
  const base = id === undefined ? { role } : { role, id };
  return pino({ level: options.level, base, timestamp: pino.stdTimeFunctions.isoTime }, destination);
}
