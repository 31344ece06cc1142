// Of a port the best driver that loads here; and for status which it is, why no better one, and what it lacks.
import { HalError } from "../../core/ports/errors.ts";

/** One way to serve a port. */
export interface Candidate<Port> {
  readonly driver: string;
  /** What it cannot do that the first can, for a person. */
  readonly lacks?: string;
  /** Rejects with HalError "<port>.native-missing". */
  load(): Promise<Port>;
}

/** Which driver serves a port, for status. */
export interface DriverChoice {
  readonly driver: string;
  /** Why those that would have been better were not taken, by name. */
  readonly passedOver?: Readonly<Record<string, string>>;
  readonly lacks?: string;
}

/**
 * The first of the candidates that loads, or the one that is wanted ("auto": any). Rejects with the HalError of the last.
 */
export async function choose<Port>(
  wanted: string,
  candidates: readonly Candidate<Port>[],
): Promise<{ readonly port: Port; readonly choice: DriverChoice }> {
  const passedOver: Record<string, string> = {};
  let last: HalError | undefined;
  for (const { driver, lacks, load } of candidates) {
    if (wanted !== "auto" && wanted !== driver) {
      passedOver[driver] = `the configuration wants ${wanted}`;
      continue;
    }
    try {
      const port = await load();
      const why = Object.keys(passedOver).length > 0 ? { passedOver } : {};
      return { port, choice: { driver, ...why, ...(lacks === undefined ? {} : { lacks }) } };
    } catch (error) {
      if (!(error instanceof HalError)) throw error;
      last = error;
      passedOver[driver] = `${error.message}: ${error.cause instanceof Error ? error.cause.message : error.code}`;
    }
  }
  throw last ?? new RangeError(`no driver is called ${wanted}`);
}
