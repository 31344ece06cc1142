// Whether an IPv4 packet is for IGMP at all, however broken it may be.
const SHORTEST_HEADER = 20;
const PROTOCOL = 9;
const PROTOCOL_IGMP = 2;

/** By version and protocol number alone (RFC 791 3.1); a tunnel's payload is another packet, of another network. */
export const isIgmp = (packet: Uint8Array): boolean =>
  packet.length >= SHORTEST_HEADER && (packet[0] ?? 0) >>> 4 === 4 && packet[PROTOCOL] === PROTOCOL_IGMP;
