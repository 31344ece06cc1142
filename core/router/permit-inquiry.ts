// What control permits the cards that a router sees: asked for until it is answered. Which are asked about next, and how many at once,
// core/router/policy/card-questions.ts decides.
import type { Machine } from "../base/machine.ts";
import type { Instant } from "../base/time.ts";
import type { Message, MessageOf } from "../control/messages.ts";
import type { Peer } from "../control/participant.ts";
import { type AnswerDrop, newRequestId, Requester } from "../control/requester.ts";
import type { Entropy } from "../ports/entropy.ts";

/** What happens to it. */
export type PermitInquiryEvent =
  /** At most 8; the next when these are answered. */
  | { readonly kind: "inquire"; readonly macs: readonly string[] }
  | { readonly kind: "answer"; readonly from: Peer; readonly message: Message }
  /** The broker is there (again). */
  | { readonly kind: "up" };

/** A request to send, what control says of cards, or an answer that nobody waits for. */
export type PermitInquiryEffect =
  | { readonly kind: "send"; readonly to: Peer; readonly message: Message }
  | { readonly kind: "permits"; readonly permits: MessageOf<"permits">["permits"] }
  | { readonly kind: "drop"; readonly reason: AnswerDrop };

/** One request is under way at a time; of what is asked meanwhile, the last is asked next. */
export class PermitInquiry implements Machine<PermitInquiryEvent, PermitInquiryEffect> {
  readonly #server: Peer;
  readonly #entropy: Entropy;
  readonly #requester: Requester;
  #next: readonly string[] = [];

  constructor(server: Peer, entropy: Entropy) {
    this.#server = server;
    this.#entropy = entropy;
    this.#requester = new Requester(entropy);
  }

  receive(now: Instant, event: PermitInquiryEvent): readonly PermitInquiryEffect[] {
    switch (event.kind) {
      case "inquire":
        this.#next = event.macs;
        return this.#ask(now);
      case "answer":
        return this.#answered(now, event.from, event.message);
      case "up":
        this.#requester.hurry(now);
        return this.poll(now);
    }
  }

  poll(now: Instant): readonly PermitInquiryEffect[] {
    return sends(this.#requester.poll(now));
  }

  nextDeadline(): Instant | undefined {
    return this.#requester.nextDeadline();
  }

  #answered(now: Instant, from: Peer, message: Message): readonly PermitInquiryEffect[] {
    const matched = this.#requester.receive(now, from, message);
    if (typeof matched === "string") return [{ kind: "drop", reason: matched }];
    if (message.type !== "permits") return [];
    return [{ kind: "permits", permits: message.permits }, ...this.#ask(now)];
  }

  #ask(now: Instant): readonly PermitInquiryEffect[] {
    if (this.#next.length === 0 || this.#requester.outstanding > 0) return [];
    const message: Message = { type: "permits.request", id: newRequestId(this.#entropy), macs: [...this.#next] };
    this.#next = [];
    return sends(this.#requester.ask(now, { to: this.#server, message }));
  }
}

/** Asked for ever, one at a time: none expires. */
const sends = (effects: ReturnType<Requester["poll"]>): readonly PermitInquiryEffect[] =>
  effects.flatMap((effect) => (effect.kind === "send" ? [effect] : []));
