// Decisions that arrive in the same turn of the event loop share one transaction, and so one wait for the disk.
import { HalError } from "../../core/ports/errors.ts";
import type { Decision, Settled, Store } from "../../core/ports/store.ts";

interface Waiting {
  readonly decision: Decision<unknown>;
  readonly resolve: (outcome: unknown) => void;
  readonly reject: (error: HalError) => void;
}

export interface GroupLimits {
  /** Decisions in one transaction. */
  readonly group: number;
  /** Decisions that wait; beyond it "store.busy". */
  readonly queue: number;
}

const GROUP_LIMITS: GroupLimits = { group: 256, queue: 16_384 };

export class GroupCommit {
  readonly #store: Store;
  readonly #limits: GroupLimits;
  readonly #queue: Waiting[] = [];
  #working = false;
  #commits = 0;

  constructor(store: Store, limits = GROUP_LIMITS) {
    this.#store = store;
    this.#limits = limits;
  }

  /** Transactions so far, and decisions that wait now. */
  get figures(): { readonly commits: number; readonly waiting: number } {
    return { commits: this.#commits, waiting: this.#queue.length };
  }

  /** Resolves when the outcome is durable. Rejects with HalError: the store's, "store.busy" or "store.decision". */
  run<Outcome>(decision: Decision<Outcome>): Promise<Outcome> {
    if (this.#queue.length >= this.#limits.queue)
      return Promise.reject(new HalError("store.busy", `${this.#queue.length} decisions wait for the store`));
    const settled = new Promise<Outcome>((resolve, reject) => {
      this.#queue.push({ decision, resolve: resolve as (outcome: unknown) => void, reject });
    });
    this.#wake();
    return settled;
  }

  #wake(): void {
    if (this.#working) return;
    this.#working = true;
    setImmediate(() => void this.#work());
  }

  async #work(): Promise<void> {
    const group = this.#queue.splice(0, this.#limits.group);
    await this.#commit(group);
    this.#working = false;
    if (this.#queue.length > 0) this.#wake();
  }

  async #commit(group: readonly Waiting[]): Promise<void> {
    this.#commits += 1;
    let settled: readonly Settled<unknown>[];
    try {
      settled = await this.#store.transact(group.map(({ decision }) => decision));
    } catch (cause) {
      const error = cause instanceof HalError ? cause : new HalError("store.failed", String(cause), { cause });
      for (const { reject } of group) reject(error);
      return;
    }
    for (const [i, { resolve, reject }] of group.entries()) {
      const one = settled[i];
      if (one?.kind === "done") resolve(one.outcome);
      else reject(one?.error ?? new HalError("store.failed", "the store settled too few decisions"));
    }
  }
}
