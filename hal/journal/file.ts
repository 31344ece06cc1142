// The journal as one small JSON file, replaced as a whole: write beside it, fsync, rename, fsync the folder.
import { existsSync, readFileSync, renameSync, statSync, unlinkSync } from "node:fs";
import { dirname } from "node:path";
import * as v from "valibot";
import { fromHex, toHex } from "../../core/base/bytes.ts";
import { unixTime } from "../../core/base/time.ts";
import { Identifier } from "../../core/control/messages.ts";
import { HalError } from "../../core/ports/errors.ts";
import { JOURNAL_LIMIT, type Journal, type JournalContent, type JournalEntry } from "../../core/ports/journal.ts";
import { writeDurably } from "../durable-file.ts";
import { makeFolder, syncFolder } from "../folder.ts";

const VERSION = 1;
/** A full journal has about 40 KB. */
const LARGEST_FILE = 256 * 1024;

const FILE = v.strictObject({
  version: v.literal(VERSION),
  receptions: v.pipe(
    v.array(
      v.strictObject({
        reception: v.pipe(v.string(), v.regex(/^[0-9a-f]{32}$/)),
        channel: Identifier,
        ended: v.optional(v.pipe(v.number(), v.integer(), v.minValue(0))),
      }),
    ),
    v.maxLength(JOURNAL_LIMIT),
  ),
});

/** The journal in this file; its folder is made (mode 0700) at the first save. What `save` throws: port Journal. */
export class FileJournal implements Journal {
  readonly #path: string;
  /** What the file holds, as far as we know; undefined before the first look. */
  #written: string | undefined;

  constructor(path: string) {
    this.#path = path;
  }

  load(): JournalContent {
    if (!existsSync(this.#path)) return { entries: [] };
    let text: string;
    try {
      if (statSync(this.#path).size > LARGEST_FILE) return this.#setAside(new Error("it is too large"));
      text = readFileSync(this.#path, "utf8");
    } catch (cause) {
      return { entries: [], fault: failure("journal.unreadable", `cannot read ${this.#path}`, cause) };
    }
    try {
      const entries = parseJournal(text);
      this.#written = text;
      return { entries };
    } catch (cause) {
      return this.#setAside(cause);
    }
  }

  save(entries: readonly JournalEntry[]): void {
    if (entries.length > JOURNAL_LIMIT) throw new RangeError(`the journal holds ${JOURNAL_LIMIT}: ${entries.length}`);
    const text = format(entries);
    if (text === this.#written || (this.#written === undefined && entries.length === 0 && !existsSync(this.#path)))
      return;
    try {
      replace(this.#path, text);
      this.#written = text;
    } catch (cause) {
      throw saveError(this.#path, cause);
    }
  }

  /** Kept for whoever wants to know what happened to it; only the newest one. */
  #setAside(cause: unknown): JournalContent {
    const aside = `${this.#path}.corrupt`;
    try {
      renameSync(this.#path, aside);
    } catch (second) {
      return { entries: [], fault: failure("journal.unreadable", `cannot set ${this.#path} aside`, second) };
    }
    return { entries: [], fault: failure("journal.corrupt", `${this.#path} was not sound and is now ${aside}`, cause) };
  }
}

/** The entries of a journal file. Throws SyntaxError or ValiError when the text is none. */
export function parseJournal(text: string): readonly JournalEntry[] {
  const { receptions } = v.parse(FILE, JSON.parse(text));
  return receptions.map(({ reception, channel, ended }) => {
    const entry = { reception: fromHex(reception) ?? new Uint8Array(16), channel };
    return ended === undefined ? entry : { ...entry, ended: unixTime(ended) };
  });
}

function format(entries: readonly JournalEntry[]): string {
  const receptions = entries.map(({ reception, channel, ended }) => ({
    reception: toHex(reception),
    channel,
    ...(ended === undefined ? {} : { ended: Math.max(0, Math.round(ended)) }),
  }));
  return `${JSON.stringify({ version: VERSION, receptions })}\n`;
}

function replace(path: string, text: string): void {
  const folder = dirname(path);
  makeFolder(folder, 0o700);
  const beside = `${path}.new`;
  try {
    writeDurably(beside, text, "replace");
    renameSync(beside, path);
  } catch (cause) {
    // A file cut short by a full disk takes the space that is missing.
    if (existsSync(beside)) unlinkSync(beside);
    throw cause;
  }
  syncFolder(folder);
}

const errnoOf = (cause: unknown): string | undefined => (cause as NodeJS.ErrnoException | undefined)?.code;

const failure = (code: string, message: string, cause: unknown): HalError =>
  new HalError(code, message, { cause, alternative: "configure another `journal` path" });

function saveError(path: string, cause: unknown): HalError {
  switch (errnoOf(cause)) {
    case "ENOSPC":
    case "EDQUOT":
      return new HalError("journal.disk-full", `no room for ${path}`, {
        cause,
        needs: "some kilobytes free",
        alternative: "receptions that end in a power cut now are closed later, as lapsed",
      });
    case "EACCES":
    case "EPERM":
    case "EROFS":
      return failure("journal.permission", `may not write ${path}`, cause);
    default:
      return failure("journal.failed", `cannot write ${path} (${errnoOf(cause) ?? String(cause)})`, cause);
  }
}
