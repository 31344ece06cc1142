// An Ethernet frame as a tap hears it: the gate to its IPv4 packet, through at most two 802.1Q tags, and the sender's MAC.
import { readUint16 } from "./bytes.ts";

const MAC_LENGTH = 6;
const ETHER_TYPE = 12;
const TAG_LENGTH = 4;
const MAX_TAGS = 2;

const IPV4 = 0x0800;
const DOT1Q = 0x8100;
const DOT1AD = 0x88a8;

/** truncated: ends inside its header or a tag. too-many-tags: more than two. not-ipv4: another EtherType. source: a group address as sender. */
export type FrameDrop = "frame.truncated" | "frame.too-many-tags" | "frame.not-ipv4" | "frame.source";

/** A frame that passed `checkFrame`. `packet` is a view into the caller's buffer, link padding included. */
export interface Ipv4Frame {
  /** "aa:bb:cc:dd:ee:ff" */
  readonly mac: string;
  /** VLAN identifiers from the outer tag inwards; 0 is a priority tag. */
  readonly vlans: readonly number[];
  readonly packet: Uint8Array;
}

/** The gate: IEEE 802.3 with type field, 802.1Q and 802.1ad tags. */
export function checkFrame(frame: Uint8Array): Ipv4Frame | FrameDrop {
  const vlans: number[] = [];
  let at = ETHER_TYPE;
  for (;;) {
    if (at + 2 > frame.length) return "frame.truncated";
    const type = readUint16(frame, at);
    if (type === IPV4) break;
    if (type !== DOT1Q && type !== DOT1AD) return "frame.not-ipv4";
    if (vlans.length === MAX_TAGS) return "frame.too-many-tags";
    if (at + TAG_LENGTH > frame.length) return "frame.truncated";
    vlans.push(readUint16(frame, at + 2) & 0x0fff);
    at += TAG_LENGTH;
  }
  // The group bit says that it cannot be anybody's own address.
  if (((frame[MAC_LENGTH] ?? 0) & 1) !== 0) return "frame.source";
  return { mac: formatMac(frame, MAC_LENGTH), vlans, packet: frame.subarray(at + 2) };
}

const HEX = Array.from({ length: 256 }, (_, octet) => octet.toString(16).padStart(2, "0"));

/** Six octets as "aa:bb:cc:dd:ee:ff". */
export function formatMac(bytes: Uint8Array, at: number): string {
  let text = HEX[bytes[at] ?? 0] ?? "";
  for (let i = at + 1; i < at + MAC_LENGTH; i++) text += `:${HEX[bytes[i] ?? 0]}`;
  return text;
}
