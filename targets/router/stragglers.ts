// IGMP that the routing socket alone heard, and where it may have come in.
import { type Ipv4, isLinkLocalMulticast, isMulticast } from "../../core/base/ipv4.ts";
import { inSubnet } from "../../core/base/subnet.ts";
import { destinationAddress, hasRouterAlert, headerLength, sourceAddress } from "../../core/igmp/messages/ip-header.ts";
import { checkPacket } from "../../core/igmp/messages/packet.ts";
import type { Link } from "../../core/ports/links.ts";

/** Why such a packet counts on no interface. */
export type StragglerDrop = "router.off-subnet" | "router.two-subnets" | "router.query-from-nowhere";

/**
 * A v1 or v2 report, or a group-specific query, without Router Alert to a group that nobody here joined reaches only the
 * routing socket, which does not know the interface: the sender's subnet tells it where one interface alone has that subnet.
 * It is no proof, so it may not decide who asks on a downstream. undefined: the interfaces' own sockets hear it.
 *
 * @param interfaces in use, with whether each is an upstream
 */
export function strayFrom(
  packet: Uint8Array,
  interfaces: readonly { readonly name: string; readonly link: Link | undefined; readonly isUpstream: boolean }[],
): { readonly name: string } | StragglerDrop | undefined {
  if (packet.length < headerLength(packet) || hasRouterAlert(packet)) return undefined;
  // What goes to us or to 224.0.0.0/24 the interfaces' own sockets hear, and they know where it came in.
  const destination = destinationAddress(packet);
  if (!isMulticast(destination) || isLinkLocalMulticast(destination)) return undefined;
  const source = sourceAddress(packet);
  const [found, another] = interfaces.filter(({ link }) => reaches(link, source));
  if (found === undefined) return "router.off-subnet";
  if (another !== undefined) return "router.two-subnets";
  return !found.isUpstream && isQuery(packet) ? "router.query-from-nowhere" : { name: found.name };
}

function isQuery(bytes: Uint8Array): boolean {
  const packet = checkPacket(bytes);
  return typeof packet !== "string" && packet.kind.endsWith("Query");
}

const reaches = (link: Link | undefined, address: Ipv4): boolean =>
  link?.addresses.some((own) => own.prefixLength > 0 && inSubnet(own, address)) ?? false;
