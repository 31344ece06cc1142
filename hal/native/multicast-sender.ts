// Sockets that send whole IPv4 packets to groups out of one interface, and hear nothing.
import { ANY, type Ipv4, writeIpv4 } from "../../core/base/ipv4.ts";
import {
  groupOnInterface,
  IP_HDRINCL,
  IP_MULTICAST_IF,
  IP_MULTICAST_LOOP,
  IPPROTO_IP,
  int32,
  SO_BINDTODEVICE,
  SOL_SOCKET,
  writeNative16,
} from "../socket-options.ts";
import { NOTHING } from "./filter.ts";
import { NativeSocket, type ReceiveRoom } from "./socket.ts";
import type { SocketsModule } from "./sockets.ts";

const AF_INET = 2;
const SOCK_RAW = 3;
/** Sends whatever protocol its header names, and hears only packets of protocol 255, which the filter keeps out too. */
const IPPROTO_RAW = 255;
const SOCKADDR_IN_OCTETS = 16;

/** The kernel fills in length and checksum of the header. Throws SystemError. */
export function openMulticastSender(
  native: SocketsModule,
  room: ReceiveRoom,
  { name, index }: { readonly name: string; readonly index: number },
): NativeSocket {
  const socket = NativeSocket.make(native, room, [AF_INET, SOCK_RAW, IPPROTO_RAW]);
  try {
    socket.setFilter(NOTHING);
    socket.setOption(SOL_SOCKET, SO_BINDTODEVICE, Buffer.from(`${name}\0`));
    socket.setOption(IPPROTO_IP, IP_HDRINCL, int32(1));
    socket.setOption(IPPROTO_IP, IP_MULTICAST_IF, groupOnInterface(ANY, index));
    socket.setOption(IPPROTO_IP, IP_MULTICAST_LOOP, int32(0));
    return socket;
  } catch (error) {
    socket.close();
    throw error;
  }
}

/** struct sockaddr_in; port 0 is none, or any. */
export function internetAddress(destination: Ipv4, port = 0): Buffer {
  const address = Buffer.alloc(SOCKADDR_IN_OCTETS);
  writeNative16(address, 0, AF_INET);
  address.writeUInt16BE(port, 2);
  writeIpv4(address, 4, destination);
  return address;
}
