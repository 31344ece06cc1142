// An output of bytes in order through a bounded queue of chunks: a slow reader costs packets, never memory and never the stream.
import { RandomAccessSearch } from "../../core/mpegts/random-access.ts";
import { HalError } from "../../core/ports/errors.ts";
import type { Output, OutputStatus } from "../../core/ports/output.ts";
import { OutputCounts, type OutputDrop } from "./output-counts.ts";

/** Takes one chunk at a time. */
export interface ByteSink {
  /** "ready": `write` may be called. Anything else says why not: the packet is dropped by that name. */
  state(): "ready" | "output.no-reader" | "output.failed";
  /** Why it is not ready, in words. */
  fault(): string | undefined;
  /** Writes all of `chunk`, which stays as it is until `done` is called, once. */
  write(chunk: Uint8Array, done: (error?: HalError) => void): void;
  close(): Promise<void>;
}

const CHUNK = 64 * 1024;
/** 2 MiB: a second and a half of a 10 Mbit/s stream. */
const CHUNKS = 32;
/** Writing goes on when no more than this is left of a queue that was full. */
const CHUNKS_LEFT = CHUNKS / 4;
/** Octets without a random access point after which any packet will do: some streams mark none. */
const UNMARKED = 8 << 20;
const CLOSE_LIMIT = 400;

interface Chunk {
  readonly bytes: Uint8Array;
  used: number;
  packets: number;
}

/** The reader could not keep up. Nothing is queued until it has, and the stream has a place to begin. */
interface Overrun {
  readonly search: RandomAccessSearch;
  /** Octets in which none was found. */
  searched: number;
}

const TOO_SLOW = "output.backlog: whoever reads is too slow; it gets the next picture that it can begin with";

/**
 * A full queue is no reason to cut holes into the stream: what is queued stays whole, and after it comes a random access point.
 * Holds at most 2 MiB; `write` copies, and gives to the sink in chunks of up to 64 KiB.
 */
export class QueuedOutput implements Output {
  readonly #sink: ByteSink;
  readonly #counts: OutputCounts;
  /** Waiting, oldest first; the last one is being filled. */
  readonly #queue: Chunk[] = [];
  readonly #free: Chunk[] = [];
  #allocated = 0;
  /** The first chunk is the sink's while it is being written. */
  #work: "idle" | "scheduled" | "writing" = "idle";
  #open = true;
  #drained: (() => void) | undefined;
  #overrun: Overrun | undefined;

  constructor(driver: string, sink: ByteSink) {
    this.#counts = new OutputCounts(driver);
    this.#sink = sink;
  }

  write(packet: Uint8Array, _end: number, payloadStart: number, payloadEnd: number): boolean {
    const drop = this.#obstacle() ?? this.#queued(packet, payloadStart, payloadEnd);
    if (drop === undefined) return true;
    this.#counts.dropped(drop);
    return false;
  }

  status(): OutputStatus {
    const slow = this.#overrun === undefined ? undefined : TOO_SLOW;
    const status = this.#counts.status();
    return { ...status, fault: this.#sink.fault() ?? slow ?? status.fault };
  }

  /** What is queued goes out first, unless the reader keeps us waiting. */
  async close(): Promise<void> {
    this.#open = false;
    if (this.#queue.length > 0 && this.#sink.state() === "ready") await this.#drain();
    await this.#sink.close();
  }

  #obstacle(): OutputDrop | undefined {
    if (!this.#open) return "output.closed";
    const state = this.#sink.state();
    return state === "ready" ? undefined : state;
  }

  #queued(packet: Uint8Array, start: number, end: number): "output.backlog" | undefined {
    if (this.#overrun !== undefined && !this.#hasEnded(this.#overrun, packet, start, end)) return "output.backlog";
    const chunk = this.#room(end - start);
    if (chunk === undefined) {
      this.#overrun = { search: new RandomAccessSearch(), searched: 0 };
      return "output.backlog";
    }
    this.#overrun = undefined;
    chunk.bytes.set(packet.subarray(start, end), chunk.used);
    chunk.used += end - start;
    chunk.packets++;
    this.#schedule();
    return undefined;
  }

  #hasEnded(overrun: Overrun, packet: Uint8Array, start: number, end: number): boolean {
    if (this.#queue.length > CHUNKS_LEFT) return false;
    overrun.searched += end - start;
    return overrun.search.finds(packet, start, end) || overrun.searched > UNMARKED;
  }

  /** A chunk with room for `length` octets at the queue's end; undefined when the queue is full. */
  #room(length: number): Chunk | undefined {
    const last = this.#queue.at(-1);
    const mayFill = last !== undefined && !(this.#work === "writing" && this.#queue.length === 1);
    if (mayFill && last.used + length <= last.bytes.length) return last;
    const chunk = this.#free.pop() ?? this.#allocate();
    if (chunk === undefined || length > chunk.bytes.length) return undefined;
    chunk.used = 0;
    chunk.packets = 0;
    this.#queue.push(chunk);
    return chunk;
  }

  #allocate(): Chunk | undefined {
    if (this.#allocated >= CHUNKS) return undefined;
    this.#allocated++;
    return { bytes: new Uint8Array(CHUNK), used: 0, packets: 0 };
  }

  /** Once a turn of the event loop, so that packets that come together leave together. */
  #schedule(): void {
    if (this.#work !== "idle") return;
    this.#work = "scheduled";
    setImmediate(() => this.#pump());
  }

  #pump(): void {
    const first = this.#queue[0];
    this.#work = first === undefined ? "idle" : "writing";
    if (first !== undefined) this.#sink.write(first.bytes.subarray(0, first.used), (error) => this.#written(error));
  }

  #written(error: HalError | undefined): void {
    this.#work = "idle";
    const done = this.#queue.shift();
    this.#counts.fault = error === undefined ? undefined : `${error.code}: ${error.message}`;
    if (done !== undefined) this.#count(done, error);
    if (this.#queue.length > 0) this.#pump();
    else this.#drained?.();
  }

  #count(chunk: Chunk, error: HalError | undefined): void {
    if (error === undefined) this.#counts.written(chunk.packets, chunk.used);
    else this.#counts.dropped("output.failed", chunk.packets);
    this.#free.push(chunk);
  }

  #drain(): Promise<void> {
    return new Promise((resolve) => {
      const limit = setTimeout(resolve, CLOSE_LIMIT);
      this.#drained = () => {
        clearTimeout(limit);
        resolve();
      };
      this.#schedule();
    });
  }
}

/** HalError `code`: `what`, and the errno of `cause` or its text. */
export const sinkError = (code: string, what: string, cause: unknown): HalError =>
  new HalError(code, `${what} (${(cause as NodeJS.ErrnoException | undefined)?.code ?? String(cause)})`, { cause });
