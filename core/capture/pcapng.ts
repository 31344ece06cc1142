// The pcapng file (draft-ietf-opsawg-pcapng): sections of either byte order, several interfaces, each with its own clock resolution.
import { type UnixTime, unixTime } from "../base/time.ts";
import {
  BIG_ENDIAN,
  type ByteOrder,
  type CapturedPacket,
  type CaptureFault,
  type CaptureInterface,
  faulty,
  LITTLE_ENDIAN,
  MAX_NAME,
  MAX_PACKET,
  needs,
  type RecordReader,
  type Step,
} from "./captured-packet.ts";

const SECTION_HEADER = 0x0a0d0d0a;
const INTERFACE_DESCRIPTION = 1;
const OBSOLETE_PACKET = 2;
const SIMPLE_PACKET = 3;
const ENHANCED_PACKET = 6;

const BYTE_ORDER = 8;
const BYTE_ORDER_MAGIC = 0x1a2b3c4d;
const BYTE_ORDER_SWAPPED = 0x4d3c2b1a;

/** Type and length before the body, the length again after it. */
const BODY = 8;
const TRAILER = 4;
const SMALLEST_BLOCK = BODY + TRAILER;
const SMALLEST_SECTION = 28;
/** A packet and megabytes of comments: a block that we read and that is longer is none. */
const LARGEST_BLOCK = 4 * MAX_PACKET;

const OPTION_NAME = 2;
const OPTION_RESOLUTION = 9;
const OPTION_OFFSET = 14;
const MAX_INTERFACES = 1024;

interface Interface extends CaptureInterface {
  readonly linkType: number;
  /** 0 is unlimited. */
  readonly snapLength: number;
  readonly ticksPerSecond: bigint;
  readonly offsetSeconds: bigint;
}

/** A block's body: from `body` to `end` in `octets`. */
interface Block {
  readonly octets: Uint8Array;
  readonly body: number;
  readonly end: number;
}

/** By the first four octets, which read the same in both byte orders. */
export const isPcapng = (magic: number): boolean => magic === SECTION_HEADER;

/** Blocks of types that carry no packets are passed over, whatever their size. */
export class PcapngReader implements RecordReader {
  #order: ByteOrder = BIG_ENDIAN;
  #interfaces: Interface[] = [];
  /** A Simple Packet has no time: it takes that of the packet before it. */
  #last: UnixTime = unixTime(0);

  next(octets: Uint8Array, at: number): Step {
    if (at + SMALLEST_BLOCK > octets.length) return needs(SMALLEST_BLOCK);
    if (BIG_ENDIAN.uint32(octets, at) === SECTION_HEADER) {
      const fault = this.#startSection(octets, at);
      if (fault !== undefined) return faulty(fault);
    }
    const type = this.#order.uint32(octets, at);
    const length = this.#order.uint32(octets, at + 4);
    if (length % 4 !== 0 || length < (type === SECTION_HEADER ? SMALLEST_SECTION : SMALLEST_BLOCK))
      return faulty("capture.block-length");
    if (length > LARGEST_BLOCK) return isRead(type) ? faulty("capture.block-length") : { kind: "took", octets: length };
    if (at + length > octets.length) return needs(length);
    return this.#block(type, { octets, body: at + BODY, end: at + length - TRAILER }, length);
  }

  #startSection(octets: Uint8Array, at: number): CaptureFault | undefined {
    const magic = BIG_ENDIAN.uint32(octets, at + BYTE_ORDER);
    if (magic !== BYTE_ORDER_MAGIC && magic !== BYTE_ORDER_SWAPPED) return "capture.byte-order";
    this.#order = magic === BYTE_ORDER_SWAPPED ? LITTLE_ENDIAN : BIG_ENDIAN;
    this.#interfaces = [];
    return undefined;
  }

  #block(type: number, block: Block, length: number): Step {
    if (this.#order.uint32(block.octets, block.end) !== length) return faulty("capture.block-length");
    const found = this.#read(type, block);
    if (typeof found === "string") return faulty(found);
    return { kind: "took", octets: length, ...(found === undefined ? {} : { packet: found }) };
  }

  #read(type: number, block: Block): CapturedPacket | CaptureFault | undefined {
    switch (type) {
      case INTERFACE_DESCRIPTION:
        return this.#addInterface(block);
      case ENHANCED_PACKET:
        return this.#timedPacket(block, this.#order.uint32(block.octets, block.body));
      case OBSOLETE_PACKET:
        return this.#timedPacket(block, this.#order.uint16(block.octets, block.body));
      case SIMPLE_PACKET:
        return this.#simplePacket(block);
      default:
        return undefined;
    }
  }

  #addInterface(block: Block): CaptureFault | undefined {
    const { octets, body, end } = block;
    if (body + 8 > end) return "capture.block-length";
    const index = this.#interfaces.length;
    if (index >= MAX_INTERFACES) return "capture.too-many-interfaces";
    const { uint16, uint32 } = this.#order;
    const fixed = { index, linkType: uint16(octets, body), snapLength: uint32(octets, body + 4) };
    this.#interfaces.push({ ...fixed, ...interfaceOptions(block, this.#order) });
    return undefined;
  }

  /** Both forms agree but for how wide the interface's number is. */
  #timedPacket({ octets, body, end }: Block, index: number): CapturedPacket | CaptureFault {
    const { uint32 } = this.#order;
    if (body + 20 > end) return "capture.block-length";
    const source = this.#interfaces[index];
    if (source === undefined) return "capture.interface";
    const captured = uint32(octets, body + 12);
    if (captured > MAX_PACKET) return "capture.packet-length";
    if (body + 20 + captured > end) return "capture.block-length";
    this.#last = timeOf(source, (BigInt(uint32(octets, body + 4)) << 32n) | BigInt(uint32(octets, body + 8)));
    return this.#packet(source, octets.subarray(body + 20, body + 20 + captured), uint32(octets, body + 16));
  }

  #simplePacket({ octets, body, end }: Block): CapturedPacket | CaptureFault {
    const source = this.#interfaces[0];
    if (source === undefined) return "capture.interface";
    if (body + 4 > end) return "capture.block-length";
    const original = this.#order.uint32(octets, body);
    const captured = source.snapLength === 0 ? original : Math.min(original, source.snapLength);
    if (captured > MAX_PACKET) return "capture.packet-length";
    if (body + 4 + captured > end) return "capture.block-length";
    return this.#packet(source, octets.subarray(body + 4, body + 4 + captured), original);
  }

  #packet(source: Interface, bytes: Uint8Array, original: number): CapturedPacket {
    return { at: this.#last, linkType: source.linkType, source, bytes, length: Math.max(bytes.length, original) };
  }
}

const isRead = (type: number): boolean =>
  [SECTION_HEADER, INTERFACE_DESCRIPTION, OBSOLETE_PACKET, SIMPLE_PACKET, ENHANCED_PACKET].includes(type);

/** if_name, if_tsresol and if_tsoffset; options that run out of the block end the list. */
function interfaceOptions({ octets, body, end }: Block, { uint16, int64 }: ByteOrder) {
  const found = { name: "", ticksPerSecond: 1_000_000n, offsetSeconds: 0n };
  for (let at = body + 8; at + 4 <= end; ) {
    const code = uint16(octets, at);
    const length = uint16(octets, at + 2);
    const value = octets.subarray(at + 4, at + 4 + length);
    if (code === 0 || at + 4 + length > end) break;
    if (code === OPTION_NAME) found.name = asciiOf(value);
    if (code === OPTION_RESOLUTION && length === 1) found.ticksPerSecond = resolution(value[0] ?? 0);
    if (code === OPTION_OFFSET && length === 8) found.offsetSeconds = int64(value, 0);
    at += 4 + Math.ceil(length / 4) * 4;
  }
  return found;
}

/** The top bit chooses between negative powers of 2 and of 10. */
const resolution = (octet: number): bigint => (octet & 0x80 ? 2n : 10n) ** BigInt(octet & 0x7f);

/** A name is for people to read: what is not printable ASCII is "?". */
function asciiOf(value: Uint8Array): string {
  const terminator = value.indexOf(0);
  const text = value.subarray(0, Math.min(MAX_NAME, terminator < 0 ? value.length : terminator));
  return Array.from(text, (octet) => (octet >= 0x20 && octet < 0x7f ? String.fromCharCode(octet) : "?")).join("");
}

function timeOf({ ticksPerSecond, offsetSeconds }: Interface, ticks: bigint): UnixTime {
  const whole = ticks / ticksPerSecond + offsetSeconds;
  const nanos = ((ticks % ticksPerSecond) * 1_000_000_000n) / ticksPerSecond;
  return unixTime(Number(whole) * 1000 + Number(nanos) / 1e6);
}
