// Captures as tcpdump and Wireshark write them, read as their octets come: which format it is, and the reader for it.
import { readUint32 } from "../base/bytes.ts";
import {
  type CapturedPacket,
  type CaptureFault,
  faulty,
  needs,
  type RecordReader,
  type Step,
} from "./captured-packet.ts";
import { isPcap, PcapReader } from "./pcap.ts";
import { isPcapng, PcapngReader } from "./pcapng.ts";

const MAGIC = 4;

/**
 * Takes the file in parts of any size. Packets come in file order; a fault comes last and ends it: what is whole before it still
 * counts. Of what has been read it keeps one unfinished record, at most LARGEST_BLOCK of pcapng.ts.
 */
export class CaptureReader {
  #reader: RecordReader | undefined;
  #parts: Uint8Array[] = [];
  #size = 0;
  #needed = MAGIC;
  /** Octets still to come that nobody wants. */
  #unwanted = 0;
  #ended = false;

  /** The next octets of the file; they must not change while their packets are in use. */
  *read(octets: Uint8Array): Generator<CapturedPacket | CaptureFault, void> {
    this.#add(octets);
    if (this.#ended || this.#size < this.#needed) return;
    const whole = joined(this.#parts, this.#size);
    let at = 0;
    let step = this.#next(whole, at);
    for (; step.kind === "took"; step = this.#next(whole, at)) {
      if (step.packet !== undefined) yield step.packet;
      at += step.octets;
    }
    if (step.kind === "fault") yield this.#fail(step.reason);
    else this.#keep(whole, at, step.octets);
  }

  /** The file is over. */
  *end(): Generator<CaptureFault, void> {
    if (this.#ended) return;
    if (this.#reader === undefined) yield this.#fail("capture.format");
    else if (this.#size > 0 || this.#unwanted > 0) yield this.#fail("capture.truncated");
  }

  #add(octets: Uint8Array): void {
    const passed = Math.min(this.#unwanted, octets.length);
    this.#unwanted -= passed;
    this.#parts.push(octets.subarray(passed));
    this.#size += octets.length - passed;
  }

  #next(octets: Uint8Array, at: number): Step {
    if (octets.length - at < MAGIC) return needs(MAGIC);
    this.#reader ??= readerFor(octets);
    return this.#reader?.next(octets, at) ?? faulty("capture.format");
  }

  #keep(octets: Uint8Array, at: number, needed: number): void {
    this.#unwanted = Math.max(0, at - octets.length);
    this.#parts = at < octets.length ? [octets.subarray(at)] : [];
    this.#size = Math.max(0, octets.length - at);
    this.#needed = needed;
  }

  #fail(reason: CaptureFault): CaptureFault {
    this.#ended = true;
    this.#parts = [];
    return reason;
  }
}

function readerFor(octets: Uint8Array): RecordReader | undefined {
  const magic = readUint32(octets, 0);
  if (isPcapng(magic)) return new PcapngReader();
  return isPcap(magic) ? new PcapReader(magic) : undefined;
}

function joined(parts: readonly Uint8Array[], size: number): Uint8Array {
  const [first] = parts;
  if (first !== undefined && parts.length === 1) return first;
  const whole = new Uint8Array(size);
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}
