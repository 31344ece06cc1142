// One channel at the key server: its record, the one change of it that is on its way to disk, and what is known of its
// stream. The rules are in handshake.ts (the table), headend-made.ts (claim 3) and server-made.ts (claim 7); here they
// are carried out.
import {
  after,
  earliest,
  type Instant,
  instant,
  milliseconds,
  type UnixTime,
  unixTime,
  wholeUnixTime,
} from "../base/time.ts";
import { overwriteKeys } from "../control/epoch-key.ts";
import { LAST_EPOCH, type Message, type MessageOf, type Position } from "../control/messages.ts";
import type { Peer } from "../control/participant.ts";
import { newRequestId } from "../control/requester.ts";
import type { Calendar } from "../ports/clock.ts";
import type { Entropy } from "../ports/entropy.ts";
import type { EpochRow, KeyChannelRow } from "../ports/tables.ts";
import {
  currentOf,
  decideKept,
  hasLengths,
  type KeptChannel,
  leadOf,
  newestAnnounced,
  newestInUse,
  nextStep,
  offeredOf,
  rowOf,
  type Step,
  span,
  stateOf,
  withDemand,
  withOffered,
  withoutOld,
} from "./epochs.ts";
import type { Acceptance, ChannelResult, Correspondent, KeyServerEffect, OfferTerms, Then } from "./events.ts";
import { HANDSHAKE } from "./handshake.ts";
import { demandMessage, proposalState, withProposed } from "./headend-made.ts";
import { FIRST_REPEAT, HeadendQuestion, SLOWEST_REPEAT } from "./headend-question.ts";
import { RunningStream } from "./running-stream.ts";
import { newEpoch, offerMessage, offerToRepeat, plannedAfter, withTaken } from "./server-made.ts";

/** What a channel may use of the world. */
export interface ChannelSurroundings {
  readonly calendar: Calendar;
  readonly entropy: Entropy;
  /** The headend as a peer, when it may (still) serve the channel. */
  headend(id: string, channel: string): Peer | undefined;
}

/** What a headend may say of a channel. */
export type HeadendMessage = MessageOf<"epoch.proposal" | "epoch.wanted" | "epoch.taken" | "stream.report">;

const AT_ONCE = instant(0);

/**
 * The keys of one channel. `kept` is what the store holds of it; the octets of its keys are overwritten when their
 * epochs end. Who owns it gives every effect on, brings "committed" or "failed" for every commit, and calls `poll` when
 * `nextDeadline` has come.
 */
export class ChannelKeys {
  readonly #name: string;
  readonly #surroundings: ChannelSurroundings;
  readonly #stream = new RunningStream();
  readonly #question: HeadendQuestion;
  #kept: KeptChannel | undefined;
  /** What is on its way to disk; until it is settled nothing else may change. */
  #next: KeptChannel | undefined;
  #eraseAt: Instant | undefined;
  #makeNotBefore: Instant = AT_ONCE;

  constructor(name: string, surroundings: ChannelSurroundings, kept?: KeptChannel) {
    this.#name = name;
    this.#surroundings = surroundings;
    this.#question = new HeadendQuestion(surroundings.entropy);
    this.#kept = kept;
  }

  /** What is on disk; undefined before the first commit. */
  get kept(): KeptChannel | undefined {
    return this.#kept;
  }

  /** The epoch in use. */
  current(now: Instant): number | undefined {
    return this.#kept === undefined ? undefined : currentOf(this.#kept, this.#stream.reported, this.#unix(now));
  }

  /** The place in the stream, for late joiners; undefined until the headend has said it. */
  position(now: Instant): Position | undefined {
    return this.#stream.position(now);
  }

  /** From a headend that may serve the channel. `from.request` is absent when the message is itself an answer. */
  receive(now: Instant, from: Correspondent, message: HeadendMessage): ChannelResult {
    switch (message.type) {
      case "epoch.proposal":
        return this.#proposed(now, from, message);
      case "epoch.wanted":
        return this.#wanted(now, from, message);
      case "epoch.taken":
        return this.#taken(now, from, message);
      case "stream.report":
        return this.#reports(now, message);
    }
  }

  /**
   * Every epoch that is out must go out of use. No effect means that nothing is left to put on disk. `demand` comes
   * back in the commit's `then`.
   */
  demand(demand: Uint8Array | undefined): ChannelResult {
    const kept = this.#kept;
    if (kept === undefined) return [];
    if (this.#next !== undefined) return "keys.committing";
    const newest = newestAnnounced(kept)?.epoch ?? 0;
    if ((kept.row.demandedAbove ?? -1) >= newest) return [];
    return this.#change(withDemand(kept, newest), { kind: "demanded", demand });
  }

  /** The change is on disk. Nothing when none was under way. */
  committed(now: Instant, then: Then): readonly KeyServerEffect[] {
    const next = this.#next;
    if (next === undefined) return [];
    overwriteKeys(this.#kept?.epochs ?? [], next.epochs);
    this.#kept = next;
    this.#next = undefined;
    const effects = this.#follow(now, next, then);
    this.#question.keepOnly(nextStep(next)?.kind);
    return effects;
  }

  /** The change is not on disk. What time brought up is tried again, but not in a loop against a full disk. */
  failed(now: Instant, then: Then): void {
    overwriteKeys(this.#next?.epochs ?? [], this.#kept?.epochs ?? []);
    this.#next = undefined;
    const later = after(now, FIRST_REPEAT);
    this.#makeNotBefore = later;
    if (then.kind === "erased") this.#eraseAt = later;
  }

  /** The notice again, for a broker that may have lost it. */
  renotice(now: Instant): readonly KeyServerEffect[] {
    const newest = this.#kept && newestAnnounced(this.#kept);
    if (this.#kept === undefined || newest === undefined) return [];
    return [this.#notice(now, this.#kept, this.#surroundings.calendar.at(newest.switchAt))];
  }

  poll(now: Instant): readonly KeyServerEffect[] {
    const kept = this.#kept;
    if (kept === undefined || this.#next !== undefined) return [];
    return [...this.#step(now, kept), ...this.#erase(now, kept)];
  }

  nextDeadline(): Instant | undefined {
    if (this.#kept === undefined || this.#next !== undefined) return undefined;
    const step = nextStep(this.#kept);
    return earliest([step && this.#stepAt(this.#kept.row, step), this.#eraseAt]);
  }

  // Claim 3.
  #proposed(now: Instant, from: Correspondent, proposal: MessageOf<"epoch.proposal">): ChannelResult {
    const { id, key } = proposal;
    switch (HANDSHAKE.proposal[proposalState(this.#kept, key, this.#inUse(now))]) {
      case "refuse":
        return [this.#refusal(from, id, this.#kept?.row.lastEpoch ?? 0)];
      case "confirm":
        return [this.#acceptance({ ...from, id, epoch: key.epoch })];
      case "announce":
        return this.#announceProposed(now, from, proposal);
    }
  }

  #announceProposed(now: Instant, from: Correspondent, proposal: MessageOf<"epoch.proposal">): ChannelResult {
    const { id, parameters, key, switchIn, position } = proposal;
    if (this.#next !== undefined) return "keys.committing";
    if (!hasLengths(parameters.stream.suite, key)) return "keys.epoch-unknown";
    const next = withProposed(this.#kept, from.peer.id, proposal, this.#unix(now), this.#inUse(now));
    const acceptance = { ...from, id, epoch: key.epoch };
    return this.#change(next, { kind: "proposed", acceptance, switchIn, position });
  }

  /**
   * Claim 7: from now on this channel's epochs are made here. `last`, the newest that the headend has, is absent when
   * it has just started.
   */
  #wanted(now: Instant, from: Correspondent, wanted: MessageOf<"epoch.wanted">): ChannelResult {
    const { id, parameters, last, position } = wanted;
    if (this.#next !== undefined) return "keys.committing";
    const row = rowOf(parameters, from.peer.id, "keyserver", this.#kept?.row);
    const lastEpoch = Math.max(row.lastEpoch, last ?? 0);
    if (lastEpoch >= LAST_EPOCH) return [this.#refusal(from, id, lastEpoch)];
    this.#stream.begins(now, position);
    if (last === undefined) this.#stream.forgetReport();
    const terms = { id, switchIn: last === undefined ? milliseconds(0) : leadOf(row) };
    const waiting = offerToRepeat(this.#kept, from.peer.id, wanted, this.#question.offer?.id);
    if (waiting === undefined) return this.#make(now, { ...row, lastEpoch }, from, terms);
    return this.#offer({ row, epochs: this.#kept?.epochs ?? [] }, waiting, from, terms);
  }

  #make(now: Instant, row: KeyChannelRow, to: Correspondent, terms: OfferTerms): readonly KeyServerEffect[] {
    const added = newEpoch(row, unixTime(this.#unix(now) + terms.switchIn), this.#surroundings.entropy);
    return this.#offer(withOffered({ row, epochs: this.#kept?.epochs ?? [] }, added), added, to, terms);
  }

  #offer(next: KeptChannel, { epoch }: EpochRow, to: Correspondent, terms: OfferTerms): readonly KeyServerEffect[] {
    return this.#change(next, { kind: "offered", epoch, to, ...terms });
  }

  #taken(now: Instant, from: Correspondent, { id, epoch }: MessageOf<"epoch.taken">): ChannelResult {
    const acceptance = { ...from, id, epoch };
    switch (HANDSHAKE.taken[stateOf(this.#kept, epoch, this.#inUse(now))]) {
      case "drop":
        return "keys.epoch-unknown";
      case "confirm":
        return [this.#acceptance(acceptance)];
      case "announce":
        return this.#announceTaken(now, acceptance);
    }
  }

  /** The headend counts from the offer that it has taken; after a restart of ours nobody knows when that was. */
  #announceTaken(now: Instant, acceptance: Acceptance | undefined): ChannelResult {
    const kept = this.#kept;
    const offered = kept && offeredOf(kept);
    if (kept === undefined || offered === undefined) return "keys.epoch-unknown";
    if (this.#next !== undefined) return "keys.committing";
    const { offer } = this.#question;
    const switchAt = offer === undefined ? now : after(offer.sent, offer.switchIn);
    const next = withTaken(kept, offered, this.#unix(switchAt), this.#inUse(now));
    return this.#change(next, { kind: "taken", switchAt, acceptance });
  }

  #reports(now: Instant, report: MessageOf<"stream.report">): ChannelResult {
    const kept = this.#kept;
    if (kept === undefined) return "keys.channel-unknown";
    if (report.ssrc !== kept.row.ssrc) return "keys.epoch-unknown";
    switch (HANDSHAKE.report[stateOf(kept, report.current, this.#inUse(now))]) {
      case "drop":
        return "keys.epoch-unknown";
      case "announce":
        return this.#announceTaken(now, undefined);
      case "use":
        return this.#use(now, kept, report);
    }
  }

  #use(now: Instant, { row, epochs }: KeptChannel, report: MessageOf<"stream.report">): readonly [] {
    this.#stream.reports(now, report);
    if (this.#eraseAt === undefined && epochs.some(({ epoch }) => epoch < report.current))
      this.#eraseAt = after(now, milliseconds(row.overlap));
    return [];
  }

  #change(next: KeptChannel, then: Then): readonly KeyServerEffect[] {
    this.#next = next;
    return [{ kind: "commit", channel: this.#name, then, decision: decideKept(this.#kept, next) }];
  }

  #follow(now: Instant, kept: KeptChannel, then: Then): readonly KeyServerEffect[] {
    switch (then.kind) {
      case "proposed":
        this.#stream.begins(now, then.position);
        return [this.#acceptance(then.acceptance), this.#notice(now, kept, after(now, milliseconds(then.switchIn)))];
      case "offered":
        return this.#offered(now, kept, then);
      case "taken": {
        // First everybody, then the headend: no notice, no switch.
        const notice = this.#notice(now, kept, then.switchAt);
        return then.acceptance === undefined ? [notice] : [notice, this.#acceptance(then.acceptance)];
      }
      case "demanded":
      case "erased":
        return [];
    }
  }

  #offered(now: Instant, kept: KeptChannel, then: Then & { kind: "offered" }): readonly KeyServerEffect[] {
    const offered = offeredOf(kept);
    if (offered?.epoch !== then.epoch) throw new RangeError(`epoch ${then.epoch} was to be offered and is not kept`);
    this.#question.beginOffer(now, then);
    return [reply(then.to, offerMessage(offered, then))];
  }

  /** What the record says is next, when it is due. */
  #step(now: Instant, kept: KeptChannel): readonly KeyServerEffect[] {
    const step = nextStep(kept);
    if (step === undefined || this.#stepAt(kept.row, step) > now) return [];
    const headend = this.#surroundings.headend(kept.row.headend, kept.row.channel);
    switch (step.kind) {
      case "demand":
        return send(headend, demandMessage(kept.row, this.#question.demand(now)));
      case "offer":
        return send(headend, offerMessage(step.offered, this.#question.repeatOffer(now, leadOf(kept.row))));
      case "make":
        return this.#renew(now, kept.row, headend);
    }
  }

  #stepAt(row: KeyChannelRow, step: Step): Instant {
    if (step.kind !== "make") return this.#question.next;
    const planned = this.#surroundings.calendar.at(plannedAfter(row, step.newest));
    return instant(Math.max(row.demandedAbove === undefined ? planned : AT_ONCE, this.#makeNotBefore));
  }

  /** A headend without a right gets no new key; the operator may give the right back. */
  #renew(now: Instant, row: KeyChannelRow, headend: Peer | undefined): readonly KeyServerEffect[] {
    if (headend === undefined) {
      this.#makeNotBefore = after(now, SLOWEST_REPEAT);
      return [];
    }
    const terms = { id: newRequestId(this.#surroundings.entropy), switchIn: leadOf(row) };
    return this.#make(now, row, { peer: headend, request: undefined }, terms);
  }

  #erase(now: Instant, kept: KeptChannel): readonly KeyServerEffect[] {
    if (this.#next !== undefined || this.#eraseAt === undefined || this.#eraseAt > now) return [];
    this.#eraseAt = undefined;
    const next = withoutOld(kept, this.#stream.reported ?? 0);
    return next.epochs.length === kept.epochs.length ? [] : this.#change(next, { kind: "erased" });
  }

  /** 91, of the newest epoch that the headend has. */
  #notice(now: Instant, kept: KeptChannel, switchAt: Instant): KeyServerEffect {
    const { channel, window, lastEpoch } = kept.row;
    const epoch = newestAnnounced(kept)?.epoch ?? lastEpoch;
    const notice = { channel, epoch, issued: this.#unix(now), switchIn: span(switchAt - now), window };
    return { kind: "notice", notice };
  }

  #acceptance({ id, epoch, ...to }: Acceptance): KeyServerEffect {
    return reply(to, { type: "epoch.accepted", id, channel: this.#name, epoch });
  }

  /** `last`: the newest number that is used up. */
  #refusal(to: Correspondent, id: Uint8Array, last: number): KeyServerEffect {
    return reply(to, { type: "epoch.refused", id, channel: this.#name, reason: "stale", last });
  }

  #inUse(now: Instant): number | undefined {
    return newestInUse(this.#kept, this.#stream.reported, this.#unix(now));
  }

  #unix(at: Instant): UnixTime {
    return wholeUnixTime(this.#surroundings.calendar.unix(at));
  }
}

const reply = ({ peer, request }: Correspondent, message: Message): KeyServerEffect =>
  request === undefined ? { kind: "send", to: peer, message } : { kind: "answer", request, message };

const send = (to: Peer | undefined, message: Message): readonly KeyServerEffect[] =>
  to === undefined ? [] : [{ kind: "send", to, message }];
