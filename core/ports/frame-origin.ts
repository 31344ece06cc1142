import type { Ipv4 } from "../base/ipv4.ts";

/** Whose card sends something, whatever address it writes. */
export interface FrameOrigin {
  /** "02:00:00:00:00:01". */
  readonly mac: string;
  /** Where the card is, when the interface is a bridge and has learnt it. */
  readonly port?: string;
}

/** Finds the card behind an address that may be forged: no neighbour table knows it. Drivers: packet (Linux), simulated. */
export interface FrameOrigins {
  /**
   * Calls `found` once, with whoever sends the next packet from `source` to `group` that comes in on the interface. Returns the way to
   * stop looking. Throws HalError "origin.permission", "origin.no-interface", "origin.open-failed".
   */
  find(interfaceName: string, source: Ipv4, group: Ipv4, found: (origin: FrameOrigin) => void): () => void;
}
