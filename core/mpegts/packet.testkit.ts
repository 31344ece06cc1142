// Transport stream packets made for the tests of pacing and looping.
import { writeUint16, writeUint32 } from "../base/bytes.ts";
import { TS_PACKET } from "./packet.ts";

export interface Made {
  readonly pid?: number;
  /** Ticks of 27 MHz. */
  readonly pcr?: number;
  readonly discontinuity?: boolean;
  readonly randomAccess?: boolean;
  /** 0 to 15. */
  readonly continuity?: number;
  /** False: an adaptation field and nothing else. */
  readonly payload?: boolean;
  /** Fills the payload. */
  readonly fill?: number;
}

export function tsPacket(made: Made): Uint8Array {
  const {
    pid = 0x100,
    pcr,
    discontinuity = false,
    randomAccess = false,
    continuity = 0,
    payload = true,
    fill = 0,
  } = made;
  const packet = new Uint8Array(TS_PACKET).fill(fill);
  packet[0] = 0x47;
  writeUint16(packet, 1, pid);
  const adapted = pcr !== undefined || discontinuity || randomAccess || !payload;
  packet[3] = (adapted ? 0x20 : 0) | (payload ? 0x10 : 0) | continuity;
  if (!adapted) return packet;
  packet[4] = payload ? 7 : 183;
  packet[5] = (discontinuity ? 0x80 : 0) | (randomAccess ? 0x40 : 0) | (pcr === undefined ? 0 : 0x10);
  if (pcr === undefined) return packet;
  const base = Math.floor(pcr / 300);
  writeUint32(packet, 6, Math.floor(base / 2));
  writeUint16(packet, 10, ((base % 2) << 15) | 0x7e00 | (pcr % 300));
  return packet;
}

/** `packets` packets, a PCR in every `every`-th, `ticks` of 27 MHz for each packet. */
export function tsStream(packets: number, every: number, ticks: number, start = 0): Uint8Array {
  const stream = new Uint8Array(packets * TS_PACKET);
  for (let i = 0; i < packets; i++) {
    const made = i % every === 0 ? { pcr: start + i * ticks, fill: i & 255 } : { fill: i & 255 };
    stream.set(tsPacket(made), i * TS_PACKET);
  }
  return stream;
}
