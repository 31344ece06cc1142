// Frames put out by the ports of bridges, by an AF_PACKET socket of our own addon that hears nothing.
import { readFileSync } from "node:fs";
import { fromHex } from "../../core/base/bytes.ts";
import { Counters } from "../../core/base/counters.ts";
import { ETHER_TYPE_IPV4, groupFrame } from "../../core/base/ethernet.ts";
import { HalError } from "../../core/ports/errors.ts";
import type { PortPacket, PortSender } from "../../core/ports/port-sender.ts";
import { type SocketsModule, SystemError, succeeded } from "../native/sockets.ts";
import { loadSockets } from "../native.ts";
import { interfaceIndex, writeNative16, writeNative32 } from "../socket-options.ts";

const AF_PACKET = 17;
const SOCK_RAW = 3;
/** Of the socket: no frame of any kind is for it. */
const HEAR_NOTHING = 0;
const SOCKADDR_LL_OCTETS = 20;
/** BR_STATE_FORWARDING (linux/if_bridge.h): the bridge itself sends by no other port. */
const FORWARDING = "3";

/** Why something was not sent: the port is none of the bridge's, down or held back, or the kernel refused. */
export type PortSenderCount = "port-sender.not-forwarding" | "port-sender.failed";

/** One socket for all ports. Needs CAP_NET_RAW. */
export class PacketPortSender implements PortSender {
  readonly #native: SocketsModule;
  readonly #descriptor: number;
  readonly #counts = new Counters<PortSenderCount>();
  readonly #to = Buffer.alloc(SOCKADDR_LL_OCTETS);

  /** With the addon given; `load` finds it. Throws HalError "port-sender.permission". */
  constructor(native: SocketsModule) {
    this.#native = native;
    this.#descriptor = opened(native);
    writeNative16(this.#to, 0, AF_PACKET);
    this.#to.writeUInt16BE(ETHER_TYPE_IPV4, 2);
  }

  /** Rejects with HalError "port-sender.native-missing" or "port-sender.permission". */
  static async load(): Promise<PacketPortSender> {
    return new PacketPortSender(await loadSockets("port-sender"));
  }

  send({ bridge, port, packet, vlan }: PortPacket): void {
    const index = interfaceIndex(port);
    const mac = fromHex((read(`${bridge}/address`) ?? "").replaceAll(":", ""));
    // The folder is the bridge's: of another's port there is none.
    if (index === undefined || mac === undefined || read(`${bridge}/brif/${port}/state`) !== FORWARDING) {
      this.#counts.count("port-sender.not-forwarding");
      return;
    }
    writeNative32(this.#to, 4, index);
    const sent = this.#native.send(this.#descriptor, groupFrame(packet, mac, vlan), this.#to);
    if (sent < 0) this.#counts.count("port-sender.failed");
  }

  counts(): Readonly<Record<string, number>> {
    return this.#counts.snapshot();
  }

  close(): void {
    this.#native.close(this.#descriptor);
  }
}

function opened(native: SocketsModule): number {
  try {
    return succeeded("socket", native.socket(AF_PACKET, SOCK_RAW, HEAR_NOTHING));
  } catch (cause) {
    if (!(cause instanceof SystemError)) throw cause;
    throw new HalError("port-sender.permission", `cannot send by ports of bridges (${cause.code})`, {
      cause,
      needs: "root, or CAP_NET_RAW",
      alternative: "run without proxy reporting (`proxyReporting: false`)",
    });
  }
}

function read(path: string): string | undefined {
  try {
    return readFileSync(`/sys/class/net/${path}`, "latin1").trim();
  } catch {
    return undefined;
  }
}
