// The policy that control gives a router: asked for at each connection and whenever control says that there is a newer one, put together of
// its parts, and told to control when it is in force, or why it is not. What was said earlier never takes the place of what was said later.
import type { Machine } from "../base/machine.ts";
import { type Instant, seconds } from "../base/time.ts";
import type { Request } from "../control/mailbox.ts";
import type { Message, MessageOf, PolicyState } from "../control/messages.ts";
import type { Peer } from "../control/participant.ts";
import { type AnswerDrop, newRequestId, Requester } from "../control/requester.ts";
import type { Entropy } from "../ports/entropy.ts";

/** What happens to it. */
export type PolicyInquiryEvent =
  /** What the process has: first at its start, then after each "policy" when that is in force, or is not to be. Told to control. */
  | { readonly kind: "policy-state"; readonly state: PolicyState }
  /** A message of control that is no answer. */
  | { readonly kind: "asked"; readonly request: Request }
  | { readonly kind: "answer"; readonly from: Peer; readonly message: Message }
  /** The broker is there (again). */
  | { readonly kind: "up" };

/** stale: no newer than one that is known, so a copy of what control said before. part: none of the policy that is being put together. */
export type PolicyInquiryDrop = AnswerDrop | "policy.stale" | "policy.part" | "policy.unexpected";

/** A message to send, or a policy that is whole; its text has not been looked at. */
export type PolicyInquiryEffect =
  | { readonly kind: "send"; readonly to: Peer; readonly message: Message }
  | { readonly kind: "answer"; readonly request: Request; readonly message: Message }
  | { readonly kind: "policy"; readonly revision: number; readonly text: string }
  | { readonly kind: "drop"; readonly reason: PolicyInquiryDrop };

/** What has come of a policy. */
interface Collected {
  readonly revision: number;
  readonly texts: readonly string[];
}

const KEY = "policy";
/** A server that knows nothing of policies is not asked more often; one that does says when there is a newer one. */
const SLOWEST = seconds(300);

/** One request is under way at a time, and none before the process has said what it has, or while it looks at a new one. */
export class PolicyInquiry implements Machine<PolicyInquiryEvent, PolicyInquiryEffect> {
  readonly #server: Peer;
  readonly #entropy: Entropy;
  readonly #requester: Requester;
  #state: PolicyState | undefined;
  #collected: Collected | undefined;
  #isJudged = true;
  /** Control has told of it while it was being asked. */
  #toldOf = 0;

  constructor(server: Peer, entropy: Entropy) {
    this.#server = server;
    this.#entropy = entropy;
    this.#requester = new Requester(entropy, { outstanding: 1, slowest: SLOWEST });
  }

  receive(now: Instant, event: PolicyInquiryEvent): readonly PolicyInquiryEffect[] {
    switch (event.kind) {
      case "policy-state":
        this.#state = event.state;
        this.#isJudged = true;
        return this.#ask(now);
      case "asked":
        return this.#asked(now, event.request);
      case "answer":
        return this.#answered(now, event.from, event.message);
      case "up":
        if (!this.#requester.isAsking(KEY)) return this.#ask(now);
        this.#requester.hurry(now);
        return this.poll(now);
    }
  }

  poll(now: Instant): readonly PolicyInquiryEffect[] {
    return sends(this.#requester.poll(now));
  }

  nextDeadline(): Instant | undefined {
    return this.#requester.nextDeadline();
  }

  #asked(now: Instant, request: Request): readonly PolicyInquiryEffect[] {
    const { message } = request;
    if (message.type !== "policy.changed") return [{ kind: "drop", reason: "policy.unexpected" }];
    const noted = { kind: "answer", request, message: { type: "policy.noted", id: message.id } } as const;
    if (message.revision <= this.#newest) return [noted];
    if (!this.#requester.isAsking(KEY)) return [noted, ...this.#ask(now)];
    // What is on its way may be the answer of a moment before.
    this.#toldOf = message.revision;
    return [noted];
  }

  #answered(now: Instant, from: Peer, message: Message): readonly PolicyInquiryEffect[] {
    const matched = this.#requester.receive(now, from, message);
    if (typeof matched === "string") return [{ kind: "drop", reason: matched }];
    if (message.type === "policy") return this.#take(now, message);
    const missed = this.#toldOf > this.#newest;
    this.#toldOf = 0;
    return missed ? this.#ask(now) : [];
  }

  #take(now: Instant, { revision, part, parts, text }: MessageOf<"policy">): readonly PolicyInquiryEffect[] {
    const before = this.#collected?.revision === revision ? this.#collected.texts : [];
    this.#collected = undefined;
    if (revision <= this.#newest) return [{ kind: "drop", reason: "policy.stale" }];
    if (part !== before.length) return [{ kind: "drop", reason: "policy.part" }];
    const texts = [...before, text];
    if (texts.length < parts) {
      this.#collected = { revision, texts };
      return this.#ask(now);
    }
    this.#isJudged = false;
    return [{ kind: "policy", revision, text: texts.join("") }];
  }

  get #newest(): number {
    const { revision = 0, refused } = this.#state ?? {};
    return Math.max(revision, refused?.revision ?? 0);
  }

  #ask(now: Instant): readonly PolicyInquiryEffect[] {
    if (this.#state === undefined || !this.#isJudged) return [];
    const { revision, texts = [] } = this.#collected ?? {};
    const wants = revision === undefined ? {} : { wants: { revision, part: texts.length } };
    const message: Message = { type: "policy.request", id: newRequestId(this.#entropy), ...this.#state, ...wants };
    this.#requester.cancel(KEY);
    this.#toldOf = 0;
    return sends(this.#requester.ask(now, { to: this.#server, message, key: KEY }));
  }
}

/** Asked for ever, one at a time: none expires. */
const sends = (effects: ReturnType<Requester["poll"]>): readonly PolicyInquiryEffect[] =>
  effects.flatMap((effect) => (effect.kind === "send" ? [effect] : []));
