// The socket that holds multicast routing, of raw-socket or of our addon: the same calls, the same errors (strerror's text in each).
import type { Socket } from "raw-socket";
import { UPCALLS } from "../native/filter.ts";
import { NativeSocket, type ReceiveRoom } from "../native/socket.ts";
import type { SocketsModule } from "../native/sockets.ts";
import type { RawSocketModule } from "../native.ts";
import { drain } from "../raw-queue.ts";
import { IGMP, IPPROTO_IP, isEmpty, pastTheAddon, SO_BINDTODEVICE, SOL_SOCKET } from "../socket-options.ts";

const LOOPBACK = Buffer.from("lo\0");
const RECEIVE_OCTETS = 65535;
const AF_INET = 2;
const SOCK_RAW = 3;
/** Upcalls that wait: one of some 900 octets for each stream that nobody has a route for. */
const QUEUE = 1 << 20;

/** An IGMP socket of the loopback interface, open until `close`. */
export interface MrouteSocket {
  /** Of IPPROTO_IP. Throws. */
  setOption(option: number, value: Buffer): void;
  /** All that waits, now. Throws. */
  drain(): readonly Buffer[];
  /** `heard` reads the octets during the call. */
  listen(heard: (packet: Buffer) => void, failed: (cause: Error) => void): void;
  /** What found no room in the queue; undefined where nobody can tell. */
  dropped(): number | undefined;
  close(): void;
}

/** Throws, and leaves nothing open then. */
export type MakeMrouteSocket = () => MrouteSocket;

/** Of raw-socket, which cannot filter: it hears all IGMP that the machine hears and that no other socket is bound for. */
export const rawMrouteSocket =
  (native: RawSocketModule): MakeMrouteSocket =>
  () => {
    const socket = native.createSocket({ protocol: IGMP, bufferSize: RECEIVE_OCTETS });
    const made = rawSocket(socket);
    try {
      socket.setOption(SOL_SOCKET, SO_BINDTODEVICE, LOOPBACK, LOOPBACK.length);
      return made;
    } catch (cause) {
      made.close();
      throw cause;
    }
  };

const rawSocket = (socket: Socket): MrouteSocket => ({
  setOption: (option, value) => socket.setOption(IPPROTO_IP, option, value, value.length),
  drain: () => drain(socket),
  listen(heard, failed) {
    socket.on("message", pastTheAddon(heard));
    socket.on("error", (cause) => {
      // What made the socket readable has been read already.
      if (!isEmpty(cause)) failed(cause);
    });
  },
  dropped: () => undefined,
  close: () => void socket.close(),
});

/** Of our addon: hears the kernel's upcalls only. */
export const nativeMrouteSocket =
  (native: SocketsModule, room: ReceiveRoom): MakeMrouteSocket =>
  () => {
    const socket = NativeSocket.make(native, room, [AF_INET, SOCK_RAW, IGMP]);
    try {
      socket.setFilter(UPCALLS);
      socket.setReceiveBuffer(QUEUE);
      socket.setOption(SOL_SOCKET, SO_BINDTODEVICE, LOOPBACK);
      return adopted(socket);
    } catch (cause) {
      socket.close();
      throw cause;
    }
  };

const adopted = (socket: NativeSocket): MrouteSocket => ({
  setOption: (option, value) => socket.setOption(IPPROTO_IP, option, value),
  drain() {
    const packets: Buffer[] = [];
    socket.drain((room, slot) => void packets.push(Buffer.from(room.octets(slot))));
    return packets;
  },
  listen: (heard, failed) => socket.listen((room, slot) => heard(room.octets(slot)), failed),
  dropped: () => socket.dropped(),
  close: () => socket.close(),
});
