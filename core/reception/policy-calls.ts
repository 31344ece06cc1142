// Routers that have not the newest policy are told that there is one; each asks for it itself. One that is away asks when it comes back, so
// nobody is told for long, and one that was not reached is told as soon as anything is heard of it.
import { after, type Instant, seconds } from "../base/time.ts";
import type { Message } from "../control/messages.ts";
import type { Peer } from "../control/participant.ts";
import { type AnswerDrop, newRequestId, Requester, type RequesterEffect } from "../control/requester.ts";
import type { Entropy } from "../ports/entropy.ts";

/** A router, and the revision of the policy that it has not. */
export interface RouterBehind {
  readonly router: string;
  readonly revision: number;
}

/** A "policy.changed" to be sent now, for the first time or again. */
export interface PolicyCall {
  readonly kind: "send";
  readonly to: Peer;
  readonly message: Message;
}

/** Each first call of a router costs public-key work: so many are under way at once, and as one is answered the next goes. */
const AT_ONCE = 64;
/** One that has not answered by then is away, or knows nothing of policies. */
const PATIENCE = seconds(15);

/** As many are remembered as there are routers registered. */
export class PolicyCalls {
  readonly #router: (id: string) => Uint8Array | undefined;
  readonly #entropy: Entropy;
  readonly #requester: Requester;
  /** Those that have not said that they know. */
  readonly #behind = new Map<string, number>();
  /** Those of them that wait for their turn. */
  readonly #queue = new Set<string>();

  /** `router` gives the X25519 key of an active router. */
  constructor(router: (id: string) => Uint8Array | undefined, entropy: Entropy) {
    this.#router = router;
    this.#entropy = entropy;
    this.#requester = new Requester(entropy, { outstanding: AT_ONCE, slowest: PATIENCE });
  }

  /** Routers that have not said that they know of their newest policy. */
  get size(): number {
    return this.#behind.size;
  }

  /** These have not the newest. */
  call(now: Instant, behind: readonly RouterBehind[]): readonly PolicyCall[] {
    for (const { router, revision } of behind) {
      this.#requester.cancel(router);
      this.#behind.set(router, revision);
      this.#queue.add(router);
    }
    return this.#next(now);
  }

  /** Something came from the router: so it is there. */
  heard(now: Instant, router: string): readonly PolicyCall[] {
    if (!this.#behind.has(router) || this.#requester.isAsking(router) || this.#queue.has(router)) return [];
    this.#queue.add(router);
    return this.#next(now);
  }

  /** It has asked for its policy. */
  asked(now: Instant, router: string): readonly PolicyCall[] {
    this.#forget(router);
    this.#requester.cancel(router);
    return this.#next(now);
  }

  /** It knows, and will ask; or why this is no answer of its. */
  answered(now: Instant, from: Peer, answer: Message): readonly PolicyCall[] | AnswerDrop {
    const matched = this.#requester.receive(now, from, answer);
    if (typeof matched === "string") return matched;
    this.#forget(from.id);
    return this.#next(now);
  }

  /** The broker is back. */
  hurry(now: Instant): void {
    this.#requester.hurry(now);
  }

  poll(now: Instant): readonly PolicyCall[] {
    return [...onlySends(this.#requester.poll(now)), ...this.#next(now)];
  }

  nextDeadline(): Instant | undefined {
    return this.#requester.nextDeadline();
  }

  #forget(router: string): void {
    this.#behind.delete(router);
    this.#queue.delete(router);
  }

  #next(now: Instant): readonly PolicyCall[] {
    const calls: PolicyCall[] = [];
    for (const router of this.#queue) {
      if (this.#requester.outstanding >= AT_ONCE) break;
      this.#queue.delete(router);
      calls.push(...this.#ask(now, router));
    }
    return calls;
  }

  #ask(now: Instant, id: string): readonly PolicyCall[] {
    const [publicKey, revision] = [this.#router(id), this.#behind.get(id)];
    if (publicKey === undefined || revision === undefined) {
      this.#forget(id);
      return [];
    }
    const message: Message = { type: "policy.changed", id: newRequestId(this.#entropy), revision };
    const to: Peer = { role: "router", id, publicKey };
    return onlySends(this.#requester.ask(now, { to, message, key: id, deadline: after(now, PATIENCE) }));
  }
}

/** One that has expired is told again when it is heard of. */
const onlySends = (effects: readonly RequesterEffect[]): readonly PolicyCall[] =>
  effects.filter((effect) => effect.kind === "send");
