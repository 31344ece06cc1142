// What one socket has still to send: copied, and given to the kernel by the batch when the turn ends, or when a batch is full. What the
// kernel does not take waits for its room.
import { ANY, type Ipv4, isMulticast } from "../../core/base/ipv4.ts";
import { HalError } from "../../core/ports/errors.ts";
import { internetAddress } from "../native/multicast-sender.ts";
import { SEND_BATCH, SEND_ROW, type SocketsModule, SystemError, succeeded } from "../native/sockets.ts";

/** What became of a datagram; no error: the kernel has taken it. */
export type Sent = ((error?: HalError) => void) | undefined;

/** Datagrams that may wait at once: as many as outputs and channels have under way, and some more than the kernel takes at once. */
const MOST = 4 * SEND_BATCH;
const OCTETS = MOST * 2048;

const EAGAIN = 11;

/** Of one descriptor. `failed` counts what did not leave. */
export class SendQueue {
  readonly #native: SocketsModule;
  readonly #descriptor: number;
  readonly #failed: () => void;
  /** Whether the kernel takes several as one, and cuts them apart on the way out. */
  #cutsSegments: boolean;
  readonly #octets = Buffer.allocUnsafeSlow(OCTETS);
  readonly #rows = new Int32Array(MOST * SEND_ROW);
  readonly #sent: Sent[] = [];
  #used = 0;
  #first = 0;
  #count = 0;
  #to = ANY;
  #port = 0;
  #address = internetAddress(ANY);
  /** The kernel takes no more until the watch says so. */
  #isFull = false;
  #isFlushing = false;
  #isScheduled = false;
  readonly #flushLater = (): void => {
    this.#isScheduled = false;
    this.flush();
  };

  constructor(native: SocketsModule, descriptor: number, cutsSegments: boolean, failed: () => void) {
    this.#native = native;
    this.#descriptor = descriptor;
    this.#cutsSegments = cutsSegments;
    this.#failed = failed;
  }

  /** Copies the payload; `sent` is called when it has left or cannot. */
  push(payload: Uint8Array, to: Ipv4, port: number, sent: Sent): void {
    if (!this.#isReadyFor(payload.length, to, port)) {
      this.#fail(sent, new SystemError("send", EAGAIN));
      return;
    }
    this.#octets.set(payload, this.#used);
    this.#rows[SEND_ROW * this.#count] = this.#used;
    this.#used += payload.length;
    this.#rows[SEND_ROW * this.#count + 1] = this.#used;
    this.#sent[this.#count++] = sent;
    if (this.#isFull || this.#isFlushing) return;
    if (this.#count - this.#first >= SEND_BATCH) this.flush();
    else this.#schedule();
  }

  /** Gives the kernel all that it takes. */
  flush(): void {
    if (this.#isFull || this.#isFlushing) return;
    this.#isFlushing = true;
    while (this.#first < this.#count && !this.#isFull) this.#sendBatch();
    this.#isFlushing = false;
    if (this.#first === this.#count) this.#empty();
  }

  /** The kernel takes more again. */
  hasRoom(): void {
    this.#isFull = false;
    this.flush();
  }

  /** Sends what the kernel takes; the rest fails. */
  close(): void {
    this.hasRoom();
    while (this.#first < this.#count) this.#fail(this.#next(), new SystemError("send", EAGAIN));
    this.#empty();
  }

  /** Makes room, and the address its own. */
  #isReadyFor(length: number, to: Ipv4, port: number): boolean {
    const isElsewhere = to !== this.#to || port !== this.#port;
    if (isElsewhere || !this.#fits(length)) {
      this.flush();
      this.#moveUp();
    }
    if (!this.#fits(length)) return false;
    if (!isElsewhere) return true;
    if (this.#count > 0) return false;
    this.#to = to;
    this.#port = port;
    this.#address = internetAddress(to, port);
    return true;
  }

  #fits(length: number): boolean {
    return this.#count < MOST && this.#used + length <= OCTETS;
  }

  /** What waits takes the place of what has left. */
  #moveUp(): void {
    const gone = this.#first;
    if (gone === 0) return;
    const from = gone < this.#count ? (this.#rows[SEND_ROW * gone] ?? 0) : this.#used;
    this.#octets.copyWithin(0, from, this.#used);
    for (let at = SEND_ROW * gone; at < SEND_ROW * this.#count; at++)
      this.#rows[at - SEND_ROW * gone] = (this.#rows[at] ?? 0) - from;
    this.#sent.copyWithin(0, gone, this.#count);
    this.#sent.fill(undefined, this.#count - gone, this.#count);
    this.#first = 0;
    this.#count -= gone;
    this.#used -= from;
  }

  #schedule(): void {
    if (this.#isScheduled) return;
    this.#isScheduled = true;
    queueMicrotask(this.#flushLater);
  }

  /**
   * To a group nothing goes as segments of one: where they are not cut before, between containers and their host, Linux's multicast
   * routing takes them for one packet that is longer than the next link's and drops it (ipmr_queue_xmit, 6.x).
   */
  #sendBatch(): void {
    const inSegments = this.#cutsSegments && !isMulticast(this.#to);
    const taken = this.#give(inSegments);
    if (taken > 0) this.#left(taken);
    else if (taken === -EAGAIN) this.#waitForRoom();
    else if (inSegments) this.#sendSingly();
    else this.#fail(this.#next(), new SystemError("send", -taken));
  }

  /**
   * What was refused as one may leave one by one: then the way out cannot cut segments (no checksum by the card, a smaller MTU), and no
   * more are made. Else it is the first datagram that cannot leave.
   */
  #sendSingly(): void {
    const taken = this.#give(false);
    if (taken > 0) {
      this.#cutsSegments = false;
      this.#left(taken);
    } else if (taken === -EAGAIN) this.#waitForRoom();
    else this.#fail(this.#next(), new SystemError("send", -taken));
  }

  #give(inSegments: boolean): number {
    const count = Math.min(SEND_BATCH, this.#count - this.#first);
    const [octets, rows, first] = [this.#octets, this.#rows, this.#first];
    return this.#native.sendBatch(this.#descriptor, octets, rows, first, count, this.#address, inSegments ? 1 : 0);
  }

  #left(taken: number): void {
    for (let i = 0; i < taken; i++) this.#next()?.();
  }

  #next(): Sent {
    const sent = this.#sent[this.#first];
    this.#sent[this.#first++] = undefined;
    return sent;
  }

  #waitForRoom(): void {
    this.#isFull = true;
    succeeded("awaitRoom", this.#native.awaitRoom(this.#descriptor));
  }

  #fail(sent: Sent, cause: SystemError): void {
    this.#failed();
    sent?.(new HalError("datagram.send", `cannot send (${cause.code})`, { cause }));
  }

  #empty(): void {
    this.#first = this.#count = this.#used = 0;
  }
}
