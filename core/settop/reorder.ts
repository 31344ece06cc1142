// Puts packets that overtook each other back in order, within a small window, and passes on each at once when none is missing.

import { WINDOW } from "../base/replay-window.ts";
import { after, type Duration, type Instant, instant } from "../base/time.ts";
import { HALF_TURN } from "../stream/packet-index.ts";

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

/** Packets, since the beginning. */
export interface ReorderCounts {
  /** Held back until an earlier one came or was given up. */
  held: number;
  /** Packets given up: they had not come in time. */
  skipped: number;
  /** Came after they had been given up, and are not handed on: the order is kept. */
  late: number;
}

/**
 * Works on packet indices (2^16 * ROC + SEQ), which are unique where sequence numbers are not. Duplicates must have been dropped
 * before. A packet that is in order costs no copy. A gap is given up when a packet comes more than `depth` behind it, or when the
 * first that waits has waited for `patience`. With depth 0 nothing is held, and what comes late is dropped.
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

  /** RangeError for a depth that is not 0 to 1024. */
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

  /** A packet that authenticated, and its index. */
  push(now: Instant, index: number, packet: Uint8Array, length: number): void {
    // The replay window lets nothing through so far back: the sender has started anew.
    if (index < this.#expected - WINDOW) this.restart();
    if (this.#expected < 0) this.#expected = index;
    if (index === this.#expected) this.#pass(packet, length);
    else if (index < this.#expected) this.counts.late++;
    else this.#early(now, index, packet, length);
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
    this.#expected++;
    if (this.#waiting > 0) this.#release();
  }

  #early(now: Instant, index: number, packet: Uint8Array, length: number): void {
    const reach = length > SLOT ? 0 : this.#depth;
    while (this.#waiting > 0 && index - this.#expected > reach) this.#skipToHeld();
    const ahead = index - this.#expected;
    if (ahead > 0 && ahead <= reach) {
      this.#hold(now, index, packet, length);
      return;
    }
    // A leap is an outage or another start of the sender: its packets were not missed here.
    if (ahead < HALF_TURN) this.counts.skipped += ahead;
    this.#expected = index;
    this.#pass(packet, length);
  }

  #hold(now: Instant, index: number, packet: Uint8Array, length: number): void {
    const slot = this.#slotOf(index);
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
      this.#expected++;
      this.#deliver(slot.bytes, length);
    }
    this.#giveUpAt = this.#waiting === 0 ? undefined : this.#nextHeld().giveUpAt;
  }

  #skipToHeld(): void {
    while (this.#slotOf(this.#expected).length === 0) {
      this.#expected++;
      this.counts.skipped++;
    }
    this.#release();
  }

  #nextHeld(): Slot {
    let index = this.#expected;
    while (this.#slotOf(index).length === 0) index++;
    return this.#slotOf(index);
  }

  #slotOf(index: number): Slot {
    const slot = this.#slots[index % this.#slots.length];
    if (slot === undefined) throw new RangeError("no slots");
    return slot;
  }
}

/** One more than can be ahead. */
function slotsFor(depth: number): readonly Slot[] {
  const octets = depth === 0 ? 0 : SLOT;
  return Array.from({ length: depth + 1 }, () => ({ bytes: new Uint8Array(octets), length: 0, giveUpAt: instant(0) }));
}
