// The IPv4 packet inside a captured one, and what its link tells beside it.
import { readUint16 } from "../base/bytes.ts";
import { ETHER_TYPE_IPV4, type FrameDrop, formatMac, passTags } from "../base/ethernet.ts";

/** Why a captured packet gives no IPv4 packet. */
export type LinkDrop =
  | FrameDrop
  /** A capture of a kind of link that is not read. */
  | "frame.link-type"
  /** 802.11: encrypted, a fragment, several packets in one, or broken on the air. */
  | "frame.encrypted"
  | "frame.fragment"
  | "frame.aggregated"
  | "frame.check-sequence";

/** What keeps the network of a packet apart from the others of the same capture. */
export type LinkMark =
  /** The kernel's number of an interface, in a capture of all of them (LINUX_SLL2). */
  | { readonly kind: "interface"; readonly index: number }
  /** Not the priority tag, 0, which is none. */
  | { readonly kind: "vlan"; readonly id: number }
  /** A session is a link of two ends; its number is unique between these two only. */
  | { readonly kind: "pppoe"; readonly session: number; readonly ends: string }
  /** The access point's address: another BSS is another network, as far as can be seen. */
  | { readonly kind: "bss"; readonly address: Uint8Array };

/** Views into the captured packet. */
export interface LinkPayload {
  /** The IPv4 packet, link padding included. */
  readonly packet: Uint8Array;
  /** The sender's six octets; undefined where the link does not tell. */
  readonly mac: Uint8Array | undefined;
  readonly marks: readonly LinkMark[];
}

/** What a link's own header tells of its payload. */
export interface LinkHead {
  /** EtherType of what begins at `at`. */
  readonly type: number;
  readonly at: number;
  readonly mac: Uint8Array | undefined;
  /** Six octets; undefined where the link does not tell. */
  readonly to?: Uint8Array | undefined;
  readonly mark?: LinkMark;
}

const PPPOE_SESSION = 0x8864;
const PPPOE_HEADER = 6;
const PPPOE_ID = 2;

/** What is behind the header: VLAN tags, a PPPoE session or none of both, and then IPv4. */
export function payloadBehind(bytes: Uint8Array, head: LinkHead): LinkPayload | LinkDrop {
  const tagged = passTags(bytes, head.type, head.at);
  if (typeof tagged === "string") return tagged;
  const vlans = tagged.vlans.filter((id) => id !== 0);
  const marks = [...(head.mark === undefined ? [] : [head.mark]), ...vlans.map(vlanMark)];
  if (tagged.type === PPPOE_SESSION) return session(bytes, tagged.at, head, marks);
  if (tagged.type !== ETHER_TYPE_IPV4) return "frame.not-ipv4";
  // The group bit says that it cannot be anybody's own address.
  if (head.mac !== undefined && ((head.mac[0] ?? 0) & 1) !== 0) return "frame.source";
  return { packet: bytes.subarray(tagged.at), mac: head.mac, marks };
}

const vlanMark = (id: number): LinkMark => ({ kind: "vlan", id });

// RFC 2516 section 4: version and type, code, session, length; section 7: a PPP frame without address and control follows.
function session(bytes: Uint8Array, at: number, head: LinkHead, marks: readonly LinkMark[]): LinkPayload | LinkDrop {
  if (at + PPPOE_HEADER > bytes.length) return "frame.truncated";
  const packet = pppPayload(bytes, at + PPPOE_HEADER);
  if (typeof packet === "string") return packet;
  const ends = [head.mac, head.to].map((mac) => (mac === undefined ? "" : formatMac(mac, 0))).sort();
  const mark: LinkMark = { kind: "pppoe", session: readUint16(bytes, at + PPPOE_ID), ends: ends.join(" ").trim() };
  return { packet, mac: head.mac, marks: [...marks, mark] };
}

const PPP_IPV4 = 0x21;
const HDLC_ADDRESS = 0xff;
const HDLC_CONTROL = 0x03;

/** The IPv4 packet of a PPP frame (RFC 1661, 1662) that begins at `from`: address and control, and half the protocol, may be left out. */
export function pppPayload(bytes: Uint8Array, from: number): Uint8Array | LinkDrop {
  const at = bytes[from] === HDLC_ADDRESS && bytes[from + 1] === HDLC_CONTROL ? from + 2 : from;
  if (at + 2 > bytes.length) return "frame.truncated";
  // RFC 1661 6.5: only the last octet of a protocol number is odd.
  const short = ((bytes[at] ?? 0) & 1) === 1;
  const protocol = short ? bytes[at] : readUint16(bytes, at);
  return protocol === PPP_IPV4 ? bytes.subarray(at + (short ? 1 : 2)) : "frame.not-ipv4";
}
