// One channel at the key server: proposals of the headend (claim 3), offers to it (claim 7), demands, notices, erasure.
import { sameBytes } from "../base/bytes.ts";
import { after, type Duration, earliest, type Instant, milliseconds, type UnixTime, unixTime } from "../base/time.ts";
import type { Request } from "../control/link.ts";
import type { ChannelParameters, Message, MessageOf, Position } from "../control/messages.ts";
import type { Peer } from "../control/participant.ts";
import { newRequestId } from "../control/requester.ts";
import type { Calendar } from "../ports/clock.ts";
import type { Entropy } from "../ports/entropy.ts";
import type { Decision } from "../ports/store.ts";
import type { EpochRow, KeyChannelRow } from "../ports/tables.ts";
import { lengthsOf } from "../stream/suites.ts";
import type { KeyServerDrop, KeyServerEffect } from "./events.ts";
import { currentOf, decideKept, type KeptChannel, keyOf, rowOf, span, streamOf, withEpoch } from "./kept-channel.ts";

const FIRST_REPEAT = 700;
const REPEAT_SPREAD = 600;
const SLOWEST_REPEAT = 5_000;
/** Beyond the set-tops' window, so that the last of them has its key before the switch. */
const LEAD_MARGIN = 1_000;
/** Epochs are numbered with 32 bits, and never anew. */
const LAST_EPOCH = 0xffff_ffff;

/** What the channel wants done; the key server gives a commit its token. */
export type ChannelEffect =
  | Exclude<KeyServerEffect, { kind: "commit" }>
  | { readonly kind: "commit"; readonly decision: Decision<void> };

export type ChannelResult = readonly ChannelEffect[] | KeyServerDrop;

interface Commit {
  readonly next: KeptChannel;
  readonly then: (now: Instant) => readonly ChannelEffect[];
}

/** Something that is sent again until it has an effect. */
interface Repeated {
  readonly id: Uint8Array;
  readonly next: Instant;
  readonly attempts: number;
}

interface Offer extends Repeated {
  /** The headend switches this long after it has the offer. */
  readonly switchIn: Duration;
  readonly sent: Instant;
}

interface Report {
  readonly current: number;
}

interface Place {
  readonly at: Instant;
  readonly roc: number;
  readonly seq: number;
}

export interface ChannelPowers {
  readonly calendar: Calendar;
  readonly entropy: Entropy;
  /** The headend as a peer, when it may (still) serve the channel. */
  headend(id: string, channel: string): Peer | undefined;
}

export class ChannelKeys {
  readonly #powers: ChannelPowers;
  #kept: KeptChannel | undefined;
  #commit: Commit | undefined;
  #offer: Offer | undefined;
  #demand: Repeated | undefined;
  #report: Report | undefined;
  /** Where the stream is, by the newest report, or by the first word of a headend that has just started. */
  #place: Place | undefined;
  #eraseAt: Instant | undefined;
  #makeNotBefore: Instant | undefined;

  constructor(powers: ChannelPowers, kept?: KeptChannel) {
    this.#powers = powers;
    this.#kept = kept;
  }

  get kept(): KeptChannel | undefined {
    return this.#kept;
  }

  get committing(): boolean {
    return this.#commit !== undefined;
  }

  current(now: Instant): number | undefined {
    return this.#kept === undefined ? undefined : currentOf(this.#kept, this.#report?.current, this.#unix(now));
  }

  position(now: Instant): Position | undefined {
    if (this.#place === undefined) return undefined;
    const { roc, seq, at } = this.#place;
    return { roc, seq, age: span(now - at) };
  }

  /** Claim 3. The headend switches `switchIn` after it has the acknowledgement, so a repeated proposal moves the switch. */
  propose(
    now: Instant,
    from: Peer,
    proposal: MessageOf<"epoch.proposal">,
    request: Request | undefined,
  ): ChannelResult {
    const { parameters, key, switchIn } = proposal;
    const last = this.#kept?.row.lastEpoch ?? 0;
    const known = this.#kept?.epochs.find(({ epoch }) => epoch === key.epoch);
    const repeated = known !== undefined && sameBytes(known.masterKey, key.masterKey);
    if (!repeated && key.epoch <= last) return [this.#reply(from, request, refusal(proposal, last))];
    if (this.#commit !== undefined) return "keys.committing";
    const accepted: Message = {
      type: "epoch.accepted",
      id: proposal.id,
      channel: parameters.channel,
      epoch: key.epoch,
    };
    // A late copy must not undo what came after it.
    if (repeated && (key.epoch < last || key.epoch <= (this.#inUse(now) ?? -1)))
      return [this.#reply(from, request, accepted)];
    if (!hasLengths(parameters, key)) return "keys.epoch-unknown";
    const row = rowOf(parameters, from.id, "headend", this.#kept?.row);
    const { epoch, masterKey, masterSalt } = key;
    const switchAt = unixTime(this.#unix(now) + switchIn);
    const added: EpochRow = { channel: row.channel, epoch, masterKey, masterSalt, state: "announced", switchAt };
    const next = withEpoch({ row, epochs: this.#kept?.epochs ?? [] }, added, this.#inUse(now));
    return this.#change(next, (later) => {
      this.#begins(later, proposal.position);
      return [this.#reply(from, request, accepted), this.#notice(later, later + switchIn)];
    });
  }

  /** Claim 7. */
  want(now: Instant, from: Peer, wanted: MessageOf<"epoch.wanted">, request: Request | undefined): ChannelResult {
    const { id, parameters, last } = wanted;
    if (this.#commit !== undefined) return "keys.committing";
    const row = rowOf(parameters, from.id, "keyserver", this.#kept?.row);
    const lastEpoch = Math.max(row.lastEpoch, last ?? 0);
    if (lastEpoch >= LAST_EPOCH) return [this.#reply(from, request, refusal(wanted, lastEpoch))];
    this.#begins(now, wanted.position);
    const switchIn = last === undefined ? milliseconds(0) : leadOf(row);
    if (last === undefined) this.#report = undefined;
    const waiting = this.#waitingFor(from, wanted);
    if (waiting !== undefined && waiting.epoch === lastEpoch && hasLengths(parameters, waiting)) {
      return this.#change({ row, epochs: this.#kept?.epochs ?? [] }, (later) => {
        this.#offered(later, id, switchIn);
        return [this.#reply(from, request, this.#offerMessage(waiting, id, switchIn))];
      });
    }
    return this.#make(now, { ...row, lastEpoch }, switchIn, id, (message) => this.#reply(from, request, message));
  }

  /**
   * The offer that this question may get again: an epoch is made for a running headend, not for a message. A headend that has started
   * again may have used that key before, under the same SSRC and maybe the same indices, so it gets another.
   */
  #waitingFor(from: Peer, { id, last }: MessageOf<"epoch.wanted">): EpochRow | undefined {
    const repeated = this.#offer !== undefined && sameBytes(this.#offer.id, id);
    if (this.#kept?.row.headend !== from.id || (last === undefined && !repeated)) return undefined;
    return this.#kept.epochs.find(({ state }) => state === "offered");
  }

  /** The headend has the key: everybody is told, and so is the headend, which does not switch before (no notice, no switch). */
  taken(now: Instant, from: Peer, message: MessageOf<"epoch.taken">, request: Request | undefined): ChannelResult {
    const { id, channel, epoch } = message;
    const accepted: Message = { type: "epoch.accepted", id, channel, epoch };
    return this.#announce(now, epoch, () => [this.#reply(from, request, accepted)]);
  }

  #announce(now: Instant, epoch: number, done: () => readonly ChannelEffect[]): ChannelResult {
    const offered = this.#kept?.epochs.find((row) => row.epoch === epoch);
    if (this.#kept === undefined || offered === undefined) return "keys.epoch-unknown";
    if (offered.state === "announced") return done();
    if (this.#commit !== undefined) return "keys.committing";
    const { sent, switchIn } = this.#offer ?? { sent: now, switchIn: milliseconds(0) };
    const switchAt = after(sent, switchIn);
    const row: EpochRow = { ...offered, state: "announced", switchAt: this.#unix(switchAt) };
    return this.#change(withEpoch(this.#kept, row, this.#inUse(now)), (later) => {
      this.#offer = undefined;
      return [this.#notice(later, switchAt), ...done()];
    });
  }

  report(now: Instant, { roc, seq, current, ssrc }: MessageOf<"stream.report">): ChannelResult {
    if (this.#kept === undefined) return "keys.channel-unknown";
    const inUse = this.#kept.epochs.find(({ epoch }) => epoch === current);
    if (ssrc !== this.#kept.row.ssrc || inUse === undefined) return "keys.epoch-unknown";
    // It could not use what it has not taken: the word that it has was lost.
    if (inUse.state === "offered") return this.#announce(now, current, () => []);
    this.#report = { current };
    this.#place = { at: now, roc, seq };
    if (this.#eraseAt === undefined && this.#kept.epochs.some(({ epoch }) => epoch < current))
      this.#eraseAt = after(now, milliseconds(this.#kept.row.overlap));
    return [];
  }

  /** A device lost its right: every epoch that it may hold must go out of use. `done` is called when the demand is on disk. */
  demand(done: () => readonly ChannelEffect[]): ChannelResult {
    const kept = this.#kept;
    if (kept === undefined) return done();
    if (this.#commit !== undefined) return "keys.committing";
    const newest = kept.epochs.findLast(({ state }) => state === "announced")?.epoch ?? 0;
    if ((kept.row.demandedAbove ?? -1) >= newest) return done();
    this.#demand = undefined;
    const row = { ...kept.row, demandedAbove: Math.max(newest, kept.row.demandedAbove ?? 0) };
    return this.#change({ ...kept, row }, (later) => [...done(), ...this.poll(later)]);
  }

  committed(now: Instant): readonly ChannelEffect[] {
    const commit = this.#commit;
    if (commit === undefined) return [];
    this.#commit = undefined;
    this.#kept = commit.next;
    if (commit.next.row.demandedAbove === undefined) this.#demand = undefined;
    return [...commit.then(now), ...this.poll(now)];
  }

  failed(now: Instant): void {
    this.#commit = undefined;
    // What time brought up is tried again, but not in a loop against a full disk.
    const later = after(now, milliseconds(FIRST_REPEAT));
    if (this.#eraseAt !== undefined) this.#eraseAt = later;
    this.#makeNotBefore = later;
  }

  /** The notice again, for a broker that may have lost it. */
  renotice(now: Instant): readonly ChannelEffect[] {
    const newest = this.#kept?.epochs.findLast(({ state }) => state === "announced");
    return newest === undefined ? [] : [this.#notice(now, this.#powers.calendar.at(newest.switchAt))];
  }

  poll(now: Instant): readonly ChannelEffect[] {
    if (this.#kept === undefined || this.#commit !== undefined) return [];
    return [...this.#repeatDemand(now), ...this.#repeatOffer(now), ...this.#renew(now), ...this.#erase(now)];
  }

  nextDeadline(): Instant | undefined {
    if (this.#kept === undefined || this.#commit !== undefined) return undefined;
    return earliest([this.#demandAt(), this.#offerAt(), this.#renewAt(), this.#eraseAt]);
  }

  #begins(at: Instant, position: { readonly roc: number; readonly seq: number } | undefined): void {
    if (position !== undefined) this.#place = { at, ...position };
  }

  #unix(at: Instant): UnixTime {
    return unixTime(Math.round(this.#powers.calendar.unix(at)));
  }

  /** The newest epoch that may be in use, although the report of it is not here yet: only what is later may be replaced. */
  #inUse(now: Instant): number | undefined {
    const planned = this.#kept === undefined ? undefined : currentOf(this.#kept, undefined, this.#unix(now));
    const reported = this.#report?.current;
    return planned === undefined || reported === undefined ? (planned ?? reported) : Math.max(planned, reported);
  }

  #change(next: KeptChannel, then: Commit["then"]): readonly ChannelEffect[] {
    this.#commit = { next, then };
    return [{ kind: "commit", decision: decideKept(this.#kept, next) }];
  }

  #reply(to: Peer, request: Request | undefined, message: Message): ChannelEffect {
    return request === undefined ? { kind: "send", to, message } : { kind: "answer", request, message };
  }

  #notice(now: Instant, switchAt: number): ChannelEffect {
    const { row, epochs } = this.#kept as KeptChannel;
    const epoch = epochs.findLast(({ state }) => state === "announced")?.epoch ?? row.lastEpoch;
    const { channel, window } = row;
    const notice = { channel, epoch, issued: this.#unix(now), switchIn: span(switchAt - now), window };
    return { kind: "notice", notice };
  }

  #make(
    now: Instant,
    row: KeyChannelRow,
    switchIn: Duration,
    id: Uint8Array,
    send: (message: Message) => ChannelEffect,
  ): readonly ChannelEffect[] {
    const lengths = lengthsOf(streamOf(row).suite);
    const added: EpochRow = {
      channel: row.channel,
      epoch: row.lastEpoch + 1,
      masterKey: this.#powers.entropy.bytes(lengths.key),
      masterSalt: this.#powers.entropy.bytes(lengths.salt),
      state: "offered",
      switchAt: unixTime(this.#unix(now) + switchIn),
    };
    const announced = (this.#kept?.epochs ?? []).filter(({ state }) => state === "announced");
    const next = { row: { ...row, lastEpoch: added.epoch }, epochs: [...announced.slice(-2), added] };
    return this.#change(next, (later) => {
      this.#offered(later, id, switchIn);
      return [send(this.#offerMessage(added, id, switchIn))];
    });
  }

  #offered(now: Instant, id: Uint8Array, switchIn: Duration, attempts = 0): void {
    const wait = Math.min(SLOWEST_REPEAT, FIRST_REPEAT * 2 ** Math.min(attempts, 8));
    const next = after(now, milliseconds(wait + this.#powers.entropy.below(REPEAT_SPREAD)));
    this.#offer = { id, switchIn, sent: now, next, attempts: attempts + 1 };
  }

  #offerMessage(row: EpochRow, id: Uint8Array, switchIn: Duration): Message {
    return { type: "epoch.offer", id, channel: row.channel, key: keyOf(row), switchIn: span(switchIn) };
  }

  /** After a restart an offer on disk has no timer yet: it is due at once. */
  #offerAt(): Instant | undefined {
    const waiting = this.#kept?.epochs.some(({ state }) => state === "offered") ?? false;
    return waiting ? (this.#offer?.next ?? (0 as Instant)) : undefined;
  }

  #repeatOffer(now: Instant): readonly ChannelEffect[] {
    const at = this.#offerAt();
    const row = this.#kept?.epochs.find(({ state }) => state === "offered");
    if (at === undefined || at > now || row === undefined) return [];
    const switchIn = this.#offer?.switchIn ?? leadOf((this.#kept as KeptChannel).row);
    const id = this.#offer?.id ?? newRequestId(this.#powers.entropy);
    this.#offered(now, id, switchIn, this.#offer?.attempts ?? 0);
    const to = this.#headend();
    return to === undefined ? [] : [{ kind: "send", to, message: this.#offerMessage(row, id, switchIn) }];
  }

  /** Claim 7: `lead` before the interval is over, or at once when a new key is demanded. */
  #renewAt(): Instant | undefined {
    const { row, epochs } = this.#kept as KeptChannel;
    const newest = epochs.at(-1);
    if (row.maker !== "keyserver" || newest === undefined || newest.state === "offered") return undefined;
    if (row.lastEpoch >= LAST_EPOCH) return undefined;
    const planned = this.#powers.calendar.at(unixTime(newest.switchAt + row.interval - leadOf(row)));
    const at = row.demandedAbove === undefined ? planned : 0;
    return Math.max(at, this.#makeNotBefore ?? 0) as Instant;
  }

  #renew(now: Instant): readonly ChannelEffect[] {
    const at = this.#commit === undefined ? this.#renewAt() : undefined;
    const to = this.#headend();
    if (at === undefined || at > now || to === undefined) return this.#postpone(now, at);
    const { row } = this.#kept as KeptChannel;
    return this.#make(now, row, leadOf(row), newRequestId(this.#powers.entropy), (message) => ({
      kind: "send",
      to,
      message,
    }));
  }

  /** A headend without a right gets no new key; the operator may give it back. */
  #postpone(now: Instant, at: Instant | undefined): readonly ChannelEffect[] {
    if (at !== undefined && at <= now) this.#makeNotBefore = after(now, milliseconds(SLOWEST_REPEAT));
    return [];
  }

  #demandAt(): Instant | undefined {
    const { row } = this.#kept as KeptChannel;
    if (row.demandedAbove === undefined || row.maker !== "headend") return undefined;
    return this.#demand?.next ?? (0 as Instant);
  }

  /** The same id in every repetition: a headend makes one epoch of one demand. */
  #repeatDemand(now: Instant): readonly ChannelEffect[] {
    const at = this.#demandAt();
    if (at === undefined || at > now) return [];
    const attempts = this.#demand?.attempts ?? 0;
    const id = this.#demand?.id ?? newRequestId(this.#powers.entropy);
    const wait = Math.min(SLOWEST_REPEAT, FIRST_REPEAT * 2 ** Math.min(attempts, 8));
    const next = after(now, milliseconds(wait + this.#powers.entropy.below(REPEAT_SPREAD)));
    this.#demand = { id, attempts: attempts + 1, next };
    const to = this.#headend();
    const channel = (this.#kept as KeptChannel).row.channel;
    return to === undefined ? [] : [{ kind: "send", to, message: { type: "epoch.demand", id, channel } }];
  }

  /** Epochs before the current one, an overlap after the switch. */
  #erase(now: Instant): readonly ChannelEffect[] {
    if (this.#commit !== undefined || this.#eraseAt === undefined || this.#eraseAt > now) return [];
    this.#eraseAt = undefined;
    const kept = this.#kept as KeptChannel;
    const current = this.#report?.current ?? 0;
    const epochs = kept.epochs.filter(({ epoch }) => epoch >= current);
    return epochs.length === kept.epochs.length ? [] : this.#change({ ...kept, epochs }, () => []);
  }

  #headend(): Peer | undefined {
    const row = this.#kept?.row;
    return row === undefined ? undefined : this.#powers.headend(row.headend, row.channel);
  }
}

/** Never more than half the interval, so that short intervals still have a rhythm. */
const leadOf = ({ interval, window }: { interval: number; window: number }): Duration =>
  milliseconds(Math.min(interval / 2, window + LEAD_MARGIN));

function hasLengths({ stream }: ChannelParameters, key: { masterKey: Uint8Array; masterSalt: Uint8Array }): boolean {
  const lengths = lengthsOf(stream.suite);
  return key.masterKey.length === lengths.key && key.masterSalt.length === lengths.salt;
}

const refusal = (
  { id, parameters }: MessageOf<"epoch.proposal"> | MessageOf<"epoch.wanted">,
  last: number,
): Message => ({
  type: "epoch.refused",
  id,
  channel: parameters.channel,
  reason: "stale",
  last,
});
