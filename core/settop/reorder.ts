// Puts packets that overtook each other back in order, within a small window, and passes on each at once when none is missing.
import { WINDOW } from "../base/replay-window.ts";
import { after, type Duration, earliest, type Instant, instant } from "../base/time.ts";
import { IN_A_ROW, ROW, roomFor, type Stray, Strays } from "./strays.ts";

/** packet[0, length) in order; valid during the call. */
export type Deliver = (packet: Uint8Array, length: number) => void;

interface Slot {
  bytes: Uint8Array;
  /** 0 when the slot is free. */
  length: number;
  since: Instant;
}

/** Packets, since the beginning. */
export interface ReorderCounts {
  /** Held back until an earlier one came or was given up. */
  held: number;
  /** Packets given up: they had not come in time. */
  skipped: number;
  /** Came after they had been given up, and are not handed on: the order is kept. */
  late: number;
  /** Far ahead, and the stream went on where it was: not handed on. */
  strayed: number;
}

/**
 * Works on packet indices (2^16 * ROC + SEQ), which are unique where sequence numbers are not. Duplicates must have been dropped
 * before. A packet that is in order costs no copy. A gap is given up when packets come more than `depth` behind it, or when for
 * `patience` nothing has come that was in order. With depth 0 nothing is held, and what comes late is dropped.
 *
 * One packet, which any member of the group could have made, changes nothing of the order: the stream goes on elsewhere when four in a
 * row say so and nothing between them goes on here. They are kept until then, so that an outage costs none of them.
 */
export class Reorder {
  readonly counts: ReorderCounts = { held: 0, skipped: 0, late: 0, strayed: 0 };
  readonly #depth: number;
  readonly #patience: Duration;
  readonly #deliver: Deliver;
  readonly #slots: readonly Slot[];
  readonly #strays = new Strays();
  #expected = -1;
  /** The highest index held; below `#expected` while none is. */
  #top = -1;
  #waiting = 0;
  /** When the last packet came that was in order. */
  #inOrderAt = instant(0);
  #strayedAt = instant(0);

  /** RangeError for a depth that is not 0 to 1024. */
  constructor(depth: number, patience: Duration, deliver: Deliver) {
    if (depth < 0 || depth > WINDOW) throw new RangeError(`reorder depth must be 0 to ${WINDOW}: ${depth}`);
    this.#depth = depth;
    this.#patience = patience;
    this.#deliver = deliver;
    this.#slots = Array.from({ length: depth + 1 }, () => ({ bytes: NONE, length: 0, since: instant(0) }));
  }

  /** When `expire` has work; undefined while nothing is held. */
  get giveUpAt(): Instant | undefined {
    if (this.#waiting === 0 && this.#strays.size === 0) return undefined;
    const held = this.#waiting === 0 ? undefined : this.#nextHeld().since;
    const since = earliest([held, this.#strays.size === 0 ? undefined : this.#strayedAt]);
    return since === undefined ? undefined : after(instant(Math.max(since, this.#inOrderAt)), this.#patience);
  }

  /** A packet that authenticated, and its index. */
  push(now: Instant, index: number, packet: Uint8Array, length: number): void {
    if (this.#expected < 0) this.#expected = index;
    if (index === this.#expected) this.#inOrder(now, packet, length);
    else if (index > this.#expected && this.#makesRoom(index)) this.#early(now, index, packet, length);
    else this.#stray(now, index, packet, length);
  }

  /** Gives up what has been missing for too long. */
  expire(now: Instant): void {
    for (let at = this.giveUpAt; at !== undefined && at <= now; at = this.giveUpAt) {
      if (this.#waiting > 0) this.#skipToHeld();
      else this.#giveUpStrays(now);
    }
  }

  /** The stream ends, or goes on elsewhere: hands on whatever is held, gaps and all, and takes the next packet as the first. */
  restart(): void {
    while (this.#waiting > 0) this.#skipToHeld();
    this.#forgetStrays();
    this.#top = -1;
    this.#expected = -1;
  }

  #inOrder(now: Instant, packet: Uint8Array, length: number): void {
    this.#forgetStrays();
    this.#inOrderAt = now;
    this.#pass(packet, length);
  }

  #pass(packet: Uint8Array, length: number): void {
    this.#deliver(packet, length);
    this.#expected++;
    if (this.#waiting > 0) this.#release();
  }

  /**
   * Whether a packet so far ahead can be held, or passed on with depth 0. Gaps are given up for it where what is held says that the stream
   * has gone on: enough packets, and this one follows them.
   */
  #makesRoom(index: number): boolean {
    if (index - this.#expected <= Math.max(this.#depth, 1)) return true;
    const believed = this.#depth === 0 || this.#waiting >= Math.min(this.#depth, IN_A_ROW);
    if (!believed || index - Math.max(this.#top, this.#expected - 1) > ROW) return false;
    while (this.#waiting > 0 && index - this.#expected > this.#depth) this.#skipToHeld();
    return true;
  }

  #early(now: Instant, index: number, packet: Uint8Array, length: number): void {
    this.#forgetStrays();
    const ahead = index - this.#expected;
    if (ahead > 0 && ahead <= this.#depth) this.#hold(now, index, packet, length);
    else {
      this.#skipTo(index);
      this.#inOrder(now, packet, length);
    }
  }

  #hold(now: Instant, index: number, packet: Uint8Array, length: number): void {
    const slot = this.#slotOf(index);
    slot.bytes = roomFor(slot.bytes, length);
    slot.bytes.set(length < packet.length ? packet.subarray(0, length) : packet);
    slot.length = length;
    slot.since = now;
    this.#top = Math.max(this.#top, index);
    this.#waiting++;
    this.counts.held++;
  }

  /** Late, or far ahead. */
  #stray(now: Instant, index: number, packet: Uint8Array, length: number): void {
    if (!this.#strays.continues(index)) this.#forgetStrays();
    if (this.#strays.size === 0) this.#strayedAt = now;
    this.#strays.add(index, packet, length);
    if (this.#strays.size === IN_A_ROW) this.#follow(now);
  }

  /** The stream has gone on here. */
  #forgetStrays(): void {
    for (let i = 0; i < this.#strays.size; i++)
      if ((this.#strays.at(i)?.index ?? -1) < this.#expected) this.counts.late++;
      else this.counts.strayed++;
    this.#strays.clear();
  }

  /** Nothing else came in the meantime: what is ahead is the stream, what is late stays late. */
  #giveUpStrays(now: Instant): void {
    if ((this.#strays.at(0)?.index ?? -1) >= this.#expected) this.#follow(now);
    else this.#forgetStrays();
  }

  /** The stream is where the strays are. */
  #follow(now: Instant): void {
    while (this.#waiting > 0) this.#skipToHeld();
    this.#top = -1;
    this.#expected = Math.min(this.#expected, this.#strays.at(0)?.index ?? this.#expected);
    for (let i = 0; i < this.#strays.size; i++) this.#passStray(this.#strays.at(i));
    this.#strays.clear();
    this.#inOrderAt = now;
  }

  #passStray(stray: Stray | undefined): void {
    if (stray === undefined) return;
    this.#skipTo(stray.index);
    this.#pass(stray.bytes, stray.length);
  }

  #skipTo(index: number): void {
    this.counts.skipped += index - this.#expected;
    this.#expected = index;
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

const NONE = new Uint8Array(0);
