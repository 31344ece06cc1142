// A pipe with a reader at its other end: a FIFO that a player opens when it likes, or our standard output.
import { closeSync, constants, openSync } from "node:fs";
import { Socket } from "node:net";
import { performance } from "node:perf_hooks";
import type { HalError } from "../../core/ports/errors.ts";
import { type ByteSink, sinkError } from "./queued.ts";

/** How often a FIFO is looked at for a reader, in ms. */
const LOOK_AGAIN = 500;

/** Writes through the event loop, so that a full pipe holds up nobody. */
export class PipeSink implements ByteSink {
  readonly #name: string;
  /** A descriptor with a reader, or undefined when there is none now. Throws the errno otherwise. */
  readonly #connect: () => number | undefined;
  readonly #readerGone: () => void;
  #socket: Socket | undefined;
  #lookAt = 0;
  #fault: string | undefined;
  #closed = false;

  /** The reader may come, go and come back; without one nothing is kept for it. */
  static fifo(path: string): PipeSink {
    return new PipeSink(
      path,
      () => openForReader(path),
      () => {},
    );
  }

  /** `readerGone` is called once when the pipe breaks. */
  static descriptor(name: string, descriptor: number, readerGone: () => void): PipeSink {
    let used = false;
    const connect = (): number | undefined => {
      if (used) return undefined;
      used = true;
      return descriptor;
    };
    return new PipeSink(name, connect, readerGone);
  }

  private constructor(name: string, connect: () => number | undefined, readerGone: () => void) {
    this.#name = name;
    this.#connect = connect;
    this.#readerGone = readerGone;
  }

  state(): "ready" | "output.no-reader" | "output.failed" {
    if (this.#socket !== undefined) return "ready";
    this.#look();
    if (this.#socket !== undefined) return "ready";
    return this.#fault === undefined ? "output.no-reader" : "output.failed";
  }

  fault(): string | undefined {
    return this.#socket === undefined ? (this.#fault ?? `${this.#name} has no reader`) : undefined;
  }

  write(chunk: Uint8Array, done: (error?: HalError) => void): void {
    const socket = this.#socket;
    if (socket === undefined) {
      done(sinkError("output.no-reader", `nobody reads ${this.#name}`, "no reader"));
      return;
    }
    socket.write(chunk, (cause) =>
      cause === null || cause === undefined
        ? done()
        : done(sinkError("output.no-reader", `nobody reads ${this.#name}`, cause)),
    );
  }

  async close(): Promise<void> {
    this.#closed = true;
    this.#socket?.destroy();
    this.#socket = undefined;
  }

  #look(): void {
    const now = performance.now();
    if (this.#closed || now < this.#lookAt) return;
    this.#lookAt = now + LOOK_AGAIN;
    try {
      const descriptor = this.#connect();
      this.#fault = undefined;
      if (descriptor !== undefined) this.#attach(descriptor);
    } catch (cause) {
      this.#fault = sinkError("output.failed", `cannot open ${this.#name}`, cause).message;
    }
  }

  #attach(descriptor: number): void {
    const socket = pipeOf(descriptor);
    socket.on("error", () => {});
    socket.once("close", () => {
      if (this.#socket !== socket) return;
      this.#socket = undefined;
      this.#readerGone();
    });
    this.#socket = socket;
  }
}

/** Throws for what is no pipe (any more), and closes it: it is looked at again and again. */
function pipeOf(descriptor: number): Socket {
  try {
    return new Socket({ fd: descriptor, readable: false, writable: true });
  } catch (cause) {
    closeSync(descriptor);
    throw cause;
  }
}

/** fifo(7): opening for writing without blocking fails with ENXIO while nobody reads. */
function openForReader(path: string): number | undefined {
  try {
    return openSync(path, constants.O_WRONLY | constants.O_NONBLOCK);
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === "ENXIO") return undefined;
    throw cause;
  }
}
