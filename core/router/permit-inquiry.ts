// What control permits the cards that a router sees: asked for, a few at a time, until it is answered.
import type { Machine } from "../base/machine.ts";
import type { Instant } from "../base/time.ts";
import type { Message, MessageOf } from "../control/messages.ts";
import type { Peer } from "../control/participant.ts";
import { type AnswerDrop, newRequestId, Requester } from "../control/requester.ts";
import type { Entropy } from "../ports/entropy.ts";

/** What happens to it. */
export type PermitInquiryEvent =
  | { readonly kind: "inquire"; readonly macs: readonly string[] }
  | { readonly kind: "answer"; readonly from: Peer; readonly message: Message }
  /** The broker is there (again). */
  | { readonly kind: "up" };

/** A request to send, what control says of cards, or an answer that nobody waits for. */
export type PermitInquiryEffect =
  | { readonly kind: "send"; readonly to: Peer; readonly message: Message }
  | { readonly kind: "permits"; readonly permits: MessageOf<"permits">["permits"] }
  | { readonly kind: "drop"; readonly reason: AnswerDrop };

/** Cards of one request. */
const CARDS = 8;

/** One request is under way at a time. What waits is bounded by the cards that the router knows. */
export class PermitInquiry implements Machine<PermitInquiryEvent, PermitInquiryEffect> {
  readonly #server: Peer;
  readonly #entropy: Entropy;
  readonly #requester: Requester;
  readonly #waiting = new Set<string>();

  constructor(server: Peer, entropy: Entropy) {
    this.#server = server;
    this.#entropy = entropy;
    this.#requester = new Requester(entropy);
  }

  receive(now: Instant, event: PermitInquiryEvent): readonly PermitInquiryEffect[] {
    switch (event.kind) {
      case "inquire":
        for (const mac of event.macs) this.#waiting.add(mac);
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
    for (const { mac } of message.permits) this.#waiting.delete(mac);
    return [{ kind: "permits", permits: message.permits }, ...this.#ask(now)];
  }

  #ask(now: Instant): readonly PermitInquiryEffect[] {
    if (this.#waiting.size === 0 || this.#requester.outstanding > 0) return [];
    const macs = [...this.#waiting].slice(0, CARDS);
    const message: Message = { type: "permits.request", id: newRequestId(this.#entropy), macs };
    return sends(this.#requester.ask(now, { to: this.#server, message }));
  }
}

/** Asked for ever, one at a time: none expires. */
const sends = (effects: ReturnType<Requester["poll"]>): readonly PermitInquiryEffect[] =>
  effects.flatMap((effect) => (effect.kind === "send" ? [effect] : []));
