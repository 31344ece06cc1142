// Wireless frames (IEEE 802.11 9.2 and 9.3.2), bare or behind radiotap: the LLC payload of plain data frames.
import { readUint16 } from "../base/bytes.ts";
import { LITTLE_ENDIAN } from "./captured-packet.ts";
import { type LinkDrop, type LinkPayload, payloadBehind } from "./link-payload.ts";

const FLAGS = 1;
const TO_DS = 0x01;
const FROM_DS = 0x02;
const MORE_FRAGMENTS = 0x04;
const PROTECTED = 0x40;
/** In a QoS frame: four octets of HT control follow. */
const PLUS_HTC = 0x80;

const ADDRESS_1 = 4;
const ADDRESS_2 = 10;
const ADDRESS_3 = 16;
const SEQUENCE = 22;
const ADDRESS_4 = 24;
const MAC_LENGTH = 6;

const DATA = 2;
const NO_DATA = 0x4;
const QOS = 0x8;
const AGGREGATED = 0x80;

/** LLC and SNAP of RFC 1042: aa aa 03 00 00 00, then the EtherType. */
const SNAP_LENGTH = 8;
const SNAP = [0xaa, 0xaa, 0x03, 0, 0, 0] as const;

/** A frame that begins at `from`. */
export function wirelessPayload(bytes: Uint8Array, from: number): LinkPayload | LinkDrop {
  const frame = bytes.subarray(from);
  const body = bodyOf(frame);
  if (typeof body === "string") return body;
  if (body + SNAP_LENGTH > frame.length) return "frame.truncated";
  if (SNAP.some((octet, i) => frame[body + i] !== octet)) return "frame.not-ipv4";
  const type = readUint16(frame, body + SNAP.length);
  const { sender, bss } = addressesOf(frame);
  const mark = bss === undefined ? {} : { mark: { kind: "bss", address: bss } as const };
  return payloadBehind(frame, { type, at: body + SNAP_LENGTH, mac: sender, ...mark });
}

/** Where the body of a data frame begins. */
function bodyOf(frame: Uint8Array): number | LinkDrop {
  if (frame.length < 2) return "frame.truncated";
  const [control = 0, flags = 0] = frame;
  const subtype = control >>> 4;
  // Version 0; neither management nor control, and with something in it.
  if ((control & 0x3) !== 0 || ((control >>> 2) & 0x3) !== DATA || (subtype & NO_DATA) !== 0) return "frame.not-ipv4";
  if (frame.length < ADDRESS_4) return "frame.truncated";
  if ((flags & PROTECTED) !== 0) return "frame.encrypted";
  if ((flags & MORE_FRAGMENTS) !== 0 || ((frame[SEQUENCE] ?? 0) & 0x0f) !== 0) return "frame.fragment";
  const header = isBetweenAccessPoints(flags) ? ADDRESS_4 + MAC_LENGTH : ADDRESS_4;
  if ((subtype & QOS) === 0) return header;
  if (((frame[header] ?? 0) & AGGREGATED) !== 0) return "frame.aggregated";
  return header + 2 + ((flags & PLUS_HTC) !== 0 ? 4 : 0);
}

const isBetweenAccessPoints = (flags: number): boolean => (flags & (TO_DS | FROM_DS)) === (TO_DS | FROM_DS);

// Table 9-30: which address is whose depends on the way through the distribution system.
function addressesOf(frame: Uint8Array): { sender: Uint8Array; bss: Uint8Array | undefined } {
  const at = (place: number): Uint8Array => frame.subarray(place, place + MAC_LENGTH);
  const flags = frame[FLAGS] ?? 0;
  if (isBetweenAccessPoints(flags)) return { sender: at(ADDRESS_4), bss: undefined };
  if ((flags & TO_DS) !== 0) return { sender: at(ADDRESS_2), bss: at(ADDRESS_1) };
  if ((flags & FROM_DS) !== 0) return { sender: at(ADDRESS_3), bss: at(ADDRESS_2) };
  return { sender: at(ADDRESS_2), bss: at(ADDRESS_3) };
}

const RADIOTAP_LENGTH = 2;
const PRESENT = 4;
const SMALLEST_RADIOTAP = 8;
const TSFT = 1 << 0;
const HAS_FLAGS = 1 << 1;
const MORE_WORDS = 0x80000000;
const TSFT_LENGTH = 8;
const PADDED = 0x20;
const BAD_CHECK_SEQUENCE = 0x40;

/** A frame behind a radiotap header (radiotap.org). */
export function radiotapPayload(bytes: Uint8Array): LinkPayload | LinkDrop {
  if (bytes.length < SMALLEST_RADIOTAP) return "frame.truncated";
  const length = LITTLE_ENDIAN.uint16(bytes, RADIOTAP_LENGTH);
  if (length < SMALLEST_RADIOTAP || length > bytes.length) return "frame.truncated";
  const flags = radiotapFlags(bytes.subarray(0, length));
  if ((flags & BAD_CHECK_SEQUENCE) !== 0) return "frame.check-sequence";
  return wirelessPayload((flags & PADDED) === 0 ? bytes : withoutPadding(bytes, length), length);
}

/** 0 where there are none. Fields stand in the order of their bits, each on its own alignment; only TSFT stands before the flags. */
function radiotapFlags(header: Uint8Array): number {
  const present = LITTLE_ENDIAN.uint32(header, PRESENT);
  if ((present & HAS_FLAGS) === 0) return 0;
  let at = PRESENT;
  while (at + 4 <= header.length && (LITTLE_ENDIAN.uint32(header, at) & MORE_WORDS) !== 0) at += 4;
  const fields = at + 4;
  return header[(present & TSFT) === 0 ? fields : Math.ceil(fields / 8) * 8 + TSFT_LENGTH] ?? 0;
}

/** Some drivers pad the 802.11 header to four octets before its body. */
function withoutPadding(bytes: Uint8Array, from: number): Uint8Array {
  const body = bodyOf(bytes.subarray(from));
  if (typeof body === "string" || body % 4 === 0) return bytes;
  const padding = 4 - (body % 4);
  if (from + body + padding > bytes.length) return bytes;
  const without = new Uint8Array(bytes.length - padding);
  without.set(bytes.subarray(0, from + body));
  without.set(bytes.subarray(from + body + padding), from + body);
  return without;
}
