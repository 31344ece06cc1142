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

/** Six octets as "aa:bb:cc:dd:ee:ff". */
export const formatMac = (mac: Uint8Array): string => toHex(mac).replace(/..(?=.)/g, "$&:");
