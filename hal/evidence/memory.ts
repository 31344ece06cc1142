// A router's evidence in memory: for simulation, where a power cut is a new process over the same log.
import { HalError } from "../../core/ports/errors.ts";
import type { EvidenceContent, EvidenceLog } from "../../core/ports/evidence-log.ts";

/** Shared by the processes that use it one after the other. */
export class MemoryEvidenceLog implements EvidenceLog {
  #lines: readonly string[] = [];
  /** While set, writes fail with it as those of a full disk do. */
  failing: HalError | undefined;

  load(): EvidenceContent {
    return { lines: this.#lines, damaged: 0 };
  }

  async write(lines: readonly string[]): Promise<void> {
    this.#mayWrite();
    this.#lines = [...this.#lines, ...lines];
  }

  commit(lines: readonly string[]): Promise<void> {
    return this.write(lines);
  }

  async replace(lines: readonly string[]): Promise<void> {
    this.#mayWrite();
    this.#lines = [...lines];
  }

  #mayWrite(): void {
    if (this.failing !== undefined) throw this.failing;
  }
}

/** What a full disk fails with: HalError "evidence.disk-full". */
export const fullDisk = (): HalError => new HalError("evidence.disk-full", "no room for the evidence");
