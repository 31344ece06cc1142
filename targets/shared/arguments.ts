// Values of the command line: what cannot be one ends the process with 64 and says what could.
import { InvalidArgumentError } from "commander";
import * as v from "valibot";
import { identifier } from "./config.ts";

/** The name of a participant, a channel, a subscriber or a package. */
export function idOf(text: string): string {
  if (!v.is(identifier, text)) throw new InvalidArgumentError("It must be 1 to 64 of A-Z a-z 0-9 . _ -");
  return text;
}

/** ISO 8601 to milliseconds since 1970; without a time of day midnight UTC, without a zone local time. */
export function timeOf(text: string): number {
  const parsed = Date.parse(text);
  if (Number.isNaN(parsed) || parsed < 0)
    throw new InvalidArgumentError("It must be a time such as 2026-01-31, 2026-01-31T18:00 or 2026-01-31T17:00Z.");
  return parsed;
}

/** 0 to 999,999. */
export function wholeNumber(text: string): number {
  if (!/^\d{1,6}$/.test(text)) throw new InvalidArgumentError("It must be a whole number.");
  return Number(text);
}
