/** What became of the packets that were handed to an output. */
export interface OutputStatus {
  readonly driver: string;
  /** Written: the kernel has them. What is queued is not among them yet. */
  readonly packets: number;
  readonly octets: number;
  /** By name: "output.backlog" (the reader is too slow), "output.no-reader", "output.failed", "output.closed". */
  readonly drops: Record<string, number>;
  /** Why nothing gets out at present; undefined while it works. */
  readonly fault: string | undefined;
}

/** Where clear packets go: a player, a file, a pipe. Drivers: udp, rtp (over UDP), file (also a FIFO), stdout, null. */
export interface Output {
  /**
   * One clear RTP packet, packet[0, end), whose payload is packet[payloadStart, payloadEnd). Copies what it keeps: the buffer is the
   * caller's again when this returns. Never throws and never waits: what does not fit is dropped and counted. False when it was.
   */
  write(packet: Uint8Array, end: number, payloadStart: number, payloadEnd: number): boolean;
  status(): OutputStatus;
  /** Writes what is queued, within 500 ms, and closes. */
  close(): Promise<void>;
}
