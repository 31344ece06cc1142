/** What became of a frame: busy says that the interface takes no more at the moment, too-long that it never takes this one. */
export type SendOutcome = "sent" | "busy" | "too-long";

/** Puts whole Ethernet frames on one interface until it is closed. */
export interface FrameSender {
  readonly interfaceName: string;
  /** Throws HalError "sender.failed" when the interface is gone or down. */
  send(frame: Uint8Array): SendOutcome;
  close(): void;
}

/**
 * Frames as a host on the link would send them, its MAC included. Drivers: packet (our own sockets), cap. Rejects with HalError "sender.no-interface",
 * "sender.permission", "sender.link-type" or "sender.native-missing".
 */
export interface FrameSenders {
  open(interfaceName: string): Promise<FrameSender>;
}
