// Where a looped transport stream begins again. Its clocks go back there, which ISO/IEC 13818-1 section 2.4.3.5 wants to be marked; its
// counters need not: they go on. Payload is not touched. Its times (PTS, DTS) are not made to go on either: the ends of a file seldom
// meet to the tick (sound outlasts picture by part of a frame), and what else in it tells the time is not ours to know.
import {
  continuityOf,
  hasPayload,
  isDamaged,
  isDiscontinuity,
  NULL_PID,
  PCR_HZ,
  PCR_WRAP,
  PIDS,
  pcrOf,
  pidOf,
  TS_PACKET,
  writeContinuity,
  writeDiscontinuity,
  writePcr,
} from "./packet.ts";

/** PIDs that are marked, the lowest first; a multiplex with more (a large one has 200) is a rare thing or an attack. */
export const MOST_MARKS = 1024;
/** PCRs are at most 100 ms apart (2.7.2); over a longer gap they tell no rate. */
const LONGEST_GAP = PCR_HZ;
const UNSEEN = -1;

interface Tick {
  /** Octets from the start of the pass. */
  readonly offset: number;
  /** Of 27 MHz. */
  readonly pcr: number;
}

/** How a programme clock runs at the start of a pass. */
interface ClockStart {
  readonly first: Tick;
  /** The last PCR that was looked at. */
  readonly last: Tick;
  /** Ticks an octet, by the first two PCRs that tell it; 0 until then. */
  readonly rate: number;
}

/**
 * One per looped stream. Hand it each pass in order with `follow`; between two passes, `write` the marks: for each PID a packet
 * without payload whose discontinuity_indicator is set, with the clock of the pass to come where the PID carries one. The standard
 * asks that no time of the new base comes before its clock, so all marks stand before the first packet of the pass.
 */
export class LoopJoint {
  /** By PID: the counter of its last packet, as it was sent. */
  readonly #last = new Int8Array(PIDS).fill(UNSEEN);
  /** By PID: what is added to the counters of this pass; UNSEEN before its first packet. */
  readonly #shift = new Int8Array(PIDS).fill(UNSEEN);
  /** By PID, of this pass. */
  readonly #clocks = new Map<number, ClockStart>();
  /** Octets of this pass so far. */
  #offset = 0;

  /** stream[start, end) is whole packets of one pass, in order. Rewrites their continuity counters so that they go on. */
  follow(stream: Uint8Array, start: number, end: number): void {
    for (let at = start; at < end; at += TS_PACKET) {
      if (!isDamaged(stream, at)) this.#packet(stream, at, this.#offset + at - start);
    }
    this.#offset += end - start;
  }

  /** Octets of the marks that are due now: 188 for each PID that has been seen. */
  get length(): number {
    return TS_PACKET * this.#marked().length;
  }

  /** Ends a pass: writes `length` octets of marks to into[at...]. What is followed next is the beginning of another pass. */
  write(into: Uint8Array, at: number): void {
    const pids = this.#marked();
    for (const [i, pid] of pids.entries()) {
      const mark = at + i * TS_PACKET;
      writeDiscontinuity(into, mark, pid, this.#last[pid] ?? 0);
      const clock = this.#clocks.get(pid);
      if (clock !== undefined) writePcr(into, mark, pcrBefore(clock, (pids.length - i) * TS_PACKET));
    }
    this.#shift.fill(UNSEEN);
    this.#clocks.clear();
    this.#offset = 0;
  }

  #marked(): readonly number[] {
    const pids: number[] = [];
    for (let pid = 0; pid < PIDS && pids.length < MOST_MARKS; pid++) if (this.#last[pid] !== UNSEEN) pids.push(pid);
    return pids;
  }

  #packet(stream: Uint8Array, at: number, offset: number): void {
    const pid = pidOf(stream, at);
    // 2.4.3.3: the counter of null packets is undefined.
    if (pid === NULL_PID) return;
    this.#count(stream, at, pid);
    const pcr = pcrOf(stream, at);
    if (pcr !== undefined) this.#clock(pid, { offset, pcr }, isDiscontinuity(stream, at));
  }

  /** The first packet of a PID in a pass says by how much the counters of that pass are off; gaps within it stay what they are. */
  #count(stream: Uint8Array, at: number, pid: number): void {
    const counter = continuityOf(stream, at);
    if (this.#shift[pid] === UNSEEN) this.#shift[pid] = this.#shiftFor(pid, counter, hasPayload(stream, at));
    const sent = (counter + (this.#shift[pid] ?? 0)) & 15;
    writeContinuity(stream, at, sent);
    this.#last[pid] = sent;
  }

  #shiftFor(pid: number, counter: number, payload: boolean): number {
    const last = this.#last[pid] ?? UNSEEN;
    return last === UNSEEN ? 0 : (last + (payload ? 1 : 0) - counter) & 15;
  }

  #clock(pid: number, tick: Tick, anew: boolean): void {
    const clock = this.#clocks.get(pid);
    if (clock === undefined) this.#clocks.set(pid, { first: tick, last: tick, rate: 0 });
    else if (clock.rate === 0)
      this.#clocks.set(pid, { first: clock.first, last: tick, rate: anew ? 0 : rateOf(clock.last, tick) });
  }
}

/** Ticks an octet between two PCRs; 0 when they do not tell. */
function rateOf(a: Tick, b: Tick): number {
  const gap = (b.pcr - a.pcr + PCR_WRAP) % PCR_WRAP;
  return gap > LONGEST_GAP ? 0 : gap / (b.offset - a.offset);
}

/** What the clock shows `octets` before the pass begins, so that it runs into the first PCR without a step. */
function pcrBefore({ first, rate }: ClockStart, octets: number): number {
  const pcr = Math.round(first.pcr - (first.offset + octets) * rate) % PCR_WRAP;
  return pcr < 0 ? pcr + PCR_WRAP : pcr;
}
