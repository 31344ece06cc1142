// A router's evidence as lines of text, one event of its queue each (core/router/evidence-queue.ts), as they lie on the disk.
import * as v from "valibot";
import { MEMBERSHIP_CHANGE, MEMBERSHIP_COUNT } from "../control/messages.ts";

const whole = v.pipe(v.number(), v.safeInteger(), v.minValue(0));

/** The names are short because there may be many lines. */
const LINE = v.union([
  v.strictObject({ change: MEMBERSHIP_CHANGE }),
  v.strictObject({ count: MEMBERSHIP_COUNT }),
  /** A process begins, or is summed up; what follows until the next such line is of this process. */
  v.strictObject({
    process: v.strictObject({ id: whole, started: v.optional(whole), sequence: whole, dropped: whole }),
  }),
  /** So many of the oldest changes and counts of a process are its report number `sequence`. */
  v.strictObject({ report: v.strictObject({ process: whole, sequence: whole, changes: whole, counts: whole }) }),
  /** The report under way has been acknowledged. */
  v.strictObject({ acknowledged: v.literal(true) }),
]);

/** One event of the queue. */
export type EvidenceLine = v.InferOutput<typeof LINE>;

/** As text, without a line break. */
export const formatLine = (line: EvidenceLine): string => JSON.stringify(line);

/** What the text says; undefined for what is no line of ours. */
export function parseLine(text: string): EvidenceLine | undefined {
  const result = v.safeParse(LINE, parseJson(text));
  return result.success ? result.output : undefined;
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    if (error instanceof SyntaxError) return undefined;
    throw error;
  }
}
