// Folders: made with those above them, and made durable.
import { closeSync, existsSync, fsyncSync, mkdirSync, openSync } from "node:fs";
import { dirname } from "node:path";

/**
 * Makes a folder and those above it. Nothing happens when it is there. Throws the kernel's error. `mode` is for each folder that is
 * made. Node's own recursive mkdir never returns where the kernel refuses with ENOENT, as below /proc.
 */
export function makeFolder(path: string, mode: number): void {
  if (existsSync(path)) return;
  makeFolder(dirname(path), mode);
  try {
    mkdirSync(path, mode);
  } catch (error) {
    // Another process was faster.
    if (!existsSync(path)) throw error;
  }
}

/** Only after this a file that was made, linked or renamed in the folder is there after a power cut. Throws the kernel's error. */
export function syncFolder(path: string): void {
  const folder = openSync(path, "r");
  try {
    fsyncSync(folder);
  } finally {
    closeSync(folder);
  }
}
