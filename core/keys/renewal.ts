// Claim 7: when the key server makes the next epoch by itself.
import { after, type Instant, unixTime } from "../base/time.ts";
import type { Peer } from "../control/participant.ts";
import { newRequestId } from "../control/requester.ts";
import type { Entropy } from "../ports/entropy.ts";
import type { ChannelEffect } from "./channel-effects.ts";
import type { ChannelRecord } from "./channel-record.ts";
import { type KeptChannel, LAST_EPOCH, leadOf } from "./kept-channel.ts";
import type { Offers } from "./offers.ts";
import { SLOWEST_REPEAT } from "./repetition.ts";

export class Renewal {
  readonly #record: ChannelRecord;
  readonly #offers: Offers;
  readonly #entropy: Entropy;
  #notBefore: Instant | undefined;

  constructor(record: ChannelRecord, offers: Offers, entropy: Entropy) {
    this.#record = record;
    this.#offers = offers;
    this.#entropy = entropy;
  }

  /** `lead` before the interval is over, or at once when a new key is demanded. */
  due({ row, epochs }: KeptChannel): Instant | undefined {
    const newest = epochs.at(-1);
    if (row.maker !== "keyserver" || newest === undefined || newest.state === "offered") return undefined;
    if (row.lastEpoch >= LAST_EPOCH) return undefined;
    const planned = this.#record.at(unixTime(newest.switchAt + row.interval - leadOf(row)));
    const at = row.demandedAbove === undefined ? planned : 0;
    return Math.max(at, this.#notBefore ?? 0) as Instant;
  }

  postpone(until: Instant): void {
    this.#notBefore = until;
  }

  /** A headend without a right gets no new key; the operator may give the right back. */
  poll(now: Instant, kept: KeptChannel, headend: Peer | undefined): readonly ChannelEffect[] {
    const due = this.#record.committing ? undefined : this.due(kept);
    if (due === undefined || due > now) return [];
    if (headend === undefined) {
      this.postpone(after(now, SLOWEST_REPEAT));
      return [];
    }
    const { row } = kept;
    return this.#offers.make(now, row, {
      id: newRequestId(this.#entropy),
      switchIn: leadOf(row),
      send: (message) => ({ kind: "send", to: headend, message }),
    });
  }
}
