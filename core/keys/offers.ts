// Claim 7: epochs that the key server makes, each offered to the headend until it has taken it, then announced.
import { sameBytes } from "../base/bytes.ts";
import { after, type Duration, type Instant, milliseconds, unixTime } from "../base/time.ts";
import type { Request } from "../control/link.ts";
import type { Message, MessageOf } from "../control/messages.ts";
import type { Peer } from "../control/participant.ts";
import { newRequestId } from "../control/requester.ts";
import type { Entropy } from "../ports/entropy.ts";
import type { EpochRow, KeyChannelRow } from "../ports/tables.ts";
import { lengthsOf } from "../stream/suites.ts";
import { type ChannelEffect, type ChannelResult, reply, stale } from "./channel-effects.ts";
import type { ChannelRecord } from "./channel-record.ts";
import {
  hasLengths,
  type KeptChannel,
  keyOf,
  LAST_EPOCH,
  leadOf,
  rowOf,
  span,
  streamOf,
  withEpoch,
} from "./kept-channel.ts";
import { type Repeated, repeated } from "./repetition.ts";
import type { RunningStream } from "./running-stream.ts";

interface Offer extends Repeated {
  /** The headend switches this long after it has the offer. */
  readonly switchIn: Duration;
  readonly sent: Instant;
}

/** How an epoch is to be offered. */
export interface Terms {
  readonly id: Uint8Array;
  readonly switchIn: Duration;
  /** As an answer to the headend's question, or unasked. */
  send(message: Message): ChannelEffect;
}

export class Offers {
  readonly #record: ChannelRecord;
  readonly #stream: RunningStream;
  readonly #entropy: Entropy;
  #offer: Offer | undefined;

  constructor(record: ChannelRecord, stream: RunningStream, entropy: Entropy) {
    this.#record = record;
    this.#stream = stream;
    this.#entropy = entropy;
  }

  /** From now on this channel's epochs are made here. `last`, the newest that the headend has, is absent when it has just started. */
  want(now: Instant, from: Peer, wanted: MessageOf<"epoch.wanted">, request: Request | undefined): ChannelResult {
    const { id, parameters, last, position } = wanted;
    if (this.#record.committing) return "keys.committing";
    const row = rowOf(parameters, from.id, "keyserver", this.#record.kept?.row);
    const lastEpoch = Math.max(row.lastEpoch, last ?? 0);
    if (lastEpoch >= LAST_EPOCH) return [reply(from, request, stale(wanted, lastEpoch))];
    this.#stream.begins(now, position);
    const switchIn = last === undefined ? milliseconds(0) : leadOf(row);
    if (last === undefined) this.#stream.forgetReport();
    const terms: Terms = { id, switchIn, send: (message) => reply(from, request, message) };
    const waiting = this.#waitingFor(from, wanted);
    if (waiting?.epoch !== lastEpoch || !hasLengths(parameters.stream.suite, waiting))
      return this.make(now, { ...row, lastEpoch }, terms);
    return this.#commit({ row, epochs: this.#record.epochs }, waiting, terms);
  }

  /**
   * The offer that this question may get again: an epoch is made for a running headend, not for a message. A headend that has started
   * again may have used that key before, under the same SSRC and maybe the same indices, so it gets another.
   */
  #waitingFor(from: Peer, { id, last }: MessageOf<"epoch.wanted">): EpochRow | undefined {
    const again = this.#offer !== undefined && sameBytes(this.#offer.id, id);
    if (this.#record.kept?.row.headend !== from.id || (last === undefined && !again)) return undefined;
    return this.#offered;
  }

  /** A new epoch after the row's last one, in place of what was offered and not taken. */
  make(now: Instant, row: KeyChannelRow, terms: Terms): readonly ChannelEffect[] {
    const lengths = lengthsOf(streamOf(row).suite);
    const added: EpochRow = {
      channel: row.channel,
      epoch: row.lastEpoch + 1,
      masterKey: this.#entropy.bytes(lengths.key),
      masterSalt: this.#entropy.bytes(lengths.salt),
      state: "offered",
      switchAt: unixTime(this.#record.unix(now) + terms.switchIn),
    };
    const announced = this.#record.epochs.filter(({ state }) => state === "announced");
    const next = { row: { ...row, lastEpoch: added.epoch }, epochs: [...announced.slice(-2), added] };
    return this.#commit(next, added, terms);
  }

  /** Nothing is offered that is not on disk. */
  #commit(next: KeptChannel, offered: EpochRow, terms: Terms): readonly ChannelEffect[] {
    return this.#record.change(next, (later) => {
      this.#sent(later, terms, 0);
      return [terms.send(offerMessage(offered, terms))];
    });
  }

  #sent(now: Instant, { id, switchIn }: Pick<Terms, "id" | "switchIn">, attempts: number): void {
    this.#offer = { ...repeated(now, id, attempts, this.#entropy), switchIn, sent: now };
  }

  /** The headend has the key: everybody is told, and so is the headend, which does not switch before (no notice, no switch). */
  taken(now: Instant, epoch: number, done: () => readonly ChannelEffect[]): ChannelResult {
    const { kept } = this.#record;
    const offered = this.#record.epochs.find((row) => row.epoch === epoch);
    if (kept === undefined || offered === undefined) return "keys.epoch-unknown";
    if (offered.state === "announced") return done();
    if (this.#record.committing) return "keys.committing";
    const { sent, switchIn } = this.#offer ?? { sent: now, switchIn: milliseconds(0) };
    const switchAt = after(sent, switchIn);
    const row: EpochRow = { ...offered, state: "announced", switchAt: this.#record.unix(switchAt) };
    return this.#record.change(withEpoch(kept, row, this.#stream.newestInUse(now)), (later) => {
      this.#offer = undefined;
      return [this.#record.notice(later, switchAt), ...done()];
    });
  }

  get #offered(): EpochRow | undefined {
    return this.#record.epochs.find(({ state }) => state === "offered");
  }

  /** After a restart an offer on disk has no timer yet: it is due at once. */
  get due(): Instant | undefined {
    return this.#offered === undefined ? undefined : (this.#offer?.next ?? (0 as Instant));
  }

  poll(now: Instant, row: KeyChannelRow, headend: Peer | undefined): readonly ChannelEffect[] {
    const { due } = this;
    const offered = this.#offered;
    if (due === undefined || due > now || offered === undefined) return [];
    const terms = this.#offer ?? { id: newRequestId(this.#entropy), switchIn: leadOf(row) };
    this.#sent(now, terms, this.#offer?.attempts ?? 0);
    return headend === undefined ? [] : [{ kind: "send", to: headend, message: offerMessage(offered, terms) }];
  }
}

const offerMessage = (row: EpochRow, { id, switchIn }: Pick<Terms, "id" | "switchIn">): Message => ({
  type: "epoch.offer",
  id,
  channel: row.channel,
  key: keyOf(row),
  switchIn: span(switchIn),
});
