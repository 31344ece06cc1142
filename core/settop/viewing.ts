// One viewing of one channel: membership, keys, and the questions that keep them. The machine around it owns journal and stops.
import { sameBytes } from "../base/bytes.ts";
import {
  after,
  between,
  type Duration,
  earliest,
  type Instant,
  instant,
  milliseconds,
  minutes,
  seconds,
} from "../base/time.ts";
import type { Denial, MessageOf, StreamParameters } from "../control/messages.ts";
import type { Entropy } from "../ports/entropy.ts";
import { lengthsOf } from "../stream/suites.ts";
import { Ask } from "./ask.ts";
import type { Channel, SettopDrop, SettopEffect, StreamSign } from "./events.ts";
import { HeldEpochs } from "./held-epochs.ts";
import { slotOf } from "./slot.ts";

type Reason = MessageOf<"key.request">["reason"];
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

export type MembershipState =
  | { readonly kind: "joining" }
  | { readonly kind: "joined" }
  | { readonly kind: "failed"; readonly why: string }
  | { readonly kind: "left" };

/** The longest wait between repeats of an unanswered key request. */
const LONGEST_REPEAT = seconds(10);
const FIRST_DENIED_WAIT = seconds(30);
const LONGEST_DENIED_WAIT = minutes(10);
/** The stop of another viewing may free a place: look again soon. */
const LIMIT_WAIT = seconds(1);
const FIRST_GAP = seconds(1);
const LONGEST_GAP = seconds(60);
/** All set-tops hear an unknown epoch in the same packet. */
const HINT_SPREAD = milliseconds(100);
const REJOIN_WAIT = seconds(2);
const LEAST_REFRESH = seconds(1);
const LEAST_BUSY = milliseconds(200);
const LONGEST_BUSY = seconds(60);
/** The switch should find the key already here. */
const SLOT_MARGIN = milliseconds(250);

const clamp = (span: number, least: Duration, most: Duration): Duration =>
  milliseconds(Math.min(most, Math.max(least, span)));
const doubled = (first: Duration, times: number, most: Duration): Duration =>
  milliseconds(Math.min(most, first * 2 ** Math.min(times, 20)));

export class Viewing {
  readonly channel: Channel;
  readonly tunedAt: Instant;
  readonly #options: ViewingOptions;
  readonly #entropy: Entropy;
  readonly #held = new HeldEpochs();
  #reception: Uint8Array;
  /** A key request has left: the key server may hold this reception to be live. */
  #known = false;
  #membership: MembershipState = { kind: "joining" };
  #rejoinAt: Instant | undefined;
  #leaveAt: Instant | undefined;
  #asking: { readonly ask: Ask; readonly reason: Reason } | undefined;
  #plan: { readonly at: Instant; readonly reason: Reason } | undefined;
  #verdict: Verdict = { kind: "unanswered" };
  #stream: StreamParameters | undefined;
  #newestGranted = -1;
  /** The newest epoch that a notice or the stream has named; its key is wanted until a grant has it. */
  #wanted = -1;
  #needsPosition = true;
  #denials = 0;
  #ends = 0;
  /** The last question that a sign of trouble caused, and how many in a row did not help. */
  #hints: { readonly at: Instant | undefined; readonly times: number; readonly epoch: number } = {
    at: undefined,
    times: 0,
    epoch: -1,
  };

  constructor(channel: Channel, options: ViewingOptions, entropy: Entropy, now: Instant) {
    this.channel = channel;
    this.tunedAt = now;
    this.#options = options;
    this.#entropy = entropy;
    this.#reception = entropy.bytes(16);
    this.#plan = { at: now, reason: "start" };
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
    return this.#membership;
  }

  get epochs(): readonly number[] {
    return this.#held.epochs;
  }

  /** How often the open question has been sent; 0 when none is open. */
  get attempts(): number {
    return this.#asking?.ask.attempts ?? 0;
  }

  asked(id: Uint8Array): boolean {
    return this.#asking !== undefined && sameBytes(this.#asking.ask.id, id);
  }

  /** 71, in parallel with 73. */
  begin(): SettopEffect[] {
    return [{ kind: "join", channel: this.channel }];
  }

  /** 81; the keys are erased. */
  end(): SettopEffect[] {
    const { channel } = this;
    const effects: SettopEffect[] = [{ kind: "silence", channel: channel.id }];
    if (this.#membership.kind !== "left") effects.push({ kind: "leave", channel });
    this.#held.clear();
    return effects;
  }

  joined(): void {
    if (this.#membership.kind === "joining") this.#membership = { kind: "joined" };
  }

  joinFailed(now: Instant, why: string): SettopEffect[] {
    if (this.#membership.kind === "left") return [];
    this.#membership = { kind: "failed", why };
    this.#rejoinAt = after(now, REJOIN_WAIT);
    return [{ kind: "note", note: "join-failed", channel: this.channel.id, text: why }];
  }

  /** The broker is back: what was asked meanwhile may never have arrived. */
  reconnected(now: Instant): void {
    const spread = this.#held.epochs.length === 0 ? 200 : 1000;
    this.#asking?.ask.hasten(after(now, milliseconds(this.#entropy.below(spread))));
  }

  /** A stop was acknowledged, so a concurrent limit may be free again. */
  placeFreed(now: Instant): void {
    if (this.#verdict.kind === "denied" && this.#verdict.reason === "limit.concurrent") this.#planFor(now, "start");
  }

  /** Everything due at `now`; questions only while the broker is there. */
  due(now: Instant, linkUp: boolean): SettopEffect[] {
    const channel = this.channel.id;
    const effects: SettopEffect[] = [];
    for (const epoch of this.#held.expire(now)) effects.push({ kind: "retire", channel, epoch });
    effects.push(...this.#membershipDue(now));
    if (linkUp) effects.push(...this.#questionDue(now));
    return effects;
  }

  nextDeadline(linkUp: boolean): Instant | undefined {
    const question = linkUp ? (this.#asking?.ask.due ?? this.#plan?.at) : undefined;
    return earliest([question, this.#rejoinAt, this.#leaveAt, this.#held.nextDeadline()]);
  }

  /** 76, 95. */
  granted(now: Instant, grant: Grant): SettopEffect[] | SettopDrop {
    if (!isUsable(grant)) {
      this.#answered();
      this.#planFor(after(now, seconds(5)), this.#held.epochs.length === 0 ? "start" : "rekey");
      return "settop.grant-unusable";
    }
    this.#answered();
    const first = this.#verdict.kind !== "granted";
    this.#verdict = { kind: "granted" };
    this.#denials = 0;
    this.#ends = 0;
    this.#leaveAt = undefined;
    const effects = [...this.#install(grant), ...this.#joinAgain()];
    if (first) effects.push({ kind: "note", note: "granted", channel: this.channel.id, text: `${grant.current}` });
    this.#planAfter(now, grant);
    return effects;
  }

  /** Nothing more comes out; asked again slowly, because a subscription may be bought. */
  denied(now: Instant, denial: Denied): SettopEffect[] {
    this.#answered();
    if (denial.reason === "reception.ended") return this.#beginAnew(now);
    const freeSoon = denial.reason === "limit.concurrent" && this.#denials < 3;
    const wait = freeSoon ? LIMIT_WAIT : doubled(FIRST_DENIED_WAIT, this.#denials, LONGEST_DENIED_WAIT);
    this.#denials++;
    this.#verdict = { kind: "denied", reason: denial.reason, text: denial.text };
    this.#planFor(after(now, this.#jittered(wait)), "start");
    this.#held.clear();
    this.#stream = undefined;
    this.#newestGranted = -1;
    this.#needsPosition = true;
    if (this.#membership.kind !== "left") this.#leaveAt ??= after(now, this.#options.linger);
    const channel = this.channel.id;
    return [
      { kind: "silence", channel },
      { kind: "note", note: "denied", channel, text: `${denial.reason}: ${denial.text}` },
    ];
  }

  busy(now: Instant, busy: Busy): SettopEffect[] {
    const reason = this.#asking?.reason ?? "start";
    this.#answered();
    if (this.#verdict.kind !== "granted") this.#verdict = { kind: "busy", reason: busy.reason };
    const wait = clamp(busy.retryAfter, LEAST_BUSY, LONGEST_BUSY);
    this.#planFor(after(now, milliseconds(wait * (1 + this.#entropy.below(0.25)))), reason);
    return [{ kind: "note", note: "busy", channel: this.channel.id, text: busy.reason }];
  }

  /** 91. `away` is how long until the sender switches. */
  noticed(now: Instant, epoch: number, away: Duration, window: Duration): SettopDrop | undefined {
    if (epoch <= this.#newestGranted || this.#held.has(epoch)) return "settop.notice-stale";
    this.#wanted = Math.max(this.#wanted, epoch);
    if (this.#verdict.kind === "denied") return undefined;
    const room = Math.max(0, Math.min(window, away - SLOT_MARGIN));
    const at = after(now, slotOf(this.#options.device, epoch, milliseconds(room)));
    if (this.#asking !== undefined) this.#asking.ask.hasten(at);
    else this.#planFor(at, this.#held.epochs.length === 0 ? "start" : "rekey");
    return undefined;
  }

  /** The stream's own word. Signs of trouble are unauthenticated, so questions they cause keep a growing gap. */
  sign(now: Instant, sign: StreamSign): void {
    switch (sign.kind) {
      case "clear":
        if (sign.epoch >= this.#hints.epoch) this.#hints = { ...this.#hints, times: 0 };
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
    if (this.#verdict.kind !== "granted" || this.#asking !== undefined) return;
    const { at: last, times } = this.#hints;
    const at = last === undefined ? now : instant(Math.max(now, after(last, this.#gap())));
    if (this.#plan !== undefined && this.#plan.at <= after(at, HINT_SPREAD)) return;
    this.#plan = { at: after(at, milliseconds(this.#entropy.below(HINT_SPREAD))), reason };
    this.#hints = { at: this.#plan.at, times: times + 1, epoch };
  }

  #membershipDue(now: Instant): SettopEffect[] {
    if (this.#leaveAt !== undefined && this.#leaveAt <= now) {
      this.#leaveAt = undefined;
      this.#rejoinAt = undefined;
      this.#membership = { kind: "left" };
      return [{ kind: "leave", channel: this.channel }];
    }
    if (this.#rejoinAt === undefined || this.#rejoinAt > now) return [];
    this.#rejoinAt = undefined;
    this.#membership = { kind: "joining" };
    return this.begin();
  }

  #questionDue(now: Instant): SettopEffect[] {
    if (this.#asking === undefined && this.#plan !== undefined && this.#plan.at <= now) {
      const { reason } = this.#plan;
      this.#asking = { ask: new Ask(now, this.#entropy, LONGEST_REPEAT), reason };
      this.#plan = undefined;
    }
    if (this.#asking === undefined || this.#asking.ask.due > now) return [];
    this.#asking.ask.sent(now);
    this.#known = true;
    return [{ kind: "send", message: this.#request(this.#asking.ask.id, this.#asking.reason) }];
  }

  /** 73 or 92. */
  #request(id: Uint8Array, reason: Reason): MessageOf<"key.request"> {
    const newest = this.#held.epochs.at(-1);
    const have = newest === undefined ? {} : { have: newest };
    return { type: "key.request", id, channel: this.channel.id, reception: this.#reception, reason, ...have };
  }

  #answered(): void {
    this.#asking = undefined;
    this.#plan = undefined;
  }

  #planFor(at: Instant, reason: Reason): void {
    if (this.#plan === undefined || at < this.#plan.at) this.#plan = { at, reason };
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

  /** Denied before, permitted now: the group was left or is about to be. */
  #joinAgain(): SettopEffect[] {
    if (this.#membership.kind !== "left") return [];
    this.#membership = { kind: "joining" };
    return this.begin();
  }

  #planAfter(now: Instant, grant: Grant): void {
    const refresh = Math.max(LEAST_REFRESH, grant.refreshWithin) * (0.6 + this.#entropy.below(0.2));
    this.#planFor(after(now, milliseconds(refresh)), "refresh");
    // The answer was on its way when the notice came.
    if (this.#wanted > this.#newestGranted) this.#askAgain(now, "rekey", this.#wanted);
    // The headend has not reported yet.
    else if (this.#needsPosition) this.#askAgain(now, "resync", -1);
  }

  #askAgain(now: Instant, reason: Reason, epoch: number): void {
    const at = after(now, this.#gap());
    this.#planFor(at, reason);
    this.#hints = { at, times: this.#hints.times + 1, epoch };
  }

  #gap(): Duration {
    return doubled(FIRST_GAP, this.#hints.times, LONGEST_GAP);
  }

  /** The server has closed this reception (lapsed, or an operator did): a new one with a new id. The keys in hand stay in use. */
  #beginAnew(now: Instant): SettopEffect[] {
    this.#reception = this.#entropy.bytes(16);
    this.#known = false;
    const wait = this.#ends === 0 ? milliseconds(0) : doubled(FIRST_GAP, this.#ends - 1, LONGEST_GAP);
    this.#ends++;
    this.#planFor(after(now, wait), "start");
    return [{ kind: "note", note: "reception-ended", channel: this.channel.id, text: "a new one begins" }];
  }

  #jittered(wait: Duration): Duration {
    return milliseconds(wait * (0.8 + this.#entropy.below(0.4)));
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
