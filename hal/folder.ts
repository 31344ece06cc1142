// Makes a folder and those above it. Node's own recursive mkdir never returns where the kernel refuses with ENOENT, as below /proc.
import { existsSync, mkdirSync } from "node:fs";
import { dirname } from "node:path";

/** Nothing happens when it is there. Throws the kernel's error. `mode` is for each folder that is made. */
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
