// The classic capture file (draft-ietf-opsawg-pcap): either byte order, micro- or nanoseconds. Read in place; written small.
import { type UnixTime, unixTime } from "../base/time.ts";
import {
  BIG_ENDIAN,
  type ByteOrder,
  faulty,
  LITTLE_ENDIAN,
  MAX_PACKET,
  needs,
  type RecordReader,
  type Step,
} from "./captured-packet.ts";

const MICRO = 0xa1b2c3d4;
const NANO = 0xa1b23c4d;
const MICRO_SWAPPED = 0xd4c3b2a1;
const NANO_SWAPPED = 0x4d3cb2a1;

const FILE_HEADER = 24;
const LINK_TYPE = 20;
const RECORD_HEADER = 16;
const FRACTION = 4;
const CAPTURED = 8;
const ORIGINAL = 12;

/** By the first four octets, which also tell byte order and resolution. */
export const isPcap = (magic: number): boolean => [MICRO, NANO, MICRO_SWAPPED, NANO_SWAPPED].includes(magic);

/** The caller has seen that `isPcap`. */
export class PcapReader implements RecordReader {
  readonly #order: ByteOrder;
  readonly #perMillisecond: number;
  /** undefined until the file's header has been read. */
  #linkType: number | undefined;

  constructor(magic: number) {
    this.#order = magic === MICRO_SWAPPED || magic === NANO_SWAPPED ? LITTLE_ENDIAN : BIG_ENDIAN;
    this.#perMillisecond = magic === NANO || magic === NANO_SWAPPED ? 1e6 : 1e3;
  }

  next(octets: Uint8Array, at: number): Step {
    return this.#linkType === undefined ? this.#header(octets, at) : this.#record(octets, at, this.#linkType);
  }

  #header(octets: Uint8Array, at: number): Step {
    if (at + FILE_HEADER > octets.length) return needs(FILE_HEADER);
    // The upper bits tell about a frame check sequence.
    this.#linkType = this.#order.uint32(octets, at + LINK_TYPE) & 0xffff;
    return { kind: "took", octets: FILE_HEADER };
  }

  #record(octets: Uint8Array, at: number, linkType: number): Step {
    if (at + RECORD_HEADER > octets.length) return needs(RECORD_HEADER);
    const { uint32 } = this.#order;
    const captured = uint32(octets, at + CAPTURED);
    if (captured > MAX_PACKET) return faulty("capture.packet-length");
    const size = RECORD_HEADER + captured;
    if (at + size > octets.length) return needs(size);
    const time = unixTime(uint32(octets, at) * 1000 + uint32(octets, at + FRACTION) / this.#perMillisecond);
    const bytes = octets.subarray(at + RECORD_HEADER, at + size);
    const length = Math.max(captured, uint32(octets, at + ORIGINAL));
    return { kind: "took", octets: size, packet: { at: time, linkType, source: undefined, bytes, length } };
  }
}

/** One record of a file to be written. */
export interface PacketToWrite {
  readonly at: UnixTime;
  readonly bytes: Uint8Array;
}

/** A whole capture file: microseconds, big-endian. */
export function writePcap(linkType: number, packets: readonly PacketToWrite[]): Uint8Array {
  const size = packets.reduce((sum, { bytes }) => sum + RECORD_HEADER + bytes.length, FILE_HEADER);
  const file = new Uint8Array(size);
  const view = new DataView(file.buffer);
  view.setUint32(0, MICRO);
  view.setUint16(4, 2);
  view.setUint16(6, 4);
  view.setUint32(16, MAX_PACKET);
  view.setUint32(LINK_TYPE, linkType);
  let at = FILE_HEADER;
  for (const packet of packets) at = writeRecord(file, view, at, packet);
  return file;
}

function writeRecord(file: Uint8Array, view: DataView, at: number, { at: time, bytes }: PacketToWrite): number {
  const micros = Math.round(time * 1000);
  view.setUint32(at, Math.floor(micros / 1e6));
  view.setUint32(at + FRACTION, micros % 1e6);
  view.setUint32(at + CAPTURED, bytes.length);
  view.setUint32(at + ORIGINAL, bytes.length);
  file.set(bytes, at + RECORD_HEADER);
  return at + RECORD_HEADER + bytes.length;
}
