// What every reader of captures gives: packets, and the faults that end a file early.
import type { UnixTime } from "../base/time.ts";

/** One packet as the capture has it. */
export interface CapturedPacket {
  /** Milliseconds with fractions; a float64 holds a quarter of a microsecond. */
  readonly at: UnixTime;
  /** LINKTYPE_ number of tcpdump.org/linktypes.html. */
  readonly linkType: number;
  /** A view into the capture, at most MAX_PACKET octets. */
  readonly bytes: Uint8Array;
}

/** Larger than any link's packets: tcpdump's own MAXIMUM_SNAPLEN. */
export const MAX_PACKET = 262_144;

/** Why a capture cannot be read (further); the reason why it ends early. */
export type CaptureFault =
  /** Neither pcap nor pcapng. */
  | "capture.format"
  /** The file ends inside a header, record or block. */
  | "capture.truncated"
  /** A record claims more than MAX_PACKET octets. */
  | "capture.packet-length"
  /** A pcapng block's lengths contradict each other. */
  | "capture.block-length"
  /** A pcapng section without its byte order magic. */
  | "capture.byte-order"
  /** A packet of an interface that was not described. */
  | "capture.interface"
  /** More interfaces in one section than any machine has. */
  | "capture.too-many-interfaces";
