// What a router saw and nobody has acknowledged yet, on its disk: lines that are added, and now and then all of them anew.
import type { HalError } from "./errors.ts";

/** What the process before left. */
export interface EvidenceContent {
  /** In the order in which they were written; each as it was. */
  readonly lines: readonly string[];
  /** Lines that were there and cannot be read. */
  readonly damaged: number;
  /**
   * "evidence.damaged": not all could be read; what was there is kept aside. "evidence.permission", "evidence.failed": nothing was read,
   * because it could not be opened for reading and writing.
   */
  readonly fault?: HalError;
}

/**
 * One write at a time. What control permits is kept in one too, whose codes begin with "permits". All kinds reject with HalError "evidence.disk-full", "evidence.permission" or "evidence.failed".
 * Drivers: file, memory.
 */
export interface EvidenceLog {
  /**
   * What is there; a last line that a power cut left unfinished is not. What may not be written is not read either: it could never be
   * taken out, and would be told again at every start. Never throws.
   */
  load(): EvidenceContent;
  /**
   * Adds lines (no line break in them), which outlive the process when it resolves, but not yet a power cut. When this or `commit` rejects
   * some may be there: only `replace` may follow.
   */
  write(lines: readonly string[]): Promise<void>;
  /** Adds lines: these and all before are on the disk when it resolves. */
  commit(lines: readonly string[]): Promise<void>;
  /** Puts these in the place of all that was there, on the disk when it resolves: after a power cut there are the old or the new lines. */
  replace(lines: readonly string[]): Promise<void>;
}
