// For a process that lives on small machines: what a burst took, and what only the start used, does not stay with it. Without our addon
// it stays as the C library and the kernel like.
import { HalError } from "../core/ports/errors.ts";
import type { SocketsModule } from "./native/sockets.ts";
import { loadSockets } from "./native.ts";

/** Octets of free memory at the end of an arena that the C library may keep. */
const KEPT = 64 * 1024;

async function loadedSockets(): Promise<SocketsModule | undefined> {
  try {
    return await loadSockets("memory");
  } catch (error) {
    if (!(error instanceof HalError)) throw error;
    return undefined;
  }
}

/** Gives back what the C library has free, now and later. Worth it again after work that will not come again. */
export async function leanMemory(): Promise<void> {
  (await loadedSockets())?.trimAt(KEPT);
}

/**
 * Gives back the pages of Node's program and libraries, of which the start alone has touched some 30 MiB. What is used again comes back
 * from the page cache, 64 KiB at a time: to be called before the first work that is like what the process will do, not after it.
 */
export async function forgetStart(): Promise<void> {
  (await loadedSockets())?.releaseFiles("/proc/self/smaps");
}
