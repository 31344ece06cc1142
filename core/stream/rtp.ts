// RTP (RFC 3550 section 5.1) read and written in place. One gate; every reader trusts a packet that passed it.
import { readUint16, readUint32, writeUint16, writeUint32 } from "../base/bytes.ts";

/** What is wrong with an RTP header: too short, not version 2, or a CSRC list, extension or padding that does not fit. */
export type RtpDrop = "rtp.truncated" | "rtp.version" | "rtp.csrc" | "rtp.extension" | "rtp.padding";

/** Octets of a header without CSRC list and extension. */
export const RTP_HEADER = 12;
/** MPEG-TS over RTP (RFC 3551 table 5): clock rate 90 kHz. */
export const MP2T = 33;
/** The first dynamic payload type (RFC 3551 section 6): any other datagram. */
export const DYNAMIC = 96;

const MARKER_AND_TYPE = 1;
const SEQUENCE = 2;
const TIMESTAMP = 4;
const SSRC = 8;
const VERSION_2 = 2;
const PADDING = 0x20;
const EXTENSION = 0x10;

/**
 * Checks the header of packet[0, end). Returns its length with CSRC list and extension, which leaves the payload at
 * packet[length, end), or the reason to drop the packet. Padding is left alone: in an SRTP packet it is still encrypted.
 */
export function checkRtpHeader(packet: Uint8Array, end: number): number | RtpDrop {
  if (end < RTP_HEADER) return "rtp.truncated";
  const first = packet[0] ?? 0;
  if (first >>> 6 !== VERSION_2) return "rtp.version";
  const afterCsrc = RTP_HEADER + 4 * (first & 0x0f);
  if (afterCsrc > end) return "rtp.csrc";
  if ((first & EXTENSION) === 0) return afterCsrc;
  if (afterCsrc + 4 > end) return "rtp.extension";
  const afterExtension = afterCsrc + 4 + 4 * readUint16(packet, afterCsrc + 2);
  return afterExtension > end ? "rtp.extension" : afterExtension;
}

/** Checks a clear packet[0, end) whole, padding included. Returns the header's length or the reason to drop the packet. */
export function checkRtp(packet: Uint8Array, end: number): number | RtpDrop {
  const header = checkRtpHeader(packet, end);
  if (typeof header === "string" || ((packet[0] ?? 0) & PADDING) === 0) return header;
  // 5.1: the last octet counts the padding, itself included.
  const padding = end > header ? (packet[end - 1] ?? 0) : 0;
  return padding === 0 || padding > end - header ? "rtp.padding" : header;
}

/** Where the payload of a packet that passed `checkRtp` ends: before its padding. */
export const payloadEnd = (packet: Uint8Array, end: number): number =>
  ((packet[0] ?? 0) & PADDING) === 0 ? end : end - (packet[end - 1] ?? 0);

/** The marker bit (RFC 3550 section 5.1). */
export const markerOf = (packet: Uint8Array): boolean => (packet[MARKER_AND_TYPE] ?? 0) >= 0x80;
/** uint16. */
export const sequenceOf = (packet: Uint8Array): number => readUint16(packet, SEQUENCE);
/** uint32; its clock rate belongs to the payload type. */
export const timestampOf = (packet: Uint8Array): number => readUint32(packet, TIMESTAMP);
/** uint32. */
export const ssrcOf = (packet: Uint8Array): number => readUint32(packet, SSRC);

/** Writes a plain 12-octet header; sequence number and SSRC are stamped when the packet is protected. `timestamp` is a uint32. */
export function writeRtpHeader(into: Uint8Array, payloadType: number, timestamp: number, marker = false): void {
  into[0] = VERSION_2 << 6;
  into[MARKER_AND_TYPE] = marker ? 0x80 | payloadType : payloadType;
  writeUint32(into, TIMESTAMP, timestamp);
}

/** Stamps what belongs to the sender of a stream: its SSRC and the sequence number. */
export function stamp(packet: Uint8Array, sequence: number, ssrc: number): void {
  writeUint16(packet, SEQUENCE, sequence);
  writeUint32(packet, SSRC, ssrc);
}
