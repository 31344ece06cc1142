// One viewing of one channel: membership, keys, and the questions that keep them. The machine around it owns journal and stops.
// A viewing is the device's: it lasts from tuning in to stopping. A reception is what the servers have on record of it, under an id of
// its own, and bill by. A viewing has one at a time, and begins another when the server has ended the last.
import { sameBytes } from "../base/bytes.ts";
import { after, between, type Duration, earliest, type Instant, instant, milliseconds, seconds } from "../base/time.ts";
import { overwriteKeys } from "../control/epoch-key.ts";
import type { Denial, MessageOf, StreamParameters } from "../control/messages.ts";
import type { Entropy } from "../ports/entropy.ts";
import { lengthsOf } from "../stream/suites.ts";
import type { Channel, SettopDrop, SettopEffect, StreamSign } from "./events.ts";
import { HeldEpochs } from "./held-epochs.ts";
import { Hints } from "./hints.ts";
import { GroupMembership, type MembershipState } from "./membership.ts";
import { Question, type Reason } from "./question.ts";
import { Refusals } from "./refusals.ts";
import { slotOf } from "./slot.ts";

type Grant = MessageOf<"key.grant">;
type Denied = MessageOf<"key.denied">;
type Busy = MessageOf<"key.busy">;

/** The same for all viewings of a device. */
export interface ViewingOptions {
  /** This device's id. */
  readonly device: string;
  /** How long the old key is kept after the stream was heard under the new one; at least 2 s. */
  readonly overlap: Duration;
  /** After a denial the group is left this much later, so that the LAN carries nothing useless. */
  readonly linger: Duration;
}

/** What the key server answered last; `text` is for a person. "busy" never takes a grant back. */
export type KeyAnswer =
  | { readonly kind: "unanswered" }
  /** Nobody is asked: the keys are in the configuration. */
  | { readonly kind: "unmanaged" }
  | { readonly kind: "granted" }
  | { readonly kind: "denied"; readonly reason: Denial; readonly text: string }
  | { readonly kind: "busy"; readonly reason: Busy["reason"] };

/** The stream as the grants have made it known: it begins with the first grant, and with one for other parameters; a denial ends it. */
interface Granted {
  readonly kind: "granted";
  readonly stream: StreamParameters;
  readonly held: HeldEpochs;
  /** The newest epoch of the last grant. */
  readonly newest: number;
  /** A grant has said where the stream is, and the stream has not shown since that this is wrong. */
  readonly positioned: boolean;
}

type Permission = Exclude<KeyAnswer, { kind: "granted" }> | Granted;

interface Reception {
  /** 16 octets. */
  readonly id: Uint8Array;
  /** A key request has named it: the key server may hold it to be live. */
  readonly known: boolean;
}

/** The newest epoch that a notice has named; its key is wanted until a grant has it. */
interface Noticed {
  readonly epoch: number;
  /** When it is this device's turn to ask for it; undefined once it has asked. */
  readonly slot: Instant | undefined;
}

/**
 * All set-tops hear the same packet: the questions that it causes are spread over the window of the last notice, which is as long as the
 * audience is large. Without a notice over the least, and never over more than the most: the picture is dark meanwhile.
 */
const LEAST_SPREAD = milliseconds(100);
const MOST_SPREAD = seconds(30);
/** Whatever `refreshWithin` says. */
const LEAST_REFRESH = seconds(1);
/** A grant that cannot be used will hardly be better at once. */
const UNUSABLE_WAIT = seconds(5);
/** The switch should find the key already here. */
const SLOT_MARGIN = milliseconds(250);

/**
 * Begins with `begin`, once, and ends with `end`. Answers (76, 95), notices (91) and signs of the stream go in; questions come out
 * of `due`, at `nextDeadline` at the latest. Effects are for the caller to apply in order.
 */
export class Viewing {
  readonly channel: Channel;
  /** When it began. */
  readonly tunedAt: Instant;
  readonly #options: ViewingOptions;
  readonly #entropy: Entropy;
  readonly #hints = new Hints();
  readonly #membership: GroupMembership;
  readonly #question: Question;
  readonly #refusals: Refusals;
  #reception: Reception;
  #permission: Permission = { kind: "unanswered" };
  #noticed: Noticed | undefined;
  /** See `LEAST_SPREAD`. */
  #spread: Duration = LEAST_SPREAD;

  constructor(channel: Channel, options: ViewingOptions, entropy: Entropy, now: Instant) {
    this.channel = channel;
    this.tunedAt = now;
    this.#options = options;
    this.#entropy = entropy;
    this.#reception = { id: entropy.bytes(16), known: false };
    this.#membership = new GroupMembership(channel);
    this.#question = new Question(entropy);
    this.#refusals = new Refusals(entropy);
    if (channel.unmanaged === undefined) this.#question.plan(now, "start");
    else this.#permission = { kind: "unmanaged" };
  }

  /** 16 octets. */
  get reception(): Uint8Array {
    return this.#reception.id;
  }

  /** A key request has named the reception: the key server may hold it to be live. */
  get known(): boolean {
    return this.#reception.known;
  }

  /** What the key server answered last; a grant stays until a denial. */
  get answer(): KeyAnswer {
    return this.#permission.kind === "granted" ? { kind: "granted" } : this.#permission;
  }

  get membership(): MembershipState {
    return this.#membership.state;
  }

  /** Held, rising. */
  get epochs(): readonly number[] {
    return this.#permission.kind === "granted" ? this.#permission.held.epochs : [];
  }

  /** How often the open question has been sent; 0 when none is open. */
  get attempts(): number {
    return this.#question.attempts;
  }

  /** Whether the open question has this id. */
  asked(id: Uint8Array): boolean {
    return this.#question.has(id);
  }

  /** 71, in parallel with 73. */
  begin(): SettopEffect[] {
    const { id, unmanaged } = this.channel;
    const receive: SettopEffect[] =
      unmanaged === undefined ? [] : [{ kind: "receive-unmanaged", channel: id, sender: unmanaged }];
    return [...receive, ...this.#membership.begin()];
  }

  /** 81; the keys are erased. The viewing is of no use afterwards. */
  end(): SettopEffect[] {
    return [{ kind: "silence", channel: this.channel.id }, ...this.#membership.end()];
  }

  /** The group is joined (the answer to "join"). */
  joined(): void {
    this.#membership.joined();
  }

  /** The group is not joined, or no longer; `why` is for a person. */
  joinFailed(now: Instant, why: string): SettopEffect[] {
    return this.#membership.failed(now, why);
  }

  /** The broker is back: what was asked meanwhile may never have arrived. */
  reconnected(now: Instant): void {
    const spread = this.epochs.length === 0 ? 200 : 1000;
    this.#question.hasten(after(now, milliseconds(this.#entropy.below(spread))));
  }

  /** A stop was acknowledged, so a concurrent limit may be free again. */
  placeFreed(now: Instant): void {
    if (this.#permission.kind === "denied" && this.#permission.reason === "limit.concurrent")
      this.#question.plan(now, "start");
  }

  /** Everything due at `now`; questions only while the broker is there. */
  due(now: Instant, brokerUp: boolean): SettopEffect[] {
    const channel = this.channel.id;
    const effects: SettopEffect[] = [];
    for (const epoch of this.#held?.expire(now) ?? []) effects.push({ kind: "retire", channel, epoch });
    effects.push(...this.#membership.due(now));
    if (brokerUp) effects.push(...this.#questionDue(now));
    return effects;
  }

  nextDeadline(brokerUp: boolean): Instant | undefined {
    const question = brokerUp ? this.#question.nextDeadline() : undefined;
    return earliest([question, this.#membership.nextDeadline(), this.#held?.nextDeadline()]);
  }

  /** 76, 95. */
  granted(now: Instant, grant: Grant): SettopEffect[] | SettopDrop {
    this.#question.answered();
    if (!isUsable(grant)) {
      overwriteKeys(grant.epochs);
      this.#question.plan(after(now, UNUSABLE_WAIT), this.#usual);
      return "settop.grant-unusable";
    }
    const first = this.#permission.kind !== "granted";
    const { granted, effects } = this.#take(grant);
    this.#permission = granted;
    this.#refusals.granted();
    effects.push(...this.#membership.keep());
    if (first) effects.push({ kind: "note", note: "granted", channel: this.channel.id, text: `${grant.current}` });
    this.#planAfter(now, granted, grant.refreshWithin);
    return effects;
  }

  /** Nothing more comes out. */
  denied(now: Instant, denial: Denied): SettopEffect[] {
    this.#question.answered();
    if (denial.reason === "reception.ended") return this.#beginAnew(now);
    this.#permission = { kind: "denied", reason: denial.reason, text: denial.text };
    this.#question.plan(after(now, this.#refusals.denied(denial.reason)), "start");
    this.#membership.leaveAfter(now, this.#options.linger);
    const channel = this.channel.id;
    return [
      { kind: "silence", channel },
      { kind: "note", note: "denied", channel, text: `${denial.reason}: ${denial.text}` },
    ];
  }

  /** The question is put off, with the reason it had. */
  busy(now: Instant, busy: Busy): SettopEffect[] {
    const reason = this.#question.reason ?? "start";
    this.#question.answered();
    if (this.#permission.kind !== "granted") this.#permission = { kind: "busy", reason: busy.reason };
    this.#question.plan(after(now, this.#refusals.busy(busy.retryAfter)), reason);
    return [{ kind: "note", note: "busy", channel: this.channel.id, text: busy.reason }];
  }

  /** 91. `away` is how long until the sender switches. */
  noticed(now: Instant, epoch: number, away: Duration, window: Duration): SettopDrop | undefined {
    const permission = this.#permission;
    if (permission.kind === "unmanaged") return "settop.notice-unwatched";
    this.#spread = milliseconds(Math.min(MOST_SPREAD, Math.max(LEAST_SPREAD, window)));
    if (permission.kind === "granted" && (epoch <= permission.newest || permission.held.has(epoch)))
      return "settop.notice-stale";
    const room = Math.max(0, Math.min(window, away - SLOT_MARGIN));
    const at = after(now, slotOf(this.#options.device, epoch, milliseconds(room)));
    if (epoch > (this.#noticed?.epoch ?? -1)) this.#noticed = { epoch, slot: at };
    if (permission.kind === "denied") return undefined;
    this.#question.hasten(at);
    this.#question.plan(at, this.#usual);
    return undefined;
  }

  /** What the stream itself shows; without a grant there is nothing it could. */
  sign(now: Instant, sign: StreamSign): void {
    const permission = this.#permission;
    if (permission.kind !== "granted") return;
    switch (sign.kind) {
      case "clear":
        this.#hints.clear(sign.epoch);
        permission.held.switchedTo(now, sign.epoch, this.#options.overlap);
        return;
      case "began-anew":
        permission.held.beganAnew(now, sign.epoch);
        return;
      case "unknown-epoch":
        // An older one too: a key server that does not know yet that the headend has kept it grants the next alone.
        // That it opens later is no proof that the question helped: such a number can be made up.
        if (!permission.held.has(sign.epoch))
          this.#hinted(now, "rekey", sign.epoch > permission.newest ? sign.epoch : -1);
        return;
      case "position-lost":
        this.#permission = { ...permission, positioned: false };
        this.#hinted(now, "resync", -1);
        return;
    }
  }

  get #held(): HeldEpochs | undefined {
    return this.#permission.kind === "granted" ? this.#permission.held : undefined;
  }

  /** A sign is unauthenticated: it may hasten a question, within the gap that `Hints` keeps. */
  #hinted(now: Instant, reason: Reason, epoch: number): void {
    const soonest = this.#hints.soonest(now);
    if (this.#question.comesBy(after(soonest, this.#spread))) return;
    this.#askFor(after(soonest, milliseconds(this.#entropy.below(this.#spread))), reason, epoch);
  }

  #questionDue(now: Instant): SettopEffect[] {
    const question = this.#question.due(now);
    if (question === undefined) return [];
    const noticed = this.#noticed;
    // Not a repeat: what is answered may be what was sent before the notice came.
    const isFirst = this.#question.attempts === 1;
    if (isFirst && noticed?.slot !== undefined && noticed.slot <= now)
      this.#noticed = { epoch: noticed.epoch, slot: undefined };
    this.#reception = { id: this.#reception.id, known: true };
    return [{ kind: "send", message: this.#request(question.id, question.reason) }];
  }

  /** 73 or 92. */
  #request(id: Uint8Array, reason: Reason): MessageOf<"key.request"> {
    const newest = this.epochs.at(-1);
    const have = newest === undefined ? {} : { have: newest };
    return { type: "key.request", id, channel: this.channel.id, reception: this.#reception.id, reason, ...have };
  }

  /** The reason to ask without a sign of trouble. */
  get #usual(): Reason {
    return this.epochs.length === 0 ? "start" : "rekey";
  }

  #take(grant: Grant): { readonly granted: Granted; readonly effects: SettopEffect[] } {
    const channel = this.channel.id;
    const effects: SettopEffect[] = [];
    const before = this.#streamOf(grant);
    if (before === undefined) effects.push({ kind: "receive", channel, stream: grant.stream });
    const held = before?.held ?? new HeldEpochs();
    const { installed, dropped } = held.grant(grant.epochs.map((key) => key.epoch));
    for (const epoch of dropped) effects.push({ kind: "retire", channel, epoch });
    // Always: to a receiver that is where the sender says it changes nothing, and a headend that started again is far ahead.
    if (grant.position !== undefined) effects.push({ kind: "position", channel, position: grant.position });
    for (const key of grant.epochs) if (installed.includes(key.epoch)) effects.push({ kind: "install", channel, key });
    overwriteKeys(grant.epochs.filter((key) => !installed.includes(key.epoch)));
    const newest = grant.epochs.at(-1)?.epoch ?? -1;
    const positioned = grant.position !== undefined || (before?.positioned ?? false);
    return { granted: { kind: "granted", stream: grant.stream, held, newest, positioned }, effects };
  }

  /** What is known of the stream that this grant is for; undefined when it is another one, or the first. */
  #streamOf(grant: Grant): Granted | undefined {
    const permission = this.#permission;
    return permission.kind === "granted" && sameStream(permission.stream, grant.stream) ? permission : undefined;
  }

  #planAfter(now: Instant, { newest, positioned }: Granted, refreshWithin: number): void {
    const refresh = Math.max(LEAST_REFRESH, refreshWithin) * (0.6 + this.#entropy.below(0.2));
    this.#question.plan(after(now, milliseconds(refresh)), "refresh");
    const again = after(now, this.#hints.gap);
    const noticed = this.#noticed !== undefined && this.#noticed.epoch > newest ? this.#noticed : undefined;
    // The answer was on its way when the notice came: its turn is still to come.
    if (noticed?.slot !== undefined) this.#question.plan(instant(Math.max(now, noticed.slot)), "rekey");
    // The key server does not know yet what it has given notice of.
    else if (noticed !== undefined) this.#askFor(again, "rekey", noticed.epoch);
    // The headend has not reported yet.
    else if (!positioned) this.#askFor(again, "resync", -1);
  }

  /** Outside the usual course, so the next such question keeps a longer gap. */
  #askFor(at: Instant, reason: Reason, epoch: number): void {
    this.#question.plan(at, reason);
    this.#hints.asking(at, epoch);
  }

  /** The server has closed this reception (lapsed, or an operator did): a new one with a new id. The keys in hand stay in use. */
  #beginAnew(now: Instant): SettopEffect[] {
    this.#reception = { id: this.#entropy.bytes(16), known: false };
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
  a.suite === b.suite &&
  a.mkiLength === b.mkiLength &&
  a.ssrc === b.ssrc &&
  a.payloadType === b.payloadType &&
  a.rocEvery === b.rocEvery &&
  sameBytes(a.signer ?? NOBODY, b.signer ?? NOBODY);

const NOBODY = new Uint8Array(0);
