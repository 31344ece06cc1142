// MPEG-2 transport stream packets (ISO/IEC 13818-1 section 2.4.3), read and written in place, as far as pacing and looping need
// them: sync, PID, continuity counter, PCR, discontinuity. `at` is where a whole packet begins.
import { readUint16, readUint32, writeUint16, writeUint32 } from "../base/bytes.ts";

/** Octets of a packet. */
export const TS_PACKET = 188;
/** The first octet of every packet. */
export const TS_SYNC = 0x47;

/** TS packets in one RTP packet (RFC 2250 section 2): 1316 octets, which fit any Ethernet with SRTP's overhead. */
const TS_PER_PACKET = 7;
/** Octets of its payload when it is full. */
export const TS_PAYLOAD = TS_PER_PACKET * TS_PACKET;

/** PIDs have 13 bits. */
export const PIDS = 0x2000;
/** The PID of packets that fill the stream and carry nothing (table 2-3). */
export const NULL_PID = 0x1fff;

/** A PCR counts at 27 MHz, and wraps after 2^33 ticks of 90 kHz: 26.5 hours. */
export const PCR_HZ = 27_000_000;
/** PCRs are below this. */
export const PCR_WRAP = 2 ** 33 * 300;

const PID = 1;
const CONTROL = 3;
const ADAPTATION = 4;
const FLAGS = 5;
const PCR = 6;
const DAMAGED = 0x80;
const HAS_ADAPTATION = 0x20;
const HAS_PAYLOAD = 0x10;
const CONTINUITY = 0x0f;
const DISCONTINUITY = 0x80;
const RANDOM_ACCESS = 0x40;
const HAS_PCR = 0x10;
/** Flags and six octets of PCR. */
const LEAST_WITH_PCR = 7;
const STUFFING = 0xff;

/** 13 bits. */
export const pidOf = (stream: Uint8Array, at: number): number => readUint16(stream, at + PID) & 0x1fff;

/** The packet's transport_error_indicator: nothing in it can be relied on, not even its PID. */
export const isDamaged = (stream: Uint8Array, at: number): boolean => ((stream[at + PID] ?? 0) & DAMAGED) !== 0;

/** Only packets with a payload move the continuity counter (2.4.3.3). */
export const hasPayload = (stream: Uint8Array, at: number): boolean =>
  ((stream[at + CONTROL] ?? 0) & HAS_PAYLOAD) !== 0;

/** The continuity counter, 0 to 15: one more in each packet of a PID that has a payload. */
export const continuityOf = (stream: Uint8Array, at: number): number => (stream[at + CONTROL] ?? 0) & CONTINUITY;

/** `continuity` is taken modulo 16. */
export function writeContinuity(stream: Uint8Array, at: number, continuity: number): void {
  stream[at + CONTROL] = ((stream[at + CONTROL] ?? 0) & ~CONTINUITY) | (continuity & CONTINUITY);
}

/** The PCR of the packet at `at`, in ticks of 27 MHz; undefined when it carries none. */
export function pcrOf(stream: Uint8Array, at: number): number | undefined {
  if (((stream[at + CONTROL] ?? 0) & HAS_ADAPTATION) === 0 || (stream[at + ADAPTATION] ?? 0) < LEAST_WITH_PCR)
    return undefined;
  if (((stream[at + FLAGS] ?? 0) & HAS_PCR) === 0) return undefined;
  // 2.4.3.5: 33 bits of base at 90 kHz, 6 reserved, 9 of extension at 27 MHz.
  const base = readUint32(stream, at + PCR) * 2 + ((stream[at + PCR + 4] ?? 0) >>> 7);
  return base * 300 + (readUint16(stream, at + PCR + 4) & 0x1ff);
}

/** Writes a PCR, in ticks of 27 MHz below `PCR_WRAP`, into an adaptation field of at least 7 octets, and says that it is there. */
export function writePcr(stream: Uint8Array, at: number, pcr: number): void {
  const base = Math.floor(pcr / 300);
  stream[at + FLAGS] = (stream[at + FLAGS] ?? 0) | HAS_PCR;
  writeUint32(stream, at + PCR, Math.floor(base / 2));
  writeUint16(stream, at + PCR + 4, ((base % 2) << 15) | 0x7e00 | (pcr % 300));
}

/**
 * Writes a packet that carries nothing but a discontinuity_indicator. It has no payload, so `continuity` is the counter of the
 * packet of this PID before it (2.4.3.3).
 */
export function writeDiscontinuity(into: Uint8Array, at: number, pid: number, continuity: number): void {
  into.fill(STUFFING, at, at + TS_PACKET);
  into[at] = TS_SYNC;
  writeUint16(into, at + PID, pid);
  into[at + CONTROL] = HAS_ADAPTATION | (continuity & CONTINUITY);
  into[at + ADAPTATION] = TS_PACKET - FLAGS;
  into[at + FLAGS] = DISCONTINUITY;
}

/** The packet's discontinuity_indicator: its PCR begins a new time base, and its continuity counter may jump. */
export const isDiscontinuity = (stream: Uint8Array, at: number): boolean => hasFlag(stream, at, DISCONTINUITY);

/** The packet's random_access_indicator: a decoder of its PID can begin here. */
export const hasRandomAccess = (stream: Uint8Array, at: number): boolean => hasFlag(stream, at, RANDOM_ACCESS);

const hasFlag = (stream: Uint8Array, at: number, flag: number): boolean =>
  ((stream[at + CONTROL] ?? 0) & HAS_ADAPTATION) !== 0 &&
  (stream[at + ADAPTATION] ?? 0) > 0 &&
  ((stream[at + FLAGS] ?? 0) & flag) !== 0;

/** The first offset in stream[start, end) from which `packets` sync octets stand `spacing` octets apart; -1 when there is none. */
export function findSync(
  stream: Uint8Array,
  start: number,
  end: number,
  packets: number,
  spacing: number = TS_PACKET,
): number {
  for (let at = start; at + (packets - 1) * spacing < end; at++) {
    let i = 0;
    while (i < packets && stream[at + i * spacing] === TS_SYNC) i++;
    if (i === packets) return at;
  }
  return -1;
}

/** Where the packets from `start` on cease to begin with a sync octet, or to be whole before `end`. */
export function syncedUntil(stream: Uint8Array, start: number, end: number): number {
  let at = start;
  while (at + TS_PACKET <= end && stream[at] === TS_SYNC) at += TS_PACKET;
  return at;
}
