// The card behind an address, by a socket at the link layer that hears its next packet and is closed. Needs root or CAP_NET_RAW.
import type { Ipv4 } from "../../core/base/ipv4.ts";
import { HalError } from "../../core/ports/errors.ts";
import type { FrameOrigin, FrameOrigins } from "../../core/ports/frame-origin.ts";
import { sentTo } from "../native/filter.ts";
import { openPacketSocket } from "../native/packet-socket.ts";
import { type NativeSocket, ReceiveRoom } from "../native/socket.ts";
import type { SocketsModule } from "../native/sockets.ts";
import { loadSockets } from "../native.ts";
import { interfaceIndex, isPermission } from "../socket-options.ts";
import { bridgePortOf } from "./bridge-port.ts";

/** Only who sent it is read. */
const HEADER_OCTETS = 64;
/** One packet is enough. */
const QUEUE = 4096;

/** By our own addon. */
export class PacketOrigins implements FrameOrigins {
  readonly #native: SocketsModule;
  readonly #room = new ReceiveRoom(HEADER_OCTETS);

  /** With the addon given; `load` finds it. */
  constructor(native: SocketsModule) {
    this.#native = native;
  }

  /** Rejects with HalError "origin.native-missing". */
  static async load(): Promise<PacketOrigins> {
    return new PacketOrigins(await loadSockets("origin"));
  }

  find(interfaceName: string, source: Ipv4, group: Ipv4, found: (origin: FrameOrigin) => void): () => void {
    const socket = this.#open(interfaceName, source, group);
    const hears = (room: ReceiveRoom, slot: number): void => {
      const mac = room.mac(slot);
      socket.close();
      if (mac !== undefined) found(originAt(interfaceName, mac));
    };
    // The interface may go: then nobody sends there.
    socket.listen(hears, () => socket.close());
    return () => socket.close();
  }

  #open(interfaceName: string, source: Ipv4, group: Ipv4): NativeSocket {
    const index = interfaceIndex(interfaceName);
    if (index === undefined) throw new HalError("origin.no-interface", `there is no interface ${interfaceName}`);
    try {
      const filter = sentTo(index, source, group);
      return openPacketSocket(this.#native, this.#room, { index, hears: "packets", filter, queue: QUEUE });
    } catch (cause) {
      const why = `nobody can be looked for on ${interfaceName}: ${cause instanceof Error ? cause.message : cause}`;
      if (!isPermission(cause)) throw new HalError("origin.open-failed", why, { cause });
      throw new HalError("origin.permission", why, { cause, needs: "root, or CAP_NET_RAW" });
    }
  }
}

function originAt(interfaceName: string, mac: string): FrameOrigin {
  const port = bridgePortOf(interfaceName, mac);
  return port === undefined ? { mac } : { mac, port };
}
