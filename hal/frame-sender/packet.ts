// Frames put on an interface by an AF_PACKET socket that hears nothing: the first choice.
import { readUint16 } from "../../core/base/bytes.ts";
import { HalError } from "../../core/ports/errors.ts";
import type { FrameSender, FrameSenders, SendOutcome } from "../../core/ports/frame-sender.ts";
import { type SocketsModule, SystemError, succeeded } from "../native/sockets.ts";
import { loadSockets } from "../native.ts";
import { writeNative16, writeNative32 } from "../socket-options.ts";
import { ethernetInterface } from "./interface.ts";

const AF_PACKET = 17;
const SOCK_RAW = 3;
/** Of the socket: no frame of any kind is for it. */
const HEAR_NOTHING = 0;
/** struct sockaddr_ll (linux/if_packet.h). */
const ADDRESS_OCTETS = 20;
const PROTOCOL = 2;
const INTERFACE = 4;
const ETHER_TYPE = 12;
const EAGAIN = 11;
const EMSGSIZE = 90;
const ENOBUFS = 105;

/** Needs CAP_NET_RAW. */
export const packetSenders: FrameSenders = {
  open: async (interfaceName) => {
    const sockets = await loadSockets("sender");
    const index = ethernetInterface(interfaceName);
    return new PacketSender(interfaceName, index, sockets, opened(interfaceName, sockets));
  },
};

function opened(interfaceName: string, sockets: SocketsModule): number {
  try {
    return succeeded("socket", sockets.socket(AF_PACKET, SOCK_RAW, HEAR_NOTHING));
  } catch (cause) {
    const refused = cause instanceof SystemError && (cause.code === "EPERM" || cause.code === "EACCES");
    throw new HalError(refused ? "sender.permission" : "sender.failed", `cannot send frames on ${interfaceName}`, {
      cause,
      needs: "root, or CAP_NET_RAW",
    });
  }
}

class PacketSender implements FrameSender {
  readonly interfaceName: string;
  readonly #sockets: SocketsModule;
  readonly #fd: number;
  readonly #to = Buffer.alloc(ADDRESS_OCTETS);

  constructor(interfaceName: string, index: number, sockets: SocketsModule, fd: number) {
    this.interfaceName = interfaceName;
    this.#sockets = sockets;
    this.#fd = fd;
    writeNative16(this.#to, 0, AF_PACKET);
    writeNative32(this.#to, INTERFACE, index);
  }

  send(frame: Uint8Array): SendOutcome {
    this.#to.writeUInt16BE(readUint16(frame, ETHER_TYPE), PROTOCOL);
    const result = this.#sockets.send(this.#fd, frame, this.#to);
    if (result === -EAGAIN || result === -ENOBUFS) return "busy";
    if (result === -EMSGSIZE) return "too-long";
    if (result >= 0) return "sent";
    const cause = new SystemError("send", -result);
    throw new HalError("sender.failed", `cannot send on ${this.interfaceName}: ${cause.message}`, { cause });
  }

  close(): void {
    this.#sockets.close(this.#fd);
  }
}
