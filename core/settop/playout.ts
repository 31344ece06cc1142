// The data plane of one channel: datagrams in, clear packets out. Plain calls; nothing that has not authenticated gets past here.
import { Counters } from "../base/counters.ts";
import { between, type Duration, earliest, type Instant, milliseconds, seconds } from "../base/time.ts";
import type { EpochKey, Position, StreamParameters } from "../control/messages.ts";
import type { Ciphers } from "../ports/cipher.ts";
import type { Output, OutputStatus } from "../ports/output.ts";
import type { Primitives } from "../ports/primitives.ts";
import { isManifest } from "../stream/manifest.ts";
import { type StreamDrop, StreamReceiver } from "../stream/receiver.ts";
import type { StatisticsSnapshot } from "../stream/reception-statistics.ts";
import { checkRtp, payloadEnd } from "../stream/rtp.ts";
import { type GateSnapshot, SourceGate } from "../stream/source-gate.ts";
import type { StreamSign } from "./events.ts";
import { Reorder, type ReorderCounts } from "./reorder.ts";
import { type UnmanagedSender, UnmanagedStream } from "./unmanaged.ts";

/** What became of a packet that was not handed on. */
export type PlayoutDrop =
  /** No grant yet, or none any more. */
  | "settop.no-key"
  /** A manifest where the source is not authenticated. */
  | "settop.manifest"
  /** A clear packet whose padding is not sound. */
  | "settop.padding"
  /** A clear packet that the output did not take: why is in `output`. */
  | "settop.not-taken";

/** How the source of a stream that is signed is authenticated. */
export interface SourceAuthentication {
  readonly primitives: Primitives;
  /** The channel's id. */
  readonly channel: string;
  /** What becomes of packets that no manifest covers. */
  readonly uncovered: "drop" | "pass";
}

/** What a playout is made of. */
export interface PlayoutOptions {
  /** For the keys of the channel; `output` takes its clear packets. */
  readonly ciphers: Ciphers;
  readonly output: Output;
  /** Packets that may wait for an overtaken one: 0 to 1024; 32 unless told otherwise. */
  readonly depth?: number;
  /** How long they may wait; 50 ms unless told otherwise. */
  readonly patience?: Duration;
  /** Absent: signed streams are taken like any other. */
  readonly source?: SourceAuthentication | undefined;
  /** For the machine; trouble at most once a second, and none while packets open. */
  readonly sign: (sign: StreamSign) => void;
}

/** What became of a channel's packets since it was tuned to. */
export interface PlayoutStatus extends StatisticsSnapshot {
  /** Datagrams of any kind on the group and port. */
  readonly datagrams: number;
  /** ms since the last one; undefined when there was none. */
  readonly silentFor: Duration | undefined;
  /** Clear packets that the output took. What has become of them is in `output`. */
  readonly handedOn: number;
  readonly reorder: ReorderCounts;
  /** Packets by the reason why they went no further. */
  readonly drops: Record<string, number>;
  /** Of the last packet that opened; undefined while none has. */
  readonly lastEpoch: number | undefined;
  /** 16 packets in a row did not open: the position in hand must be wrong. */
  readonly positionLost: boolean;
  /** Why the last packet that did not open did not; undefined when all did. */
  readonly lastDrop: StreamDrop | "manifest.uncovered" | undefined;
  /** Absent while the source is not authenticated. */
  readonly authentication?: Omit<GateSnapshot, "drops">;
  /** From tuning in to the first clear packet; undefined while there is none. */
  readonly zapMs: number | undefined;
  /** ms since the last clear packet; undefined when there was none. */
  readonly darkFor: Duration | undefined;
  readonly output: OutputStatus;
}

const DEPTH = 32;
const PATIENCE = milliseconds(50);
/** A packet may wait so long for its manifest: for the second copy, when the first is lost. */
const MANIFEST_PATIENCE = milliseconds(100);
const MOST_UNCOVERED = 64;
/** The same trouble is told again only after this. */
const TELL_AGAIN = seconds(1);
/** While packets open there is no trouble, whatever else comes: anybody can write to the group. */
const DARK_FOR = milliseconds(250);
/** Under which epoch the stream is, most packets of such a span say. */
const COUNTED_FOR = milliseconds(250);

const NOTHING: StatisticsSnapshot = {
  received: 0,
  lost: 0,
  duplicated: 0,
  reordered: 0,
  undecryptable: 0,
  resynchronised: 0,
};

/** One per viewing. `datagram` is the hot path: decrypts in place, puts in order, hands on. */
export class Playout {
  readonly #options: PlayoutOptions;
  readonly #tunedAt: Instant;
  readonly #reorder: Reorder;
  readonly #drops = new Counters<PlayoutDrop>();
  /** Of receivers that a change of the stream's parameters has replaced. */
  #before = NOTHING;
  #receiver: StreamReceiver | undefined;
  #gate: SourceGate | undefined;
  #uncovered = 0;
  #unmanaged: UnmanagedStream | undefined;
  #datagrams = 0;
  #handedOn = 0;
  #lastDatagram: Instant | undefined;
  #firstClear: Instant | undefined;
  #lastClear: Instant | undefined;
  /** Under which the stream is, as far as the machine knows. */
  #toldEpoch: number | undefined;
  /** Packets that opened since `#countedSince` under it, and under others. */
  #underTold = 0;
  #underOthers = 0;
  #countedSince: Instant | undefined;
  /** Of the receiver, as the order has followed them. */
  #leaps = 0;
  /** The epoch under which the sender was last seen to count anew, as it was told; 0 for never. */
  #toldBeginning = 0;
  #troubleToldAt: Instant | undefined;
  #lastDrop: PlayoutStatus["lastDrop"];

  constructor(options: PlayoutOptions, tunedAt: Instant) {
    this.#options = options;
    this.#tunedAt = tunedAt;
    this.#reorder = new Reorder(options.depth ?? DEPTH, options.patience ?? PATIENCE, (packet, length) =>
      this.#handOn(packet, length),
    );
  }

  /** `receive` effect. Throws RangeError for a suite that is none. */
  receive(stream: StreamParameters): void {
    this.silence();
    const { suite, mkiLength, ssrc, rocEvery } = stream;
    this.#receiver = new StreamReceiver({ ciphers: this.#options.ciphers, suite, mkiLength, ssrc, rocEvery });
    this.#gate = this.#makeGate(stream);
    this.#uncovered = 0;
  }

  /** `receive-unmanaged` effect. */
  receiveUnmanaged(sender: UnmanagedSender): void {
    this.silence();
    this.#unmanaged = new UnmanagedStream(this.#options.ciphers, sender);
  }

  /** `install` effect. */
  install({ epoch, masterKey, masterSalt }: EpochKey): void {
    this.#receiver?.install(epoch, masterKey, masterSalt);
    this.#gate?.install(epoch, masterKey, masterSalt);
  }

  /** `retire` effect. */
  retire(epoch: number): void {
    this.#receiver?.retire(epoch);
    this.#gate?.retire(epoch);
  }

  /** `position` effect. */
  position({ roc, seq }: Position): void {
    this.#receiver?.position(roc, seq);
  }

  /** `silence` effect: the keys are erased, what is already clear and in order goes out. */
  silence(): void {
    this.#unmanaged?.erase();
    this.#unmanaged = undefined;
    this.#forsake();
  }

  #forsake(): void {
    if (this.#receiver === undefined) return;
    this.#before = sum(this.#before, this.#receiver.statistics);
    this.#receiver.erase();
    this.#receiver = undefined;
    this.#gate?.erase();
    this.#gate = undefined;
    this.#reorder.restart();
    this.#leaps = 0;
    this.#forgetEpoch();
    this.#toldBeginning = 0;
  }

  /** One datagram of the group; `datagram` is overwritten with the clear packet. */
  datagram(now: Instant, datagram: Uint8Array): void {
    this.#datagrams++;
    this.#lastDatagram = now;
    if (this.#unmanaged !== undefined) this.#find(now, this.#unmanaged, datagram);
    const receiver = this.#receiver;
    const gate = this.#gate;
    if (receiver === undefined) this.#drops.count("settop.no-key");
    else if (gate !== undefined) this.#throughGate(now, gate, datagram);
    else if (isManifest(datagram)) this.#drops.count("settop.manifest");
    else this.#packet(now, receiver, datagram);
  }

  #packet(now: Instant, receiver: StreamReceiver, datagram: Uint8Array): void {
    const clear = receiver.unprotect(datagram);
    if (typeof clear === "number") this.#opened(now, receiver, datagram, clear);
    else this.#trouble(now, receiver, clear);
  }

  #find(now: Instant, unmanaged: UnmanagedStream, datagram: Uint8Array): void {
    const receiver = unmanaged.receiverFor(now, datagram);
    if (receiver === this.#receiver) return;
    this.#forsake();
    this.#receiver = receiver;
  }

  /** When `poll` has work; undefined while nothing waits. */
  nextDeadline(): Instant | undefined {
    return earliest([this.#reorder.giveUpAt, this.#gate?.nextDeadline()]);
  }

  /** Gives up packets that have been missing, or without their manifest, for too long. */
  poll(now: Instant): void {
    if (this.#gate !== undefined) {
      this.#gate.poll(now);
      this.#noteUncovered(this.#gate);
    }
    this.#reorder.expire(now);
  }

  status(now: Instant): PlayoutStatus {
    const receiver = this.#receiver?.snapshot();
    const { drops: gateDrops, ...authentication } = this.#gate?.snapshot() ?? { drops: {} };
    return {
      ...sum(this.#before, receiver?.statistics ?? NOTHING),
      datagrams: this.#datagrams,
      silentFor: since(now, this.#lastDatagram),
      handedOn: this.#handedOn,
      reorder: { ...this.#reorder.counts },
      drops: { ...receiver?.drops, ...gateDrops, ...this.#drops.snapshot() },
      ...("manifests" in authentication ? { authentication } : {}),
      lastEpoch: receiver?.lastEpoch,
      positionLost: receiver?.positionLost ?? false,
      lastDrop: this.#lastDrop,
      zapMs: this.#firstClear === undefined ? undefined : Math.round(between(this.#tunedAt, this.#firstClear)),
      darkFor: since(now, this.#lastClear),
      output: this.#options.output.status(),
    };
  }

  #makeGate({ ssrc, signer }: StreamParameters): SourceGate | undefined {
    const { source } = this.#options;
    if (source === undefined || signer === undefined) return undefined;
    const { primitives, channel, uncovered } = source;
    return new SourceGate({
      primitives,
      stream: { channel, ssrc },
      signer,
      uncovered,
      patience: MANIFEST_PATIENCE,
      most: MOST_UNCOVERED,
      pass: (now, packet) => {
        if (this.#receiver !== undefined) this.#packet(now, this.#receiver, packet);
      },
    });
  }

  #throughGate(now: Instant, gate: SourceGate, datagram: Uint8Array): void {
    gate.datagram(now, datagram);
    this.#noteUncovered(gate);
    const { unknownEpoch } = gate;
    if (unknownEpoch !== undefined && isManifest(datagram) && this.#mayTell(now))
      this.#options.sign({ kind: "unknown-epoch", epoch: unknownEpoch });
  }

  #noteUncovered(gate: SourceGate): void {
    if (gate.uncovered === this.#uncovered) return;
    this.#uncovered = gate.uncovered;
    this.#lastDrop = "manifest.uncovered";
  }

  #opened(now: Instant, receiver: StreamReceiver, packet: Uint8Array, length: number): void {
    this.#firstClear ??= now;
    this.#lastClear = now;
    this.#unmanaged?.opened(now);
    if (receiver.lastEpoch !== undefined) this.#openedUnder(now, receiver.lastEpoch);
    if (receiver.oldestEpoch !== this.#toldBeginning) {
      this.#toldBeginning = receiver.oldestEpoch;
      if (this.#toldEpoch !== receiver.oldestEpoch) this.#tellEpoch(receiver.oldestEpoch);
      this.#options.sign({ kind: "began-anew", epoch: receiver.oldestEpoch });
    }
    if (receiver.leaps !== this.#leaps) {
      this.#leaps = receiver.leaps;
      this.#reorder.restart();
    }
    this.#reorder.push(now, receiver.lastIndex, packet, length);
  }

  /**
   * Every member has the next key for a while before the sender uses it, for as long as no key server is there to be asked, and the keys
   * before it are erased because of what is told here: one packet, which any member could have made, says nothing of the sender.
   */
  #openedUnder(now: Instant, epoch: number): void {
    if (isWithin(COUNTED_FOR, this.#countedSince, now)) {
      if (epoch === this.#toldEpoch) this.#underTold++;
      else this.#underOthers++;
      return;
    }
    const hasMoved = this.#toldEpoch === undefined || this.#underOthers > this.#underTold;
    this.#countedSince = now;
    this.#underTold = this.#underOthers = 0;
    if (epoch === this.#toldEpoch) this.#underTold = 1;
    else if (hasMoved) this.#tellEpoch(epoch);
    else this.#underOthers = 1;
  }

  #forgetEpoch(): void {
    this.#toldEpoch = undefined;
    this.#countedSince = undefined;
  }

  #tellEpoch(epoch: number): void {
    this.#toldEpoch = epoch;
    this.#underTold = 1;
    this.#options.sign({ kind: "clear", epoch });
  }

  #trouble(now: Instant, receiver: StreamReceiver, drop: StreamDrop): void {
    this.#lastDrop = drop;
    const { unknownEpoch } = receiver;
    if (drop !== "srtp.unknown-mki" && !receiver.positionLost) return;
    if (!this.#mayTell(now)) return;
    if (receiver.positionLost) {
      // The next clear packet is news.
      this.#forgetEpoch();
      this.#options.sign({ kind: "position-lost" });
    } else if (drop === "srtp.unknown-mki" && unknownEpoch !== undefined)
      this.#options.sign({ kind: "unknown-epoch", epoch: unknownEpoch });
  }

  #mayTell(now: Instant): boolean {
    if (isWithin(TELL_AGAIN, this.#troubleToldAt, now) || isWithin(DARK_FOR, this.#lastClear, now)) return false;
    this.#troubleToldAt = now;
    return true;
  }

  /** RFC 3550 5.1: what goes to a player as raw TS is without header extension and padding. */
  #handOn(packet: Uint8Array, length: number): void {
    const header = checkRtp(packet, length);
    if (typeof header === "string") {
      this.#drops.count("settop.padding");
      return;
    }
    if (this.#options.output.write(packet, length, header, payloadEnd(packet, length))) this.#handedOn++;
    else this.#drops.count("settop.not-taken");
  }
}

const isWithin = (span: Duration, then: Instant | undefined, now: Instant): boolean =>
  then !== undefined && between(then, now) < span;

const since = (now: Instant, then: Instant | undefined): Duration | undefined =>
  then === undefined ? undefined : between(then, now);

const sum = (a: StatisticsSnapshot, b: StatisticsSnapshot): StatisticsSnapshot => ({
  received: a.received + b.received,
  lost: a.lost + b.lost,
  duplicated: a.duplicated + b.duplicated,
  reordered: a.reordered + b.reordered,
  undecryptable: a.undecryptable + b.undecryptable,
  resynchronised: a.resynchronised + b.resynchronised,
});
