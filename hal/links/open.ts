// This machine's links by the best monitor that loads here.
import { HalError } from "../../core/ports/errors.ts";
import type { Links } from "../../core/ports/links.ts";
import { loadSockets } from "../native.ts";
import { linksBy, linuxLinks } from "./linux.ts";
import { netlinkMonitor } from "./monitor.ts";

/** By the kernel's own socket, where our addon loads: no other process, and it sees what BusyBox's `ip` cannot tell; else `ip monitor`. */
export async function openLinks(): Promise<Links> {
  try {
    return linksBy(netlinkMonitor(await loadSockets("links")));
  } catch (error) {
    if (!(error instanceof HalError)) throw error;
    return linuxLinks;
  }
}
