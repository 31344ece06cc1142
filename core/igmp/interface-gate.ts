// The gate of an interface: which messages count on it at all, beyond being whole.
import type { Address } from "../base/address.ts";
import { ANY, type Ipv4 } from "../base/ipv4.ts";
import { inSubnet, type Subnet } from "../base/subnet.ts";
import type { InterfaceDrop, RouterInterfaceOptions } from "./interface-events.ts";
import { hasRouterAlert } from "./messages/ip-header.ts";
import { checkPacket, type IgmpPacket, isQuery, senderOf } from "./messages/packet.ts";

/** Our side of the link: all addresses where they are known, the one that we ask from at least. */
export interface OurSide<A extends Address = Ipv4> {
  readonly address: A;
  readonly addresses?: readonly Subnet<A>[];
}

/** The message in a whole IPv4 packet that came in; `vouched`: by the link layer. */
export function admitted(
  bytes: Uint8Array,
  vouched: boolean,
  ours: OurSide,
  options: RouterInterfaceOptions,
): IgmpPacket | InterfaceDrop {
  const packet = checkPacket(bytes, vouched ? (options.checksum ?? "verify") : undefined);
  if (typeof packet === "string") return packet;
  if (isOwn(ours, senderOf(packet))) return "igmp.own";
  if (options.requireRouterAlert === true && !hasRouterAlert(bytes)) return "igmp.no-router-alert";
  return options.verifySourceSubnet === true && isOffSubnet(ours, packet) ? "igmp.off-subnet" : packet;
}

const isOwn = ({ address, addresses = [] }: OurSide, sender: Ipv4): boolean =>
  sender !== ANY && (sender === address || addresses.some((own) => own.address === sender));

// Queries have a guard of their own. A host without an address is heard in any case (4.2.13).
function isOffSubnet({ addresses }: OurSide, packet: IgmpPacket): boolean {
  const from = senderOf(packet);
  if (addresses === undefined || from === ANY || isQuery(packet)) return false;
  return !addresses.some((subnet) => inSubnet(subnet, from));
}
