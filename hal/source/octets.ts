// Octets in order from a file or from standard input, as many as there is room for.
import { open } from "node:fs/promises";
import type { Readable } from "node:stream";
import { HalError } from "../../core/ports/errors.ts";

/** Octets in order, taken by whoever has room for them; one read at a time. */
export interface Octets {
  /**
   * Fills into[at, into.length) as far as it can, at least one octet; 0 at the end. Rejects with HalError "source.file" or
   * "source.stdin".
   */
  read(into: Uint8Array, at: number): Promise<number>;
  /** Only where the octets may be played again: the next read begins at the start. */
  readonly rewind?: () => void;
  close(): Promise<void>;
}

/** `loop`: it can be rewound. Rejects with HalError "source.file". */
export async function openFile(path: string, loop: boolean): Promise<Octets> {
  const failed = (cause: unknown): HalError =>
    new HalError("source.file", `cannot read ${path}: ${cause instanceof Error ? cause.message : String(cause)}`, {
      cause,
      needs: "a file that this user may read",
    });
  const file = await open(path, "r").catch((cause) => Promise.reject(failed(cause)));
  let position = 0;
  const octets: Octets = {
    read: async (into, at) => {
      const { bytesRead } = await file
        .read(into, at, into.length - at, position)
        .catch((cause) => Promise.reject(failed(cause)));
      position += bytesRead;
      return bytesRead;
    },
    close: () => file.close(),
  };
  const rewind = (): void => {
    position = 0;
  };
  return loop ? { ...octets, rewind } : octets;
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
