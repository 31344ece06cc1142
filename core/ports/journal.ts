import type { UnixTime } from "../base/time.ts";
import type { HalError } from "./errors.ts";

/** A reception that the key server may believe to be live. */
export interface JournalEntry {
  /** 16 octets. */
  readonly reception: Uint8Array;
  readonly channel: string;
  /** When it ended, by this device's calendar; absent while it goes on. */
  readonly ended?: UnixTime;
}

/** What a set-top remembers across a power cut. */
export interface JournalContent {
  readonly entries: readonly JournalEntry[];
  /** "journal.corrupt": what was there could not be read and was kept aside. "journal.unreadable": it could not be opened. */
  readonly fault?: HalError;
}

/** More than this is refused: a viewer who zaps for a day without a broker must not fill the flash. */
export const JOURNAL_LIMIT = 256;

/** A set-top's memory of its receptions across power cuts. Drivers: file, memory. */
export interface Journal {
  /** What the last `save` left; empty when there was none. Never throws. */
  load(): JournalContent;
  /**
   * Replaces everything; durable on return, and either the old or the new content after a power cut. Writes nothing when nothing
   * changed. Throws HalError "journal.disk-full", "journal.permission", "journal.failed" (the old content stays), RangeError
   * above JOURNAL_LIMIT entries.
   */
  save(entries: readonly JournalEntry[]): void;
}
