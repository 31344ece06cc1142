// What host tracking saw, on its way to the reception server: who joined, left and was refused, in batches, in order, nothing twice. With a
// log (core/ports/evidence-log.ts) each change is written at once, so that a killed process loses none (of refusals those of the last
// seconds), and nothing is sent before it is on the disk, so that what a process did not bring home its successor does.
import { readUint32 } from "../base/bytes.ts";
import type { Machine } from "../base/machine.ts";
import { after, type Duration, earliest, type Instant, isPast, milliseconds, seconds } from "../base/time.ts";
import type { MembershipChange, Message } from "../control/messages.ts";
import type { Peer } from "../control/participant.ts";
import { type AnswerDrop, newRequestId, Requester } from "../control/requester.ts";
import type { Entropy } from "../ports/entropy.ts";
import { CountTable } from "./evidence-counts.ts";
import { EvidenceMirror, type EvidenceWrite } from "./evidence-mirror.ts";
import { EvidenceQueue, REPORT_CHANGES, type Report, type Restored } from "./evidence-queue.ts";
import { type RefusedJoin, RefusedJoins } from "./refused-joins.ts";

/** A change waits so long for others to travel with, and to be on the disk with. */
const GATHER: Duration = milliseconds(500);
/** Refusals are gathered so long before they are written: a flood of them is not one of writes. */
const WRITE_REFUSALS: Duration = seconds(5);
/** They are told after so long: a host that is refused asks again and again. */
const TELL_REFUSALS: Duration = seconds(60);
const KEY = "membership";

/** How evidence is kept. */
export interface ReporterOptions {
  /** Changes and counts kept while nobody takes them; beyond, the oldest become numbers. Default 16384. */
  readonly limit?: number;
  /** When this process began, in Unix ms. */
  readonly started?: number;
  /** What the process before left in the log; absent where there is no log: then nothing is written. */
  readonly restored?: Restored;
}

/** What happens to the reporter. */
export type ReporterEvent =
  | { readonly kind: "change"; readonly change: MembershipChange }
  | { readonly kind: "refused"; readonly refusal: RefusedJoin }
  | { readonly kind: "answer"; readonly from: Peer; readonly message: Message }
  /** The broker is there (again): what waits is repeated soon. */
  | { readonly kind: "up" }
  /** The write that was asked for has ended: all of it is on the disk, or perhaps none of it. */
  | { readonly kind: "written"; readonly isKept: boolean }
  /** The process ends: what waits goes now, without waiting for more. */
  | { readonly kind: "flush" };

/** A report to send, lines to write, or something given up by name. */
export type ReporterEffect =
  | { readonly kind: "send"; readonly to: Peer; readonly message: Message }
  | ({ readonly kind: "write" } & EvidenceWrite)
  | { readonly kind: "drop"; readonly reason: AnswerDrop }
  /** So many changes are only a number from now on. */
  | { readonly kind: "drop"; readonly reason: "report.queue-full"; readonly times: number };

/** One report is under way at a time, repeated until the reception server acknowledges it. */
export class MembershipReporter implements Machine<ReporterEvent, ReporterEffect> {
  readonly #entropy: Entropy;
  readonly #server: Peer;
  readonly #requester: Requester;
  readonly #queue: EvidenceQueue;
  /** undefined: no log. */
  readonly #mirror: EvidenceMirror | undefined;
  readonly #refused = new RefusedJoins();
  /** When those that were gathered are to be in the queue, and so in the log. */
  #gatheredAt: Instant | undefined;
  /** When they are to be told. */
  #refusalsAt: Instant | undefined;
  #sendAt: Instant | undefined;

  constructor(server: Peer, entropy: Entropy, options: ReporterOptions = {}) {
    const { limit = 16_384, started, restored } = options;
    this.#server = server;
    this.#entropy = entropy;
    this.#requester = new Requester(entropy);
    // Tells this process from the one before it, whose memberships nobody will end.
    const own = { process: readUint32(entropy.bytes(4), 0), ...(started === undefined ? {} : { started }) };
    this.#queue = new EvidenceQueue(own, limit, restored);
    this.#mirror = restored === undefined ? undefined : new EvidenceMirror(this.#queue);
  }

  /** Changes and counts that wait, those of the unanswered report not counted. */
  get waiting(): number {
    return this.#queue.waiting;
  }

  receive(now: Instant, event: ReporterEvent): readonly ReporterEffect[] {
    return [...this.#take(now, event), ...this.poll(now)];
  }

  poll(now: Instant): readonly ReporterEffect[] {
    const retryAt = this.#mirror?.retryAt;
    if (retryAt !== undefined && retryAt <= now) this.#sendAt = now;
    const repeated = this.#sends(this.#requester.poll(now));
    const refused = isPast(now, this.#gatheredAt) ? this.#queueRefusals(now) : [];
    if (isPast(now, this.#refusalsAt)) this.#tellRefusals(now);
    return [...repeated, ...refused, ...(isPast(now, this.#sendAt) ? this.#advance(now) : [])];
  }

  nextDeadline(): Instant | undefined {
    const { isWriting = false, retryAt } = this.#mirror ?? {};
    const needsAnswer = this.#isAsking && (this.#mirror === undefined || retryAt !== undefined);
    const sendAt = isWriting || needsAnswer ? undefined : this.#sendAt;
    return earliest([this.#requester.nextDeadline(), this.#gatheredAt, this.#refusalsAt, retryAt, sendAt]);
  }

  #take(now: Instant, event: ReporterEvent): readonly ReporterEffect[] {
    switch (event.kind) {
      case "change":
        this.#sendAt ??= after(now, GATHER);
        return [...givenUp(this.#queue.add(event.change)), ...this.#write("write", now)];
      case "refused":
        this.#refused.add(event.refusal);
        this.#gatheredAt ??= after(now, WRITE_REFUSALS);
        this.#refusalsAt ??= after(now, TELL_REFUSALS);
        return [];
      case "answer":
        return this.#answered(now, event.from, event.message);
      case "up":
        this.#requester.hurry(now);
        if (this.#queue.isDue) this.#sendAt ??= after(now, GATHER);
        return [];
      case "written":
        this.#mirror?.ended(now, event.isKept);
        return [...this.#ask(now), ...this.#write("write", now)];
      case "flush": {
        const effects = this.#queueRefusals(now);
        if (this.#queue.waiting > 0) this.#sendAt = now;
        return effects;
      }
    }
  }

  #answered(now: Instant, from: Peer, message: Message): readonly ReporterEffect[] {
    const matched = this.#requester.receive(now, from, message);
    if (typeof matched === "string") return [{ kind: "drop", reason: matched }];
    this.#queue.acknowledge();
    if (this.#queue.isDue) this.#sendAt ??= now;
    if (this.#queue.waiting >= REPORT_CHANGES) this.#sendAt = now;
    return [];
  }

  #queueRefusals(now: Instant): readonly ReporterEffect[] {
    this.#gatheredAt = undefined;
    const lost = this.#refused.take().flatMap((count) => givenUp(this.#queue.addCount(count)));
    return [...lost, ...this.#write("write", now)];
  }

  /** Unless they have gone already, with a change. */
  #tellRefusals(now: Instant): void {
    this.#refusalsAt = undefined;
    if (this.#queue.waiting > 0) this.#sendAt ??= now;
  }

  get #isAsking(): boolean {
    return this.#requester.isAsking(KEY);
  }

  /** Cuts a report if none is under way, and commits; without a disk it asks at once. */
  #advance(now: Instant): readonly ReporterEffect[] {
    if (this.#mirror?.isWriting === true) return [];
    const isMirrored = this.#mirror !== undefined && !this.#mirror.isAway(now);
    // What waits goes when the answer has come.
    if (!isMirrored && this.#isAsking) return [];
    this.#sendAt = undefined;
    if (this.#queue.isDue) this.#queue.cut();
    const write = this.#write("commit", now);
    return write.length > 0 ? write : this.#ask(now);
  }

  /** While one write is under way, what is new waits for the next. */
  #write(how: "write" | "commit", now: Instant): readonly ReporterEffect[] {
    if (this.#mirror === undefined || this.#mirror.isWriting || this.#mirror.isAway(now)) return [];
    const write = this.#mirror.next(how);
    return write === undefined ? [] : [{ kind: "write", ...write }];
  }

  #ask(now: Instant): readonly ReporterEffect[] {
    const report = this.#queue.underWay;
    if (report === undefined || this.#isAsking) return [];
    const message = messageOf(report, newRequestId(this.#entropy));
    return this.#sends(this.#requester.ask(now, { to: this.#server, message, key: KEY }));
  }

  /** Reports are asked for ever, one at a time: none expires. */
  #sends(effects: ReturnType<Requester["poll"]>): readonly ReporterEffect[] {
    return effects.flatMap((effect) => (effect.kind === "send" ? [effect] : []));
  }
}

const givenUp = (times: number): readonly ReporterEffect[] =>
  times === 0 ? [] : [{ kind: "drop", reason: "report.queue-full", times }];

/** Refusals that were written one after the other are told as one. */
const messageOf = ({ counts, ...report }: Report, id: Uint8Array): Message => ({
  type: "membership.report",
  id,
  ...report,
  changes: [...report.changes],
  ...(counts.length === 0 ? {} : { counts: [...new CountTable(counts).all()] }),
});
