// What the key server has answered and what it did not use, counted by name.
import { Counters } from "../base/counters.ts";
import type { Request } from "../control/link.ts";
import type { Message } from "../control/messages.ts";
import type { KeyServerDrop, KeyServerEffect } from "./events.ts";

export class Tally {
  readonly #answers = new Counters<string>();
  readonly #drops = new Counters<KeyServerDrop>();

  /** An answer counts under its type, and under its reason when it has one. */
  answer(request: Request, message: Message, reason?: string): KeyServerEffect {
    if (reason !== undefined) this.#answers.count(reason);
    this.#answers.count(message.type);
    return { kind: "answer", request, message };
  }

  /** Nothing is to be done about it. */
  drop(drop: KeyServerDrop): readonly [] {
    this.#drops.count(drop);
    return [];
  }

  snapshot(): { readonly answers: Record<string, number>; readonly drops: Record<string, number> } {
    return { answers: this.#answers.snapshot(), drops: this.#drops.snapshot() };
  }
}
