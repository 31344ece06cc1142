// The key question of one viewing: planned, or open until it is answered; never two at once.
import { sameBytes } from "../base/bytes.ts";
import { type Instant, seconds } from "../base/time.ts";
import type { MessageOf } from "../control/messages.ts";
import { OpenQuestion, repeatsWithin } from "../control/open-question.ts";
import { newRequestId } from "../control/requester.ts";
import type { Entropy } from "../ports/entropy.ts";

/** Why the keys are asked for: see `key.request`. */
export type Reason = MessageOf<"key.request">["reason"];

/** The longest wait between repeats of an unanswered key request. */
const REPEATS = repeatsWithin(seconds(10));

type State =
  | { readonly kind: "none" }
  | { readonly kind: "planned"; readonly at: Instant; readonly reason: Reason }
  | { readonly kind: "open"; readonly open: OpenQuestion; readonly reason: Reason };

/** Machine-like: `due` gives what is to be sent now, `nextDeadline` when to ask again. */
export class Question {
  readonly #entropy: Entropy;
  #state: State = { kind: "none" };

  constructor(entropy: Entropy) {
    this.#entropy = entropy;
  }

  /** Of the open question; undefined when none is. */
  get reason(): Reason | undefined {
    return this.#state.kind === "open" ? this.#state.reason : undefined;
  }

  /** How often the open question has been sent; 0 when none is open. */
  get attempts(): number {
    return this.#state.kind === "open" ? this.#state.open.attempts : 0;
  }

  /** Whether the open question has this id. */
  has(id: Uint8Array): boolean {
    return this.#state.kind === "open" && sameBytes(this.#state.open.id, id);
  }

  /** True when one is open, or planned not later than `at`. */
  comesBy(at: Instant): boolean {
    return this.#state.kind === "open" || (this.#state.kind === "planned" && this.#state.at <= at);
  }

  /** The earliest plan counts. While a question is open nothing is planned: its answer says how to go on. */
  plan(at: Instant, reason: Reason): void {
    if (!this.comesBy(at)) this.#state = { kind: "planned", at, reason };
  }

  /** An open one is repeated at `at`, if it was not to be sooner. */
  hasten(at: Instant): void {
    if (this.#state.kind === "open") this.#state.open.hasten(at);
  }

  /** No question is open or planned any more. */
  answered(): void {
    this.#state = { kind: "none" };
  }

  /** The question that is to be sent now, for the first time or again. */
  due(now: Instant): { readonly id: Uint8Array; readonly reason: Reason } | undefined {
    if (this.#state.kind === "planned" && this.#state.at <= now)
      this.#state = { kind: "open", open: this.#openAt(now), reason: this.#state.reason };
    if (this.#state.kind !== "open" || this.#state.open.due > now) return undefined;
    const { open, reason } = this.#state;
    open.sent(now, this.#entropy);
    return { id: open.id, reason };
  }

  nextDeadline(): Instant | undefined {
    switch (this.#state.kind) {
      case "none":
        return undefined;
      case "planned":
        return this.#state.at;
      case "open":
        return this.#state.open.due;
    }
  }

  #openAt(now: Instant): OpenQuestion {
    return new OpenQuestion(newRequestId(this.#entropy), now, REPEATS);
  }
}
