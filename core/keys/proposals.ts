// Claim 3: epochs that the headend makes and proposes.
import { sameBytes } from "../base/bytes.ts";
import { type Instant, unixTime } from "../base/time.ts";
import type { Request } from "../control/link.ts";
import type { MessageOf } from "../control/messages.ts";
import type { Peer } from "../control/participant.ts";
import type { EpochRow } from "../ports/tables.ts";
import { accepted, type ChannelEffect, type ChannelResult, reply, stale } from "./channel-effects.ts";
import type { ChannelRecord } from "./channel-record.ts";
import { hasLengths, rowOf, withEpoch } from "./kept-channel.ts";
import type { RunningStream } from "./running-stream.ts";

type Proposal = MessageOf<"epoch.proposal">;

export class Proposals {
  readonly #record: ChannelRecord;
  readonly #stream: RunningStream;

  constructor(record: ChannelRecord, stream: RunningStream) {
    this.#record = record;
    this.#stream = stream;
  }

  receive(now: Instant, from: Peer, proposal: Proposal, request: Request | undefined): ChannelResult {
    const { parameters, key } = proposal;
    const last = this.#record.kept?.row.lastEpoch ?? 0;
    const known = this.#record.epochs.find(({ epoch }) => epoch === key.epoch);
    const repeated = known !== undefined && sameBytes(known.masterKey, key.masterKey);
    if (!repeated && key.epoch <= last) return [reply(from, request, stale(proposal, last))];
    if (this.#record.committing) return "keys.committing";
    const acceptance = reply(from, request, accepted(proposal.id, parameters.channel, key.epoch));
    // A late copy must not undo what came after it.
    if (repeated && (key.epoch < last || key.epoch <= (this.#stream.newestInUse(now) ?? -1))) return [acceptance];
    if (!hasLengths(parameters.stream.suite, key)) return "keys.epoch-unknown";
    return this.#accept(now, from, proposal, acceptance);
  }

  /** The headend switches `switchIn` after it has the acknowledgement, so a repeated proposal moves the switch. */
  #accept(now: Instant, from: Peer, proposal: Proposal, acceptance: ChannelEffect): ChannelResult {
    const { parameters, key, switchIn, position } = proposal;
    const { epoch, masterKey, masterSalt } = key;
    const row = rowOf(parameters, from.id, "headend", this.#record.kept?.row);
    const switchAt = unixTime(this.#record.unix(now) + switchIn);
    const added: EpochRow = { channel: row.channel, epoch, masterKey, masterSalt, state: "announced", switchAt };
    const next = withEpoch({ row, epochs: this.#record.epochs }, added, this.#stream.newestInUse(now));
    return this.#record.change(next, (later) => {
      this.#stream.begins(later, position);
      return [acceptance, this.#record.notice(later, later + switchIn)];
    });
  }
}
