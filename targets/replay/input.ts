// A capture's octets from a file or standard input, decompressed where they are gzip, never more of them in memory than a few parts.
import { createReadStream } from "node:fs";
import type { Readable } from "node:stream";
import { createGunzip, type Gunzip } from "node:zlib";
import { CaptureReader } from "../../core/capture/capture.ts";
import type { CapturedPacket, CaptureFault } from "../../core/capture/captured-packet.ts";
import { HalError } from "../../core/ports/errors.ts";

/** Standard input, as a path. */
export const STANDARD_INPUT = "-";

/** Packets of one part of the file; a fault comes last. To be used up before the next batch is asked for. */
export type Batch = Iterable<CapturedPacket | CaptureFault>;

/** Rejects with HalError "capture.unreadable" when the file cannot be opened or read. `stopped` ends it, whatever it waits for. */
export async function* batchesOf(path: string, stopped: AbortSignal): AsyncGenerator<Batch, void> {
  const reader = new CaptureReader();
  for await (const octets of decompressed(octetsOf(path, stopped))) {
    if (typeof octets === "string") return yield [octets];
    yield reader.read(octets);
  }
  yield reader.end();
}

async function* octetsOf(path: string, stopped: AbortSignal): AsyncGenerator<Uint8Array, void> {
  if (stopped.aborted) return;
  const stream: Readable = path === STANDARD_INPUT ? process.stdin : createReadStream(path);
  const stop = (): void => void stream.destroy();
  stopped.addEventListener("abort", stop);
  try {
    for await (const part of stream) yield part;
  } catch (cause) {
    if (stopped.aborted) return;
    const because = cause instanceof Error ? cause.message : String(cause);
    throw new HalError("capture.unreadable", `cannot read ${path}: ${because}`, { cause });
  } finally {
    stopped.removeEventListener("abort", stop);
  }
}

async function* decompressed(parts: AsyncGenerator<Uint8Array, void>): AsyncGenerator<Uint8Array | CaptureFault, void> {
  const begin: Uint8Array[] = [];
  let size = 0;
  while (size < GZIP_MAGIC.length) {
    const next = await parts.next();
    if (next.done === true) break;
    begin.push(next.value);
    size += next.value.length;
  }
  const head = Buffer.concat(begin);
  const whole = following(head, parts);
  if (GZIP_MAGIC.every((octet, i) => head[i] === octet)) yield* gunzipped(whole);
  else yield* whole;
}

/** RFC 1952 2.3.1. */
const GZIP_MAGIC = [0x1f, 0x8b] as const;

async function* following(head: Uint8Array, rest: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array, void> {
  yield head;
  yield* rest;
}

/** What is fed at once: it may grow a thousandfold, and what is damaged costs no more than this. */
const SLICE = 4096;

/** Everything before the damage is given, as node:zlib's own iterator would not do. */
async function* gunzipped(parts: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array | CaptureFault, void> {
  const unpacking = new Unpacking();
  for await (const part of parts)
    for (let at = 0; at < part.length && !unpacking.failed; at += SLICE) {
      await unpacking.feed(part.subarray(at, at + SLICE));
      yield* unpacking.take();
    }
  await unpacking.end();
  yield* unpacking.take();
  if (unpacking.failed) yield "capture.gzip";
}

class Unpacking {
  failed = false;
  readonly #gunzip: Gunzip = createGunzip();
  #found: Uint8Array[] = [];
  readonly #closed: Promise<void>;

  constructor() {
    this.#gunzip.on("data", (octets: Uint8Array) => this.#found.push(octets));
    this.#gunzip.on("error", () => {
      this.failed = true;
    });
    this.#closed = new Promise((resolve) => this.#gunzip.once("close", resolve));
  }

  /** Resolves when all that these octets give has been found. */
  feed(octets: Uint8Array): Promise<void> {
    const written = new Promise<void>((resolve) => this.#gunzip.write(octets, () => resolve()));
    return Promise.race([written, this.#closed]);
  }

  end(): Promise<void> {
    if (!this.failed) this.#gunzip.end();
    return this.#closed;
  }

  take(): readonly Uint8Array[] {
    const found = this.#found;
    this.#found = [];
    return found;
  }
}
