// From a captured packet to its IPv4 packet, whatever link it was taken on (tcpdump.org/linktypes.html).
import { readUint16, readUint32 } from "../base/bytes.ts";
import type { CapturedPacket } from "./captured-packet.ts";
import { radiotapPayload, wirelessPayload } from "./ieee80211.ts";
import { type LinkDrop, type LinkPayload, payloadBehind, pppPayload } from "./link-payload.ts";

/** The LINKTYPE_ numbers that `ipv4Of` knows. */
export const LINK_TYPES = {
  null: 0,
  ethernet: 1,
  ppp: 9,
  /** DLT_RAW of most systems, and of OpenBSD, in files that did not translate it. */
  rawOfBsd: 12,
  rawOfOpenBsd: 14,
  pppHdlc: 50,
  raw: 101,
  ieee80211: 105,
  loop: 108,
  linuxSll: 113,
  radiotap: 127,
  ipv4: 228,
  linuxSll2: 276,
} as const;

const MAC_LENGTH = 6;
const ETHERNET_SENDER = 6;
const ETHERNET_HEADER = 14;
const AF_INET = 2;
const AF_INET_SWAPPED = 0x02000000;

/** The IPv4 packet inside, as a view. What is inside that one, a tunnel's payload, is of another network and not looked at. */
export function ipv4Of({ linkType, bytes }: CapturedPacket): LinkPayload | LinkDrop {
  switch (linkType) {
    case LINK_TYPES.ethernet:
      return ethernet(bytes);
    case LINK_TYPES.raw:
    case LINK_TYPES.rawOfBsd:
    case LINK_TYPES.rawOfOpenBsd:
    case LINK_TYPES.ipv4:
      return rawIp(bytes, 0);
    case LINK_TYPES.ppp:
    case LINK_TYPES.pppHdlc:
      return unmarked(pppPayload(bytes, 0));
    case LINK_TYPES.null:
    case LINK_TYPES.loop:
      return loopback(bytes);
    case LINK_TYPES.linuxSll:
      return cooked(bytes);
    case LINK_TYPES.linuxSll2:
      return cooked2(bytes);
    case LINK_TYPES.ieee80211:
      return wirelessPayload(bytes, 0);
    case LINK_TYPES.radiotap:
      return radiotapPayload(bytes);
    default:
      return "frame.link-type";
  }
}

function ethernet(bytes: Uint8Array): LinkPayload | LinkDrop {
  if (bytes.length < ETHERNET_HEADER) return "frame.truncated";
  const type = readUint16(bytes, ETHERNET_HEADER - 2);
  const to = bytes.subarray(0, MAC_LENGTH);
  const mac = bytes.subarray(ETHERNET_SENDER, ETHERNET_SENDER + MAC_LENGTH);
  return payloadBehind(bytes, { type, at: ETHERNET_HEADER, mac, to });
}

const unmarked = (packet: Uint8Array | LinkDrop): LinkPayload | LinkDrop =>
  typeof packet === "string" ? packet : { packet, mac: undefined, marks: [] };

function rawIp(bytes: Uint8Array, at: number): LinkPayload | LinkDrop {
  if (bytes.length <= at) return "frame.truncated";
  if ((bytes[at] ?? 0) >>> 4 !== 4) return "frame.not-ipv4";
  return unmarked(bytes.subarray(at));
}

// NULL is in the byte order of the machine that captured, LOOP in network order.
function loopback(bytes: Uint8Array): LinkPayload | LinkDrop {
  if (bytes.length < 4) return "frame.truncated";
  const family = readUint32(bytes, 0);
  return family === AF_INET || family === AF_INET_SWAPPED ? rawIp(bytes, 4) : "frame.not-ipv4";
}

const SLL_HEADER = 16;
/** The low octet of the address length, which is 6 on Ethernet. */
const SLL_ADDRESS_LENGTH = 5;
const SLL_ADDRESS = 6;
const SLL_PROTOCOL = 14;

function cooked(bytes: Uint8Array): LinkPayload | LinkDrop {
  if (bytes.length < SLL_HEADER) return "frame.truncated";
  const mac = cookedAddress(bytes, SLL_ADDRESS_LENGTH, SLL_ADDRESS);
  return payloadBehind(bytes, { type: readUint16(bytes, SLL_PROTOCOL), at: SLL_HEADER, mac });
}

const SLL2_HEADER = 20;
const SLL2_INTERFACE = 4;
const SLL2_ADDRESS_LENGTH = 11;
const SLL2_ADDRESS = 12;

function cooked2(bytes: Uint8Array): LinkPayload | LinkDrop {
  if (bytes.length < SLL2_HEADER) return "frame.truncated";
  const mac = cookedAddress(bytes, SLL2_ADDRESS_LENGTH, SLL2_ADDRESS);
  const mark = { kind: "interface", index: readUint32(bytes, SLL2_INTERFACE) } as const;
  return payloadBehind(bytes, { type: readUint16(bytes, 0), at: SLL2_HEADER, mac, mark });
}

const cookedAddress = (bytes: Uint8Array, length: number, at: number): Uint8Array | undefined =>
  bytes[length] === MAC_LENGTH ? bytes.subarray(at, at + MAC_LENGTH) : undefined;
