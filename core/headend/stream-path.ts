// The data path of a channel: payload in, RTP header, SRTP in place in a ring of buffers, out to the group. Plain calls, no queue.
import { Counters } from "../base/counters.ts";
import type { Ipv4 } from "../base/ipv4.ts";
import type { Instant } from "../base/time.ts";
import { TS_PACKET, TS_PAYLOAD, TS_SYNC } from "../mpegts/packet.ts";
import type { DatagramSocket } from "../ports/datagrams.ts";
import type { HalError } from "../ports/errors.ts";
import {
  checkRtp,
  markerOf,
  payloadEnd,
  RTP_HEADER,
  type RtpDrop,
  timestampOf,
  writeRtpHeader,
} from "../stream/rtp.ts";
import type { StreamSender } from "../stream/sender.ts";
import type { Traffic } from "./traffic-watch.ts";

/** Why a payload was not sent. */
export type PathDrop =
  | RtpDrop
  /** No epoch is acknowledged yet: nothing is sent in the clear, nothing is stored. */
  | "headend.no-epoch"
  /** The kernel takes packets more slowly than they come. */
  | "headend.ring-full"
  | "headend.oversized"
  | "headend.empty"
  /** Not whole TS packets, on a channel that carries TS. */
  | "headend.not-ts"
  | "headend.send-failed";

/** What is fixed while the channel runs. Octets of `slots` times `largest` are allocated at the start, none later. */
export interface PathOptions {
  readonly sender: StreamSender;
  readonly socket: Pick<DatagramSocket, "send">;
  readonly group: Ipv4;
  readonly port: number;
  /** RTP, 0 to 127. */
  readonly payloadType: number;
  /** "ts" checks for whole TS packets; "datagram" carries anything, one to one. */
  readonly content: "ts" | "datagram";
  /** What comes in is RTP: it gets our header, which keeps time stamp, marker and payload boundaries. */
  readonly rtpInput: boolean;
  /** Buffers between us and the kernel. */
  readonly slots?: number;
  /** The largest payload, in octets. */
  readonly largest?: number;
}

/** Since the start. */
export interface PathSnapshot {
  /** That the kernel has taken. */
  readonly packets: number;
  /** Of their payload. */
  readonly octets: number;
  /** Payloads that were not sent, by `PathDrop`. */
  readonly drops: Record<string, number>;
}

const SLOTS = 256;
const LARGEST = 1500;
/** RTP timestamps count at 90 kHz: MPEG-TS (RFC 2250 section 2), and our dynamic type. */
const TICKS_PER_MS = 90;

interface Slot {
  readonly buffer: Uint8Array;
  /** Octets of the payload that is on its way. */
  payload: number;
  readonly sent: (error?: HalError) => void;
}

/** One per channel. Payload that finds no epoch or no buffer is dropped by name: nothing is queued, and nothing leaves in clear. */
export class StreamPath {
  readonly #options: PathOptions;
  readonly #largest: number;
  readonly #free: Slot[] = [];
  readonly #drops = new Counters<PathDrop>();
  #socket: PathOptions["socket"];
  #octets = 0;
  #taken = 0;
  #sent = 0;
  #failed = 0;
  #failure: HalError | undefined;

  constructor(options: PathOptions) {
    this.#options = options;
    this.#socket = options.socket;
    this.#largest = options.largest ?? LARGEST;
    // Rounded up to 8 octets, so that every slot is aligned for ciphers that work on words.
    const size = (RTP_HEADER + this.#largest + options.sender.trailerLength + 7) & ~7;
    const memory = new Uint8Array((options.slots ?? SLOTS) * size);
    for (let at = 0; at < memory.length; at += size) this.#free.push(this.#slot(memory.subarray(at, at + size)));
  }

  /** Whether the next packet would find an epoch and a buffer: a source that can wait does. */
  get hasRoom(): boolean {
    return this.#free.length > 0 && this.#options.sender.epoch !== undefined;
  }

  /** What came in and got out, since the start. */
  get traffic(): Traffic {
    return { taken: this.#taken, sent: this.#sent, failed: this.#failed };
  }

  /** Why the last packet that could not be sent could not. */
  get failure(): HalError | undefined {
    return this.#failure;
  }

  /** Sends by this one from now on; the one before is its owner's to close. */
  useSocket(socket: PathOptions["socket"]): void {
    this.#socket = socket;
  }

  /** For status. */
  snapshot(): PathSnapshot {
    return { packets: this.#sent, octets: this.#octets, drops: this.#drops.snapshot() };
  }

  /** One datagram as it came in; read during the call. */
  datagram(now: Instant, datagram: Uint8Array): void {
    if (!this.#options.rtpInput) {
      this.payload(now, datagram, 0, datagram.length);
      return;
    }
    const header = checkRtp(datagram, datagram.length);
    if (typeof header === "string") this.#drops.count(header);
    else this.#take(timestampOf(datagram), markerOf(datagram), datagram, header, payloadEnd(datagram, datagram.length));
  }

  /** from[start, end) as one packet; TS longer than seven packets as several. */
  payload(now: Instant, from: Uint8Array, start: number, end: number): void {
    this.#take(Math.floor(now * TICKS_PER_MS) % 0x1_0000_0000, false, from, start, end);
  }

  #take(timestamp: number, marker: boolean, from: Uint8Array, start: number, end: number): void {
    this.#taken++;
    if (end === start) this.#drops.count("headend.empty");
    else if (this.#options.content === "datagram") this.#send(timestamp, marker, from, start, end);
    else if (!isTs(from, start, end)) this.#drops.count("headend.not-ts");
    else
      for (let at = start; at < end; at += TS_PAYLOAD)
        this.#send(timestamp, marker && at === start, from, at, Math.min(end, at + TS_PAYLOAD));
  }

  #send(timestamp: number, marker: boolean, from: Uint8Array, start: number, end: number): void {
    const drop = this.#obstacle(end - start);
    const slot = drop === undefined ? this.#free.pop() : undefined;
    if (slot === undefined) this.#drops.count(drop ?? "headend.ring-full");
    else this.#fill(slot, timestamp, marker, from, start, end);
  }

  #obstacle(length: number): PathDrop | undefined {
    if (length > this.#largest) return "headend.oversized";
    return this.#options.sender.epoch === undefined ? "headend.no-epoch" : undefined;
  }

  #fill(slot: Slot, timestamp: number, marker: boolean, from: Uint8Array, start: number, end: number): void {
    const { sender, group, port, payloadType } = this.#options;
    writeRtpHeader(slot.buffer, payloadType, timestamp, marker);
    slot.buffer.set(from.subarray(start, end), RTP_HEADER);
    const whole = sender.protect(slot.buffer, RTP_HEADER + end - start);
    slot.payload = end - start;
    this.#socket.send(slot.buffer.subarray(0, whole), group, port, slot.sent);
  }

  #slot(buffer: Uint8Array): Slot {
    const slot: Slot = {
      buffer,
      payload: 0,
      sent: (error) => {
        this.#free.push(slot);
        if (error === undefined) this.#left(slot);
        else this.#sendFailed(error);
      },
    };
    return slot;
  }

  #left({ payload }: Slot): void {
    this.#sent++;
    this.#octets += payload;
  }

  #sendFailed(error: HalError): void {
    this.#failed++;
    this.#failure = error;
    this.#drops.count("headend.send-failed");
  }
}

/** Whole TS packets, each with its sync octet (ISO/IEC 13818-1 section 2.4.3.2). */
function isTs(from: Uint8Array, start: number, end: number): boolean {
  if ((end - start) % TS_PACKET !== 0) return false;
  for (let at = start; at < end; at += TS_PACKET) if (from[at] !== TS_SYNC) return false;
  return true;
}
