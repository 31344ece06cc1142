// A router's evidence, or what else it has to know over a restart, in one file: lines with a checksum each, added at the end, and now and then replaced as a whole. Writes wait in the
// thread pool, so that a slow disk delays no join.
import { closeSync, existsSync, fstatSync, openSync, readFileSync, renameSync } from "node:fs";
import { type FileHandle, open, rename, rm } from "node:fs/promises";
import { dirname } from "node:path";
import { HalError } from "../../core/ports/errors.ts";
import type { EvidenceContent, EvidenceLog } from "../../core/ports/evidence-log.ts";
import { makeFolder } from "../folder.ts";
import { crc32 } from "./crc32.ts";

/** Far beyond what the longest queue takes. */
const LARGEST_FILE = 256 * 1024 * 1024;
const OWNER_ONLY = 0o600;

/** What is in the file, for those who read of its faults; their codes begin with `kind`. */
export interface FileSubject {
  readonly kind: string;
  /** The entry that names the file. */
  readonly entry: string;
  /** What becomes of it without the file. */
  readonly alternative: string;
  /** Octets of a file that may be one of ours; default: what the longest queue of evidence takes. */
  readonly largest?: number;
}

const EVIDENCE: FileSubject = {
  kind: "evidence",
  entry: "evidence.file",
  alternative: "evidence is kept in memory meanwhile, and lost when the router's process ends before control is back",
};

/** What control permits. */
export const PERMITS: FileSubject = {
  kind: "permits",
  entry: "enforce.file",
  alternative:
    "what control permits is kept in memory meanwhile, and not known to a router that starts while control is away",
};

/** The policy that control has given. */
export const POLICY: FileSubject = {
  kind: "policy",
  entry: "policy.file",
  alternative:
    "control's policy is kept in memory meanwhile, and not known to a router that starts while control is away",
  largest: 1024 * 1024,
};

/** The log in this file; its folder is made (mode 0700) at the first write. */
export class FileEvidenceLog implements EvidenceLog {
  readonly #path: string;
  readonly #subject: FileSubject;
  #file: FileHandle | undefined;

  constructor(path: string, subject: FileSubject = EVIDENCE) {
    this.#path = path;
    this.#subject = subject;
  }

  load(): EvidenceContent {
    if (!existsSync(this.#path)) return { lines: [], damaged: 0 };
    try {
      const text = readWritable(this.#path, this.#subject.largest ?? LARGEST_FILE);
      if (text === undefined) return this.#setAside([], 1);
      const { lines, damaged } = soundLines(text);
      return damaged === 0 ? { lines, damaged } : this.#setAside(lines, damaged);
    } catch (cause) {
      return { lines: [], damaged: 0, fault: failure(this.#path, this.#subject, cause) };
    }
  }

  async write(lines: readonly string[]): Promise<void> {
    try {
      await this.#append(lines);
    } catch (cause) {
      throw failure(this.#path, this.#subject, cause);
    }
  }

  async commit(lines: readonly string[]): Promise<void> {
    try {
      await (await this.#append(lines)).datasync();
    } catch (cause) {
      throw failure(this.#path, this.#subject, cause);
    }
  }

  async #append(lines: readonly string[]): Promise<FileHandle> {
    this.#file ??= await open(this.#path, "a", OWNER_ONLY);
    await this.#file.appendFile(format(lines));
    return this.#file;
  }

  async replace(lines: readonly string[]): Promise<void> {
    const beside = `${this.#path}.new`;
    try {
      makeFolder(dirname(this.#path), 0o700);
      await writeBeside(beside, format(lines));
      await this.close();
      await rename(beside, this.#path);
      await syncFolder(dirname(this.#path));
    } catch (cause) {
      // A file cut short by a full disk takes the space that is missing.
      await rm(beside, { force: true }).catch(() => {});
      throw failure(this.#path, this.#subject, cause);
    }
  }

  async close(): Promise<void> {
    const file = this.#file;
    this.#file = undefined;
    await file?.close();
  }

  /** Kept for whoever wants to know what happened to it; only the newest one. */
  #setAside(lines: readonly string[], damaged: number): EvidenceContent {
    const aside = `${this.#path}.damaged`;
    renameSync(this.#path, aside);
    const what = `${this.#path} was not sound and is now ${aside}: ${lines.length} lines of it could be read, ${damaged} not`;
    return { lines, damaged, fault: new HalError(`${this.#subject.kind}.damaged`, what) };
  }
}

/** Its text; undefined when it is too large to be one of ours. Opened for writing too: see `EvidenceLog.load`. */
function readWritable(path: string, largest: number): string | undefined {
  const file = openSync(path, "r+");
  try {
    return fstatSync(file).size > largest ? undefined : readFileSync(file, "utf8");
  } finally {
    closeSync(file);
  }
}

async function writeBeside(path: string, text: string): Promise<void> {
  const file = await open(path, "w", OWNER_ONLY);
  try {
    await file.writeFile(text);
    await file.sync();
  } finally {
    await file.close();
  }
}

/** As in hal/folder.ts, without making the process wait. */
async function syncFolder(path: string): Promise<void> {
  const folder = await open(path, "r");
  try {
    await folder.sync();
  } finally {
    await folder.close();
  }
}

const checksum = (text: string): string => crc32(text).toString(16).padStart(8, "0");

const format = (lines: readonly string[]): string => lines.map((line) => `${checksum(line)} ${line}\n`).join("");

/** What follows the last line break was being written when the power went. */
function soundLines(text: string): { readonly lines: readonly string[]; readonly damaged: number } {
  const all = text.split("\n").slice(0, -1);
  const sound = all.filter((line) => line[8] === " " && line.slice(0, 8) === checksum(line.slice(9)));
  return { lines: sound.map((line) => line.slice(9)), damaged: all.length - sound.length };
}

const errnoOf = (cause: unknown): string | undefined => (cause as NodeJS.ErrnoException | undefined)?.code;

function failure(path: string, { kind, entry, alternative }: FileSubject, cause: unknown): HalError {
  switch (errnoOf(cause)) {
    case "ENOSPC":
    case "EDQUOT":
      return new HalError(`${kind}.disk-full`, `no room for ${path}`, {
        cause,
        needs: "some megabytes free",
        alternative,
      });
    case "EACCES":
    case "EPERM":
    case "EROFS":
      return new HalError(`${kind}.permission`, `may not write ${path}`, {
        cause,
        needs: `as \`${entry}\` a path that this user may write`,
        alternative,
      });
    default:
      return new HalError(`${kind}.failed`, `cannot use ${path} (${errnoOf(cause) ?? String(cause)})`, {
        cause,
        alternative,
      });
  }
}
