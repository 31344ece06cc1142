// IGMP through sockets at the link layer, of our own addon: one an interface, bound to it before it can hear, whole IPv4 packets both
// ways, and the sender's MAC. Needs root or CAP_NET_RAW.
//
// Unlike a raw socket of IP it hears a v1 or v2 report to a group that nobody here joined whether or not it has Router Alert, from
// whatever source (0.0.0.0, another subnet), and never what came in on another interface.
import { networkInterfaces } from "node:os";
import { Counters } from "../../core/base/counters.ts";
import { ANY, type Ipv4, isMulticast, parseIpv4, readIpv4 } from "../../core/base/ipv4.ts";
import { HalError } from "../../core/ports/errors.ts";
import type { Arrival, IgmpListener, IgmpSocket, IgmpSockets } from "../../core/ports/igmp-socket.ts";
import { igmpOf } from "../native/filter.ts";
import { internetAddress, openMulticastSender } from "../native/multicast-sender.ts";
import { isForOneCard, isVouched, openPacketSocket } from "../native/packet-socket.ts";
import { type NativeSocket, ReceiveRoom } from "../native/socket.ts";
import type { SocketsModule, SystemError } from "../native/sockets.ts";
import { loadSockets } from "../native.ts";
import { interfaceIndex } from "../socket-options.ts";
import { noInterface, openError } from "./open-error.ts";

/** A jumbo frame; the rest of the machine's links carry less. */
const LARGEST_PACKET = 9216;
/** Room for some 10,000 reports: half a second of 20,000 a second. */
const QUEUE = 4 << 20;
const SHORTEST_HEADER = 20;
/** How long the interface's addresses are taken to be the same, in ms: strangers may not make us ask for every packet. */
const ADDRESSES_HOLD = 1000;
const TOTAL_LENGTH = 2;
const DESTINATION = 16;

/** Packets that did not leave, or were not what a socket may send or hear. */
export type PacketIgmpCount =
  | "igmp.send-failed"
  | "igmp.not-a-packet"
  /** Longer than any link's packets. */
  | "igmp.too-long"
  /** To an address that is neither a group nor this interface's. */
  | "igmp.not-for-us";

/** All sockets of the process share one set of counts. */
export class PacketIgmpSockets implements IgmpSockets {
  readonly hearsUnjoined = true;
  readonly counts = new Counters<PacketIgmpCount>();
  readonly #native: SocketsModule;
  readonly #room = new ReceiveRoom(LARGEST_PACKET);

  /** With the addon given; `load` finds it. */
  constructor(native: SocketsModule) {
    this.#native = native;
  }

  /** Rejects with HalError "igmp.native-missing". */
  static async load(): Promise<PacketIgmpSockets> {
    return new PacketIgmpSockets(await loadSockets("igmp"));
  }

  open(interfaceName: string, listener: IgmpListener): IgmpSocket {
    const index = interfaceIndex(interfaceName);
    if (index === undefined) throw noInterface(interfaceName);
    const made: NativeSocket[] = [];
    try {
      const sending = openMulticastSender(this.#native, this.#room, { name: interfaceName, index });
      made.push(sending);
      const options = { index, hears: "packets", filter: igmpOf(index), queue: QUEUE } as const;
      const hearing = openPacketSocket(this.#native, this.#room, options);
      made.push(hearing);
      // A name that went to another interface meanwhile: the one may be bound to this, the other to that.
      if (interfaceIndex(interfaceName) !== index) throw new Error("it has become another interface");
      return new PacketIgmpSocket({ interfaceName, index, hearing, sending, listener, counts: this.counts });
    } catch (cause) {
      for (const socket of made) socket.close();
      throw openError(interfaceName, index, cause);
    }
  }
}

interface Parts {
  readonly interfaceName: string;
  readonly index: number;
  readonly hearing: NativeSocket;
  readonly sending: NativeSocket;
  readonly listener: IgmpListener;
  readonly counts: Counters<PacketIgmpCount>;
}

class PacketIgmpSocket implements IgmpSocket {
  readonly interfaceName: string;
  readonly #index: number;
  readonly #hearing: NativeSocket;
  readonly #sending: NativeSocket;
  readonly #listener: IgmpListener;
  readonly #counts: Counters<PacketIgmpCount>;
  /** The interface's addresses, as they were when somebody last used another. */
  #own: ReadonlySet<Ipv4>;
  #ownReadAt = performance.now();

  constructor({ interfaceName, index, hearing, sending, listener, counts }: Parts) {
    this.interfaceName = interfaceName;
    this.#index = index;
    this.#hearing = hearing;
    this.#sending = sending;
    this.#listener = listener;
    this.#counts = counts;
    this.#own = addressesOf(interfaceName);
    hearing.listen(
      (room, slot) => this.#heard(room, slot),
      (error) => this.#troubled(error),
    );
  }

  send(packet: Uint8Array): void {
    if (!this.#sending.isOpen) return;
    const destination = packet.length < SHORTEST_HEADER ? ANY : readIpv4(packet, DESTINATION);
    if (!isMulticast(destination)) {
      this.#counts.count("igmp.not-a-packet");
      return;
    }
    const error = this.#sending.send(packet, internetAddress(destination));
    if (error === undefined) return;
    this.#counts.count("igmp.send-failed");
    this.#troubled(error);
  }

  dropped(): number {
    return this.#hearing.dropped();
  }

  close(): void {
    this.#hearing.close();
    this.#sending.close();
  }

  #heard(room: ReceiveRoom, slot: number): void {
    const octets = room.octets(slot);
    if (room.length(slot) > octets.length) {
      this.#counts.count("igmp.too-long");
      return;
    }
    // As a raw socket has it: without the link's padding.
    const whole = octets.length < SHORTEST_HEADER ? 0 : octets.readUInt16BE(TOTAL_LENGTH);
    if (octets.length >= SHORTEST_HEADER && !this.#isForUs(readIpv4(octets, DESTINATION))) {
      this.#counts.count("igmp.not-for-us");
      return;
    }
    const isPadded = whole >= SHORTEST_HEADER && whole < octets.length;
    this.#listener.packet(isPadded ? octets.subarray(0, whole) : octets, arrivalOf(room, slot));
  }

  /** RFC 3376 4.2.14: reports to any address of the interface are taken; what is routed through here is none of ours. */
  #isForUs(destination: Ipv4): boolean {
    if (isMulticast(destination) || this.#own.has(destination)) return true;
    if (performance.now() - this.#ownReadAt < ADDRESSES_HOLD) return false;
    this.#own = addressesOf(this.interfaceName);
    this.#ownReadAt = performance.now();
    return this.#own.has(destination);
  }

  /** An interface that is down (ENETDOWN) comes back by itself, in the kernel; one that is gone does not. */
  #troubled(cause: SystemError): void {
    if (!this.#hearing.isOpen || interfaceIndex(this.interfaceName) === this.#index) return;
    this.close();
    this.#listener.failed(
      new HalError("igmp.failed", `IGMP on ${this.interfaceName} failed: ${cause.message}`, { cause }),
    );
  }
}

function arrivalOf(room: ReceiveRoom, slot: number): Arrival {
  const mac = room.mac(slot);
  const vouched = isVouched(room, slot);
  // A link without cards, such as PPP, has nobody else on it.
  return mac === undefined ? { vouched } : { mac, vouched, unicast: isForOneCard(room, slot) };
}

const addressesOf = (name: string): ReadonlySet<Ipv4> =>
  new Set(
    (networkInterfaces()[name] ?? []).flatMap(({ family, address }) =>
      family === "IPv4" ? (parseIpv4(address) ?? []) : [],
    ),
  );
