// Puts packets that overtook each other back in order, within a small window, and passes on each at once when none is missing.
import { after, type Duration, type Instant, instant } from "../base/time.ts";
import { WINDOW } from "../stream/replay-window.ts";

/** packet[0, length) in order; valid during the call. */
export type Deliver = (packet: Uint8Array, length: number) => void;

/** Octets that a held packet may have: a UDP datagram over Ethernet is far below. */
const SLOT = 2048;

interface Slot {
  readonly bytes: Uint8Array;
  /** 0 when the slot is free. */
  length: number;
  giveUpAt: Instant;
}

export interface ReorderCounts {
  /** Held back until an earlier one came or was given up. */
  held: number;
  /** Sequence numbers given up: they had not come in time. */
  skipped: number;
  /** Came after they had been given up, and are not handed on: the order is kept. */
  late: number;
}

/**
 * Duplicates must have been dropped before. A packet that is in order costs no copy. A gap is given up when a packet comes more than
 * `depth` behind it, or when the first that waits has waited for `patience`. With depth 0 nothing is held, and what comes late is dropped.
 */
export class Reorder {
  readonly counts: ReorderCounts = { held: 0, skipped: 0, late: 0 };
  readonly #depth: number;
  readonly #patience: Duration;
  readonly #deliver: Deliver;
  readonly #slots: readonly Slot[];
  #expected = -1;
  #waiting = 0;
  #giveUpAt: Instant | undefined;

  constructor(depth: number, patience: Duration, deliver: Deliver) {
    if (depth < 0 || depth > WINDOW) throw new RangeError(`reorder depth must be 0 to ${WINDOW}: ${depth}`);
    this.#depth = depth;
    this.#patience = patience;
    this.#deliver = deliver;
    this.#slots = slotsFor(depth);
  }

  /** When `expire` has work; undefined while nothing is held. */
  get giveUpAt(): Instant | undefined {
    return this.#giveUpAt;
  }

  /** A packet that authenticated; `sequence` is its RTP sequence number. */
  push(now: Instant, sequence: number, packet: Uint8Array, length: number): void {
    if (this.#expected < 0) this.#expected = sequence;
    const ahead = (sequence - this.#expected) & 0xffff;
    if (ahead === 0) this.#pass(packet, length);
    else if (ahead >= 0x10000 - WINDOW) this.counts.late++;
    else this.#early(now, sequence, packet, length);
  }

  /** Gives up what has been missing for too long. */
  expire(now: Instant): void {
    if (this.#giveUpAt === undefined || now < this.#giveUpAt) return;
    this.#skipToHeld();
  }

  /** The stream ends or another begins: hands on whatever is held, gaps and all, and takes the next packet as the first. */
  restart(): void {
    while (this.#waiting > 0) this.#skipToHeld();
    this.#expected = -1;
  }

  #pass(packet: Uint8Array, length: number): void {
    this.#deliver(packet, length);
    this.#expected = (this.#expected + 1) & 0xffff;
    if (this.#waiting > 0) this.#release();
  }

  #early(now: Instant, sequence: number, packet: Uint8Array, length: number): void {
    const reach = length > SLOT ? 0 : this.#depth;
    while (this.#waiting > 0 && this.#ahead(sequence) > reach) this.#skipToHeld();
    const ahead = this.#ahead(sequence);
    if (ahead > 0 && ahead <= reach) {
      this.#hold(now, sequence, packet, length);
      return;
    }
    this.counts.skipped += ahead;
    this.#expected = sequence;
    this.#pass(packet, length);
  }

  #hold(now: Instant, sequence: number, packet: Uint8Array, length: number): void {
    const slot = this.#slotOf(sequence);
    slot.bytes.set(length < packet.length ? packet.subarray(0, length) : packet);
    slot.length = length;
    slot.giveUpAt = after(now, this.#patience);
    this.#waiting++;
    this.counts.held++;
    this.#giveUpAt ??= slot.giveUpAt;
  }

  /** The packets that follow without a gap. */
  #release(): void {
    for (let slot = this.#slotOf(this.#expected); slot.length > 0; slot = this.#slotOf(this.#expected)) {
      const { length } = slot;
      slot.length = 0;
      this.#waiting--;
      this.#expected = (this.#expected + 1) & 0xffff;
      this.#deliver(slot.bytes, length);
    }
    this.#giveUpAt = this.#waiting === 0 ? undefined : this.#nextHeld().giveUpAt;
  }

  #skipToHeld(): void {
    while (this.#slotOf(this.#expected).length === 0) {
      this.#expected = (this.#expected + 1) & 0xffff;
      this.counts.skipped++;
    }
    this.#release();
  }

  #nextHeld(): Slot {
    let sequence = this.#expected;
    while (this.#slotOf(sequence).length === 0) sequence = (sequence + 1) & 0xffff;
    return this.#slotOf(sequence);
  }

  #ahead(sequence: number): number {
    return (sequence - this.#expected) & 0xffff;
  }

  #slotOf(sequence: number): Slot {
    const slot = this.#slots[sequence & (this.#slots.length - 1)];
    if (slot === undefined) throw new RangeError("no slots");
    return slot;
  }
}

/** A power of two, so that slots stay the same across the wrap of the sequence number; one more than can be ahead. */
function slotsFor(depth: number): readonly Slot[] {
  const count = depth === 0 ? 1 : 2 ** Math.ceil(Math.log2(depth + 1));
  const octets = depth === 0 ? 0 : SLOT;
  return Array.from({ length: count }, () => ({ bytes: new Uint8Array(octets), length: 0, giveUpAt: instant(0) }));
}
