// MPEG-2 transport stream packets (ISO/IEC 13818-1 section 2.4.3), as far as pacing needs them: sync, PID, PCR. Read in place.
import { readUint16, readUint32 } from "../base/bytes.ts";

export const TS_PACKET = 188;
export const TS_SYNC = 0x47;

/** A PCR counts at 27 MHz and wraps after 2^33 ticks of 90 kHz: 26.5 hours. */
export const PCR_HZ = 27_000_000;
export const PCR_WRAP = 2 ** 33 * 300;

const ADAPTATION = 4;
const FLAGS = 5;
const PCR = 6;
const HAS_ADAPTATION = 0x20;
const DISCONTINUITY = 0x80;
const HAS_PCR = 0x10;
/** Flags and six octets of PCR. */
const LEAST_WITH_PCR = 7;

export const pidOf = (stream: Uint8Array, at: number): number => readUint16(stream, at + 1) & 0x1fff;

/** The PCR of the packet at `at`, in ticks of 27 MHz; undefined when it carries none. */
export function pcrOf(stream: Uint8Array, at: number): number | undefined {
  if (((stream[at + 3] ?? 0) & HAS_ADAPTATION) === 0 || (stream[at + ADAPTATION] ?? 0) < LEAST_WITH_PCR)
    return undefined;
  if (((stream[at + FLAGS] ?? 0) & HAS_PCR) === 0) return undefined;
  // 2.4.3.5: 33 bits of base at 90 kHz, 6 reserved, 9 of extension at 27 MHz.
  const base = readUint32(stream, at + PCR) * 2 + ((stream[at + PCR + 4] ?? 0) >>> 7);
  return base * 300 + (readUint16(stream, at + PCR + 4) & 0x1ff);
}

/** The packet's discontinuity_indicator: its PCR begins a new time base. */
export const isDiscontinuity = (stream: Uint8Array, at: number): boolean =>
  ((stream[at + 3] ?? 0) & HAS_ADAPTATION) !== 0 &&
  (stream[at + ADAPTATION] ?? 0) > 0 &&
  ((stream[at + FLAGS] ?? 0) & DISCONTINUITY) !== 0;

/** The first offset in stream[start, end) from which `packets` sync octets stand `spacing` apart; -1 when there is none. */
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
