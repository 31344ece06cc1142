// When each octet of a transport stream is due, by its PCRs (ISO/IEC 13818-1 section 2.4.2.2): between two PCRs the rate is constant.
import { type Duration, milliseconds } from "../base/time.ts";
import { isDiscontinuity, PCR_HZ, PCR_WRAP, pcrOf, pidOf, TS_PACKET } from "./packet.ts";

/** PCRs are at most 100 ms apart (2.7.2); what is further apart than this is a new time base. */
const LONGEST_GAP = PCR_HZ;
/** How much of the rate so far counts at each new interval: about the last ten. */
const MEMORY = 0.9;
/** Anchors kept ahead of what has been sent; more than any read-ahead holds. */
const MOST_ANCHORS = 4096;

interface Anchor {
  /** Octets from the start of the stream. */
  readonly offset: number;
  /** Milliseconds from the start. */
  readonly time: number;
}

/**
 * Feed it whole TS packets in order with `scan`; where the clock begins anew (a looped file, a discontinuity) time goes on at the rate so
 * far. With a fixed `bitrate` the PCRs are not looked at.
 */
export class TsPacer {
  readonly #anchors: Anchor[] = [];
  /** Octets per millisecond, 0 until it is known: over several intervals, so that one absurd PCR cannot stretch what is bridged by it. */
  #rate: number;
  #octets = 0;
  #span = 0;
  readonly #fixed: boolean;
  #pid = -1;
  #lastPcr = -1;
  #scanned = 0;

  /** `bitrate` in bit/s, above 0. */
  constructor(bitrate?: number) {
    this.#fixed = bitrate !== undefined;
    this.#rate = bitrate === undefined ? 0 : bitrate / 8000;
  }

  /** Whether a rate is known: two PCRs of one time base, or a fixed bitrate. */
  get known(): boolean {
    return this.#rate > 0;
  }

  /** Octets scanned so far. */
  get scanned(): number {
    return this.#scanned;
  }

  /** stream[start, end) is whole TS packets, or anything when the bitrate is fixed. */
  scan(stream: Uint8Array, start: number, end: number): void {
    if (!this.#fixed)
      for (let at = start; at < end; at += TS_PACKET) this.#look(stream, at, this.#scanned + at - start);
    this.#scanned += end - start;
  }

  /** When the octet at `offset` is due, counted from the start of the stream. RangeError while no rate is known. */
  dueAt(offset: number): Duration {
    if (!this.known) throw new RangeError("no PCR and no bitrate: when an octet is due is not known");
    const first = this.#anchors[0];
    if (first === undefined) return milliseconds(offset / this.#rate);
    let before = first;
    for (const anchor of this.#anchors) {
      if (anchor.offset > offset) return milliseconds(interpolate(before, anchor, offset, this.#rate));
      before = anchor;
    }
    return milliseconds(before.time + (offset - before.offset) / this.#rate);
  }

  /** Everything before `offset` has been sent: its anchors are not needed any more. */
  release(offset: number): void {
    while (this.#anchors.length > 1 && (this.#anchors[1]?.offset ?? Number.POSITIVE_INFINITY) <= offset)
      this.#anchors.shift();
  }

  #look(stream: Uint8Array, at: number, offset: number): void {
    const pcr = pcrOf(stream, at);
    if (pcr === undefined) return;
    if (this.#pid < 0) this.#pid = pidOf(stream, at);
    // A multiplex has a clock a programme: the first one paces all.
    if (pidOf(stream, at) !== this.#pid) return;
    this.#anchor(offset, pcr, isDiscontinuity(stream, at));
    this.#lastPcr = pcr;
  }

  #anchor(offset: number, pcr: number, discontinuity: boolean): void {
    const last = this.#anchors.at(-1);
    if (last === undefined || this.#lastPcr < 0) {
      this.#push({ offset, time: 0 });
      return;
    }
    const gap = (pcr - this.#lastPcr + PCR_WRAP) % PCR_WRAP;
    if (discontinuity || gap === 0 || gap > LONGEST_GAP) {
      // A new time base: it goes on where the old rate has led. Before there is a rate, it begins anew.
      if (this.known) this.#push({ offset, time: last.time + (offset - last.offset) / this.#rate });
      else this.#anchors.splice(0, 1, { offset, time: 0 });
      return;
    }
    const span = (gap * 1000) / PCR_HZ;
    if (!this.known) this.#begin(offset, span);
    else this.#push({ offset, time: last.time + span });
    this.#measured(offset - last.offset, span);
  }

  #measured(octets: number, span: number): void {
    this.#octets = this.#octets * MEMORY + octets;
    this.#span = this.#span * MEMORY + span;
    this.#rate = this.#octets / this.#span;
  }

  /** The second PCR gives the rate, and with it the time of the octets before the first. */
  #begin(offset: number, span: number): void {
    const first = this.#anchors[0];
    if (first === undefined) return;
    const time = first.offset / ((offset - first.offset) / span);
    this.#anchors.splice(0, 1, { offset: first.offset, time });
    this.#push({ offset, time: time + span });
  }

  #push(anchor: Anchor): void {
    this.#anchors.push(anchor);
    if (this.#anchors.length > MOST_ANCHORS) this.#anchors.shift();
  }
}

/** Between two anchors in proportion; before the first one backwards at the known rate. */
function interpolate(a: Anchor, b: Anchor, offset: number, rate: number): number {
  if (b.offset === a.offset) return Math.max(0, a.time - (a.offset - offset) / rate);
  return a.time + ((offset - a.offset) / (b.offset - a.offset)) * (b.time - a.time);
}
