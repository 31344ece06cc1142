// The receiving end of a channel: SRTP (RFC 3711, RFC 7714) checked and decrypted in place in the receive buffer.
// No allocation and no throw per packet. Nothing that has not authenticated moves the state.

import { readUint32 } from "../base/bytes.ts";
import { Counters } from "../base/counters.ts";
import { ReplayWindow } from "../base/replay-window.ts";
import type { Ciphers } from "../ports/cipher.ts";
import { KeyRing } from "./key-ring.ts";
import { HALF_TURN, indexOf, LAST_INDEX, nearestIndex, rolloverOf, sequenceOfIndex, TURN } from "./packet-index.ts";
import { ReceptionStatistics, type StatisticsSnapshot } from "./reception-statistics.ts";
import { checkRtpHeader, type RtpDrop, sequenceOf, ssrcOf } from "./rtp.ts";
import { lengthsOf, type MkiLength, type Suite, trailerLength } from "./suites.ts";
import { makeTransform, type Transform } from "./transform.ts";

/** Why an SRTP packet was not opened. */
export type SrtpDrop =
  /** Shorter than header, tag and MKI. */
  | "srtp.truncated"
  /** Another stream's SSRC, or a stranger's. */
  | "srtp.ssrc"
  /** Keys are there, but `position` has not been called yet. */
  | "srtp.no-position"
  /** No live epoch has this MKI (or there is no key at all): see `unknownEpoch`. */
  | "srtp.unknown-mki"
  /** The index was accepted before. */
  | "srtp.replayed"
  /** Below the replay window, so that a repetition could not be told. */
  | "srtp.too-old"
  /** Wrong tag under every index that could be meant. */
  | "srtp.bad-tag";

/** Why a packet was not opened: its RTP header, or SRTP. */
export type StreamDrop = RtpDrop | SrtpDrop;

/** What is fixed for a channel (a grant's `stream`). */
export interface ReceiverOptions {
  readonly ciphers: Ciphers;
  readonly suite: Suite;
  readonly mkiLength: MkiLength;
  /** The channel's one SSRC, uint32. */
  readonly ssrc: number;
}

/** Numbers at one moment. */
export interface ReceiverSnapshot {
  readonly statistics: StatisticsSnapshot;
  /** Packets by the `StreamDrop` that names why they did not open. */
  readonly drops: Record<string, number>;
  /** See `StreamReceiver.lastEpoch`. */
  readonly lastEpoch: number | undefined;
  /** See `StreamReceiver.positionLost`. */
  readonly positionLost: boolean;
}

/** Failures in a row after which the neighbouring turns are tried too: the stream may have wrapped unheard. */
const SEARCH_AFTER = 4;
/** Failures in a row after which the position counts as lost. */
const LOST_AFTER = 16;

/** What became of one attempt to open a packet with one key. */
type Attempt = "opened" | "srtp.replayed" | "srtp.too-old" | "srtp.bad-tag";

/**
 * One per channel. ROC, position and replay window belong to the SSRC and are shared by all epochs: a rekey resets nothing.
 * Drive it with `install` and `position` from a grant, then `unprotect` for each datagram.
 */
export class StreamReceiver {
  readonly #options: ReceiverOptions;
  readonly #tagLength: number;
  readonly #trailer: number;
  readonly #ring = new KeyRing();
  readonly #window = new ReplayWindow();
  readonly #statistics = new ReceptionStatistics();
  readonly #drops = new Counters<StreamDrop>();
  /** A position told to us and not yet confirmed by a packet; -1 when there is none. */
  #hint = -1;
  #failures = 0;
  #lastEpoch: number | undefined;
  #lastIndex = -1;
  /** The newest epoch that a packet has authenticated under. */
  #newestEpoch = -1;
  #oldestEpoch = 0;
  #unknownEpoch: number | undefined;

  constructor(options: ReceiverOptions) {
    this.#options = options;
    this.#tagLength = lengthsOf(options.suite).tag;
    this.#trailer = trailerLength(options.suite, options.mkiLength);
  }

  /** The epoch of the last packet that authenticated; undefined before the first. */
  get lastEpoch(): number | undefined {
    return this.#lastEpoch;
  }

  /** The MKI of the last packet that no live key fits, until that epoch is installed. Unauthenticated: a hint to ask, no more. */
  get unknownEpoch(): number | undefined {
    return this.#unknownEpoch;
  }

  /**
   * Older epochs open nothing: the sender has started its count anew under this one, and what they once opened could be told no more.
   * Their keys are for the owner to retire. 0 until then.
   */
  get oldestEpoch(): number {
    return this.#oldestEpoch;
  }

  /** True from the 16th failure in a row until a packet authenticates or `position` is called: ask for the position again. */
  get positionLost(): boolean {
    return this.#failures >= LOST_AFTER;
  }

  /** The packet index (2^16 * ROC + SEQ, RFC 3711 3.3.1) of the last packet that authenticated; -1 before the first. */
  get lastIndex(): number {
    return this.#lastIndex;
  }

  /** Where the stream is by the last packet that authenticated; undefined before the first. */
  get highest(): { readonly roc: number; readonly seq: number } | undefined {
    const index = this.#window.highest;
    return index < 0 ? undefined : { roc: rolloverOf(index), seq: sequenceOfIndex(index) };
  }

  /** Packets so far. */
  get statistics(): StatisticsSnapshot {
    return this.#statistics.snapshot();
  }

  /** For status. */
  snapshot(): ReceiverSnapshot {
    return {
      statistics: this.#statistics.snapshot(),
      drops: this.#drops.snapshot(),
      lastEpoch: this.#lastEpoch,
      positionLost: this.positionLost,
    };
  }

  /**
   * Makes an epoch live. The key and salt are copied: the caller may overwrite its own. RangeError when they have not the suite's
   * lengths, and for a fourth epoch.
   */
  install(epoch: number, masterKey: Uint8Array, masterSalt: Uint8Array): void {
    const { ciphers, suite, ssrc } = this.#options;
    this.#ring.install(epoch, makeTransform(ciphers, suite, ssrc, masterKey, masterSalt));
    if (this.#unknownEpoch === epoch) this.#unknownEpoch = undefined;
  }

  /** Erases an epoch's key; harmless when it is not live. */
  retire(epoch: number): void {
    this.#ring.retire(epoch);
  }

  /** Erases every key, at the end of a reception. */
  erase(): void {
    this.#ring.clear();
  }

  /**
   * Where the sender says the stream is (RFC 3711 3.3.1: a late joiner MUST be given the ROC). `roc` uint32, `seq` uint16. A
   * hint: it is used where our own position fails, and replaces it once a packet has authenticated there.
   */
  position(roc: number, seq: number): void {
    const hint = indexOf(roc, seq);
    const ahead = hint - this.#window.highest;
    const far = this.#window.highest < 0 || ahead >= HALF_TURN / 2 || ahead < 0;
    this.#hint = far ? hint : -1;
    this.#failures = 0;
  }

  /**
   * Checks and decrypts one SRTP packet in place. Returns the length of the clear RTP packet, which starts where the SRTP
   * packet did, or the reason to drop it; a dropped packet is unchanged.
   */
  unprotect(packet: Uint8Array): number | StreamDrop {
    const result = this.#unprotect(packet);
    if (typeof result === "string") this.#dropped(result);
    return result;
  }

  #unprotect(packet: Uint8Array): number | StreamDrop {
    const headerEnd = checkRtpHeader(packet, packet.length);
    if (typeof headerEnd === "string") return headerEnd;
    const textEnd = packet.length - this.#trailer;
    if (textEnd < headerEnd) return "srtp.truncated";
    if (ssrcOf(packet) !== this.#options.ssrc) return "srtp.ssrc";
    const attempt =
      this.#options.mkiLength === 0 ? this.#tryEpochs(packet, headerEnd) : this.#tryMki(packet, headerEnd);
    return attempt === "opened" ? textEnd : attempt;
  }

  #dropped(drop: StreamDrop): void {
    this.#drops.count(drop);
    switch (drop) {
      case "srtp.bad-tag":
      case "srtp.too-old":
        this.#failures++;
        this.#statistics.undecryptable++;
        return;
      case "srtp.no-position":
      case "srtp.unknown-mki":
        this.#statistics.undecryptable++;
        return;
      case "srtp.replayed":
        // Counts towards a lost position as well: after an outage of a whole turn, a new packet can look like an old one.
        this.#failures++;
        this.#statistics.duplicated++;
        return;
      case "srtp.truncated":
      case "srtp.ssrc":
      case "rtp.truncated":
      case "rtp.version":
      case "rtp.csrc":
      case "rtp.extension":
      case "rtp.padding":
        return;
    }
  }

  #tryMki(packet: Uint8Array, headerEnd: number): Attempt | "srtp.unknown-mki" | "srtp.no-position" {
    // Trailer: GCM has text | tag | MKI (RFC 7714 section 6), CM has text | MKI | tag (RFC 3711 section 3.1).
    const textEnd = packet.length - this.#trailer;
    const tagFirst = lengthsOf(this.#options.suite).authKey === 0;
    const epoch = readUint32(packet, tagFirst ? textEnd + this.#tagLength : textEnd);
    const slot = epoch < this.#oldestEpoch ? -1 : this.#ring.slotOf(epoch);
    if (slot < 0) {
      this.#unknownEpoch = epoch;
      return "srtp.unknown-mki";
    }
    return this.#trySlot(slot, packet, headerEnd, tagFirst ? textEnd : textEnd + 4);
  }

  /** Without MKI the key is found by trying: the one that fitted last, then the newest first. Only a wrong tag depends on the key. */
  #tryEpochs(packet: Uint8Array, headerEnd: number): Attempt | "srtp.unknown-mki" | "srtp.no-position" {
    const textEnd = packet.length - this.#trailer;
    const last = this.#lastEpoch === undefined ? -1 : this.#ring.slotOf(this.#lastEpoch);
    if (last >= 0) {
      const attempt = this.#trySlot(last, packet, headerEnd, textEnd);
      if (attempt !== "srtp.bad-tag") return attempt;
    }
    let tried = last >= 0;
    for (let slot = this.#ring.size - 1; (this.#ring.epochAt(slot) ?? -1) >= this.#oldestEpoch; slot--) {
      if (slot === last) continue;
      tried = true;
      const attempt = this.#trySlot(slot, packet, headerEnd, textEnd);
      if (attempt !== "srtp.bad-tag") return attempt;
    }
    return tried ? "srtp.bad-tag" : "srtp.unknown-mki";
  }

  #trySlot(slot: number, packet: Uint8Array, headerEnd: number, tagAt: number): Attempt | "srtp.no-position" {
    const transform = this.#ring.transformAt(slot);
    if (transform === undefined) throw new RangeError(`no epoch in slot ${slot}`);
    if (this.#window.highest < 0 && this.#hint < 0) return "srtp.no-position";
    const epoch = this.#ring.epochAt(slot) ?? 0;
    let attempt = this.#tryPositions(transform, packet, headerEnd, tagAt);
    if (attempt !== "opened" && this.#hint >= 0 && epoch > this.#newestEpoch)
      attempt = worse(attempt, this.#tryBeginning(epoch, transform, packet, headerEnd, tagAt));
    if (attempt !== "opened") return attempt;
    this.#lastEpoch = epoch;
    this.#newestEpoch = Math.max(this.#newestEpoch, epoch);
    return attempt;
  }

  /**
   * A sender that started anew counts from an earlier index, if its clock or its configuration says so. The window calls that old or
   * replayed; under a key that has opened nothing yet it is neither. The keys before it open nothing more: theirs could come again.
   */
  #tryBeginning(epoch: number, transform: Transform, packet: Uint8Array, headerEnd: number, tagAt: number): Attempt {
    const index = nearestIndex(this.#hint, sequenceOf(packet));
    const textEnd = packet.length - this.#trailer;
    if (index < 0 || index > this.#window.highest) return "srtp.too-old";
    if (!transform.open(packet, headerEnd, textEnd, tagAt, index)) return "srtp.bad-tag";
    this.#oldestEpoch = epoch;
    this.#statistics.restarted(index);
    this.#window.restart(index);
    this.#opened(index);
    return "opened";
  }

  /** Our own position first; the neighbouring turns only while it keeps failing; then what the sender said. */
  #tryPositions(transform: Transform, packet: Uint8Array, headerEnd: number, tagAt: number): Attempt {
    let attempt: Attempt = "srtp.too-old";
    const sequence = sequenceOf(packet);
    if (this.#window.highest >= 0) {
      const index = nearestIndex(this.#window.highest, sequence);
      attempt = this.#try(index, transform, packet, headerEnd, tagAt);
      if (attempt !== "opened" && this.#failures >= SEARCH_AFTER) {
        attempt = this.#tryNeighbours(index, attempt, transform, packet, headerEnd, tagAt);
      }
    }
    if (attempt === "opened" || this.#hint < 0) return attempt;
    const index = nearestIndex(this.#hint, sequence);
    attempt = worse(attempt, this.#try(index, transform, packet, headerEnd, tagAt));
    if (attempt === "opened") return attempt;
    return this.#tryNeighbours(index, attempt, transform, packet, headerEnd, tagAt);
  }

  /** RFC 3711 3.3.1: v is one of ROC - 1, ROC, ROC + 1. The stream moves on while a position travels, so + 1 first. */
  #tryNeighbours(
    index: number,
    before: Attempt,
    transform: Transform,
    packet: Uint8Array,
    headerEnd: number,
    tagAt: number,
  ): Attempt {
    const next = worse(before, this.#try(index + TURN, transform, packet, headerEnd, tagAt));
    if (next === "opened") return next;
    return worse(next, this.#try(index - TURN, transform, packet, headerEnd, tagAt));
  }

  #try(index: number, transform: Transform, packet: Uint8Array, headerEnd: number, tagAt: number): Attempt {
    if (index < 0 || index > LAST_INDEX) return "srtp.too-old";
    const fresh = this.#window.check(index);
    if (fresh !== "fresh") return fresh === "replayed" ? "srtp.replayed" : "srtp.too-old";
    const textEnd = packet.length - this.#trailer;
    if (!transform.open(packet, headerEnd, textEnd, tagAt, index)) return "srtp.bad-tag";
    this.#accept(index);
    return "opened";
  }

  /** 3.3.1: only here, after the packet has authenticated, do position and window move. */
  #accept(index: number): void {
    this.#statistics.accepted(index, this.#window.highest);
    this.#opened(index);
  }

  #opened(index: number): void {
    this.#window.accept(index);
    this.#lastIndex = index;
    this.#failures = 0;
    this.#hint = -1;
  }
}

/** Of two failures the one that says more: a wrong tag, then a replay, then age. "opened" beats them all. */
function worse(a: Attempt, b: Attempt): Attempt {
  if (b === "opened" || a === "srtp.too-old") return b;
  return a === "srtp.bad-tag" || b === "srtp.too-old" ? a : b;
}
