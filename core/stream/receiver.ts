// The receiving end of a channel: SRTP (RFC 3711, RFC 7714) checked and decrypted in place in the receive buffer.
// No allocation and no throw per packet. Nothing that has not authenticated moves the state.

import { readUint32 } from "../base/bytes.ts";
import { Counters } from "../base/counters.ts";
import type { Ciphers } from "../ports/cipher.ts";
import { Course, type Freshness } from "./course.ts";
import { KeyRing } from "./key-ring.ts";
import { indexOf, rolloverOf, sequenceOfIndex } from "./packet-index.ts";
import type { StatisticsSnapshot } from "./reception-statistics.ts";
import { carriesRoc, ROC_OCTETS, type RocEvery } from "./roc-carrying.ts";
import { checkRtpHeader, type RtpDrop, sequenceOf, ssrcOf } from "./rtp.ts";
import { lengthsOf, type MkiLength, type Suite, trailerLength } from "./suites.ts";
import { makeTransform } from "./transform.ts";

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
  /** Wrong tag under its own index, and under the others that were tried: see `MOST_TRIALS`. */
  | "srtp.bad-tag"
  /** It authenticated far from where the stream is, and is not believed before others have followed it there: see `Course`. */
  | "srtp.unconfirmed";

/** Why a packet was not opened: its RTP header, or SRTP. */
export type StreamDrop = RtpDrop | SrtpDrop;

/** What is fixed for a channel (a grant's `stream`). */
export interface ReceiverOptions {
  readonly ciphers: Ciphers;
  readonly suite: Suite;
  readonly mkiLength: MkiLength;
  /** The channel's one SSRC, uint32. */
  readonly ssrc: number;
  /** Every so many packets carry the ROC (RFC 4771); none unless told otherwise. */
  readonly rocEvery?: RocEvery | undefined;
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

/** Trials of a key on one packet, whatever it claims to be. */
export const MOST_TRIALS = 4;

/**
 * One per channel. ROC, position and replay window belong to the SSRC and are shared by all epochs: a rekey resets nothing.
 * Drive it with `install` and `position` from a grant, then `unprotect` for each datagram.
 */
export class StreamReceiver {
  readonly #options: ReceiverOptions;
  readonly #tagLength: number;
  readonly #tagFirst: boolean;
  readonly #trailer: number;
  readonly #rocEvery: RocEvery;
  readonly #ring = new KeyRing();
  readonly #course = new Course();
  readonly #drops = new Counters<StreamDrop>();
  /** Of one packet: where its text ends, where its tag is and how long, and the index that it carries; -1 when it carries none. */
  #textEnd = 0;
  #tagAt = 0;
  #tagOctets = 0;
  #carried = -1;
  /** Slots whose key a packet may have been made with, and indices it may have besides its own: of one packet. */
  readonly #slots: number[] = [];
  readonly #others: number[] = [];
  /** Which of `#others` comes first: where not all can be tried with one packet, the next goes on. */
  #rotation = 0;
  #lastEpoch: number | undefined;
  #lastIndex = -1;
  /** The newest epoch that a packet has authenticated under. */
  #newestEpoch = -1;
  #oldestEpoch = 0;
  /** Under which the sender may be counting anew. */
  #beginningEpoch = -1;
  #unknownEpoch: number | undefined;

  constructor(options: ReceiverOptions) {
    this.#options = options;
    this.#tagLength = lengthsOf(options.suite).tag;
    this.#tagFirst = lengthsOf(options.suite).authKey === 0;
    this.#trailer = trailerLength(options.suite, options.mkiLength);
    this.#rocEvery = options.rocEvery ?? 0;
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
    return this.#course.lost;
  }

  /** The packet index (2^16 * ROC + SEQ, RFC 3711 3.3.1) of the last packet that authenticated; -1 before the first. */
  get lastIndex(): number {
    return this.#lastIndex;
  }

  /** So often has the stream gone on elsewhere than the packets before let expect. */
  get leaps(): number {
    return this.#course.leaps;
  }

  /** Where the stream is by the last packet that authenticated; undefined before the first. */
  get highest(): { readonly roc: number; readonly seq: number } | undefined {
    const index = this.#course.highest;
    return index < 0 ? undefined : { roc: rolloverOf(index), seq: sequenceOfIndex(index) };
  }

  /** Packets so far. */
  get statistics(): StatisticsSnapshot {
    return this.#course.statistics.snapshot();
  }

  /** For status. */
  snapshot(): ReceiverSnapshot {
    return {
      statistics: this.#course.statistics.snapshot(),
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
   * Where the sender says the stream is (RFC 3711 3.3.1: a late joiner MUST be given the ROC), in the server's signed word. `roc` uint32,
   * `seq` uint16. It is used where our own position fails, takes back a leap that it contradicts, and replaces our position once a packet
   * has authenticated there.
   */
  position(roc: number, seq: number): void {
    this.#course.told(roc, seq);
  }

  /**
   * Checks and decrypts one SRTP packet in place. Returns the length of the clear RTP packet, which starts where the SRTP
   * packet did, or the reason to drop it; a dropped packet is unchanged, unless it is "srtp.unconfirmed".
   */
  unprotect(packet: Uint8Array): number | StreamDrop {
    const result = this.#unprotect(packet);
    if (typeof result === "string") this.#dropped(result);
    return result;
  }

  #unprotect(packet: Uint8Array): number | StreamDrop {
    const headerEnd = checkRtpHeader(packet, packet.length);
    if (typeof headerEnd === "string") return headerEnd;
    if (!this.#measure(packet, headerEnd)) return "srtp.truncated";
    if (ssrcOf(packet) !== this.#options.ssrc) return "srtp.ssrc";
    if (!this.#findSlots(packet)) return "srtp.unknown-mki";
    return this.#open(packet, headerEnd) ?? this.#textEnd;
  }

  /**
   * Trailer: GCM has text | tag | MKI | ROC (RFC 7714 section 6), CM has text | MKI | tag (RFC 3711 section 3.1), where the tag may begin
   * with the ROC (RFC 4771). False when there is no room for it.
   */
  #measure(packet: Uint8Array, headerEnd: number): boolean {
    const carries = carriesRoc(this.#rocEvery, sequenceOf(packet));
    const behind = carries && this.#tagFirst ? ROC_OCTETS : 0;
    const within = carries && !this.#tagFirst ? ROC_OCTETS : 0;
    this.#textEnd = packet.length - this.#trailer - behind;
    if (this.#textEnd < headerEnd) return false;
    this.#tagAt = this.#textEnd + (this.#tagFirst ? 0 : this.#options.mkiLength) + within;
    this.#tagOctets = this.#tagLength - within;
    const rocAt = this.#tagFirst ? packet.length - ROC_OCTETS : this.#tagAt - ROC_OCTETS;
    this.#carried = carries ? indexOf(readUint32(packet, rocAt), sequenceOf(packet)) : -1;
    return true;
  }

  #dropped(drop: StreamDrop): void {
    this.#drops.count(drop);
    const { statistics } = this.#course;
    switch (drop) {
      case "srtp.bad-tag":
      case "srtp.too-old":
        this.#course.failed();
        statistics.undecryptable++;
        return;
      case "srtp.no-position":
      case "srtp.unknown-mki":
        statistics.undecryptable++;
        return;
      case "srtp.replayed":
        this.#course.repeated();
        statistics.duplicated++;
        return;
      case "srtp.unconfirmed":
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

  /** Without MKI every live key may be meant: the one that fitted last, then the newest first. False when none may. */
  #findSlots(packet: Uint8Array): boolean {
    this.#slots.length = 0;
    if (this.#options.mkiLength === 4) this.#findByMki(packet);
    else this.#findAll();
    return this.#slots.length > 0;
  }

  #findByMki(packet: Uint8Array): void {
    const epoch = readUint32(packet, this.#tagFirst ? this.#textEnd + this.#tagLength : this.#textEnd);
    const slot = epoch < this.#oldestEpoch ? -1 : this.#ring.slotOf(epoch);
    if (slot >= 0) this.#slots.push(slot);
    else this.#unknownEpoch = epoch;
  }

  #findAll(): void {
    const last = this.#lastEpoch === undefined ? -1 : this.#ring.slotOf(this.#lastEpoch);
    if (last >= 0) this.#slots.push(last);
    for (let slot = this.#ring.size - 1; (this.#ring.epochAt(slot) ?? -1) >= this.#oldestEpoch; slot--)
      if (slot !== last) this.#slots.push(slot);
  }

  /** undefined when it opened. Our own position first; only a wrong tag depends on the key. */
  #open(packet: Uint8Array, headerEnd: number): SrtpDrop | undefined {
    const course = this.#course;
    if (course.unknown && this.#carried < 0) return "srtp.no-position";
    const own = course.unknown ? this.#carried : course.own(sequenceOf(packet));
    const freshness = course.check(own);
    let trials = 0;
    if (freshness === "fresh")
      for (const slot of this.#slots) {
        trials++;
        if (this.#authentic(slot, packet, headerEnd, own)) return this.#place(slot, own);
      }
    return this.#openElsewhere(packet, headerEnd, own, freshness, trials);
  }

  /** It did not open where it should. What is tried besides is bounded: a forgery costs no more than the last trial that it may have. */
  #openElsewhere(
    packet: Uint8Array,
    headerEnd: number,
    own: number,
    freshness: Freshness,
    before: number,
  ): SrtpDrop | undefined {
    let trials = before;
    const beginning = this.#course.beginning(sequenceOf(packet));
    if (beginning >= 0)
      for (const slot of this.#slots) {
        if (trials === MOST_TRIALS || this.#epochOf(slot) <= this.#newestEpoch) continue;
        trials++;
        if (this.#authentic(slot, packet, headerEnd, beginning)) return this.#placeBeginning(slot, beginning);
      }
    const others = this.#findOthers(sequenceOf(packet), own);
    const pairs = others.length * this.#slots.length;
    for (let tried = 0; tried < pairs && trials < MOST_TRIALS; tried++) {
      const pair = this.#rotation++ % pairs;
      const index = others[pair % others.length] ?? 0;
      const slot = this.#slots[Math.floor(pair / others.length)] ?? 0;
      trials++;
      if (this.#authentic(slot, packet, headerEnd, index)) return this.#place(slot, index);
    }
    return freshness === "fresh" ? "srtp.bad-tag" : `srtp.${freshness}`;
  }

  #findOthers(sequence: number, own: number): readonly number[] {
    this.#others.length = 0;
    if (this.#carried >= 0) this.#course.suggest(this.#carried, own, this.#others);
    this.#course.others(sequence, own, this.#others);
    return this.#others;
  }

  #authentic(slot: number, packet: Uint8Array, headerEnd: number, index: number): boolean {
    const transform = this.#ring.transformAt(slot);
    if (transform === undefined) throw new RangeError(`no epoch in slot ${slot}`);
    return transform.open(packet, headerEnd, this.#textEnd, this.#tagAt, index, this.#tagOctets);
  }

  #epochOf(slot: number): number {
    return this.#ring.epochAt(slot) ?? -1;
  }

  #place(slot: number, index: number): "srtp.unconfirmed" | undefined {
    if (!this.#course.place(index)) return "srtp.unconfirmed";
    this.#opened(this.#epochOf(slot), index);
    return undefined;
  }

  /**
   * A sender that started anew counts from an earlier index, if its clock or its configuration says so. The window calls that old or
   * replayed; under a key that has opened nothing yet it is neither. The keys before it open nothing more: theirs could come again.
   */
  #placeBeginning(slot: number, index: number): "srtp.unconfirmed" | undefined {
    const epoch = this.#epochOf(slot);
    const same = epoch === this.#beginningEpoch;
    this.#beginningEpoch = epoch;
    if (!this.#course.placeBeginning(index, same)) return "srtp.unconfirmed";
    this.#oldestEpoch = epoch;
    this.#opened(epoch, index);
    return undefined;
  }

  #opened(epoch: number, index: number): void {
    this.#lastEpoch = epoch;
    this.#newestEpoch = Math.max(this.#newestEpoch, epoch);
    this.#lastIndex = index;
  }
}
