// From a captured packet to its IPv4 packet, whatever link it was taken on (tcpdump.org/linktypes.html).
import { readUint16, readUint32 } from "../base/bytes.ts";
import { checkFrame, type FrameDrop, formatMac } from "../base/ethernet.ts";
import type { CapturedPacket } from "./captured-packet.ts";

/** The LINKTYPE_ numbers that `ipv4Of` knows. */
export const LINK_TYPES = {
  null: 0,
  ethernet: 1,
  raw: 101,
  loop: 108,
  linuxSll: 113,
  ipv4: 228,
  linuxSll2: 276,
} as const;

/** frame.link-type: a capture of a kind of link that is not read; else as for Ethernet. */
export type LinkDrop = FrameDrop | "frame.link-type";

/** The IPv4 packet of a captured one, and what its link tells beside it. */
export interface LinkPayload {
  readonly packet: Uint8Array;
  /** The sender's; empty where the link does not tell. */
  readonly mac: string;
}

const ETHER_TYPE_IPV4 = 0x0800;
const AF_INET = 2;
const AF_INET_SWAPPED = 0x02000000;

/** The IPv4 packet inside, as a view. */
export function ipv4Of({ linkType, bytes }: CapturedPacket): LinkPayload | LinkDrop {
  switch (linkType) {
    case LINK_TYPES.ethernet:
      return checkFrame(bytes);
    case LINK_TYPES.raw:
    case LINK_TYPES.ipv4:
      return rawIp(bytes, 0);
    case LINK_TYPES.null:
    case LINK_TYPES.loop:
      return loopback(bytes);
    case LINK_TYPES.linuxSll:
      return cooked(bytes, { header: 16, protocol: 14, addressLength: 5, address: 6 });
    case LINK_TYPES.linuxSll2:
      return cooked(bytes, { header: 20, protocol: 0, addressLength: 11, address: 12 });
    default:
      return "frame.link-type";
  }
}

function rawIp(bytes: Uint8Array, at: number): LinkPayload | LinkDrop {
  if (bytes.length <= at) return "frame.truncated";
  if ((bytes[at] ?? 0) >>> 4 !== 4) return "frame.not-ipv4";
  return { packet: bytes.subarray(at), mac: "" };
}

// NULL is in the byte order of the machine that captured, LOOP in network order.
function loopback(bytes: Uint8Array): LinkPayload | LinkDrop {
  if (bytes.length < 4) return "frame.truncated";
  const family = readUint32(bytes, 0);
  return family === AF_INET || family === AF_INET_SWAPPED ? rawIp(bytes, 4) : "frame.not-ipv4";
}

interface CookedLayout {
  readonly header: number;
  readonly protocol: number;
  /** The low octet of the address length. */
  readonly addressLength: number;
  readonly address: number;
}

function cooked(bytes: Uint8Array, layout: CookedLayout): LinkPayload | LinkDrop {
  if (bytes.length < layout.header) return "frame.truncated";
  if (readUint16(bytes, layout.protocol) !== ETHER_TYPE_IPV4) return "frame.not-ipv4";
  const mac = bytes[layout.addressLength] === 6 ? formatMac(bytes, layout.address) : "";
  return { packet: bytes.subarray(layout.header), mac };
}
