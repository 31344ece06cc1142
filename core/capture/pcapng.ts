// The pcapng file (draft-ietf-opsawg-pcapng): sections of either byte order, several interfaces, each with its own clock resolution.
import { type UnixTime, unixTime } from "../base/time.ts";
import { type CapturedPacket, type CaptureFault, MAX_PACKET } from "./captured-packet.ts";

const SECTION_HEADER = 0x0a0d0d0a;
const INTERFACE_DESCRIPTION = 1;
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

const OPTION_RESOLUTION = 9;
const OPTION_OFFSET = 14;
const MAX_INTERFACES = 1024;

interface Interface {
  readonly linkType: number;
  /** 0 is unlimited. */
  readonly snapLength: number;
  readonly ticksPerSecond: bigint;
  readonly offsetSeconds: bigint;
}

/** What the blocks of one section are read with. */
interface Section {
  readonly view: DataView;
  readonly little: boolean;
  readonly interfaces: Interface[];
  /** A Simple Packet has no time: it takes that of the packet before it. */
  last: UnixTime;
}

interface Block {
  readonly type: number;
  readonly body: number;
  readonly end: number;
}

/** Blocks of types that carry no packets are passed over. */
export function* readPcapng(file: Uint8Array): Generator<CapturedPacket | CaptureFault, void> {
  const view = new DataView(file.buffer, file.byteOffset, file.byteLength);
  let section: Section = { view, little: false, interfaces: [], last: unixTime(0) };
  for (let at = 0; at < file.length; ) {
    const started = startSection(section, at);
    if (typeof started === "string") return yield started;
    section = started;
    const block = readBlock(section, at);
    if (typeof block === "string") return yield block;
    const found = readBody(section, block, file);
    if (found !== undefined) yield found;
    if (typeof found === "string") return;
    at = block.end + TRAILER;
  }
}

/** A new section when one begins at `at`, else the same. */
function startSection(section: Section, at: number): Section | CaptureFault {
  const { view } = section;
  if (at + SMALLEST_BLOCK > view.byteLength) return "capture.truncated";
  // Its type reads the same in both orders.
  if (view.getUint32(at) !== SECTION_HEADER) return section;
  const magic = view.getUint32(at + BYTE_ORDER);
  if (magic !== BYTE_ORDER_MAGIC && magic !== BYTE_ORDER_SWAPPED) return "capture.byte-order";
  return { view, little: magic === BYTE_ORDER_SWAPPED, interfaces: [], last: section.last };
}

function readBlock({ view, little }: Section, at: number): Block | CaptureFault {
  const type = view.getUint32(at, little);
  const length = view.getUint32(at + 4, little);
  const smallest = type === SECTION_HEADER ? SMALLEST_SECTION : SMALLEST_BLOCK;
  if (length % 4 !== 0 || length < smallest) return "capture.block-length";
  if (at + length > view.byteLength) return "capture.truncated";
  const end = at + length - TRAILER;
  if (view.getUint32(end, little) !== length) return "capture.block-length";
  return { type, body: at + BODY, end };
}

function readBody(section: Section, block: Block, file: Uint8Array): CapturedPacket | CaptureFault | undefined {
  switch (block.type) {
    case INTERFACE_DESCRIPTION:
      return addInterface(section, block);
    case ENHANCED_PACKET:
      return enhancedPacket(section, block, file);
    case SIMPLE_PACKET:
      return simplePacket(section, block, file);
    default:
      return undefined;
  }
}

function addInterface(section: Section, { body, end }: Block): CaptureFault | undefined {
  const { view, little, interfaces } = section;
  if (body + 8 > end) return "capture.block-length";
  if (interfaces.length >= MAX_INTERFACES) return "capture.too-many-interfaces";
  const clock = readClock(section, body + 8, end);
  interfaces.push({ linkType: view.getUint16(body, little), snapLength: view.getUint32(body + 4, little), ...clock });
  return undefined;
}

/** if_tsresol and if_tsoffset; options that run out of the block end the list. */
function readClock({ view, little }: Section, from: number, end: number) {
  let ticksPerSecond = 1_000_000n;
  let offsetSeconds = 0n;
  for (let at = from; at + 4 <= end; ) {
    const code = view.getUint16(at, little);
    const length = view.getUint16(at + 2, little);
    if (code === 0 || at + 4 + length > end) break;
    if (code === OPTION_RESOLUTION && length === 1) ticksPerSecond = resolution(view.getUint8(at + 4));
    if (code === OPTION_OFFSET && length === 8) offsetSeconds = view.getBigInt64(at + 4, little);
    at += 4 + Math.ceil(length / 4) * 4;
  }
  return { ticksPerSecond, offsetSeconds };
}

/** The top bit chooses between negative powers of 2 and of 10. */
const resolution = (octet: number): bigint => (octet & 0x80 ? 2n : 10n) ** BigInt(octet & 0x7f);

function enhancedPacket(section: Section, { body, end }: Block, file: Uint8Array): CapturedPacket | CaptureFault {
  const { view, little } = section;
  if (body + 20 > end) return "capture.block-length";
  const source = section.interfaces[view.getUint32(body, little)];
  if (source === undefined) return "capture.interface";
  const length = view.getUint32(body + 12, little);
  if (length > MAX_PACKET) return "capture.packet-length";
  if (body + 20 + length > end) return "capture.block-length";
  const ticks = (BigInt(view.getUint32(body + 4, little)) << 32n) | BigInt(view.getUint32(body + 8, little));
  section.last = timeOf(source, ticks);
  return { at: section.last, linkType: source.linkType, bytes: file.subarray(body + 20, body + 20 + length) };
}

function timeOf({ ticksPerSecond, offsetSeconds }: Interface, ticks: bigint): UnixTime {
  const whole = ticks / ticksPerSecond + offsetSeconds;
  const nanos = ((ticks % ticksPerSecond) * 1_000_000_000n) / ticksPerSecond;
  return unixTime(Number(whole) * 1000 + Number(nanos) / 1e6);
}

function simplePacket(section: Section, { body, end }: Block, file: Uint8Array): CapturedPacket | CaptureFault {
  const { view, little, interfaces } = section;
  const source = interfaces[0];
  if (source === undefined) return "capture.interface";
  if (body + 4 > end) return "capture.block-length";
  const original = view.getUint32(body, little);
  const length = source.snapLength === 0 ? original : Math.min(original, source.snapLength);
  if (length > MAX_PACKET) return "capture.packet-length";
  if (body + 4 + length > end) return "capture.block-length";
  return { at: section.last, linkType: source.linkType, bytes: file.subarray(body + 4, body + 4 + length) };
}
