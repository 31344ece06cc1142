// What travels on a simulated LAN.

import { toHex } from "../../core/base/bytes.ts";
import { formatIpv4, type Ipv4 } from "../../core/base/ipv4.ts";

/** An IGMP packet as octets, or a UDP datagram with its addresses and ports. */
export type SimulatedPacket =
  /** `bytes` is the whole IPv4 packet, header included. */
  | { readonly kind: "igmp"; readonly source: Ipv4; readonly destination: Ipv4; readonly bytes: Uint8Array }
  /** `bytes` is the payload. */
  | {
      readonly kind: "udp";
      readonly source: Ipv4;
      readonly destination: Ipv4;
      readonly sourcePort: number;
      readonly destinationPort: number;
      readonly ttl: number;
      readonly bytes: Uint8Array;
    };

/** One line for the log: addresses, and for IGMP the message's octets after the IPv4 header. */
export function describe(packet: SimulatedPacket): string {
  const [source, destination] = [formatIpv4(packet.source), formatIpv4(packet.destination)];
  switch (packet.kind) {
    case "igmp":
      return `igmp ${source} > ${destination} ${toHex(packet.bytes.subarray(ipv4HeaderLength(packet.bytes)))}`;
    case "udp":
      return `udp ${source}:${packet.sourcePort} > ${destination}:${packet.destinationPort} ttl ${packet.ttl} length ${packet.bytes.length}`;
  }
}

const ipv4HeaderLength = (bytes: Uint8Array): number => ((bytes[0] ?? 0) & 15) * 4;

const ETHERNET_HEADER = 14;

/** The Ethernet frame that a tap would see: multicast destination MAC (RFC 1112 6.4), IPv4. */
export function ethernetFrame(packet: Uint8Array, destination: Ipv4, sourceMac: Uint8Array): Uint8Array {
  const frame = new Uint8Array(ETHERNET_HEADER + packet.length);
  frame.set([1, 0, 0x5e, (destination >>> 16) & 0x7f, (destination >>> 8) & 255, destination & 255]);
  frame.set(sourceMac, 6);
  frame.set([8, 0], 12);
  frame.set(packet, ETHERNET_HEADER);
  return frame;
}

/** Six octets as "aa:bb:cc:dd:ee:ff". */
export const formatMac = (mac: Uint8Array): string => toHex(mac).replace(/..(?=.)/g, "$&:");
