// What host tracking saw, on its way to the reception server: who joined and left, in batches, in order, nothing twice.
import { readUint32 } from "../base/bytes.ts";
import type { Machine } from "../base/machine.ts";
import { after, type Duration, earliest, type Instant, milliseconds } from "../base/time.ts";
import type { MembershipChange, Message } from "../control/messages.ts";
import type { Peer } from "../control/participant.ts";
import { type AnswerDrop, newRequestId, Requester } from "../control/requester.ts";
import type { Entropy } from "../ports/entropy.ts";

/** Changes in one message. */
const BATCH = 128;
/** A change waits so long for others to travel with. */
const GATHER: Duration = milliseconds(500);
/** Changes kept while nobody takes them; then the oldest go, and the next report says how many. */
const QUEUE_LIMIT = 8192;
const KEY = "membership";

/** What happens to the reporter. */
export type ReporterEvent =
  | { readonly kind: "change"; readonly change: MembershipChange }
  | { readonly kind: "answer"; readonly from: Peer; readonly message: Message }
  /** The broker is there (again): what waits is repeated soon. */
  | { readonly kind: "up" }
  /** The process ends: what waits goes now, without waiting for more. */
  | { readonly kind: "flush" };

/** A report to send, or something given up by name. */
export type ReporterEffect =
  | { readonly kind: "send"; readonly to: Peer; readonly message: Message }
  | { readonly kind: "drop"; readonly reason: AnswerDrop | "report.queue-full" };

/** One report is under way at a time, repeated until the reception server acknowledges it. */
export class MembershipReporter implements Machine<ReporterEvent, ReporterEffect> {
  readonly #entropy: Entropy;
  readonly #server: Peer;
  readonly #requester: Requester;
  /** Tells this process from the one before it, whose memberships nobody will end. */
  readonly #process: number;
  readonly #queue: MembershipChange[] = [];
  #sequence = 0;
  #dropped = 0;
  #sendAt: Instant | undefined;

  constructor(server: Peer, entropy: Entropy) {
    this.#server = server;
    this.#entropy = entropy;
    this.#requester = new Requester(entropy);
    this.#process = readUint32(entropy.bytes(4), 0);
  }

  /** Changes that wait, those of the unanswered report not counted. */
  get waiting(): number {
    return this.#queue.length;
  }

  receive(now: Instant, event: ReporterEvent): readonly ReporterEffect[] {
    return [...this.#take(now, event), ...this.poll(now)];
  }

  poll(now: Instant): readonly ReporterEffect[] {
    const repeated = this.#sends(this.#requester.poll(now));
    if (this.#sendAt === undefined || now < this.#sendAt || this.#requester.isAsking(KEY)) return repeated;
    this.#sendAt = undefined;
    return [...repeated, ...this.#report(now)];
  }

  nextDeadline(): Instant | undefined {
    return earliest([this.#requester.nextDeadline(), this.#requester.isAsking(KEY) ? undefined : this.#sendAt]);
  }

  #take(now: Instant, event: ReporterEvent): readonly ReporterEffect[] {
    switch (event.kind) {
      case "change":
        return this.#add(now, event.change);
      case "answer": {
        const matched = this.#requester.receive(now, event.from, event.message);
        if (typeof matched === "string") return [{ kind: "drop", reason: matched }];
        if (this.#queue.length >= BATCH) this.#sendAt = now;
        return [];
      }
      case "up":
        this.#requester.hurry(now);
        // The first report goes even if nobody has joined: it ends what the process before us had told.
        if (this.#sequence === 0) this.#sendAt ??= after(now, GATHER);
        return [];
      case "flush":
        if (this.#queue.length > 0) this.#sendAt = now;
        return [];
    }
  }

  #add(now: Instant, change: MembershipChange): readonly ReporterEffect[] {
    this.#queue.push(change);
    this.#sendAt ??= after(now, GATHER);
    if (this.#queue.length <= QUEUE_LIMIT) return [];
    this.#queue.shift();
    this.#dropped++;
    return [{ kind: "drop", reason: "report.queue-full" }];
  }

  #report(now: Instant): readonly ReporterEffect[] {
    const changes = this.#queue.splice(0, BATCH);
    if (this.#queue.length > 0) this.#sendAt = now;
    const message: Message = {
      type: "membership.report",
      id: newRequestId(this.#entropy),
      process: this.#process,
      sequence: ++this.#sequence,
      dropped: this.#dropped,
      changes,
    };
    this.#dropped = 0;
    return this.#sends(this.#requester.ask(now, { to: this.#server, message, key: KEY }));
  }

  /** Reports are asked for ever, one at a time: none expires. */
  #sends(effects: ReturnType<Requester["poll"]>): readonly ReporterEffect[] {
    return effects.flatMap((effect) => (effect.kind === "send" ? [effect] : []));
  }
}
