// What waits for the store: one decision a request, however often copies of it arrive, and no more than may wait.
import { toHex } from "../base/bytes.ts";

/** What a decision is about. Two that are about the same are not decided side by side. */
export type DecisionSubject =
  /** A message of a key server or router; `id` is the message's, unique for its sender. */
  | { readonly kind: "request"; readonly from: string; readonly id: Uint8Array }
  /** A key server's acknowledgement of the rekey demand with this id. */
  | { readonly kind: "demand.acknowledged"; readonly id: Uint8Array }
  | { readonly kind: "sweep" };

/** What follows from an outcome that is on disk. */
export type WhenDecided<Outcome, Effect> = (outcome: Outcome) => readonly Effect[];

/** A decision that the store has been given. */
export interface PendingDecision<Outcome, Effect> {
  readonly subject: DecisionSubject;
  readonly whenDecided: WhenDecided<Outcome, Effect>;
}

/** `Outcome` is the union of what all decisions of the owner come to, `Effect` what it wants done. */
export class PendingDecisions<Outcome, Effect> {
  readonly #limit: number;
  readonly #byToken = new Map<number, PendingDecision<Outcome, Effect>>();
  readonly #subjects = new Set<string>();
  #lastToken = 0;

  /** `limit`: decisions that may wait at once. */
  constructor(limit: number) {
    this.#limit = limit;
  }

  get size(): number {
    return this.#byToken.size;
  }

  /**
   * The token under which the store's answer comes back; "repeated" when one about the same waits, "full" when too many do. The
   * outcome that comes with this token must be of the decision that was given out with it: `Own` is its type.
   */
  begin<Own extends Outcome>(
    subject: DecisionSubject,
    whenDecided: WhenDecided<Own, Effect>,
  ): number | "repeated" | "full" {
    const name = nameOf(subject);
    if (this.#subjects.has(name)) return "repeated";
    if (this.#byToken.size >= this.#limit) return "full";
    this.#lastToken += 1;
    this.#subjects.add(name);
    this.#byToken.set(this.#lastToken, { subject, whenDecided: whenDecided as WhenDecided<Outcome, Effect> });
    return this.#lastToken;
  }

  /** Waits no longer. undefined: not one of ours, or settled already. */
  settle(token: number): PendingDecision<Outcome, Effect> | undefined {
    const pending = this.#byToken.get(token);
    if (pending === undefined) return undefined;
    this.#byToken.delete(token);
    this.#subjects.delete(nameOf(pending.subject));
    return pending;
  }
}

function nameOf(subject: DecisionSubject): string {
  switch (subject.kind) {
    case "request":
      return `request ${subject.from} ${toHex(subject.id)}`;
    case "demand.acknowledged":
      return `demand.acknowledged ${toHex(subject.id)}`;
    case "sweep":
      return "sweep";
  }
}
