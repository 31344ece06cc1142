// The sending end of a channel: RTP protected in place as SRTP (RFC 3711, RFC 7714).
// The index only rises, so no (key, SSRC, index) ever repeats within a process; across restarts the epoch is new.
import { writeUint32 } from "../base/bytes.ts";
import type { Ciphers } from "../ports/cipher.ts";
import { LAST_INDEX, rolloverOf, sequenceOfIndex } from "./packet-index.ts";
import { carriesRoc, ROC_OCTETS, type RocEvery } from "./roc-carrying.ts";
import { checkRtpHeader, stamp } from "./rtp.ts";
import { lengthsOf, type MkiLength, type Suite, trailerLength } from "./suites.ts";
import { makeTransform, type Transform } from "./transform.ts";

/** What is fixed for a channel. `ssrc` is a uint32, `firstIndex` 0 to 2^48 - 1. */
export interface SenderOptions {
  readonly ciphers: Ciphers;
  readonly suite: Suite;
  readonly mkiLength: MkiLength;
  readonly ssrc: number;
  /** The index (2^16 * ROC + SEQ) of the first packet. */
  readonly firstIndex: number;
  /** Every so many packets carry the ROC (RFC 4771); none unless told otherwise. */
  readonly rocEvery?: RocEvery | undefined;
}

/** A packet of the stream: `ssrc` and `roc` are uint32, `seq` is a uint16. */
export interface StreamPosition {
  readonly ssrc: number;
  readonly roc: number;
  readonly seq: number;
}

/** One per channel. `install` and `switchTo` give it an epoch; from then on `protect` makes SRTP of each packet. */
export class StreamSender {
  readonly #options: SenderOptions;
  readonly #tagFirst: boolean;
  readonly #tagLength: number;
  readonly #rocEvery: RocEvery;
  /** Octets that `protect` adds, at most: the room a buffer needs behind the RTP packet. */
  readonly trailerLength: number;
  #nextIndex: number;
  #epoch = -1;
  #transform: Transform | undefined;
  #next: { readonly epoch: number; readonly transform: Transform } | undefined;

  constructor(options: SenderOptions) {
    this.#options = options;
    const lengths = lengthsOf(options.suite);
    this.#tagFirst = lengths.authKey === 0;
    this.#tagLength = lengths.tag;
    this.#rocEvery = options.rocEvery ?? 0;
    const carried = this.#rocEvery > 0 && this.#tagFirst ? ROC_OCTETS : 0;
    this.trailerLength = trailerLength(options.suite, options.mkiLength) + carried;
    this.#nextIndex = options.firstIndex;
  }

  /** The epoch in use; undefined before the first switch and after `erase`. */
  get epoch(): number | undefined {
    return this.#transform === undefined ? undefined : this.#epoch;
  }

  /** Prepares an epoch; it replaces another that is still waiting. RangeError when key or salt has not the suite's length. */
  install(epoch: number, masterKey: Uint8Array, masterSalt: Uint8Array): void {
    if (epoch <= this.#epoch) throw new RangeError(`epoch must rise: ${epoch} after ${this.#epoch}`);
    const { ciphers, suite, ssrc } = this.#options;
    this.#next?.transform.erase();
    this.#next = { epoch, transform: makeTransform(ciphers, suite, ssrc, masterKey, masterSalt) };
  }

  /** Every later packet uses `epoch`, which must be installed (else RangeError); the old key is erased. ROC and SEQ go on. */
  switchTo(epoch: number): void {
    if (this.#next?.epoch !== epoch) throw new RangeError(`epoch ${epoch} is not installed`);
    this.#transform?.erase();
    this.#transform = this.#next.transform;
    this.#epoch = epoch;
    this.#next = undefined;
  }

  /** Erases every key: nothing more can be protected. */
  erase(): void {
    this.#transform?.erase();
    this.#next?.transform.erase();
    this.#transform = undefined;
    this.#next = undefined;
  }

  /** The last packet sent; before the first, the one before it. */
  position(): StreamPosition {
    const index = Math.max(0, this.#nextIndex - 1);
    return { ssrc: this.#options.ssrc, roc: rolloverOf(index), seq: sequenceOfIndex(index) };
  }

  /**
   * Stamps sequence number and SSRC into the RTP packet buffer[0, rtpLength), encrypts it in place and appends MKI and tag.
   * Returns the length of the SRTP packet. RangeError without an epoch, without room for the trailer, or on a bad RTP header.
   */
  protect(buffer: Uint8Array, rtpLength: number): number {
    const transform = this.#transform;
    if (transform === undefined) throw new RangeError("no epoch in use");
    if (buffer.length < rtpLength + this.trailerLength) throw new RangeError("no room for the SRTP trailer");
    const headerEnd = checkRtpHeader(buffer, rtpLength);
    if (typeof headerEnd === "string") throw new RangeError(headerEnd);
    if (this.#nextIndex > LAST_INDEX) throw new RangeError("the packet index is used up");
    const index = this.#nextIndex++;
    stamp(buffer, sequenceOfIndex(index), this.#options.ssrc);
    return this.#tagFirst
      ? this.#sealTagFirst(transform, buffer, headerEnd, rtpLength, index)
      : this.#sealTagLast(transform, buffer, headerEnd, rtpLength, index);
  }

  /** GCM: text | tag | MKI | ROC (RFC 7714 section 6; RFC 4771 mode 3). */
  #sealTagFirst(transform: Transform, buffer: Uint8Array, headerEnd: number, textEnd: number, index: number): number {
    const { mkiLength } = this.#options;
    const mkiAt = textEnd + this.#tagLength;
    if (mkiLength === 4) writeUint32(buffer, mkiAt, this.#epoch);
    transform.seal(buffer, headerEnd, textEnd, textEnd, index);
    if (!carriesRoc(this.#rocEvery, sequenceOfIndex(index))) return mkiAt + mkiLength;
    writeUint32(buffer, mkiAt + mkiLength, rolloverOf(index));
    return mkiAt + mkiLength + ROC_OCTETS;
  }

  /** CM: text | MKI | tag (RFC 3711 section 3.1), whose first four octets may be the ROC (RFC 4771 mode 2). */
  #sealTagLast(transform: Transform, buffer: Uint8Array, headerEnd: number, textEnd: number, index: number): number {
    const { mkiLength } = this.#options;
    const tagAt = textEnd + mkiLength;
    const end = tagAt + this.#tagLength;
    if (mkiLength === 4) writeUint32(buffer, textEnd, this.#epoch);
    if (carriesRoc(this.#rocEvery, sequenceOfIndex(index))) {
      transform.seal(buffer, headerEnd, textEnd, tagAt + ROC_OCTETS, index, this.#tagLength - ROC_OCTETS);
      writeUint32(buffer, tagAt, rolloverOf(index));
    } else transform.seal(buffer, headerEnd, textEnd, tagAt, index);
    return end;
  }
}
