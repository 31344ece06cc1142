// UDP through our own addon: received and sent by the batch, overflows of the kernel's queue counted. Memberships are the kernel's, as
// with node:dgram; here a socket hears only what it has joined, on the interface where it has joined it.
import { Counters } from "../../core/base/counters.ts";
import { ANY, formatIpv4, type Ipv4, readIpv4, writeIpv4 } from "../../core/base/ipv4.ts";
import type {
  DatagramListener,
  DatagramOptions,
  DatagramSocket,
  Datagrams,
  Membership,
} from "../../core/ports/datagrams.ts";
import { HalError } from "../../core/ports/errors.ts";
import { internetAddress } from "../native/multicast-sender.ts";
import { NativeSocket, ReceiveRoom } from "../native/socket.ts";
import { RECEIVE_BATCH, SENDER_OCTETS, type SocketsModule, SystemError, succeeded } from "../native/sockets.ts";
import { loadSockets } from "../native.ts";
import {
  IP_ADD_MEMBERSHIP,
  IP_MULTICAST_IF,
  IP_MULTICAST_LOOP,
  IPPROTO_IP,
  int32,
  SOL_SOCKET,
} from "../socket-options.ts";
import { chosenAddress } from "./chosen-address.ts";
import { membershipError, openError } from "./errors.ts";
import { SendQueue, type Sent } from "./send-queue.ts";

// As Linux numbers them (asm-generic/socket.h, linux/in.h, linux/udp.h).
const AF_INET = 2;
const SOCK_DGRAM = 2;
const SO_REUSEADDR = 2;
const IP_MULTICAST_TTL = 33;
const IP_DROP_MEMBERSHIP = 36;
const IP_ADD_SOURCE_MEMBERSHIP = 39;
const IP_DROP_SOURCE_MEMBERSHIP = 40;
const IP_MULTICAST_ALL = 49;
const SOL_UDP = 17;
const UDP_SEGMENT = 103;
// struct sockaddr_in
const PORT = 2;
const ADDRESS = 4;

const EAGAIN = 11;
/**
 * Room for the longest datagram. Not a power of two: slots that lie a multiple of 64 KB apart would all want the same places of the
 * processor's cache.
 */
const SLOT_OCTETS = 65_536 + 1_408;
/** Batches in one turn of the event loop; it calls again for what is left. */
const MOST_BATCHES = 8;

/** What is counted and told to nobody. */
export type NativeDatagramCount = "datagram.send-failed";

/** All sockets of this process read into one room, never within one another. */
export class NativeDatagrams implements Datagrams {
  readonly counts = new Counters<NativeDatagramCount>();
  readonly #native: SocketsModule;
  readonly #room = new DatagramRoom();

  /** Rejects with HalError "datagram.native-missing". */
  static async load(): Promise<NativeDatagrams> {
    return new NativeDatagrams(await loadSockets("datagram"));
  }

  private constructor(native: SocketsModule) {
    this.#native = native;
  }

  async open(options: DatagramOptions, listener: DatagramListener): Promise<DatagramSocket> {
    let socket: NativeSocket | undefined;
    try {
      socket = NativeSocket.make(this.#native, this.#room, [AF_INET, SOCK_DGRAM, 0]);
      apply(socket, options);
      return new NativeDatagramSocket(this.#native, socket, this.#room, listener, this.counts);
    } catch (error) {
      socket?.close();
      throw openError(errnoOf(error), error, options);
    }
  }
}

/** Throws SystemError, and what `chosenAddress` throws. */
function apply(socket: NativeSocket, { address, port, reuse, multicast, receiveBuffer }: DatagramOptions): void {
  if (reuse === true) socket.setOption(SOL_SOCKET, SO_REUSEADDR, int32(1));
  socket.setOption(IPPROTO_IP, IP_MULTICAST_ALL, int32(0));
  if (receiveBuffer !== undefined) socket.setReceiveBuffer(receiveBuffer);
  socket.bind(internetAddress(address, port));
  if (multicast === undefined) return;
  socket.setOption(IPPROTO_IP, IP_MULTICAST_IF, octetsOf(chosenAddress(multicast.interfaceAddress)));
  socket.setOption(IPPROTO_IP, IP_MULTICAST_TTL, int32(multicast.ttl ?? 1));
  socket.setOption(IPPROTO_IP, IP_MULTICAST_LOOP, int32(multicast.loopback === false ? 0 : 1));
}

const errnoOf = (error: unknown): string => (error as { code?: string }).code ?? String(error);

/** Addresses behind each other: struct in_addr, ip_mreq, ip_mreq_source. */
function octetsOf(...addresses: readonly Ipv4[]): Buffer {
  const octets = Buffer.alloc(4 * addresses.length);
  for (const [i, address] of addresses.entries()) writeIpv4(octets, 4 * i, address);
  return octets;
}

/** Payloads of one length, as a stream's are, are seen through the same arrays again and again. */
class DatagramRoom extends ReceiveRoom {
  readonly #payloads: (Uint8Array | undefined)[] = [];

  constructor() {
    super(SLOT_OCTETS);
  }

  payload(slot: number): Uint8Array {
    const length = this.length(slot);
    const last = this.#payloads[slot];
    if (last?.length === length) return last;
    const { buffer, byteOffset } = this.slots;
    const payload = new Uint8Array(buffer, byteOffset + slot * this.slotOctets, length);
    this.#payloads[slot] = payload;
    return payload;
  }

  from(slot: number): Ipv4 {
    return readIpv4(this.senders, slot * SENDER_OCTETS + ADDRESS);
  }

  fromPort(slot: number): number {
    return this.senders.readUInt16BE(slot * SENDER_OCTETS + PORT);
  }
}

class NativeDatagramSocket implements DatagramSocket {
  readonly port: number;
  readonly #native: SocketsModule;
  readonly #socket: NativeSocket;
  readonly #room: DatagramRoom;
  readonly #listener: DatagramListener;
  readonly #counts: Counters<NativeDatagramCount>;
  /** Sockets that only hear have none. */
  #queue: SendQueue | undefined;
  #overflows = 0;

  constructor(
    native: SocketsModule,
    socket: NativeSocket,
    room: DatagramRoom,
    listener: DatagramListener,
    counts: Counters<NativeDatagramCount>,
  ) {
    this.#native = native;
    this.#socket = socket;
    this.#room = room;
    this.#listener = listener;
    this.#counts = counts;
    const name = internetAddress(ANY);
    succeeded("getsockname", native.name(socket.descriptor, name));
    this.port = name.readUInt16BE(PORT);
    const { slots, slotOctets, rows, senders } = room;
    const ready = (count: number, hasRoom: number): void => this.#ready(count, hasRoom);
    succeeded("watch", native.watch(socket.descriptor, ready, slots, slotOctets, rows, senders));
  }

  join(membership: Membership): void {
    this.#change("join", membership, IP_ADD_MEMBERSHIP, IP_ADD_SOURCE_MEMBERSHIP);
  }

  leave(membership: Membership): void {
    this.#change("leave", membership, IP_DROP_MEMBERSHIP, IP_DROP_SOURCE_MEMBERSHIP);
  }

  send(payload: Uint8Array, to: Ipv4, toPort: number, sent?: Sent): void {
    if (this.#socket.isOpen) this.#queueOf().push(payload, to, toPort, sent);
    else this.#refused(sent);
  }

  overflows(): number {
    if (this.#socket.isOpen) this.#overflows = this.#socket.dropped();
    return this.#overflows;
  }

  close(): void {
    if (!this.#socket.isOpen) return;
    this.#queue?.close();
    this.overflows();
    this.#socket.close();
  }

  #queueOf(): SendQueue {
    this.#queue ??= new SendQueue(this.#native, this.#socket.descriptor, this.#cutsSegments(), () =>
      this.#counts.count("datagram.send-failed"),
    );
    return this.#queue;
  }

  /** Linux before 4.18 does not, and would send what is to be cut as one. */
  #cutsSegments(): boolean {
    return this.#native.getOption(this.#socket.descriptor, SOL_UDP, UDP_SEGMENT, int32(0)) >= 0;
  }

  #refused(sent: Sent): void {
    this.#counts.count("datagram.send-failed");
    sent?.(new HalError("datagram.send", "cannot send: the socket is closed"));
  }

  #ready(first: number, hasRoom: number): void {
    if (hasRoom === 1) this.#queue?.hasRoom();
    let count = first;
    for (let left = MOST_BATCHES - 1; ; left--) {
      for (let slot = 0; slot < count && this.#socket.isOpen; slot++) this.#hear(slot);
      if (count < RECEIVE_BATCH || left === 0 || !this.#socket.isOpen) break;
      count = this.#receive();
    }
    if (count < 0 && count !== -EAGAIN) this.#failed(new SystemError("receive", -count));
  }

  #hear(slot: number): void {
    this.#listener.datagram(this.#room.payload(slot), this.#room.from(slot), this.#room.fromPort(slot));
  }

  #receive(): number {
    const { slots, slotOctets, rows, senders } = this.#room;
    return this.#native.receive(this.#socket.descriptor, slots, slotOctets, rows, senders, 0);
  }

  #failed(cause: SystemError): void {
    this.#listener.failed(new HalError("datagram.failed", cause.message, { cause }));
  }

  #change(what: "join" | "leave", membership: Membership, anySource: number, sourceSpecific: number): void {
    const { group, source, interfaceAddress } = membership;
    try {
      const through = chosenAddress(interfaceAddress);
      if (source === undefined) this.#socket.setOption(IPPROTO_IP, anySource, octetsOf(group, through));
      else this.#socket.setOption(IPPROTO_IP, sourceSpecific, octetsOf(group, through, source));
    } catch (error) {
      throw membershipError(what, formatIpv4(group), errnoOf(error), error);
    }
  }
}
