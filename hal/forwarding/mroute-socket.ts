// The socket that holds multicast routing, of raw-socket or of our addon: the same calls, the same errors (strerror's text in each).
import type { Socket } from "raw-socket";
import { HalError } from "../../core/ports/errors.ts";
import { UPCALLS } from "../native/filter.ts";
import { NativeSocket, type ReceiveRoom } from "../native/socket.ts";
import { type SocketsModule, SystemError } from "../native/sockets.ts";
import type { RawSocketModule } from "../native.ts";
import { drain } from "../raw-queue.ts";
import {
  IGMP,
  IPPROTO_IP,
  isEmpty,
  pastTheAddon,
  SO_BINDTODEVICE,
  SOL_SOCKET,
  writeNative16,
} from "../socket-options.ts";
import { KEPT_DESCRIPTOR } from "./keeper.ts";

const LOOPBACK = Buffer.from("lo\0");
const RECEIVE_OCTETS = 65535;
const AF_UNIX = 1;
const AF_INET = 2;
const SOCK_DGRAM = 2;
const SOCK_RAW = 3;
/** Upcalls that wait: one of some 900 octets for each stream that nobody has a route for. */
const QUEUE = 1 << 20;
const EADDRINUSE = 98;

/** Whose name in the network namespace says that a start is taking over: the kernel gives it to one, and back when that one ends. */
const TAKING_OVER = "\0sealcast-router-takeover";

/** An IGMP socket, open until `close`. */
export interface MrouteSocket {
  /** undefined where nobody can tell: then no other process can be given it. */
  readonly descriptor: number | undefined;
  /** Of IPPROTO_IP. Throws. */
  setOption(option: number, value: Buffer): void;
  /** All that waits, now. Throws. */
  drain(): readonly Buffer[];
  /** `heard` reads the octets during the call. */
  listen(heard: (packet: Buffer) => void, failed: (cause: Error) => void): void;
  /** What found no room in the queue; undefined where nobody can tell. */
  dropped(): number | undefined;
  /** Opens routes when a host asks, before anybody is told of it; undefined where the driver cannot. */
  readonly ready: ReadyRoutes | undefined;
  close(): void;
}

/** Routes that whoever asks on certain virtual interfaces gets (SocketsModule). */
export interface ReadyRoutes {
  /** The virtual interface `vif` has this index; 0: it is gone. */
  at(vif: number, index: number): void;
  /** `entry`, a struct mfcctl, is in the kernel. */
  set(entry: Buffer, vifs: readonly number[]): void;
}

/** Where the sockets come from. What throws leaves nothing open. */
export interface MrouteSockets {
  make(): MrouteSocket;
  /**
   * The socket that the process `keeper` keeps, as it is; a text that says why it cannot be had. Throws, among others HalError
   * "mroute.in-use" when another start is taking it.
   */
  take(keeper: number): MrouteSocket | string;
}

/**
 * Of raw-socket, which cannot filter: it hears all IGMP that the machine hears and that no other socket is bound for. Bound, so that
 * reports do not crowd upcalls out; in return the kernel asks for routes for those with Router Alert, which are declined.
 */
export const rawMrouteSockets = (native: RawSocketModule): MrouteSockets => ({
  make() {
    const socket = native.createSocket({ protocol: IGMP, bufferSize: RECEIVE_OCTETS });
    const made = rawSocket(socket);
    try {
      socket.setOption(SOL_SOCKET, SO_BINDTODEVICE, LOOPBACK, LOOPBACK.length);
      return made;
    } catch (cause) {
      made.close();
      throw cause;
    }
  },
  take: () => "raw-socket takes no descriptors, only our own addon does",
});

const rawSocket = (socket: Socket): MrouteSocket => ({
  descriptor: undefined,
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
  ready: undefined,
  close: () => void socket.close(),
});

/**
 * Of our addon: hears the kernel's upcalls only. Bound to no interface: a v1 or v2 report with Router Alert that the kernel may not
 * hand to the routing socket (ip_call_ra_chain) it takes for a stream, and asks for a route.
 */
export const nativeMrouteSockets = (native: SocketsModule, room: ReceiveRoom): MrouteSockets => ({
  make() {
    const socket = NativeSocket.make(native, room, [AF_INET, SOCK_RAW, IGMP]);
    try {
      socket.setFilter(UPCALLS);
      socket.setReceiveBuffer(QUEUE);
      return nativeSocket(native, socket);
    } catch (cause) {
      socket.close();
      throw cause;
    }
  },
  take(keeper) {
    const lock = lockOf(native, room);
    const taken = native.takeDescriptor(keeper, KEPT_DESCRIPTOR);
    if (taken >= 0) return nativeSocket(native, new NativeSocket(native, taken, room), lock);
    lock.close();
    return new SystemError("pidfd_getfd", -taken).message;
  },
});

/** Two that took the same socket would both route. */
function lockOf(native: SocketsModule, room: ReceiveRoom): NativeSocket {
  const lock = NativeSocket.make(native, room, [AF_UNIX, SOCK_DGRAM, 0]);
  const result = native.bind(lock.descriptor, unixAddress(TAKING_OVER));
  if (result >= 0) return lock;
  lock.close();
  if (result !== -EADDRINUSE) throw new SystemError("bind", -result);
  throw new HalError("mroute.in-use", "another router is taking over multicast routing here", {
    needs: "that only one router is started in this network namespace",
    alternative: "stop this one",
  });
}

/** struct sockaddr_un. */
function unixAddress(name: string): Buffer {
  const family = Buffer.alloc(2);
  writeNative16(family, 0, AF_UNIX);
  return Buffer.concat([family, Buffer.from(name, "latin1")]);
}

const nativeSocket = (native: SocketsModule, socket: NativeSocket, lock?: NativeSocket): MrouteSocket => ({
  descriptor: socket.descriptor,
  setOption: (option, value) => socket.setOption(IPPROTO_IP, option, value),
  drain() {
    const packets: Buffer[] = [];
    socket.drain((room, slot) => void packets.push(Buffer.from(room.octets(slot))));
    return packets;
  },
  listen: (heard, failed) => socket.listen((room, slot) => heard(room.octets(slot)), failed),
  dropped: () => socket.dropped(),
  // Nothing of it is needed: where there is no memory for it, hosts wait for what is decided.
  ready: {
    at: (vif, index) => void native.readyAt(socket.descriptor, vif, index),
    set: (entry, vifs) => void native.ready(socket.descriptor, entry, Uint8Array.from(vifs)),
  },
  close() {
    socket.close();
    lock?.close();
  },
});
