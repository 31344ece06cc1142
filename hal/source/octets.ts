// Octets in order from a file (looped, if wanted) or from standard input, as many as there is room for.
import { open } from "node:fs/promises";
import type { Readable } from "node:stream";
import { HalError } from "../../core/ports/errors.ts";

export interface Octets {
  /** Fills into[at, into.length) as far as it can; 0 at the end. Rejects with HalError "source.file". */
  read(into: Uint8Array, at: number): Promise<number>;
  close(): Promise<void>;
}

/**
 * A looped file goes on at its start, after the last whole `unit` octets, so that the units stay aligned; one that is shorter than
 * a unit has ended. Rejects with HalError "source.file".
 */
export async function openFile(path: string, loop: boolean, unit: number): Promise<Octets> {
  const failed = (cause: unknown): HalError =>
    new HalError("source.file", `cannot read ${path}: ${cause instanceof Error ? cause.message : String(cause)}`, {
      cause,
      needs: "a file that this user may read",
    });
  const file = await open(path, "r").catch((cause) => Promise.reject(failed(cause)));
  let position = 0;
  const readAt = async (into: Uint8Array, at: number): Promise<number> => {
    const { size } = await file.stat();
    const left = size - (size % unit) - position;
    if (left <= 0) return 0;
    const { bytesRead } = await file.read(into, at, Math.min(left, into.length - at), position);
    position += bytesRead;
    return bytesRead;
  };
  return {
    read: async (into, at) => {
      try {
        const got = await readAt(into, at);
        if (got > 0 || !loop || position === 0) return got;
        position = 0;
        return await readAt(into, at);
      } catch (cause) {
        throw failed(cause);
      }
    },
    close: () => file.close(),
  };
}

const broken = (cause: unknown): HalError =>
  new HalError(
    "source.stdin",
    `cannot read standard input: ${cause instanceof Error ? cause.message : String(cause)}`,
    {
      cause,
    },
  );

/** A stream such as process.stdin. Rejects with HalError "source.stdin"; it is paused between reads, so that a faster producer waits. */
export function fromStream(stream: Readable): Octets {
  const parts = stream[Symbol.asyncIterator]();
  let rest = new Uint8Array(0);
  return {
    read: async (into, at) => {
      if (rest.length === 0) {
        const next = await parts.next().catch((cause) => Promise.reject(broken(cause)));
        if (next.done === true) return 0;
        rest = next.value;
      }
      const part = rest.subarray(0, into.length - at);
      into.set(part, at);
      rest = rest.subarray(part.length);
      return part.length;
    },
    close: async () => {
      stream.destroy();
    },
  };
}
