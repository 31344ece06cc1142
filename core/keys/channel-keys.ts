// One channel at the key server: its epochs from the proposal (claim 3) or the offer (claim 7) to the erasure.
import { after, earliest, type Instant } from "../base/time.ts";
import type { Request } from "../control/link.ts";
import type { MessageOf, Position } from "../control/messages.ts";
import type { Peer } from "../control/participant.ts";
import type { Calendar } from "../ports/clock.ts";
import type { Entropy } from "../ports/entropy.ts";
import { accepted, type ChannelEffect, type ChannelResult, reply } from "./channel-effects.ts";
import { ChannelRecord } from "./channel-record.ts";
import { Erasure } from "./erasure.ts";
import type { KeptChannel } from "./kept-channel.ts";
import { Offers } from "./offers.ts";
import { OpenDemand } from "./open-demand.ts";
import { Proposals } from "./proposals.ts";
import { Renewal } from "./renewal.ts";
import { FIRST_REPEAT } from "./repetition.ts";
import { RunningStream } from "./running-stream.ts";

export interface ChannelPowers {
  readonly calendar: Calendar;
  readonly entropy: Entropy;
  /** The headend as a peer, when it may (still) serve the channel. */
  headend(id: string, channel: string): Peer | undefined;
}

export class ChannelKeys {
  readonly #powers: ChannelPowers;
  readonly #record: ChannelRecord;
  readonly #stream: RunningStream;
  readonly #proposals: Proposals;
  readonly #offers: Offers;
  readonly #renewal: Renewal;
  readonly #demand: OpenDemand;
  readonly #erasure: Erasure;

  constructor(powers: ChannelPowers, kept?: KeptChannel) {
    const { calendar, entropy } = powers;
    this.#powers = powers;
    this.#record = new ChannelRecord(calendar, kept);
    this.#stream = new RunningStream(this.#record);
    this.#proposals = new Proposals(this.#record, this.#stream);
    this.#offers = new Offers(this.#record, this.#stream, entropy);
    this.#renewal = new Renewal(this.#record, this.#offers, entropy);
    this.#demand = new OpenDemand(this.#record, entropy);
    this.#erasure = new Erasure(this.#record, this.#stream);
  }

  get kept(): KeptChannel | undefined {
    return this.#record.kept;
  }

  /** The epoch in use. */
  current(now: Instant): number | undefined {
    return this.#stream.current(now);
  }

  position(now: Instant): Position | undefined {
    return this.#stream.position(now);
  }

  propose(
    now: Instant,
    from: Peer,
    proposal: MessageOf<"epoch.proposal">,
    request: Request | undefined,
  ): ChannelResult {
    return this.#proposals.receive(now, from, proposal, request);
  }

  want(now: Instant, from: Peer, wanted: MessageOf<"epoch.wanted">, request: Request | undefined): ChannelResult {
    return this.#offers.want(now, from, wanted, request);
  }

  taken(now: Instant, from: Peer, message: MessageOf<"epoch.taken">, request: Request | undefined): ChannelResult {
    const { id, channel, epoch } = message;
    return this.#offers.taken(now, epoch, () => [reply(from, request, accepted(id, channel, epoch))]);
  }

  report(now: Instant, report: MessageOf<"stream.report">): ChannelResult {
    const { kept } = this.#record;
    if (kept === undefined) return "keys.channel-unknown";
    const inUse = kept.epochs.find(({ epoch }) => epoch === report.current);
    if (report.ssrc !== kept.row.ssrc || inUse === undefined) return "keys.epoch-unknown";
    // It could not use what it has not taken: the word that it has was lost.
    if (inUse.state === "offered") return this.#offers.taken(now, report.current, () => []);
    this.#stream.reports(now, report);
    this.#erasure.plan(now, kept, report.current);
    return [];
  }

  /** A device lost its right: every epoch that it may hold must go out of use. `done` is called when the demand is on disk. */
  demand(done: () => readonly ChannelEffect[]): ChannelResult {
    return this.#demand.open(done);
  }

  committed(now: Instant): readonly ChannelEffect[] {
    const effects = this.#record.committed(now);
    this.#demand.review();
    return [...effects, ...this.poll(now)];
  }

  failed(now: Instant): void {
    this.#record.failed();
    // What time brought up is tried again, but not in a loop against a full disk.
    const later = after(now, FIRST_REPEAT);
    this.#erasure.postpone(later);
    this.#renewal.postpone(later);
  }

  /** The notice again, for a broker that may have lost it. */
  renotice(now: Instant): readonly ChannelEffect[] {
    const newest = this.#record.newestAnnounced;
    return newest === undefined ? [] : [this.#record.notice(now, this.#record.at(newest.switchAt))];
  }

  poll(now: Instant): readonly ChannelEffect[] {
    const { kept, committing } = this.#record;
    if (kept === undefined || committing) return [];
    const headend = this.#powers.headend(kept.row.headend, kept.row.channel);
    return [
      ...this.#demand.poll(now, kept.row, headend),
      ...this.#offers.poll(now, kept.row, headend),
      ...this.#renewal.poll(now, kept, headend),
      ...this.#erasure.poll(now, kept),
    ];
  }

  nextDeadline(): Instant | undefined {
    const { kept, committing } = this.#record;
    if (kept === undefined || committing) return undefined;
    return earliest([this.#demand.due(kept.row), this.#offers.due, this.#renewal.due(kept), this.#erasure.due]);
  }
}
