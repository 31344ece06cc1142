// The log of one simulated process: its lines go into the run's log, under simulated time.
import { type LevelWithSilent, type Logger, pino } from "pino";

/** Without this machine's time and process id, and without stack traces, which tell nothing of the run. */
export const simulatedLog = (who: string, level: LevelWithSilent, line: (text: string) => void): Logger =>
  pino(
    { level, base: null, timestamp: false, serializers: { err: (error: Error) => error.message } },
    { write: (text) => line(`${who} ${text.trimEnd()}`) },
  );
