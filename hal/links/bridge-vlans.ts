// Which VLANs the ports of bridges are in, as the kernel says over netlink: /sys does not tell.
import type { PortVlan } from "../../core/ports/links.ts";
import { NativeSocket, ReceiveRoom } from "../native/socket.ts";
import { type SocketsModule, SystemError } from "../native/sockets.ts";
import { readNative16, readNative32, writeNative16, writeNative32 } from "../socket-options.ts";

/** From the first to the last, 1 to 4094, and how the port carries them. */
export interface VlanRange extends PortVlan {
  readonly first: number;
  readonly last: number;
}

/** By index of the port, and of the bridge: those of what it sends and hears itself. Empty when the kernel does not tell. */
export type BridgeVlans = () => ReadonlyMap<number, readonly VlanRange[]>;

// linux/netlink.h, linux/rtnetlink.h, linux/if_link.h, linux/if_bridge.h
const AF_NETLINK = 16;
const SOCK_RAW = 3;
const NETLINK_ROUTE = 0;
const AF_BRIDGE = 7;
const RTM_NEWLINK = 16;
const RTM_GETLINK = 18;
const NLM_F_REQUEST = 0x1;
const NLM_F_DUMP = 0x300;
const IFLA_AF_SPEC = 26;
const IFLA_EXT_MASK = 29;
const RTEXT_FILTER_BRVLAN_COMPRESSED = 4;
const IFLA_BRIDGE_VLAN_INFO = 2;
const BRIDGE_VLAN_INFO_PVID = 2;
const BRIDGE_VLAN_INFO_UNTAGGED = 4;
const BRIDGE_VLAN_INFO_RANGE_BEGIN = 8;
const SOCKADDR_NL_OCTETS = 12;
/** struct nlmsghdr, struct ifinfomsg, struct rtattr. */
const [HEADER, LINK, ATTRIBUTE] = [16, 16, 4];
const LINK_INDEX = HEADER + 4;
/** The kernel makes no larger piece of an answer. */
const SLOT = 32_768;

/** By one question a call, which the kernel answers before it returns. */
export function bridgeVlansBy(native: SocketsModule): BridgeVlans {
  const room = new ReceiveRoom(SLOT);
  return () => {
    const vlans = new Map<number, VlanRange[]>();
    try {
      const socket = NativeSocket.make(native, room, [AF_NETLINK, SOCK_RAW, NETLINK_ROUTE]);
      try {
        if (socket.send(question(), kernel()) === undefined)
          socket.drain((_, slot) => readPorts(room.octets(slot), vlans));
      } finally {
        socket.close();
      }
    } catch (error) {
      if (!(error instanceof SystemError)) throw error;
    }
    return vlans;
  };
}

/** struct sockaddr_nl: the kernel is port 0. */
function kernel(): Buffer {
  const address = Buffer.alloc(SOCKADDR_NL_OCTETS);
  writeNative16(address, 0, AF_NETLINK);
  return address;
}

/** All ports of all bridges, with their VLANs as ranges. */
function question(): Buffer {
  const message = Buffer.alloc(HEADER + LINK + ATTRIBUTE + 4);
  writeNative32(message, 0, message.length);
  writeNative16(message, 4, RTM_GETLINK);
  writeNative16(message, 6, NLM_F_REQUEST | NLM_F_DUMP);
  message[HEADER] = AF_BRIDGE;
  writeNative16(message, HEADER + LINK, ATTRIBUTE + 4);
  writeNative16(message, HEADER + LINK + 2, IFLA_EXT_MASK);
  writeNative32(message, HEADER + LINK + ATTRIBUTE, RTEXT_FILTER_BRVLAN_COMPRESSED);
  return message;
}

/** Adds the VLANs of each port in whole messages of rtnetlink. */
export function readPorts(octets: Buffer, into: Map<number, VlanRange[]>): void {
  for (let at = 0; at + HEADER <= octets.length; ) {
    const length = readNative32(octets, at);
    if (length < HEADER || at + length > octets.length) return;
    if (readNative16(octets, at + 4) === RTM_NEWLINK) readPort(octets.subarray(at, at + length), into);
    at += aligned(length);
  }
}

function readPort(message: Buffer, into: Map<number, VlanRange[]>): void {
  const index = readNative32(message, LINK_INDEX);
  for (const [type, value] of attributesIn(message.subarray(HEADER + LINK)))
    if (type === IFLA_AF_SPEC) into.set(index, [...(into.get(index) ?? []), ...rangesIn(value)]);
}

function rangesIn(octets: Buffer): readonly VlanRange[] {
  const ranges: VlanRange[] = [];
  let first: number | undefined;
  for (const [type, value] of attributesIn(octets)) {
    if (type !== IFLA_BRIDGE_VLAN_INFO || value.length < 4) continue;
    const [flags, id] = [readNative16(value, 0), readNative16(value, 2)];
    if ((flags & BRIDGE_VLAN_INFO_RANGE_BEGIN) !== 0) first = id;
    else {
      const isSet = (flag: number): boolean => (flags & flag) !== 0;
      const how = { pvid: isSet(BRIDGE_VLAN_INFO_PVID), untagged: isSet(BRIDGE_VLAN_INFO_UNTAGGED) };
      ranges.push({ first: first ?? id, last: id, ...how });
      first = undefined;
    }
  }
  return ranges;
}

function* attributesIn(octets: Buffer): Generator<readonly [type: number, value: Buffer]> {
  for (let at = 0; at + ATTRIBUTE <= octets.length; ) {
    const length = readNative16(octets, at);
    if (length < ATTRIBUTE || at + length > octets.length) return;
    // The two highest bits say how the value is made.
    yield [readNative16(octets, at + 2) & 0x3fff, octets.subarray(at + ATTRIBUTE, at + length)];
    at += aligned(length);
  }
}

const aligned = (length: number): number => (length + 3) & ~3;
