// What every reader of captures gives: packets, and the faults that end a file early.
import { readUint16, readUint32 } from "../base/bytes.ts";
import type { UnixTime } from "../base/time.ts";

/** Where a packet was captured, when the file tells (pcapng): two interfaces are two networks. */
export interface CaptureInterface {
  /** Its number within the section. */
  readonly index: number;
  /** "eth0"; empty where the file does not say. At most MAX_NAME characters, printable ASCII. */
  readonly name: string;
}

/** One packet as the capture has it. */
export interface CapturedPacket {
  /** Milliseconds with fractions; a float64 holds a quarter of a microsecond. */
  readonly at: UnixTime;
  /** LINKTYPE_ number of tcpdump.org/linktypes.html. */
  readonly linkType: number;
  /** undefined in a pcap file, which has one interface without a name. */
  readonly source: CaptureInterface | undefined;
  /** A view into the octets that were read, at most MAX_PACKET. */
  readonly bytes: Uint8Array;
  /** Octets on the wire: more than there are here when the capture cut the packet short. */
  readonly length: number;
}

/** Larger than any link's packets: tcpdump's own MAXIMUM_SNAPLEN. */
export const MAX_PACKET = 262_144;

/** Of an interface's name. */
export const MAX_NAME = 64;

/** Why a capture cannot be read (further); the reason why it ends early. */
export type CaptureFault =
  /** Compressed octets that are damaged or end early; told by whoever decompresses them. */
  | "capture.gzip"
  /** Neither pcap nor pcapng. */
  | "capture.format"
  /** The file ends inside a header, record or block. */
  | "capture.truncated"
  /** A record claims more than MAX_PACKET octets. */
  | "capture.packet-length"
  /** A pcapng block's lengths contradict each other, or are of no sensible size. */
  | "capture.block-length"
  /** A pcapng section without its byte order magic. */
  | "capture.byte-order"
  /** A packet of an interface that was not described. */
  | "capture.interface"
  /** More interfaces in one section than any machine has. */
  | "capture.too-many-interfaces";

/** What a format makes of the octets that it is shown. */
export type Step =
  /** Nothing yet: this many are needed to go on. */
  | { readonly kind: "needs"; readonly octets: number }
  /** Done with this many, which may be more than there are: those to come are passed over. */
  | { readonly kind: "took"; readonly octets: number; readonly packet?: CapturedPacket }
  | { readonly kind: "fault"; readonly reason: CaptureFault };

/** One capture format: shown what begins at `at`, again and again. */
export interface RecordReader {
  next(octets: Uint8Array, at: number): Step;
}

/** A step that says that so many octets are needed. */
export const needs = (octets: number): Step => ({ kind: "needs", octets });
/** A step that ends the reading. */
export const faulty = (reason: CaptureFault): Step => ({ kind: "fault", reason });

/** Reads numbers in the byte order of a file. */
export interface ByteOrder {
  readonly uint16: (from: Uint8Array, at: number) => number;
  readonly uint32: (from: Uint8Array, at: number) => number;
  readonly int64: (from: Uint8Array, at: number) => bigint;
}

const swapped16 = (n: number): number => ((n & 0xff) << 8) | (n >>> 8);
const swapped32 = (n: number): number => ((swapped16(n & 0xffff) << 16) | swapped16(n >>> 16)) >>> 0;

const int64Of = (high: number, low: number): bigint => BigInt.asIntN(64, (BigInt(high) << 32n) | BigInt(low));

/** Network order. */
export const BIG_ENDIAN: ByteOrder = {
  uint16: readUint16,
  uint32: readUint32,
  int64: (from, at) => int64Of(readUint32(from, at), readUint32(from, at + 4)),
};
/** The order of most machines that capture. */
export const LITTLE_ENDIAN: ByteOrder = {
  uint16: (from, at) => swapped16(readUint16(from, at)),
  uint32: (from, at) => swapped32(readUint32(from, at)),
  int64: (from, at) => int64Of(swapped32(readUint32(from, at + 4)), swapped32(readUint32(from, at))),
};
