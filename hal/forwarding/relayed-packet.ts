// What the relay looks at and changes in an IPv4 packet: what the kernel does where it forwards by itself.
import { readUint16, writeUint16 } from "../../core/base/bytes.ts";
import { internetChecksum } from "../../core/base/checksum.ts";
import { type Ipv4, isMulticast, readIpv4 } from "../../core/base/ipv4.ts";

const SHORTEST_HEADER = 20;
const TOTAL_LENGTH = 2;
const FRAGMENT = 6;
const MORE_FRAGMENTS_AND_OFFSET = 0x3fff;
const TTL = 8;
const PROTOCOL = 9;
const SOURCE = 12;
const DESTINATION = 16;
const UDP = 17;
const UDP_CHECKSUM = 6;
const UDP_HEADER = 8;

/** Why a packet is not relayed whatever the routes say (RFC 1812 5.2.2, 5.3.7). */
export type RelayedPacketDrop = "relay.header" | "relay.checksum" | "relay.source";

/** The reason to drop it, or undefined: then every function below is safe. Octets after the total length are link padding. */
export function checkRelayed(packet: Uint8Array): RelayedPacketDrop | undefined {
  const header = ((packet[0] ?? 0) & 0x0f) * 4;
  if (packet.length < SHORTEST_HEADER || (packet[0] ?? 0) >>> 4 !== 4 || header < SHORTEST_HEADER)
    return "relay.header";
  if (lengthOf(packet) < header || lengthOf(packet) > packet.length) return "relay.header";
  if (internetChecksum(packet, 0, header) !== 0) return "relay.checksum";
  return isHost(sourceOf(packet)) ? undefined : "relay.source";
}

/** RFC 1812 5.3.7: neither 0.0.0.0/8 nor loopback nor a group is a source that may be forwarded. */
const isHost = (source: Ipv4): boolean =>
  source >>> 24 !== 0 && source >>> 24 !== 127 && source >>> 24 < 240 && !isMulticast(source);

/** Octets, padding not counted. */
export const lengthOf = (packet: Uint8Array): number => readUint16(packet, TOTAL_LENGTH);
/** Who sent it. */
export const sourceOf = (packet: Uint8Array): Ipv4 => readIpv4(packet, SOURCE);
/** Where it was sent. */
export const groupOf = (packet: Uint8Array): Ipv4 => readIpv4(packet, DESTINATION);

/** One hop less; false when this was the last, and the packet stays as it is. The kernel that sends it makes the header's checksum anew. */
export function takeHop(packet: Uint8Array): boolean {
  const left = packet[TTL] ?? 0;
  if (left <= 1) return false;
  packet[TTL] = left - 1;
  return true;
}

/**
 * The UDP checksum of a packet that came without: where a card would have filled it in, the field holds the sum over the pseudo header
 * (Linux's CHECKSUM_PARTIAL), so that the sum over the datagram is all that is left to do.
 */
export function fillChecksum(packet: Uint8Array): void {
  const at = ((packet[0] ?? 0) & 0x0f) * 4;
  const end = lengthOf(packet);
  if (packet[PROTOCOL] !== UDP || (readUint16(packet, FRAGMENT) & MORE_FRAGMENTS_AND_OFFSET) !== 0) return;
  if (at + UDP_HEADER > end) return;
  // RFC 768: a sum of 0 is sent as all ones; 0 means that there is none.
  writeUint16(packet, at + UDP_CHECKSUM, internetChecksum(packet, at, end) || 0xffff);
}
