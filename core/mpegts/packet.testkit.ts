// Transport stream packets made for the tests of pacing.
import { writeUint16, writeUint32 } from "../base/bytes.ts";
import { TS_PACKET } from "./packet.ts";

export interface Made {
  readonly pid?: number;
  /** Ticks of 27 MHz. */
  readonly pcr?: number;
  readonly discontinuity?: boolean;
  /** Fills the payload. */
  readonly fill?: number;
}

export function tsPacket({ pid = 0x100, pcr, discontinuity = false, fill = 0 }: Made): Uint8Array {
  const packet = new Uint8Array(TS_PACKET).fill(fill);
  packet[0] = 0x47;
  writeUint16(packet, 1, pid);
  packet[3] = pcr === undefined && !discontinuity ? 0x10 : 0x30;
  if (packet[3] === 0x10) return packet;
  packet[4] = 7;
  packet[5] = (discontinuity ? 0x80 : 0) | (pcr === undefined ? 0 : 0x10);
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
