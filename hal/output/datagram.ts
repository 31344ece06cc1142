// Hands packets to a player over UDP: raw payload (7 x 188 octets of TS, udp://@...) or the clear RTP packet (rtp://@...).
import type { Ipv4 } from "../../core/base/ipv4.ts";
import type { DatagramSocket, Datagrams, InterfaceChoice } from "../../core/ports/datagrams.ts";
import type { HalError } from "../../core/ports/errors.ts";
import type { Output, OutputStatus } from "../../core/ports/output.ts";
import { OutputCounts, type OutputDrop } from "./output-counts.ts";

/** `form`: "udp" sends the payload of each packet, "rtp" the clear RTP packet itself. */
export interface DatagramOutputOptions {
  readonly form: "udp" | "rtp";
  /** Unicast, multicast or loopback. */
  readonly to: Ipv4;
  readonly port: number;
  /** For multicast: 0.0.0.0 leaves the choice to the kernel. */
  readonly interfaceAddress: InterfaceChoice;
  /** For multicast; 1 keeps it on the link. */
  readonly ttl: number;
}

/** Packets on their way to the kernel at once. */
const IN_FLIGHT = 256;
const SLOT = 2048;
const ANY = 0 as Ipv4;

/** A buffer, the part of it that the last packet filled, and what is told when that has left: a stream's packets need no new ones. */
interface Slot {
  readonly octets: Uint8Array;
  payload: Uint8Array;
  readonly sent: (error?: HalError) => void;
}

/** Up to 256 packets may be on their way to the kernel; what comes beyond is output.backlog. */
export class DatagramOutput implements Output {
  readonly #options: DatagramOutputOptions;
  readonly #socket: DatagramSocket;
  readonly #counts: OutputCounts;
  /** Buffers that no send is using. */
  readonly #free: Slot[] = Array.from({ length: IN_FLIGHT }, () => this.#slot());
  #open = true;

  /** Rejects as Datagrams.open does. */
  static async open(datagrams: Datagrams, options: DatagramOutputOptions): Promise<DatagramOutput> {
    const { interfaceAddress, ttl } = options;
    let output: DatagramOutput | undefined;
    const socket = await datagrams.open(
      { address: ANY, port: 0, multicast: { interfaceAddress, ttl, loopback: true } },
      { datagram: () => {}, failed: (error) => output?.failed(error) },
    );
    output = new DatagramOutput(socket, options);
    return output;
  }

  private constructor(socket: DatagramSocket, options: DatagramOutputOptions) {
    this.#socket = socket;
    this.#options = options;
    this.#counts = new OutputCounts(options.form);
  }

  write(packet: Uint8Array, end: number, payloadStart: number, payloadEnd: number): boolean {
    if (!this.#open) return this.#drop("output.closed");
    const slot = this.#free.pop();
    if (slot === undefined) return this.#drop("output.backlog");
    if (this.#options.form === "rtp") this.#send(slot, packet, 0, end);
    else this.#send(slot, packet, payloadStart, payloadEnd);
    return true;
  }

  #drop(drop: OutputDrop): false {
    this.#counts.dropped(drop);
    return false;
  }

  status(): OutputStatus {
    return this.#counts.status();
  }

  async close(): Promise<void> {
    this.#open = false;
    this.#socket.close();
  }

  failed(error: HalError): void {
    this.#counts.fault = `${error.code}: ${error.message}`;
  }

  #slot(): Slot {
    const octets = new Uint8Array(SLOT);
    const slot: Slot = { octets, payload: octets, sent: (error) => this.#sent(slot, error) };
    return slot;
  }

  #send(slot: Slot, packet: Uint8Array, from: number, to: number): void {
    const length = to - from;
    if (slot.payload.length !== length)
      slot.payload = length <= SLOT ? slot.octets.subarray(0, length) : new Uint8Array(length);
    slot.payload.set(packet.subarray(from, to));
    const { to: address, port } = this.#options;
    this.#socket.send(slot.payload, address, port, slot.sent);
  }

  #sent(slot: Slot, error: HalError | undefined): void {
    this.#free.push(slot);
    if (error === undefined) {
      this.#counts.written(1, slot.payload.length);
      this.#counts.fault = undefined;
      return;
    }
    this.#counts.dropped("output.failed");
    this.failed(error);
  }
}
