// A demand for a new key that is still open: it is on disk, and a headend that makes its own epochs is asked until it has made one.
import type { Instant } from "../base/time.ts";
import type { Peer } from "../control/participant.ts";
import { newRequestId } from "../control/requester.ts";
import type { Entropy } from "../ports/entropy.ts";
import type { KeyChannelRow } from "../ports/tables.ts";
import type { ChannelEffect, ChannelResult } from "./channel-effects.ts";
import type { ChannelRecord } from "./channel-record.ts";
import { type Repeated, repeated } from "./repetition.ts";

export class OpenDemand {
  readonly #record: ChannelRecord;
  readonly #entropy: Entropy;
  #asked: Repeated | undefined;

  constructor(record: ChannelRecord, entropy: Entropy) {
    this.#record = record;
    this.#entropy = entropy;
  }

  /** Every epoch that is out must go out of use. `done` is called when the demand is on disk. */
  open(done: () => readonly ChannelEffect[]): ChannelResult {
    const { kept } = this.#record;
    if (kept === undefined) return done();
    if (this.#record.committing) return "keys.committing";
    const newest = this.#record.newestAnnounced?.epoch ?? 0;
    if ((kept.row.demandedAbove ?? -1) >= newest) return done();
    this.#asked = undefined;
    const row = { ...kept.row, demandedAbove: Math.max(newest, kept.row.demandedAbove ?? 0) };
    return this.#record.change({ ...kept, row }, done);
  }

  /** After a commit: an epoch may have settled the demand. */
  review(): void {
    if (this.#record.kept?.row.demandedAbove === undefined) this.#asked = undefined;
  }

  /** After a restart a demand on disk has no timer yet: it is due at once. */
  due({ demandedAbove, maker }: KeyChannelRow): Instant | undefined {
    if (demandedAbove === undefined || maker !== "headend") return undefined;
    return this.#asked?.next ?? (0 as Instant);
  }

  /** The same id in every repetition: a headend makes one epoch of one demand. */
  poll(now: Instant, row: KeyChannelRow, headend: Peer | undefined): readonly ChannelEffect[] {
    const due = this.due(row);
    if (due === undefined || due > now) return [];
    const id = this.#asked?.id ?? newRequestId(this.#entropy);
    this.#asked = repeated(now, id, this.#asked?.attempts ?? 0, this.#entropy);
    if (headend === undefined) return [];
    return [{ kind: "send", to: headend, message: { type: "epoch.demand", id, channel: row.channel } }];
  }
}
