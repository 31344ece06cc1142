// IGMP through raw-socket: one socket an interface, bound to it, whole IPv4 packets both ways. Needs root or CAP_NET_RAW.
import type { Socket } from "raw-socket";
import { Counters } from "../../core/base/counters.ts";
import {
  ALL_IGMPV3_ROUTERS,
  ALL_ROUTERS,
  ALL_SYSTEMS,
  ANY,
  formatIpv4,
  isMulticast,
  readIpv4,
} from "../../core/base/ipv4.ts";
import { HalError } from "../../core/ports/errors.ts";
import type { IgmpListener, IgmpSocket, IgmpSockets } from "../../core/ports/igmp-socket.ts";
import { loadRawSocket, type RawSocketModule } from "../native.ts";
import {
  groupOnInterface,
  IGMP,
  IP_ADD_MEMBERSHIP,
  IP_HDRINCL,
  IP_MULTICAST_IF,
  IP_MULTICAST_LOOP,
  IP_ROUTER_ALERT,
  IPPROTO_IP,
  int32,
  interfaceIndex,
  isPermission,
  pastTheAddon,
  SO_BINDTODEVICE,
  SOL_SOCKET,
} from "../socket-options.ts";

const LARGEST_PACKET = 65535;
const SHORTEST_HEADER = 20;
const DESTINATION = 16;
/** Packets waiting for the socket; more are dropped. IGMP sends a few per second. */
const QUEUE_LIMIT = 1024;

export type RawIgmpCount = "igmp.send-failed" | "igmp.send-queue-full" | "igmp.not-a-packet";

export class RawIgmpSockets implements IgmpSockets {
  readonly counts = new Counters<RawIgmpCount>();
  readonly #native: RawSocketModule;

  private constructor(native: RawSocketModule) {
    this.#native = native;
  }

  /** Rejects with HalError "igmp.native-missing". */
  static async load(): Promise<RawIgmpSockets> {
    return new RawIgmpSockets(await loadRawSocket("igmp"));
  }

  open(interfaceName: string, listener: IgmpListener): IgmpSocket {
    const index = interfaceIndex(interfaceName);
    if (index === undefined) throw noInterface(interfaceName);
    let socket: Socket | undefined;
    try {
      socket = this.#native.createSocket({ protocol: IGMP, bufferSize: LARGEST_PACKET });
      configure(socket, interfaceName, index);
    } catch (cause) {
      socket?.close();
      throw openError(interfaceName, cause);
    }
    return new RawIgmpSocket(interfaceName, socket, listener, this.counts);
  }
}

function configure(socket: Socket, interfaceName: string, index: number): void {
  const device = Buffer.from(`${interfaceName}\0`);
  socket.setOption(SOL_SOCKET, SO_BINDTODEVICE, device, device.length);
  const ip = (option: number, value: Buffer) => socket.setOption(IPPROTO_IP, option, value, value.length);
  ip(IP_HDRINCL, int32(1));
  ip(IP_MULTICAST_IF, groupOnInterface(ANY, index));
  // We do not want to hear our own queries.
  ip(IP_MULTICAST_LOOP, int32(0));
  // Reports with Router Alert for groups nobody here joined come to this socket, so that the interface is known.
  ip(IP_ROUTER_ALERT, int32(1));
  for (const group of [ALL_SYSTEMS, ALL_ROUTERS, ALL_IGMPV3_ROUTERS])
    ip(IP_ADD_MEMBERSHIP, groupOnInterface(group, index));
}

const noInterface = (name: string, cause?: unknown): HalError =>
  new HalError("igmp.no-interface", `there is no usable interface ${name}`, {
    cause,
    needs: `an interface ${name} that exists`,
    alternative: "it is opened when the interface appears",
  });

function openError(name: string, cause: unknown): HalError {
  if (isPermission(cause))
    return new HalError("igmp.permission", `IGMP on ${name} is not permitted`, {
      cause,
      needs: "root, or CAP_NET_RAW and CAP_NET_ADMIN",
      alternative: "start it from the init script, or `setcap cap_net_raw,cap_net_admin+ep` on node",
    });
  return noInterface(name, cause);
}

class RawIgmpSocket implements IgmpSocket {
  readonly interfaceName: string;
  readonly #index: number | undefined;
  readonly #socket: Socket;
  readonly #listener: IgmpListener;
  readonly #counts: Counters<RawIgmpCount>;
  #open = true;
  #queued = 0;

  constructor(interfaceName: string, socket: Socket, listener: IgmpListener, counts: Counters<RawIgmpCount>) {
    this.interfaceName = interfaceName;
    this.#index = interfaceIndex(interfaceName);
    this.#socket = socket;
    this.#listener = listener;
    this.#counts = counts;
    socket.on(
      "message",
      pastTheAddon((packet) => {
        if (this.#open) listener.packet(packet);
      }),
    );
    socket.on("error", (cause) => this.#failed(cause));
  }

  send(packet: Uint8Array): void {
    if (!this.#open) return;
    if (packet.length < SHORTEST_HEADER || !isMulticast(readIpv4(packet, DESTINATION))) {
      this.#counts.count("igmp.not-a-packet");
    } else if (this.#queued >= QUEUE_LIMIT) {
      this.#counts.count("igmp.send-queue-full");
    } else {
      this.#queue(Buffer.from(packet));
    }
  }

  close(): void {
    if (!this.#open) return;
    this.#open = false;
    this.#closeWhenSent();
  }

  /** The last leaves and queries still go out. */
  #closeWhenSent(): void {
    if (!this.#open && this.#queued === 0) this.#socket.close();
  }

  #queue(packet: Buffer): void {
    this.#queued++;
    this.#socket.send(packet, 0, packet.length, formatIpv4(readIpv4(packet, DESTINATION)), (error) => {
      this.#queued--;
      if (error !== null) this.#notSent(error);
      this.#closeWhenSent();
    });
  }

  /** A socket bound to an interface that is gone (or came back as another) hears nothing of it: sending tells. */
  #notSent(cause: Error): void {
    this.#counts.count("igmp.send-failed");
    if (interfaceIndex(this.interfaceName) !== this.#index) this.#failed(cause);
  }

  #failed(cause: Error): void {
    if (!this.#open) return;
    this.close();
    this.#listener.failed(
      new HalError("igmp.failed", `IGMP on ${this.interfaceName} failed: ${cause.message}`, { cause }),
    );
  }
}
