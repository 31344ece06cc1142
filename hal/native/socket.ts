// One socket of our addon as a driver uses it: options that throw what the kernel refuses, and its queue read in batches.
import { formatMac } from "../../core/base/ethernet.ts";
import { writeNative32 } from "../socket-options.ts";
import { PACKET_ROW, RECEIVE_BATCH, SENDER_OCTETS, type SocketsModule, SystemError, succeeded } from "./sockets.ts";

const SOL_SOCKET = 1;
const SO_RCVBUF = 8;
const SO_RCVBUFFORCE = 33;
/** Linux 4.12: counters of the socket, of which the ninth is what found no room in its queue. */
const SO_MEMINFO = 55;
const DROPS = 8;
const MEMINFO_OCTETS = 36;

const EAGAIN = 11;
/** Packets in one turn of the event loop; libuv calls again for what is left. */
const MOST = 8 * RECEIVE_BATCH;
/** More than any receive buffer holds: who fills it faster than we read must not keep us here. */
const FLOOD = 4096 * RECEIVE_BATCH;

// struct sockaddr_ll
const ADDRESS_LENGTH = 11;
const LINK_ADDRESS = 12;
const MAC_OCTETS = 6;

/** Where the packets of one `receive` lie. Sockets that are never read within one another share it. */
export class ReceiveRoom {
  readonly slotOctets: number;
  readonly slots: Buffer;
  readonly rows = new Int32Array(RECEIVE_BATCH * PACKET_ROW.length);
  readonly senders = Buffer.alloc(RECEIVE_BATCH * SENDER_OCTETS);

  /** @param slotOctets of the longest packet that is not cut. Memory that no packet needed is never touched. */
  constructor(slotOctets: number) {
    this.slotOctets = slotOctets;
    this.slots = Buffer.allocUnsafeSlow(RECEIVE_BATCH * slotOctets);
  }

  /** One of PACKET_ROW of the packet in `slot`. */
  number(slot: number, what: number): number {
    return this.rows[slot * PACKET_ROW.length + what] ?? 0;
  }

  /** As long as it was on the wire; longer than the slot: the rest is lost. */
  length(slot: number): number {
    return this.number(slot, PACKET_ROW.octets);
  }

  octets(slot: number): Buffer {
    const start = slot * this.slotOctets;
    return this.slots.subarray(start, start + Math.min(this.length(slot), this.slotOctets));
  }

  /** The sender's MAC, of an AF_PACKET socket on a link that has such. */
  mac(slot: number): string | undefined {
    const at = slot * SENDER_OCTETS;
    return this.senders[at + ADDRESS_LENGTH] === MAC_OCTETS ? formatMac(this.senders, at + LINK_ADDRESS) : undefined;
  }
}

/** What is done with the packet in `slot`, before the next `receive`. */
export type Hears = (room: ReceiveRoom, slot: number) => void;

/** Open until `close`. */
export class NativeSocket {
  readonly #native: SocketsModule;
  readonly #room: ReceiveRoom;
  readonly descriptor: number;
  #open = true;

  /** Takes the descriptor over. */
  constructor(native: SocketsModule, descriptor: number, room: ReceiveRoom) {
    this.#native = native;
    this.descriptor = descriptor;
    this.#room = room;
  }

  /** Throws SystemError. */
  static make(native: SocketsModule, room: ReceiveRoom, [domain, type, protocol]: readonly [number, number, number]) {
    return new NativeSocket(native, succeeded("socket", native.socket(domain, type, protocol)), room);
  }

  get isOpen(): boolean {
    return this.#open;
  }

  /** Throws SystemError. */
  setOption(level: number, option: number, value: Uint8Array): void {
    succeeded(`option ${option}`, this.#native.setOption(this.descriptor, level, option, value));
  }

  /** Throws SystemError. */
  setFilter(program: Uint8Array): void {
    succeeded("filter", this.#native.filter(this.descriptor, program));
  }

  /** Throws SystemError. */
  bind(address: Uint8Array): void {
    succeeded("bind", this.#native.bind(this.descriptor, address));
  }

  /** Beyond the machine's limit where we may, else up to it. */
  setReceiveBuffer(octets: number): void {
    const value = Buffer.alloc(4);
    writeNative32(value, 0, octets);
    if (this.#native.setOption(this.descriptor, SOL_SOCKET, SO_RCVBUFFORCE, value) < 0)
      this.#native.setOption(this.descriptor, SOL_SOCKET, SO_RCVBUF, value);
  }

  /** The error when it did not leave. */
  send(packet: Uint8Array, to: Uint8Array): SystemError | undefined {
    const sent = this.#open ? this.#native.send(this.descriptor, packet, to) : 0;
    return sent < 0 ? new SystemError("send", -sent) : undefined;
  }

  /** Calls `hears` for each packet as it comes, and `failed` for what the kernel says instead, until `close`. Throws SystemError. */
  listen(hears: Hears, failed: (error: SystemError) => void): void {
    const { slots, slotOctets, rows, senders } = this.#room;
    const readable = (count: number): void => {
      const error = this.#heard(count, hears, MOST);
      if (error !== undefined) failed(error);
    };
    succeeded("watch", this.#native.watch(this.descriptor, readable, slots, slotOctets, rows, senders));
  }

  /** Calls `hears` for all that waits, now. Throws RangeError when it does not become empty, and SystemError. */
  drain(hears: Hears): void {
    let heard = 0;
    const counted: Hears = (room, slot) => {
      heard++;
      hears(room, slot);
    };
    const error = this.#heard(this.#receive(0), counted, FLOOD);
    if (error !== undefined) throw error;
    if (heard >= FLOOD) throw new RangeError("the queue of a socket does not become empty: it is flooded");
  }

  /** How many packets have found no room in the queue. */
  dropped(): number {
    const counters = new Uint32Array(MEMINFO_OCTETS / 4);
    if (this.#open) this.#native.getOption(this.descriptor, SOL_SOCKET, SO_MEMINFO, new Uint8Array(counters.buffer));
    return counters[DROPS] ?? 0;
  }

  close(): void {
    if (!this.#open) return;
    this.#open = false;
    this.#native.close(this.descriptor);
  }

  /** Behind the packets that are in the room; 0 once the socket is closed. */
  #receive(taken: number): number {
    if (!this.#open) return 0;
    const { slots, slotOctets, rows, senders } = this.#room;
    return this.#native.receive(this.descriptor, slots, slotOctets, rows, senders, taken);
  }

  /**
   * Hears the first packets, which are in the room already, and all that come meanwhile; `most`: after which no more are received. Each
   * time that one has been heard the queue is read: what is ready for a host of the same burst is not to wait for those before it.
   */
  #heard(first: number, hears: Hears, most: number): SystemError | undefined {
    let [count, slot, result] = [first, 0, first];
    for (let left = most - 1; slot < count && this.#open; left--) {
      hears(this.#room, slot++);
      if (slot === RECEIVE_BATCH) count = slot = 0;
      if (left <= 0 || count === RECEIVE_BATCH || isRefused(result)) continue;
      result = this.#receive(count);
      count += Math.max(0, result);
    }
    return isRefused(result) ? new SystemError("receive", -result) : undefined;
  }
}

const isRefused = (result: number): boolean => result < 0 && result !== -EAGAIN;
