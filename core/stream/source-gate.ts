// The receiving end of source authentication: packets pass that a manifest of the sender covers. It stands in front of the receiver, so
// that what a member forges moves no position and no replay window there.
import { Counters } from "../base/counters.ts";
import { ReplayWindow } from "../base/replay-window.ts";
import { after, type Duration, type Instant } from "../base/time.ts";
import type { Primitives } from "../ports/primitives.ts";
import { DigestTable } from "./digest-table.ts";
import {
  checkManifest,
  DIGEST,
  digestOf,
  isManifest,
  type ManifestDrop,
  type ManifestStream,
  manifestEpoch,
  manifestKey,
  manifestNumber,
  openManifest,
  signedDigests,
} from "./manifest.ts";

/** Why a packet or a manifest was not taken. */
export type GateDrop =
  | ManifestDrop
  /** No key of its epoch is here: see `unknownEpoch`. */
  | "manifest.unknown-epoch"
  /** Taken before, as the second copy of each is, or older than what is remembered. */
  | "manifest.repeated"
  /** A member sends more forged ones than are worth their cost. */
  | "manifest.too-many"
  /** No manifest came for it in time. */
  | "manifest.uncovered";

/** What is fixed for a stream. */
export interface GateOptions {
  readonly primitives: Primitives;
  readonly stream: ManifestStream;
  /** The sender's public key, Ed25519. */
  readonly signer: Uint8Array;
  /** What becomes of a packet that no manifest covers: it is dropped, or passes late and counted. */
  readonly uncovered: "drop" | "pass";
  /** How long a packet that overtook its manifest may wait, and how many may at once. */
  readonly patience: Duration;
  readonly most: number;
  /** Takes what passes, in the octets it came in or in ours, which it may write during the call. */
  readonly pass: (now: Instant, packet: Uint8Array) => void;
}

/** Counts since the start. */
export interface GateSnapshot {
  /** Manifests of the sender that were taken. */
  readonly manifests: number;
  /** Packets that a manifest covered. */
  readonly covered: number;
  /** Packets that none covered. */
  readonly uncovered: number;
  readonly drops: Record<string, number>;
}

/** Digests that are remembered: at 100 Mbit/s those of 0.4 s, more than a sender signs ahead. */
const DIGESTS = 4096;
/** Live epochs, as in the receiver. */
const MOST_EPOCHS = 3;
/** Forged manifests whose signatures are checked: so many at once, and one more in so many milliseconds. A check costs some 0.15 ms. */
const FORGERIES = { burst: 64, spacing: 2 };

/** What is known of one epoch's manifests. */
interface Epoch {
  readonly key: Uint8Array;
  /** Numbers that were taken: a recorded manifest is worth nothing, so nobody can push the newest digests out with old ones. */
  readonly numbers: ReplayWindow;
}

interface Held {
  readonly packet: Uint8Array;
  readonly digest: Uint8Array;
  readonly until: Instant;
}

/** One per stream. Give it every datagram of the port; call `poll` when `nextDeadline` has come. */
export class SourceGate {
  readonly #options: GateOptions;
  readonly #epochs = new Map<number, Epoch>();
  readonly #table = new DigestTable(DIGESTS);
  readonly #held: Held[] = [];
  readonly #drops = new Counters<GateDrop>();
  #manifests = 0;
  #covered = 0;
  #uncovered = 0;
  #unknownEpoch: number | undefined;
  /** When the forgeries so far are paid off. */
  #forgeriesPaid = 0;

  constructor(options: GateOptions) {
    this.#options = options;
  }

  /** The epoch of the last manifest whose key is not here, until it is installed. Unauthenticated: a hint to ask, no more. */
  get unknownEpoch(): number | undefined {
    return this.#unknownEpoch;
  }

  /** Packets that no manifest covered, since the start. */
  get uncovered(): number {
    return this.#uncovered;
  }

  /** For status. */
  snapshot(): GateSnapshot {
    return {
      manifests: this.#manifests,
      covered: this.#covered,
      uncovered: this.#uncovered,
      drops: this.#drops.snapshot(),
    };
  }

  /** Manifests of this epoch can be read from now on; the octets stay the caller's. A fourth takes the place of the oldest. */
  install(epoch: number, masterKey: Uint8Array, masterSalt: Uint8Array): void {
    this.retire(epoch);
    const key = manifestKey(this.#options.primitives, masterKey, masterSalt);
    this.#epochs.set(epoch, { key, numbers: new ReplayWindow() });
    if (this.#epochs.size > MOST_EPOCHS) this.retire(Math.min(...this.#epochs.keys()));
    if (this.#unknownEpoch === epoch) this.#unknownEpoch = undefined;
  }

  retire(epoch: number): void {
    this.#epochs.get(epoch)?.key.fill(0);
    this.#epochs.delete(epoch);
  }

  /** Forgets everything, at the end of a reception. */
  erase(): void {
    for (const epoch of [...this.#epochs.keys()]) this.retire(epoch);
    this.#table.clear();
    this.#held.length = 0;
  }

  datagram(now: Instant, datagram: Uint8Array): void {
    if (isManifest(datagram)) this.#manifest(now, datagram);
    else this.#packet(now, datagram);
  }

  nextDeadline(): Instant | undefined {
    return this.#held[0]?.until;
  }

  /** Gives up packets that have waited for too long. */
  poll(now: Instant): void {
    while ((this.#held[0]?.until ?? Number.POSITIVE_INFINITY) <= now) this.#giveUp(now);
  }

  #packet(now: Instant, packet: Uint8Array): void {
    const digest = digestOf(this.#options.primitives, packet);
    if (this.#table.has(digest)) this.#pass(now, packet);
    else this.#hold(now, packet, digest);
  }

  #pass(now: Instant, packet: Uint8Array): void {
    this.#covered++;
    this.#options.pass(now, packet);
  }

  /** A flood of forgeries pushes out those that wait, and no packet whose manifest is here. */
  #hold(now: Instant, packet: Uint8Array, digest: Uint8Array): void {
    const { most, patience } = this.#options;
    if (this.#held.length >= most) this.#giveUp(now);
    // Node's Buffer would share its octets by `slice`.
    this.#held.push({ packet: new Uint8Array(packet), digest, until: after(now, patience) });
  }

  #giveUp(now: Instant): void {
    const held = this.#held.shift();
    if (held === undefined) return;
    this.#uncovered++;
    this.#drops.count("manifest.uncovered");
    if (this.#options.uncovered === "pass") this.#options.pass(now, held.packet);
  }

  #manifest(now: Instant, datagram: Uint8Array): void {
    const digests = this.#read(now, datagram);
    if (typeof digests === "string") {
      this.#drops.count(digests);
      return;
    }
    this.#manifests++;
    for (let at = 0; at < digests.length; at += DIGEST) this.#table.add(digests, at);
    this.#releaseCovered(now);
  }

  #releaseCovered(now: Instant): void {
    const waiting = this.#held.splice(0);
    for (const held of waiting)
      if (this.#table.has(held.digest)) this.#pass(now, held.packet);
      else this.#held.push(held);
  }

  /** The cheap checks first; what the sender has not signed moves nothing. */
  #read(now: Instant, datagram: Uint8Array): Uint8Array | GateDrop {
    const { primitives, stream, signer } = this.#options;
    const fault = checkManifest(datagram, stream.ssrc);
    if (fault !== undefined) return fault;
    const number = manifestNumber(datagram);
    const epoch = this.#epochs.get(manifestEpoch(datagram));
    if (epoch === undefined) return this.#unknown(manifestEpoch(datagram));
    if (epoch.numbers.check(number) !== "fresh") return "manifest.repeated";
    const text = openManifest(primitives, epoch.key, datagram);
    if (typeof text === "string") return text;
    if (!this.#mayCheck(now)) return "manifest.too-many";
    const digests = signedDigests(primitives, signer, stream, datagram, text);
    if (typeof digests === "string") return this.#forged(now, digests);
    epoch.numbers.accept(number);
    return digests;
  }

  #unknown(epoch: number): GateDrop {
    this.#unknownEpoch = epoch;
    return "manifest.unknown-epoch";
  }

  #mayCheck(now: Instant): boolean {
    return this.#forgeriesPaid - now <= (FORGERIES.burst - 1) * FORGERIES.spacing;
  }

  #forged(now: Instant, drop: ManifestDrop): ManifestDrop {
    this.#forgeriesPaid = Math.max(now, this.#forgeriesPaid) + FORGERIES.spacing;
    return drop;
  }
}
