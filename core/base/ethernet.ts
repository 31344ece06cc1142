// An Ethernet frame as a tap hears it: the gate to its IPv4 packet, through at most two VLAN tags, and the sender's MAC. And as a card
// sends one to a group.
import { readUint16 } from "./bytes.ts";

const MAC_LENGTH = 6;
const DESTINATION = 0;
const SENDER = 6;
const ETHER_TYPE = 12;
const HEADER = 14;
const TAG_LENGTH = 4;
const MAX_TAGS = 2;

const DOT1Q = 0x8100;
const DOT1AD = 0x88a8;
/** What QinQ bore before 802.1ad, and still does where equipment of that time does the tagging. */
const OLD_QINQ = 0x9100;

/** EtherType of IPv4. */
export const ETHER_TYPE_IPV4 = 0x0800;

/** truncated: ends inside its header or a tag. too-many-tags: more than two. not-ipv4: another EtherType. source: a group address as sender. */
export type FrameDrop = "frame.truncated" | "frame.too-many-tags" | "frame.not-ipv4" | "frame.source";

/** A frame that passed `checkFrame`. `packet` is a view into the caller's buffer, link padding included. */
export interface Ipv4Frame {
  /** The sender's: "aa:bb:cc:dd:ee:ff" */
  readonly mac: string;
  /** To one card, and not to a group of them. */
  readonly unicast: boolean;
  /** VLAN identifiers from the outer tag inwards; 0 is a priority tag. */
  readonly vlans: readonly number[];
  readonly packet: Uint8Array;
}

/** What a frame carries behind its VLAN tags. */
export interface Tagged {
  readonly type: number;
  /** VLAN identifiers from the outer tag inwards; 0 is a priority tag. */
  readonly vlans: readonly number[];
  /** Where the payload begins. */
  readonly at: number;
}

const isTag = (type: number): boolean => type === DOT1Q || type === DOT1AD || type === OLD_QINQ;

/** Passes over 802.1Q, 802.1ad and 0x9100 tags: `type` stood before `bytes[at]`, where the first tag or the payload begins. */
export function passTags(bytes: Uint8Array, type: number, at: number): Tagged | FrameDrop {
  const vlans: number[] = [];
  let inner = type;
  let end = at;
  for (; isTag(inner); end += TAG_LENGTH) {
    if (vlans.length === MAX_TAGS) return "frame.too-many-tags";
    if (end + TAG_LENGTH > bytes.length) return "frame.truncated";
    vlans.push(readUint16(bytes, end) & 0x0fff);
    inner = readUint16(bytes, end + 2);
  }
  return { type: inner, vlans, at: end };
}

/** The gate: IEEE 802.3 with type field, VLAN tags; IPv4 without a PPPoE session around it, which is another link. */
export function checkFrame(frame: Uint8Array): Ipv4Frame | FrameDrop {
  if (frame.length < HEADER) return "frame.truncated";
  const payload = passTags(frame, readUint16(frame, ETHER_TYPE), HEADER);
  if (typeof payload === "string") return payload;
  if (payload.type !== ETHER_TYPE_IPV4) return "frame.not-ipv4";
  // The group bit says that it cannot be anybody's own address.
  if (isGroup(frame, SENDER)) return "frame.source";
  const unicast = !isGroup(frame, DESTINATION);
  return { mac: formatMac(frame, SENDER), unicast, vlans: payload.vlans, packet: frame.subarray(payload.at) };
}

/** Of an IPv4 packet: the last three octets of where it goes. */
const GROUP_END = 17;

/**
 * The frame in which a card with this MAC, six octets, sends an IPv4 packet to its group (RFC 1112 6.4).
 *
 * @param vlan it bears this tag of 802.1Q; undefined: none.
 */
export function groupFrame(packet: Uint8Array, mac: Uint8Array, vlan?: number): Uint8Array {
  const tag = vlan === undefined ? [] : [DOT1Q >>> 8, DOT1Q & 255, vlan >>> 8, vlan & 255];
  const [first = 0, second = 0, third = 0] = packet.subarray(GROUP_END);
  const header = [
    1,
    0,
    0x5e,
    first & 0x7f,
    second,
    third,
    ...mac,
    ...tag,
    ETHER_TYPE_IPV4 >>> 8,
    ETHER_TYPE_IPV4 & 255,
  ];
  const frame = new Uint8Array(header.length + packet.length);
  frame.set(header);
  frame.set(packet, header.length);
  return frame;
}

const isGroup = (frame: Uint8Array, at: number): boolean => ((frame[at] ?? 0) & 1) !== 0;

const HEX = Array.from({ length: 256 }, (_, octet) => octet.toString(16).padStart(2, "0"));

/** Six octets as "aa:bb:cc:dd:ee:ff". */
export function formatMac(bytes: Uint8Array, at: number): string {
  let text = HEX[bytes[at] ?? 0] ?? "";
  for (let i = at + 1; i < at + MAC_LENGTH; i++) text += `:${HEX[bytes[i] ?? 0]}`;
  return text;
}
