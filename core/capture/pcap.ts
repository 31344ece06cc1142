// The classic capture file (draft-ietf-opsawg-pcap): either byte order, micro- or nanoseconds. Read in place; written small.
import { readUint32 } from "../base/bytes.ts";
import { type UnixTime, unixTime } from "../base/time.ts";
import { type CapturedPacket, type CaptureFault, MAX_PACKET } from "./captured-packet.ts";

const MICRO = 0xa1b2c3d4;
const NANO = 0xa1b23c4d;
const MICRO_SWAPPED = 0xd4c3b2a1;
const NANO_SWAPPED = 0x4d3cb2a1;

const FILE_HEADER = 24;
const LINK_TYPE = 20;
const RECORD_HEADER = 16;
const FRACTION = 4;
const CAPTURED = 8;

/** By the magic number, which also tells byte order and resolution. `file` has 4 octets at least. */
export function isPcap(file: Uint8Array): boolean {
  return [MICRO, NANO, MICRO_SWAPPED, NANO_SWAPPED].includes(readUint32(file, 0));
}

/** The caller has seen that `isPcap`. */
export function* readPcap(file: Uint8Array): Generator<CapturedPacket | CaptureFault, void> {
  if (file.length < FILE_HEADER) return yield "capture.truncated";
  const view = new DataView(file.buffer, file.byteOffset, file.byteLength);
  const magic = view.getUint32(0);
  const little = magic === MICRO_SWAPPED || magic === NANO_SWAPPED;
  const perMillisecond = magic === NANO || magic === NANO_SWAPPED ? 1e6 : 1e3;
  // The upper bits tell about a frame check sequence.
  const linkType = view.getUint32(LINK_TYPE, little) & 0xffff;
  for (let at = FILE_HEADER; at < file.length; ) {
    if (at + RECORD_HEADER > file.length) return yield "capture.truncated";
    const length = view.getUint32(at + CAPTURED, little);
    if (length > MAX_PACKET) return yield "capture.packet-length";
    const end = at + RECORD_HEADER + length;
    if (end > file.length) return yield "capture.truncated";
    const time = view.getUint32(at, little) * 1000 + view.getUint32(at + FRACTION, little) / perMillisecond;
    yield { at: unixTime(time), linkType, bytes: file.subarray(at + RECORD_HEADER, end) };
    at = end;
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
  view.setUint32(at + 12, bytes.length);
  file.set(bytes, at + RECORD_HEADER);
  return at + RECORD_HEADER + bytes.length;
}
