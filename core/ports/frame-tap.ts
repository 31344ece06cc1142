import type { HalError } from "./errors.ts";

/** What the owner of a tap hears. */
export interface TapListener {
  /**
   * A whole Ethernet frame that came IN through the tapped port. Read during the call, copy what you keep. vouched: the link vouches
   * for the checksum of the message in it, or has still to fill that in; absent where the driver does not know.
   */
  frame(frame: Uint8Array, vouched?: boolean): void;
  /** The tap died (interface gone, helper crashed); the driver is already trying again. */
  interrupted(error: HalError): void;
  /** Listening, for the first time or again. */
  resumed(): void;
}

/** A tap that listens until it is closed. */
export interface FrameTap {
  readonly interfaceName: string;
  /** Frames that the kernel threw away because nobody read them in time; undefined where the driver cannot tell. */
  dropped(): number | undefined;
  close(): void;
}

/** IGMP frames, and those of PIM, which tell where routers are, as a port of a bridge (or any interface) hears them: who said it, by MAC. Drivers: packet (our addon), cap (child process), simulated. */
export interface FrameTaps {
  open(interfaceName: string, listener: TapListener): FrameTap;
}
