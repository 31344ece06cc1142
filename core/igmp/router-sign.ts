// What tells a bridge that a router is behind a port, beside queries (RFC 4541 2.1.1 (1)): PIM Hellos and Multicast Router Discovery.
import { internetChecksum } from "../base/checksum.ts";
import { ANY } from "../base/ipv4.ts";
import type { InterfaceDrop } from "./interface-events.ts";
import { headerLength, protocolOf, sourceAddress, totalLength } from "./messages/ip-header.ts";

/** A router is there, or says that it is no more. */
export type RouterSign = "present" | "gone";

const PIM = 103;
/** Version 2, type 0 (RFC 7761 4.9). */
const PIM_HELLO = 0x20;

/** Of a router with an address (RFC 4541 2.1.1 (1)). A Hello's checksum covers all of it, as that of a Register alone does not (RFC 7761 4.9). */
function isPimHello(packet: Uint8Array): boolean {
  if (protocolOf(packet) !== PIM || packet.length < totalLength(packet)) return false;
  const header = headerLength(packet);
  const end = totalLength(packet);
  if (packet[header] !== PIM_HELLO || sourceAddress(packet) === ANY) return false;
  return internetChecksum(packet, 0, header) === 0 && internetChecksum(packet, header, end) === 0;
}

/** Multicast Router Discovery (RFC 4286 section 3): messages of IGMP whose types are these. */
const ROUTER_ADVERTISEMENT = 0x30;
const ROUTER_TERMINATION = 0x32;

/** Of a packet that is no message of hosts and queriers, `refused` for that reason by their gate; undefined: it tells of no router. */
export function routerSign(packet: Uint8Array, refused: InterfaceDrop): RouterSign | undefined {
  if (refused === "ip.not-igmp") return isPimHello(packet) ? "present" : undefined;
  // The gate looks at the type last: the message is whole, and of a kind that is no business of hosts and queriers.
  if (refused !== "igmp.unknown-type") return undefined;
  const type = packet[headerLength(packet)];
  if (type === ROUTER_ADVERTISEMENT) return "present";
  return type === ROUTER_TERMINATION ? "gone" : undefined;
}
