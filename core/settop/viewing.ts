// One viewing of one channel: membership, keys, and the questions that keep them. The machine around it owns journal and stops.
import { after, between, type Duration, earliest, type Instant, milliseconds, seconds } from "../base/time.ts";
import type { Denial, MessageOf, StreamParameters } from "../control/messages.ts";
import type { Entropy } from "../ports/entropy.ts";
import { lengthsOf } from "../stream/suites.ts";
import type { Channel, SettopDrop, SettopEffect, StreamSign } from "./events.ts";
import { HeldEpochs } from "./held-epochs.ts";
import { Hints } from "./hints.ts";
import { Membership, type MembershipState } from "./membership.ts";
import { Question, type Reason } from "./question.ts";
import { Refusals } from "./refusals.ts";
import { slotOf } from "./slot.ts";

type Grant = MessageOf<"key.grant">;
type Denied = MessageOf<"key.denied">;
type Busy = MessageOf<"key.busy">;

export interface ViewingOptions {
  /** This device's id. */
  readonly device: string;
  /** How long the old key is kept after the stream was heard under the new one; at least 2 s. */
  readonly overlap: Duration;
  /** After a denial the group is left this much later, so that the link carries nothing useless. */
  readonly linger: Duration;
}

/** What the key server said last. */
export type Verdict =
  | { readonly kind: "unanswered" }
  | { readonly kind: "granted" }
  | { readonly kind: "denied"; readonly reason: Denial; readonly text: string }
  | { readonly kind: "busy"; readonly reason: Busy["reason"] };

/** All set-tops hear an unknown epoch in the same packet. */
const HINT_SPREAD = milliseconds(100);
const LEAST_REFRESH = seconds(1);
const UNUSABLE_WAIT = seconds(5);
/** The switch should find the key already here. */
const SLOT_MARGIN = milliseconds(250);

export class Viewing {
  readonly channel: Channel;
  readonly tunedAt: Instant;
  readonly #options: ViewingOptions;
  readonly #entropy: Entropy;
  readonly #held = new HeldEpochs();
  readonly #hints = new Hints();
  readonly #membership: Membership;
  readonly #question: Question;
  readonly #refusals: Refusals;
  #reception: Uint8Array;
  /** A key request has left: the key server may hold this reception to be live. */
  #known = false;
  #verdict: Verdict = { kind: "unanswered" };
  #stream: StreamParameters | undefined;
  #newestGranted = -1;
  /** The newest epoch that a notice or the stream has named; its key is wanted until a grant has it. */
  #wanted = -1;
  #needsPosition = true;

  constructor(channel: Channel, options: ViewingOptions, entropy: Entropy, now: Instant) {
    this.channel = channel;
    this.tunedAt = now;
    this.#options = options;
    this.#entropy = entropy;
    this.#reception = entropy.bytes(16);
    this.#membership = new Membership(channel);
    this.#question = new Question(entropy);
    this.#refusals = new Refusals(entropy);
    this.#question.plan(now, "start");
  }

  get reception(): Uint8Array {
    return this.#reception;
  }

  get known(): boolean {
    return this.#known;
  }

  get verdict(): Verdict {
    return this.#verdict;
  }

  get membership(): MembershipState {
    return this.#membership.state;
  }

  get epochs(): readonly number[] {
    return this.#held.epochs;
  }

  /** How often the open question has been sent; 0 when none is open. */
  get attempts(): number {
    return this.#question.attempts;
  }

  asked(id: Uint8Array): boolean {
    return this.#question.has(id);
  }

  /** 71, in parallel with 73. */
  begin(): SettopEffect[] {
    return this.#membership.begin();
  }

  /** 81; the keys are erased. */
  end(): SettopEffect[] {
    this.#held.clear();
    return [{ kind: "silence", channel: this.channel.id }, ...this.#membership.end()];
  }

  joined(): void {
    this.#membership.joined();
  }

  joinFailed(now: Instant, why: string): SettopEffect[] {
    return this.#membership.failed(now, why);
  }

  /** The broker is back: what was asked meanwhile may never have arrived. */
  reconnected(now: Instant): void {
    const spread = this.#held.epochs.length === 0 ? 200 : 1000;
    this.#question.hasten(after(now, milliseconds(this.#entropy.below(spread))));
  }

  /** A stop was acknowledged, so a concurrent limit may be free again. */
  placeFreed(now: Instant): void {
    if (this.#verdict.kind === "denied" && this.#verdict.reason === "limit.concurrent")
      this.#question.plan(now, "start");
  }

  /** Everything due at `now`; questions only while the broker is there. */
  due(now: Instant, linkUp: boolean): SettopEffect[] {
    const channel = this.channel.id;
    const effects: SettopEffect[] = [];
    for (const epoch of this.#held.expire(now)) effects.push({ kind: "retire", channel, epoch });
    effects.push(...this.#membership.due(now));
    if (linkUp) effects.push(...this.#questionDue(now));
    return effects;
  }

  nextDeadline(linkUp: boolean): Instant | undefined {
    const question = linkUp ? this.#question.nextDeadline() : undefined;
    return earliest([question, this.#membership.nextDeadline(), this.#held.nextDeadline()]);
  }

  /** 76, 95. */
  granted(now: Instant, grant: Grant): SettopEffect[] | SettopDrop {
    this.#question.answered();
    if (!isUsable(grant)) {
      this.#question.plan(after(now, UNUSABLE_WAIT), this.#usual);
      return "settop.grant-unusable";
    }
    const first = this.#verdict.kind !== "granted";
    this.#verdict = { kind: "granted" };
    this.#refusals.granted();
    const effects = [...this.#install(grant), ...this.#membership.keep()];
    if (first) effects.push({ kind: "note", note: "granted", channel: this.channel.id, text: `${grant.current}` });
    this.#planAfter(now, grant);
    return effects;
  }

  /** Nothing more comes out. */
  denied(now: Instant, denial: Denied): SettopEffect[] {
    this.#question.answered();
    if (denial.reason === "reception.ended") return this.#beginAnew(now);
    this.#verdict = { kind: "denied", reason: denial.reason, text: denial.text };
    this.#question.plan(after(now, this.#refusals.denied(denial.reason)), "start");
    this.#membership.leaveAfter(now, this.#options.linger);
    this.#forget();
    const channel = this.channel.id;
    return [
      { kind: "silence", channel },
      { kind: "note", note: "denied", channel, text: `${denial.reason}: ${denial.text}` },
    ];
  }

  busy(now: Instant, busy: Busy): SettopEffect[] {
    const reason = this.#question.reason ?? "start";
    this.#question.answered();
    if (this.#verdict.kind !== "granted") this.#verdict = { kind: "busy", reason: busy.reason };
    this.#question.plan(after(now, this.#refusals.busy(busy.retryAfter)), reason);
    return [{ kind: "note", note: "busy", channel: this.channel.id, text: busy.reason }];
  }

  /** 91. `away` is how long until the sender switches. */
  noticed(now: Instant, epoch: number, away: Duration, window: Duration): SettopDrop | undefined {
    if (epoch <= this.#newestGranted || this.#held.has(epoch)) return "settop.notice-stale";
    this.#wanted = Math.max(this.#wanted, epoch);
    if (this.#verdict.kind === "denied") return undefined;
    const room = Math.max(0, Math.min(window, away - SLOT_MARGIN));
    const at = after(now, slotOf(this.#options.device, epoch, milliseconds(room)));
    this.#question.hasten(at);
    this.#question.plan(at, this.#usual);
    return undefined;
  }

  /** The stream's own word. */
  sign(now: Instant, sign: StreamSign): void {
    switch (sign.kind) {
      case "clear":
        this.#hints.clear(sign.epoch);
        this.#held.switchedTo(now, sign.epoch, this.#options.overlap);
        return;
      case "unknown-epoch":
        // Older epochs are erased on purpose.
        if (sign.epoch > this.#newestGranted) this.#hinted(now, "rekey", sign.epoch);
        return;
      case "position-lost":
        this.#needsPosition = true;
        this.#hinted(now, "resync", -1);
        return;
    }
  }

  #hinted(now: Instant, reason: Reason, epoch: number): void {
    if (this.#verdict.kind !== "granted") return;
    const soonest = this.#hints.soonest(now);
    if (this.#question.comesBy(after(soonest, HINT_SPREAD))) return;
    this.#askFor(after(soonest, milliseconds(this.#entropy.below(HINT_SPREAD))), reason, epoch);
  }

  #questionDue(now: Instant): SettopEffect[] {
    const question = this.#question.due(now);
    if (question === undefined) return [];
    this.#known = true;
    return [{ kind: "send", message: this.#request(question.id, question.reason) }];
  }

  /** 73 or 92. */
  #request(id: Uint8Array, reason: Reason): MessageOf<"key.request"> {
    const newest = this.#held.epochs.at(-1);
    const have = newest === undefined ? {} : { have: newest };
    return { type: "key.request", id, channel: this.channel.id, reception: this.#reception, reason, ...have };
  }

  /** The reason to ask without a sign of trouble. */
  get #usual(): Reason {
    return this.#held.epochs.length === 0 ? "start" : "rekey";
  }

  #install(grant: Grant): SettopEffect[] {
    const channel = this.channel.id;
    const effects: SettopEffect[] = [];
    if (this.#stream === undefined || !sameStream(this.#stream, grant.stream)) {
      this.#stream = grant.stream;
      this.#held.clear();
      this.#needsPosition = true;
      effects.push({ kind: "receive", channel, stream: grant.stream });
    }
    const { installed, dropped } = this.#held.grant(grant.epochs.map((key) => key.epoch));
    for (const epoch of dropped) effects.push({ kind: "retire", channel, epoch });
    // Always: to a receiver that is where the sender says it changes nothing, and a headend that started again is far ahead.
    if (grant.position !== undefined) {
      effects.push({ kind: "position", channel, position: grant.position });
      this.#needsPosition = false;
    }
    for (const key of grant.epochs) if (installed.includes(key.epoch)) effects.push({ kind: "install", channel, key });
    this.#newestGranted = grant.epochs.at(-1)?.epoch ?? -1;
    return effects;
  }

  /** The way back begins as after tuning in. */
  #forget(): void {
    this.#held.clear();
    this.#stream = undefined;
    this.#newestGranted = -1;
    this.#needsPosition = true;
  }

  #planAfter(now: Instant, grant: Grant): void {
    const refresh = Math.max(LEAST_REFRESH, grant.refreshWithin) * (0.6 + this.#entropy.below(0.2));
    this.#question.plan(after(now, milliseconds(refresh)), "refresh");
    const again = after(now, this.#hints.gap);
    // The answer was on its way when the notice came.
    if (this.#wanted > this.#newestGranted) this.#askFor(again, "rekey", this.#wanted);
    // The headend has not reported yet.
    else if (this.#needsPosition) this.#askFor(again, "resync", -1);
  }

  /** Outside the usual course, so the next such question keeps a longer gap. */
  #askFor(at: Instant, reason: Reason, epoch: number): void {
    this.#question.plan(at, reason);
    this.#hints.asking(at, epoch);
  }

  /** The server has closed this reception (lapsed, or an operator did): a new one with a new id. The keys in hand stay in use. */
  #beginAnew(now: Instant): SettopEffect[] {
    this.#reception = this.#entropy.bytes(16);
    this.#known = false;
    this.#question.plan(after(now, this.#refusals.ended()), "start");
    return [{ kind: "note", note: "reception-ended", channel: this.channel.id, text: "a new one begins" }];
  }

  /** For status: since when it has been tuned. */
  age(now: Instant): Duration {
    return between(this.tunedAt, now);
  }
}

/** Epochs rise and every key fits the suite; anything else would be our own RangeError later. */
function isUsable(grant: Grant): boolean {
  const { key, salt } = lengthsOf(grant.stream.suite);
  return grant.epochs.every(
    ({ epoch, masterKey, masterSalt }, i) =>
      masterKey.length === key && masterSalt.length === salt && epoch > (grant.epochs[i - 1]?.epoch ?? -1),
  );
}

const sameStream = (a: StreamParameters, b: StreamParameters): boolean =>
  a.suite === b.suite && a.mkiLength === b.mkiLength && a.ssrc === b.ssrc && a.payloadType === b.payloadType;
