// A regular file (or any descriptor that never blocks for long), appended to.
import { close, openSync, write } from "node:fs";
import { HalError } from "../../core/ports/errors.ts";
import { type ByteSink, sinkError } from "./queued.ts";

/** Writes to a descriptor; while the disk is full, what was to be written is lost. */
export class FileSink implements ByteSink {
  readonly #name: string;
  readonly #descriptor: number;
  readonly #owned: boolean;
  #open = true;
  #isWriting = false;

  /** Throws HalError "output.permission", "output.failed". */
  static append(path: string): FileSink {
    try {
      return new FileSink(path, openSync(path, "a", 0o644), true);
    } catch (cause) {
      const refused = ["EACCES", "EPERM", "EROFS"].includes((cause as NodeJS.ErrnoException).code ?? "");
      throw sinkError(refused ? "output.permission" : "output.failed", `cannot open ${path}`, cause);
    }
  }

  /** `owned`: closed with the sink. */
  constructor(name: string, descriptor: number, owned: boolean) {
    this.#name = name;
    this.#descriptor = descriptor;
    this.#owned = owned;
  }

  state(): "ready" | "output.failed" {
    return this.#open ? "ready" : "output.failed";
  }

  fault(): string | undefined {
    return undefined;
  }

  /** HalError "output.disk-full": this chunk is lost, the next is tried again. */
  write(chunk: Uint8Array, done: (error?: HalError) => void): void {
    this.#isWriting = true;
    write(this.#descriptor, chunk, 0, chunk.length, null, (cause, written) => {
      if (cause === null && written < chunk.length && this.#open) {
        this.write(chunk.subarray(written), done);
        return;
      }
      this.#isWriting = false;
      if (!this.#open) this.#shut();
      done(cause === null ? undefined : this.#error(cause));
    });
  }

  /** A write that is under way (a disk that hangs) is not waited for, but keeps the descriptor: its number would be another's. */
  async close(): Promise<void> {
    this.#open = false;
    if (!this.#isWriting) await new Promise<void>((resolve) => this.#shut(resolve));
  }

  #shut(done = (): void => {}): void {
    if (this.#owned) close(this.#descriptor, done);
    else done();
  }

  #error(cause: NodeJS.ErrnoException): HalError {
    if (cause.code !== "ENOSPC" && cause.code !== "EDQUOT")
      return sinkError("output.failed", `cannot write ${this.#name}`, cause);
    return new HalError("output.disk-full", `no room for ${this.#name}`, { cause, needs: "free space" });
  }
}
