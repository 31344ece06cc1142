// When a router's evidence is written, and how: lines are added; all is written anew when there is much that nobody needs any more, when
// the oldest was summed up, and after a write that failed.
import { after, type Duration, type Instant, seconds } from "../base/time.ts";
import { formatLine } from "./evidence-lines.ts";
import type { EvidenceQueue } from "./evidence-queue.ts";

/** After a failure the disk is left alone for so long. */
const RETRY: Duration = seconds(30);
/** Lines added before all is written anew, if they are more than twice what is needed. */
const LEAST_ADDED = 1024;

/** One write. */
export interface EvidenceWrite {
  /** As `EvidenceLog` has them. */
  readonly how: "write" | "commit" | "replace";
  readonly lines: readonly string[];
}

/** The disk's copy of the queue; one write at a time. */
export class EvidenceMirror {
  readonly #queue: EvidenceQueue;
  #state: "at rest" | "writing" | { readonly failedUntil: Instant } = "at rest";
  #mustReplace = true;
  /** What was written may be lost in a power cut. */
  #isLoose = false;
  #added = 0;

  constructor(queue: EvidenceQueue) {
    this.#queue = queue;
  }

  get isWriting(): boolean {
    return this.#state === "writing";
  }

  /** Whether the last write failed and the next try is not due: reports go without one. */
  isAway(now: Instant): boolean {
    return typeof this.#state === "object" && now < this.#state.failedUntil;
  }

  /** When the disk is tried again. */
  get retryAt(): Instant | undefined {
    return typeof this.#state === "object" ? this.#state.failedUntil : undefined;
  }

  /** The next write; undefined when there is none. `how`: whether a power cut may take it. Not while one is under way. */
  next(how: "write" | "commit"): EvidenceWrite | undefined {
    const lines = this.#queue.takeLines();
    const isDone = lines?.length === 0 && !(how === "commit" && this.#isLoose);
    if (isDone && !this.#mustReplace) return undefined;
    this.#state = "writing";
    const isLong = this.#added > Math.max(LEAST_ADDED, 2 * this.#queue.waiting);
    if (lines === undefined || this.#mustReplace || isLong) return this.#replace();
    this.#added += lines.length;
    this.#isLoose = how === "write";
    return { how, lines: lines.map(formatLine) };
  }

  #replace(): EvidenceWrite {
    this.#mustReplace = false;
    this.#isLoose = false;
    this.#added = 0;
    return { how: "replace", lines: this.#queue.snapshot().map(formatLine) };
  }

  /** The write has ended. */
  ended(now: Instant, isKept: boolean): void {
    this.#state = isKept ? "at rest" : { failedUntil: after(now, RETRY) };
    if (!isKept) this.#mustReplace = true;
  }
}
