// The raw IGMP socket that holds multicast routing, by either native package.
import type { Socket } from "raw-socket";
import { HalError } from "../../core/ports/errors.ts";
import { NativeSocket, ReceiveRoom } from "../native/socket.ts";
import { type SocketsModule, SystemError } from "../native/sockets.ts";
import type { RawSocketModule } from "../native.ts";
import { drain } from "../raw-queue.ts";
import { IGMP, isEmpty, pastTheAddon, writeNative16 } from "../socket-options.ts";
import { KEPT_DESCRIPTOR } from "./keeper.ts";

const LARGEST_PACKET = 65535;
const AF_UNIX = 1;
const AF_INET = 2;
const SOCK_DGRAM = 2;
const SOCK_RAW = 3;
const EADDRINUSE = 98;

/** Whose name in the network namespace says that a start is taking over: the kernel gives it to one, and back when that one ends. */
const TAKING_OVER = "\0sealcast-router-takeover";

/** Errors are Errors with strerror's text. */
export interface RoutingSocket {
  /** undefined where the package does not tell: then no other process can be given it. */
  readonly descriptor: number | undefined;
  setOption(level: number, option: number, value: Buffer): void;
  /** Takes out all that waits, in order. */
  queued(): readonly Buffer[];
  /** From now on until `close`. */
  listen(hears: (packet: Buffer) => void, failed: (cause: Error) => void): void;
  close(): void;
}

/** Where routing sockets come from. */
export interface RoutingSockets {
  /** A new one. */
  make(): RoutingSocket;
  /**
   * Another descriptor of the socket that the process `keeper` keeps; a text that says why there is none. Throws HalError "mroute.in-use"
   * when another start is taking it.
   */
  take(keeper: number): RoutingSocket | string;
}

/** By raw-socket, which neither tells descriptors nor takes any. */
export class RawRoutingSockets implements RoutingSockets {
  readonly #native: RawSocketModule;

  constructor(native: RawSocketModule) {
    this.#native = native;
  }

  make(): RoutingSocket {
    return new RawRoutingSocket(this.#native.createSocket({ protocol: IGMP, bufferSize: LARGEST_PACKET }));
  }

  take(): string {
    return "raw-socket cannot take over a socket; sealcast's own addon can";
  }
}

class RawRoutingSocket implements RoutingSocket {
  readonly descriptor = undefined;
  readonly #socket: Socket;

  constructor(socket: Socket) {
    this.#socket = socket;
  }

  setOption(level: number, option: number, value: Buffer): void {
    this.#socket.setOption(level, option, value, value.length);
  }

  queued(): readonly Buffer[] {
    return drain(this.#socket);
  }

  listen(hears: (packet: Buffer) => void, failed: (cause: Error) => void): void {
    this.#socket.on("message", pastTheAddon(hears));
    this.#socket.on("error", (cause) => {
      // What made the socket readable has been read already.
      if (!isEmpty(cause)) failed(cause);
    });
  }

  close(): void {
    this.#socket.close();
  }
}

/** By our own addon. */
export class NativeRoutingSockets implements RoutingSockets {
  readonly #native: SocketsModule;
  readonly #room = new ReceiveRoom(LARGEST_PACKET);

  constructor(native: SocketsModule) {
    this.#native = native;
  }

  make(): RoutingSocket {
    return new NativeRoutingSocket(NativeSocket.make(this.#native, this.#room, [AF_INET, SOCK_RAW, IGMP]));
  }

  take(keeper: number): RoutingSocket | string {
    const lock = this.#lock();
    const taken = this.#native.takeDescriptor(keeper, KEPT_DESCRIPTOR);
    if (taken >= 0) return new NativeRoutingSocket(new NativeSocket(this.#native, taken, this.#room), lock);
    lock.close();
    return new SystemError("pidfd_getfd", -taken).message;
  }

  /** Two that take the same socket would both route. */
  #lock(): NativeSocket {
    const lock = NativeSocket.make(this.#native, this.#room, [AF_UNIX, SOCK_DGRAM, 0]);
    const result = this.#native.bind(lock.descriptor, unixAddress(TAKING_OVER));
    if (result >= 0) return lock;
    lock.close();
    if (result !== -EADDRINUSE) throw new SystemError("bind", -result);
    throw new HalError("mroute.in-use", "another router is taking over multicast routing here", {
      needs: "that only one router is started in this network namespace",
      alternative: "stop this one",
    });
  }
}

/** struct sockaddr_un. */
function unixAddress(name: string): Buffer {
  const family = Buffer.alloc(2);
  writeNative16(family, 0, AF_UNIX);
  return Buffer.concat([family, Buffer.from(name, "latin1")]);
}

class NativeRoutingSocket implements RoutingSocket {
  readonly #socket: NativeSocket;
  readonly #lock: NativeSocket | undefined;

  constructor(socket: NativeSocket, lock?: NativeSocket) {
    this.#socket = socket;
    this.#lock = lock;
  }

  get descriptor(): number {
    return this.#socket.descriptor;
  }

  setOption(level: number, option: number, value: Buffer): void {
    this.#socket.setOption(level, option, value);
  }

  queued(): readonly Buffer[] {
    const packets: Buffer[] = [];
    this.#socket.drain((room, slot) => packets.push(Buffer.from(room.octets(slot))));
    return packets;
  }

  listen(hears: (packet: Buffer) => void, failed: (cause: Error) => void): void {
    this.#socket.listen((room, slot) => hears(Buffer.from(room.octets(slot))), failed);
  }

  close(): void {
    this.#socket.close();
    this.#lock?.close();
  }
}
