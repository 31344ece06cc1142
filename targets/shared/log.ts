// Structured logs: JSON lines for collectors, a human form on a terminal.
import { type DestinationStream, type Logger, pino } from "pino";
import pretty from "pino-pretty";

export type { Logger };

/** From the gravest to none. */
export const LEVELS = ["fatal", "error", "warn", "info", "debug", "trace", "silent"] as const;

/** How much is logged, and in which form. */
export interface LogOptions {
  readonly level: (typeof LEVELS)[number];
  /** "auto": human on a terminal, JSON elsewhere. */
  readonly format: "auto" | "json" | "human";
  /** Standard output carries a stream (a set-top writing TS to a player): log to standard error. */
  readonly toStderr: boolean;
}

/** Octets of lines that could not be written and are tried again; beyond, lines are dropped. */
const MOST_WAITING = 64 * 1024;

/** Characters of lines that are written at once, well below MOST_WAITING. */
const MOST_TOGETHER = 16 * 1024;

/** The last line before an exit arrives. Lines carry role and id. */
export function createLogger(options: LogOptions, role: string, id: string | undefined): Logger {
  const descriptor = options.toStderr ? 2 : 1;
  const terminal = options.toStderr ? process.stderr.isTTY : process.stdout.isTTY;
  const human = options.format === "human" || (options.format === "auto" && terminal === true);
  const lines = pino.destination({ dest: descriptor, sync: true, maxLength: MOST_WAITING });
  // A log on a full disk loses lines; the process goes on.
  lines.on("error", () => {});
  const destination = human
    ? pretty({
        destination: lines,
        colorize: terminal === true,
        ignore: "pid,hostname,role,id",
        messageFormat: "{role} {id} {msg}",
        translateTime: "SYS:HH:MM:ss.l",
      })
    : together(lines);
  const base = id === undefined ? { role } : { role, id };
  return pino({ level: options.level, base, timestamp: pino.stdTimeFunctions.isoTime }, destination);
}

/** The lines of one turn of the event loop in one write: each is a system call, and wakes who reads them. */
function together(lines: DestinationStream): DestinationStream {
  let waiting = "";
  const flush = (): void => {
    process.off("exit", flush);
    const text = waiting;
    waiting = "";
    if (text !== "") lines.write(text);
  };
  return {
    write(line) {
      if (waiting === "") {
        process.on("exit", flush);
        setImmediate(flush);
      }
      waiting += line;
      if (waiting.length >= MOST_TOGETHER) flush();
    },
  };
}
