// A file whose content is on the disk when the call returns. Its name is there after a power cut only after `syncFolder`.
import { closeSync, fsyncSync, openSync, writeFileSync } from "node:fs";

const OWNER_ONLY = 0o600;

/**
 * Writes `text` as UTF-8 into a file that only its owner can read, and waits for the disk. "replace" writes over what was there,
 * "create" throws EEXIST. Throws the kernel's error; then the file may be there, cut short.
 */
export function writeDurably(path: string, text: string, existing: "replace" | "create"): void {
  const file = openSync(path, existing === "create" ? "wx" : "w", OWNER_ONLY);
  try {
    writeFileSync(file, text);
    fsyncSync(file);
  } finally {
    closeSync(file);
  }
}
