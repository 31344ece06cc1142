// Counts the packets and throws them away.
import type { Output, OutputStatus } from "../../core/ports/output.ts";
import { OutputCounts } from "./output-counts.ts";

/** Has no faults and drops nothing. */
export class NullOutput implements Output {
  readonly #counts = new OutputCounts("null");

  write(_packet: Uint8Array, _end: number, payloadStart: number, payloadEnd: number): boolean {
    this.#counts.written(1, payloadEnd - payloadStart);
    return true;
  }

  status(): OutputStatus {
    return this.#counts.status();
  }

  async close(): Promise<void> {}
}
