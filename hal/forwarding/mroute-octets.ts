// The octets of the kernel's multicast routing (linux/mroute.h): the options of its socket, and the upcalls that come out of it.
import { type Ipv4, readIpv4, writeIpv4 } from "../../core/base/ipv4.ts";
import { hasRouterAlert } from "../../core/igmp/messages/ip-header.ts";
import { int32, writeNative16, writeNative32 } from "../socket-options.ts";

/** Options of IPPROTO_IP. */
export const MRT = {
  init: 200,
  done: 201,
  addVif: 202,
  deleteVif: 203,
  addRoute: 204,
  deleteRoute: 205,
  assert: 207,
} as const;

/** The value of those that are switches. */
export const ON: Buffer = int32(1);

/** As many virtual interfaces as there may be; they are numbered from 0. */
export const MAXVIFS = 32;

const VIFF_USE_IFINDEX = 0x8;
const VIFCTL_OCTETS = 16;
const MFCCTL_OCTETS = 60;
const MFCC_GROUP = 4;
const MFCC_PARENT = 8;
const MFCC_TTLS = 10;

/** Packets with a TTL of 1 stay on their link; everything above is forwarded. */
const TTL_THRESHOLD = 1;

/** struct vifctl, by interface index. */
export function vifctl(vif: number, index: number): Buffer {
  const octets = Buffer.alloc(VIFCTL_OCTETS);
  writeNative16(octets, 0, vif);
  octets[2] = VIFF_USE_IFINDEX;
  octets[3] = TTL_THRESHOLD;
  writeNative32(octets, 8, index);
  return octets;
}

/** struct mfcctl, by numbers of virtual interfaces. */
export function mfcctl(source: Ipv4, group: Ipv4, inbound: number, outbound: readonly number[]): Buffer {
  const octets = Buffer.alloc(MFCCTL_OCTETS);
  writeIpv4(octets, 0, source);
  writeIpv4(octets, MFCC_GROUP, group);
  writeNative16(octets, MFCC_PARENT, inbound);
  for (const vif of outbound) octets[MFCC_TTLS + vif] = TTL_THRESHOLD;
  return octets;
}

// struct igmpmsg: an upcall looks like an IPv4 header whose protocol is 0.
const UPCALL_TYPE = 8;
const UPCALL_ZERO = 9;
const UPCALL_VIF = 10;
const UPCALL_VIF_HIGH = 11;
const UPCALL_SOURCE = 12;
const UPCALL_GROUP = 16;
const UPCALL_OCTETS = 20;
const NOCACHE = 1;
const WRONGVIF = 2;

/** The header of an upcall is that of the packet that it tells of, options included. */
export const LONGEST_UPCALL = 128;

/** What the kernel tells of a packet of (source, group) that came in on a virtual interface. */
export interface Upcall {
  /** A question for a route, which waits for its answer; news of a packet that came in elsewhere than its route says; anything else. */
  readonly kind: "no-route" | "wrong-interface" | "other";
  readonly vif: number;
  readonly source: Ipv4;
  readonly group: Ipv4;
  /** RFC 2113: the packet is for the routers themselves, so it is no stream. */
  readonly forRouters: boolean;
}

/** The upcall that a packet of the routing socket is; "igmp": none, but what the machine has heard; "short": neither. */
export function readUpcall(packet: Buffer): Upcall | "igmp" | "short" {
  if (packet.length < UPCALL_OCTETS) return "short";
  if (packet[UPCALL_ZERO] !== 0) return "igmp";
  return {
    kind: kindOf(packet[UPCALL_TYPE]),
    vif: (packet[UPCALL_VIF] ?? 0) | ((packet[UPCALL_VIF_HIGH] ?? 0) << 8),
    source: readIpv4(packet, UPCALL_SOURCE),
    group: readIpv4(packet, UPCALL_GROUP),
    // The packet's own header, but for the octets of the upcall.
    forRouters: hasRouterAlert(packet),
  };
}

function kindOf(type: number | undefined): Upcall["kind"] {
  if (type === NOCACHE) return "no-route";
  return type === WRONGVIF ? "wrong-interface" : "other";
}
