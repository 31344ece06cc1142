// A sender that is not ours: its keys are in the configuration. Nobody says where its stream is, often not even under which SSRC, so both
// are found out; nobody grants or records anything. A camera that starts anew counts from zero again under the same key, so what has
// come before may come again: who needs more protection needs a key server.
import { between, type Instant, milliseconds } from "../base/time.ts";
import type { EpochKey } from "../control/messages.ts";
import type { Ciphers } from "../ports/cipher.ts";
import { HALF_TURN } from "../stream/packet-index.ts";
import { StreamReceiver } from "../stream/receiver.ts";
import { RTP_HEADER, ssrcOf } from "../stream/rtp.ts";
import type { MkiLength, Suite } from "../stream/suites.ts";

/** What is fixed for such a sender. */
export interface UnmanagedSender {
  readonly suite: Suite;
  /** With 4, `epoch` of each key is its MKI. */
  readonly mkiLength: MkiLength;
  /** uint32; without it the SSRC is that of the first packet that opens. */
  readonly ssrc?: number | undefined;
  /** The roll-over counter at which the search begins, a uint32. */
  readonly roc: number;
  /** Every so many packets carry the roll-over counter (RFC 4771); none where it is absent. */
  readonly rocEvery?: number | undefined;
  /** One to three, their epochs rising. */
  readonly keys: readonly EpochKey[];
}

/** While packets open nothing is looked for elsewhere, however many there are that do not: anybody can write to the group. */
const OPENS_FOR = milliseconds(250);
/** Turns that a receiver finds by itself. */
const STEP = 8;
/** Turns that are searched before the search begins anew: nine days at 100 Mbit/s. */
const SEARCHED = 0x20000;
/** Packets of another SSRC, while nothing opens, after which the key is tried on one of them ... */
const OTHERS = 16;
/** ... and up to so many more, by turns: two senders that alternate must not have the one always picked. */
const MORE = 16;

/** One per viewing. Where a stream has to be found a receiver is made for each place, one for every sixteen packets at most. */
export class UnmanagedStream {
  readonly #ciphers: Ciphers;
  readonly #sender: UnmanagedSender;
  #receiver: StreamReceiver | undefined;
  #ssrc = 0;
  #searched = 0;
  #others = 0;
  #picks = 0;
  /** When the last packet opened. */
  #openedAt: Instant | undefined;

  constructor(ciphers: Ciphers, sender: UnmanagedSender) {
    this.#ciphers = ciphers;
    this.#sender = sender;
  }

  /** The one to give `datagram` to: another than before where the stream is looked for elsewhere. undefined for what is no RTP. */
  receiverFor(now: Instant, datagram: Uint8Array): StreamReceiver | undefined {
    if (datagram.length < RTP_HEADER || this.#opens(now)) return this.#receiver;
    const { ssrc } = this.#sender;
    if (this.#receiver === undefined) this.#lookAt(ssrc ?? ssrcOf(datagram), 0);
    else if (ssrc === undefined && this.#isForsaken(ssrcOf(datagram))) this.#lookAt(ssrcOf(datagram), 0);
    else if (this.#receiver.positionLost) this.#lookAt(this.#ssrc, (this.#searched + STEP) % SEARCHED);
    return this.#receiver;
  }

  /** The last packet has opened: the search, if there is another, begins where it began first. */
  opened(now: Instant): void {
    this.#openedAt = now;
    this.#others = 0;
    this.#searched = -STEP;
  }

  /** Erases the keys of its receiver. */
  erase(): void {
    this.#receiver?.erase();
  }

  #opens(now: Instant): boolean {
    return this.#openedAt !== undefined && between(this.#openedAt, now) < OPENS_FOR;
  }

  #isForsaken(ssrc: number): boolean {
    return ssrc !== this.#ssrc && ++this.#others >= OTHERS + (this.#picks % MORE);
  }

  #lookAt(ssrc: number, searched: number): void {
    this.#receiver?.erase();
    const { suite, mkiLength, roc, rocEvery, keys } = this.#sender;
    const receiver = new StreamReceiver({ ciphers: this.#ciphers, suite, mkiLength, ssrc, rocEvery });
    for (const { epoch, masterKey, masterSalt } of keys) receiver.install(epoch, masterKey, masterSalt);
    // The middle of a turn: whatever the sequence number, it is this turn's.
    receiver.position((roc + searched) % 2 ** 32, HALF_TURN);
    this.#receiver = receiver;
    this.#ssrc = ssrc;
    this.#searched = searched;
    this.#others = 0;
    this.#picks++;
  }
}
