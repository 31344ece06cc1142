// The sending end of source authentication: each packet waits for a fixed span, and before the first of a window leaves, the manifest
// of the whole window does. So a receiver knows what is genuine when it comes, and need hold nothing back but what overtook its manifest.
import { after, type Duration, earliest, type Instant, milliseconds } from "../base/time.ts";
import type { Primitives } from "../ports/primitives.ts";
import { DIGEST, digestOf, type ManifestStream, MOST_DIGESTS, manifestKey, writeManifest } from "./manifest.ts";

/** What became of a packet: told once. */
type Sent<Failure> = (error?: Failure) => void;

/** What is fixed for a channel. */
export interface SigningOptions<Failure> {
  readonly primitives: Primitives;
  readonly stream: ManifestStream;
  /** Ed25519, private. */
  readonly signingKey: Uint8Array;
  /** How long a packet waits, and the longest span that one manifest is for. */
  readonly window: Duration;
  /** Puts a datagram on the wire; `sent` is absent for manifests. */
  readonly send: (datagram: Uint8Array, sent?: Sent<Failure>) => void;
}

interface Waiting<Failure> {
  readonly packet: Uint8Array;
  readonly sent: Sent<Failure>;
  readonly at: Instant;
}

interface Epoch {
  readonly number: number;
  readonly key: Uint8Array;
}

/** One per channel. Call `poll` when `nextDeadline` has come. */
export class SigningLine<Failure> {
  readonly #options: SigningOptions<Failure>;
  readonly #line: Waiting<Failure>[] = [];
  /** Of the packets since the last manifest. */
  readonly #digests = new Uint8Array(MOST_DIGESTS * DIGEST);
  #count = 0;
  /** When the window that is open closes; undefined while none is. */
  #closesAt: Instant | undefined;
  /** Each manifest leaves twice, half a window apart: what loses the one seldom loses both. */
  readonly #repeats: { readonly manifest: Uint8Array; readonly at: Instant }[] = [];
  #epoch: Epoch | undefined;
  #next: Epoch | undefined;
  #number = 0;
  #manifests = 0;

  constructor(options: SigningOptions<Failure>) {
    this.#options = options;
  }

  /** Signed since the start. */
  get manifests(): number {
    return this.#manifests;
  }

  /** Packets that wait. */
  get waiting(): number {
    return this.#line.length;
  }

  /** Prepares an epoch; the octets stay the caller's. */
  install(epoch: number, masterKey: Uint8Array, masterSalt: Uint8Array): void {
    this.#next?.key.fill(0);
    this.#next = { number: epoch, key: manifestKey(this.#options.primitives, masterKey, masterSalt) };
  }

  /** The packets so far are signed under their own epoch, every later one under `epoch`, which must be installed (else RangeError). */
  switchTo(now: Instant, epoch: number): void {
    if (this.#next?.number !== epoch) throw new RangeError(`epoch ${epoch} is not installed`);
    this.#close(now);
    this.#epoch?.key.fill(0);
    this.#epoch = this.#next;
    this.#next = undefined;
    this.#number = 0;
  }

  /** An SRTP packet, which must stay as it is until `sent` is called. RangeError before the first epoch. */
  push(now: Instant, packet: Uint8Array, sent: Sent<Failure>): void {
    if (this.#epoch === undefined) throw new RangeError("no epoch in use");
    const { primitives, window } = this.#options;
    const leavesAt = after(now, window);
    this.#line.push({ packet, sent, at: leavesAt });
    this.#digests.set(digestOf(primitives, packet), this.#count++ * DIGEST);
    this.#closesAt ??= leavesAt;
    if (this.#count === MOST_DIGESTS) this.#close(now);
  }

  poll(now: Instant): void {
    if (this.#closesAt !== undefined && this.#closesAt <= now) this.#close(now);
    while ((this.#repeats[0]?.at ?? Number.POSITIVE_INFINITY) <= now) this.#repeat();
    while ((this.#line[0]?.at ?? Number.POSITIVE_INFINITY) <= now) this.#release();
  }

  nextDeadline(): Instant | undefined {
    return earliest([this.#closesAt, this.#repeats[0]?.at, this.#line[0]?.at]);
  }

  /** Nothing more leaves; the keys are erased. */
  stop(): void {
    this.#line.length = 0;
    this.#repeats.length = 0;
    this.#closesAt = undefined;
    this.#count = 0;
    this.#epoch?.key.fill(0);
    this.#next?.key.fill(0);
    this.#epoch = undefined;
    this.#next = undefined;
  }

  #close(now: Instant): void {
    this.#closesAt = undefined;
    const epoch = this.#epoch;
    if (this.#count === 0 || epoch === undefined) return;
    const { primitives, stream, signingKey, window, send } = this.#options;
    const digests = this.#digests.subarray(0, this.#count * DIGEST);
    this.#count = 0;
    const manifest = { epoch: epoch.number, number: this.#number++, digests };
    const datagram = writeManifest(primitives, epoch.key, signingKey, stream, manifest);
    this.#manifests++;
    send(datagram);
    this.#repeats.push({ manifest: datagram, at: after(now, milliseconds(window / 2)) });
  }

  #repeat(): void {
    const repeat = this.#repeats.shift();
    if (repeat !== undefined) this.#options.send(repeat.manifest);
  }

  #release(): void {
    const waiting = this.#line.shift();
    if (waiting !== undefined) this.#options.send(waiting.packet, waiting.sent);
  }
}
