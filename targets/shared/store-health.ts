// Whether the store works: one log line when it stops to, one when it works again, and its fault in `status` meanwhile.
import { HalError } from "../../core/ports/errors.ts";
import type { Decision } from "../../core/ports/store.ts";
import type { GroupCommit } from "../../hal/store/group-commit.ts";
import type { Logger } from "./log.ts";

/** Every transaction of a server goes through here. */
export class StoreHealth {
  readonly #commits: GroupCommit;
  readonly #log: Logger;
  #fault: string | undefined;

  constructor(commits: GroupCommit, log: Logger) {
    this.#commits = commits;
    this.#log = log;
  }

  /** The code of the last failure; undefined while the store works. */
  get fault(): string | undefined {
    return this.#fault;
  }

  /** Calls one of the two when the outcome is durable, or when it cannot be. */
  run<Outcome>(decision: Decision<Outcome>, done: (outcome: Outcome) => void, failed: () => void): void {
    this.#commits.run(decision).then(
      (outcome) => {
        if (this.#fault !== undefined) this.#log.info({ after: this.#fault }, "the store works again");
        this.#fault = undefined;
        done(outcome);
      },
      (error: unknown) => {
        this.#failed(error);
        failed();
      },
    );
  }

  #failed(error: unknown): void {
    const code = error instanceof HalError ? error.code : "store.failed";
    if (code !== this.#fault)
      this.#log.error({ code, err: error }, "the store failed: nothing is answered that is not on disk");
    this.#fault = code;
  }
}
