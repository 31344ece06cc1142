// What the key server has answered, and what it did not use, counted by name.
import { Counters } from "../base/counters.ts";
import type { Request } from "../control/mailbox.ts";
import type { Message } from "../control/messages.ts";
import type { KeyServerDrop, KeyServerEffect } from "./events.ts";

/** The two lists of `status`, each a count by name. */
export interface CountsSnapshot {
  /** By message type ("key.grant"), and once more by reason ("load", "not-entitled") when the answer has one. */
  readonly answers: Record<string, number>;
  readonly drops: Record<string, number>;
}

/** Since the start of the process. */
export class KeyServerCounts {
  readonly #answers = new Counters<string>();
  readonly #drops = new Counters<KeyServerDrop>();

  /** The answer as an effect, counted under its type, and under its reason when it has one. */
  answer(request: Request, message: Message, reason?: string): KeyServerEffect {
    if (reason !== undefined) this.#answers.count(reason);
    this.#answers.count(message.type);
    return { kind: "answer", request, message };
  }

  /** Counted; nothing is to be done about it. */
  drop(drop: KeyServerDrop): readonly [] {
    this.#drops.count(drop);
    return [];
  }

  snapshot(): CountsSnapshot {
    return { answers: this.#answers.snapshot(), drops: this.#drops.snapshot() };
  }
}
