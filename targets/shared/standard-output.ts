// Standard output of a command: whole, or the caller knows. A log on a full disk may lose lines, a list may not.
import { HalError } from "../../core/ports/errors.ts";

/**
 * Resolves when `text` has been handed over: true, or false when the reader has gone (`| head`) and nothing more is wanted. Rejects
 * with HalError "stdout.failed" when it could not be written (a full disk behind `>`).
 */
export function writeOut(text: string): Promise<boolean> {
  return new Promise((resolve, reject) => {
    process.stdout.write(text, (error?: NodeJS.ErrnoException | null) => {
      if (error === undefined || error === null) resolve(true);
      else if (error.code === "EPIPE" || error.code === "ERR_STREAM_DESTROYED") resolve(false);
      else reject(new HalError("stdout.failed", `standard output: ${error.message}; it is not complete`));
    });
  });
}
