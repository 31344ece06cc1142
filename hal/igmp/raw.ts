// IGMP through raw-socket: one socket an interface, bound to it, whole IPv4 packets both ways. Needs root or CAP_NET_RAW.
//
// What came in elsewhere must not be taken for this interface's. raw-socket has no way to make a socket that is bound before it
// hears: Linux enters a raw socket of protocol IGMP among its receivers as it is made, and SO_BINDTODEVICE comes after. Hence:
// 1. What has queued by the end of the set-up is thrown away, of either kind: nobody can tell the two apart.
// 2. A packet that another processor was delivering as we bound may queue later still, when that processor was held up between its
//    look at the receivers and the queue. For the first second a witness hears as well, a second socket set up after the first was
//    bound: a delivery that saw the one unbound cannot have seen the other, so only what both heard counts.
// What is left: two processors held up within that passage (about a microsecond of kernel code) with two packets of the same octets,
// one from before each bind, until after the set-up (a dozen system calls); or one held up there for a second.
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
import type { Arrival, IgmpListener, IgmpSocket, IgmpSockets } from "../../core/ports/igmp-socket.ts";
import { loadRawSocket, type RawSocketModule } from "../native.ts";
import { drain } from "../raw-queue.ts";
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
  isEmpty,
  pastTheAddon,
  SO_BINDTODEVICE,
  SOL_SOCKET,
} from "../socket-options.ts";
import { HeardByBoth } from "./heard-by-both.ts";
import { noInterface, openError } from "./open-error.ts";

const LARGEST_PACKET = 65535;
const SHORTEST_HEADER = 20;
const DESTINATION = 16;
/** Packets waiting for the socket; more are dropped. IGMP sends a few per second. */
const QUEUE_LIMIT = 1024;
/** How long the witness hears as well, in ms. */
const WITNESSED = 1000;

/** raw-socket tells nothing of the link. */
const UNKNOWN: Arrival = {};

/** Packets that did not leave, or were not what a socket may send or hear. */
export type RawIgmpCount =
  | "igmp.send-failed"
  | "igmp.send-queue-full"
  | "igmp.not-a-packet"
  /** Heard while the socket was being set up: perhaps from another interface. */
  | "igmp.before-ready"
  /** Heard by one of socket and witness only. */
  | "igmp.unwitnessed";

/** All sockets of the process share one set of counts. */
export class RawIgmpSockets implements IgmpSockets {
  readonly hearsUnjoined = false;
  readonly counts = new Counters<RawIgmpCount>();
  readonly #native: RawSocketModule;

  /** With raw-socket given; `load` finds it. */
  constructor(native: RawSocketModule) {
    this.#native = native;
  }

  /** Rejects with HalError "igmp.native-missing". */
  static async load(): Promise<RawIgmpSockets> {
    return new RawIgmpSockets(await loadRawSocket("igmp"));
  }

  open(interfaceName: string, listener: IgmpListener): IgmpSocket {
    const index = interfaceIndex(interfaceName);
    if (index === undefined) throw noInterface(interfaceName);
    const made: Socket[] = [];
    const make = (): Socket => {
      const socket = this.#native.createSocket({ protocol: IGMP, bufferSize: LARGEST_PACKET });
      made.push(socket);
      bindTo(socket, interfaceName);
      return socket;
    };
    try {
      const socket = make();
      configure(socket, index);
      const witness = make();
      // A name that went to another interface meanwhile: the one may be bound to this, the other to that.
      if (interfaceIndex(interfaceName) !== index) throw new Error("it has become another interface");
      for (const one of made) this.counts.count("igmp.before-ready", drain(one).length);
      return new RawIgmpSocket({ interfaceName, index, socket, witness, listener, counts: this.counts });
    } catch (cause) {
      for (const socket of made) socket.close();
      throw openError(interfaceName, index, cause);
    }
  }
}

/** Binds, and hears reports with Router Alert for groups nobody here joined too, so that their interface is known. */
function bindTo(socket: Socket, interfaceName: string): void {
  const device = Buffer.from(`${interfaceName}\0`);
  socket.setOption(SOL_SOCKET, SO_BINDTODEVICE, device, device.length);
  socket.setOption(IPPROTO_IP, IP_ROUTER_ALERT, int32(1), 4);
}

function configure(socket: Socket, index: number): void {
  const ip = (option: number, value: Buffer) => socket.setOption(IPPROTO_IP, option, value, value.length);
  ip(IP_HDRINCL, int32(1));
  ip(IP_MULTICAST_IF, groupOnInterface(ANY, index));
  // We do not want to hear our own queries.
  ip(IP_MULTICAST_LOOP, int32(0));
  for (const group of [ALL_SYSTEMS, ALL_ROUTERS, ALL_IGMPV3_ROUTERS])
    ip(IP_ADD_MEMBERSHIP, groupOnInterface(group, index));
}

interface Parts {
  readonly interfaceName: string;
  readonly index: number;
  readonly socket: Socket;
  readonly witness: Socket;
  readonly listener: IgmpListener;
  readonly counts: Counters<RawIgmpCount>;
}

/** The first second of a socket: what has been heard by it and not yet by its witness, or the other way round. */
interface Trial {
  readonly witness: Socket;
  readonly heard: HeardByBoth;
  readonly end: NodeJS.Timeout;
}

class RawIgmpSocket implements IgmpSocket {
  readonly interfaceName: string;
  readonly #index: number;
  readonly #socket: Socket;
  readonly #listener: IgmpListener;
  readonly #counts: Counters<RawIgmpCount>;
  #trial: Trial | undefined;
  #open = true;
  #queued = 0;

  constructor({ interfaceName, index, socket, witness, listener, counts }: Parts) {
    this.interfaceName = interfaceName;
    this.#index = index;
    this.#socket = socket;
    this.#listener = listener;
    this.#counts = counts;
    this.#trial = { witness, heard: new HeardByBoth(), end: setTimeout(() => this.#endTrial(), WITNESSED) };
    this.#trial.end.unref();
    socket.on(
      "message",
      pastTheAddon((packet) => this.#heard(packet)),
    );
    socket.on("error", (cause) => this.#failed(cause));
    witness.on(
      "message",
      pastTheAddon((packet) => this.#witnessed(packet)),
    );
    witness.on("error", (cause) => this.#failed(cause));
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

  dropped(): undefined {
    return undefined;
  }

  close(): void {
    if (!this.#open) return;
    this.#open = false;
    this.#dismissWitness();
    this.#closeWhenSent();
  }

  #heard(packet: Uint8Array): void {
    if (this.#trial === undefined || this.#trial.heard.first(packet)) this.#tell(packet);
  }

  #witnessed(packet: Uint8Array): void {
    if (this.#trial?.heard.second(packet)) this.#tell(packet);
  }

  #tell(packet: Uint8Array): void {
    if (this.#open) this.#listener.packet(packet, UNKNOWN);
  }

  /**
   * What has queued at both still counts: after a stall of the event loop this comes before either was read. First the socket's,
   * while the witness is asked; what the witness alone has heard by then waits in the socket's own queue.
   */
  #endTrial(): void {
    const trial = this.#trial;
    if (trial === undefined) return;
    for (const packet of this.#queuedAt(this.#socket)) this.#heard(packet);
    for (const packet of this.#queuedAt(trial.witness)) this.#witnessed(packet);
    this.#counts.count("igmp.unwitnessed", trial.heard.firstOnly);
    this.#dismissWitness();
  }

  /** Empty once the socket is closed: a listener may have done so. */
  #queuedAt(socket: Socket): readonly Buffer[] {
    if (!this.#open) return [];
    try {
      return drain(socket);
    } catch (cause) {
      this.#failed(cause as Error);
      return [];
    }
  }

  #dismissWitness(): void {
    clearTimeout(this.#trial?.end);
    this.#trial?.witness.close();
    this.#trial = undefined;
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
    // What made the socket readable has been read already.
    if (!this.#open || isEmpty(cause)) return;
    this.close();
    this.#listener.failed(
      new HalError("igmp.failed", `IGMP on ${this.interfaceName} failed: ${cause.message}`, { cause }),
    );
  }
}
