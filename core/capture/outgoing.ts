// From a captured packet to the Ethernet frame that plays it onto a wire.
import { writeUint16 } from "../base/bytes.ts";
import { ETHER_TYPE_IPV4 } from "../base/ethernet.ts";
import { isMulticast, writeIpv4 } from "../base/ipv4.ts";
import { destinationAddress, sourceAddress, totalLength } from "../igmp/messages/ip-header.ts";
import type { CapturedPacket } from "./captured-packet.ts";
import { isIgmp } from "./igmp-packet.ts";
import type { LinkPayload } from "./link-payload.ts";
import { ipv4Of, LINK_TYPES } from "./link-type.ts";

const MAC_LENGTH = 6;
const ETHERNET_HEADER = 14;
const SHORTEST_IP_HEADER = 20;

/** cut: the capture has not all of it. no-packet: nothing that an Ethernet could carry. not-igmp: not asked for. */
export type Unsendable = "cut" | "no-packet" | "not-igmp";

/**
 * Of an Ethernet capture the frame as it is, tags and all; of another link a frame that is made for the IPv4 packet. With `all` any
 * packet, else IGMP only.
 */
export function frameToSend(captured: CapturedPacket, all: boolean): Uint8Array | Unsendable {
  const payload = ipv4Of(captured);
  if (!all && (typeof payload === "string" || !isIgmp(payload.packet))) return "not-igmp";
  if (captured.bytes.length < captured.length) return "cut";
  if (captured.linkType === LINK_TYPES.ethernet) return captured.bytes;
  return typeof payload === "string" ? "no-packet" : framed(payload);
}

function framed({ packet, mac }: LinkPayload): Uint8Array | Unsendable {
  if (packet.length < SHORTEST_IP_HEADER) return "no-packet";
  if (packet.length < totalLength(packet)) return "cut";
  const whole = packet.subarray(0, Math.max(SHORTEST_IP_HEADER, totalLength(packet)));
  const frame = new Uint8Array(ETHERNET_HEADER + whole.length);
  writeDestination(frame, whole);
  if (mac === undefined) writeOwnMac(frame, whole);
  else frame.set(mac, MAC_LENGTH);
  writeUint16(frame, 2 * MAC_LENGTH, ETHER_TYPE_IPV4);
  frame.set(whole, ETHERNET_HEADER);
  return frame;
}

// RFC 1112 6.4: 01:00:5e and the low 23 bits of the group. Nobody knows here who has a host's address: all hear it.
function writeDestination(frame: Uint8Array, packet: Uint8Array): void {
  const to = destinationAddress(packet);
  if (!isMulticast(to)) {
    frame.fill(0xff, 0, MAC_LENGTH);
    return;
  }
  writeIpv4(frame, 2, to);
  frame.set([0x01, 0x00, 0x5e, (to >>> 16) & 0x7f]);
}

/** 02:00 and the host's own address: another one for each host, and nobody else's. */
function writeOwnMac(frame: Uint8Array, packet: Uint8Array): void {
  frame[MAC_LENGTH] = 0x02;
  writeIpv4(frame, MAC_LENGTH + 2, sourceAddress(packet));
}
