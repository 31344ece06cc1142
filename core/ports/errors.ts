// Failures of the machine we run on. What comes from outside is a drop literal, never one of these.

/**
 * `code` is "<port>.<what>" (for example "mroute.in-use"), `needs` says what would make it work, and `alternative` what to do
 * instead; main decides between retry, degraded service and exit.
 */
export class HalError extends Error {
  readonly code: string;
  readonly needs: string | undefined;
  readonly alternative: string | undefined;

  constructor(code: string, message: string, more: { cause?: unknown; needs?: string; alternative?: string } = {}) {
    super(message, more.cause === undefined ? {} : { cause: more.cause });
    this.name = "HalError";
    this.code = code;
    this.needs = more.needs;
    this.alternative = more.alternative;
  }
}
