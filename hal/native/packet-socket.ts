// Sockets at the link layer (AF_PACKET, packet(7)): bound to one interface before they can hear, so that they never hear another's.
import { writeNative16, writeNative32 } from "../socket-options.ts";
import { NativeSocket, type ReceiveRoom } from "./socket.ts";
import { PACKET_ROW, type SocketsModule } from "./sockets.ts";

const AF_PACKET = 17;
const SOCK_DGRAM = 2;
const SOCK_RAW = 3;
const SOL_PACKET = 263;
const PACKET_ADD_MEMBERSHIP = 1;
const PACKET_AUXDATA = 8;
const PACKET_IGNORE_OUTGOING = 23;
const PACKET_MR_ALLMULTI = 2;
const ETH_P_IP = 0x0800;
const ETH_P_ALL = 0x0003;
const SOCKADDR_LL_OCTETS = 20;
const PACKET_MREQ_OCTETS = 16;

/** For whom a packet was, seen from this machine (PACKET_HOST ...). */
export const PACKET_TYPE = { host: 0, broadcast: 1, multicast: 2, otherHost: 3 } as const;
/** tp_status: the card or the stack has checked the transport checksum, or is still to fill it in. */
const CHECKSUM_UNFILLED = 0x08;
const CHECKSUM_VOUCHED = 0x80 | CHECKSUM_UNFILLED;

/** Whether the link layer vouches for the checksum of what is in this slot, or has still to fill it in. */
export const isVouched = (room: ReceiveRoom, slot: number): boolean =>
  (room.number(slot, PACKET_ROW.status) & CHECKSUM_VOUCHED) !== 0;

/** Whether the packet in this slot came in a frame to this machine's card alone. */
export const isForOneCard = (room: ReceiveRoom, slot: number): boolean =>
  room.number(slot, PACKET_ROW.type) === PACKET_TYPE.host;

/** Whether it is still to be filled in: the packet comes from a program on this machine, by a cable that is none (veth). */
export const isUnfilled = (room: ReceiveRoom, slot: number): boolean =>
  (room.number(slot, PACKET_ROW.status) & CHECKSUM_UNFILLED) !== 0;

/** What a socket at the link layer is to hear. */
export interface PacketSocketOptions {
  /** The interface's. */
  readonly index: number;
  /** packets: IPv4 without the link's header, as IP gets them. frames: all there is, with the header, as they come in on the port. */
  readonly hears: "packets" | "frames";
  /** Classic BPF. */
  readonly filter: Uint8Array;
  /** Octets of the queue; a short packet takes about 800. */
  readonly queue: number;
}

/** Hears `hears` of this interface, multicast to any group among it. Throws SystemError. */
export function openPacketSocket(native: SocketsModule, room: ReceiveRoom, options: PacketSocketOptions): NativeSocket {
  const { index, hears, filter, queue } = options;
  // Protocol 0: it hears nothing until it is bound to interface and protocol, in one step.
  const socket = NativeSocket.make(native, room, [AF_PACKET, hears === "packets" ? SOCK_DGRAM : SOCK_RAW, 0]);
  try {
    socket.setFilter(filter);
    socket.setReceiveBuffer(queue);
    socket.setOption(SOL_PACKET, PACKET_AUXDATA, flag());
    // Linux 4.20; without it the filter keeps out what leaves.
    native.setOption(socket.descriptor, SOL_PACKET, PACKET_IGNORE_OUTGOING, flag());
    socket.setOption(SOL_PACKET, PACKET_ADD_MEMBERSHIP, allMulticast(index));
    socket.bind(linkAddress(index, hears === "packets" ? ETH_P_IP : ETH_P_ALL));
    return socket;
  } catch (error) {
    socket.close();
    throw error;
  }
}

function flag(): Buffer {
  const value = Buffer.alloc(4);
  writeNative32(value, 0, 1);
  return value;
}

/** struct packet_mreq. */
function allMulticast(index: number): Buffer {
  const request = Buffer.alloc(PACKET_MREQ_OCTETS);
  writeNative32(request, 0, index);
  writeNative16(request, 4, PACKET_MR_ALLMULTI);
  return request;
}

/** struct sockaddr_ll; the protocol is in network order. */
function linkAddress(index: number, protocol: number): Buffer {
  const address = Buffer.alloc(SOCKADDR_LL_OCTETS);
  writeNative16(address, 0, AF_PACKET);
  address.writeUInt16BE(protocol, 2);
  writeNative32(address, 4, index);
  return address;
}
