// For a process that lives on small machines: what a burst took does not stay with it.
import { setFlagsFromString } from "node:v8";
import { HalError } from "../core/ports/errors.ts";
import { loadSockets } from "./native.ts";

/** Octets of free memory at the end of an arena that the C library may keep. */
const KEPT = 64 * 1024;

/**
 * Keeps the young generation at the 1 MiB with which it begins, where V8 would let a burst make it 16 and hardly ever take that back,
 * and gives back what the C library has free, now and later. Worth it again after work that will not come again. Without our addon the
 * C library does as it likes.
 */
export async function leanMemory(): Promise<void> {
  setFlagsFromString("--semi-space-growth-factor=1");
  try {
    (await loadSockets("memory")).trimAt(KEPT);
  } catch (error) {
    if (!(error instanceof HalError)) throw error;
  }
}
