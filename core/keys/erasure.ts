// Keys that are out of use are erased: the epochs before the current one, an overlap after the switch.
import { after, type Instant, milliseconds } from "../base/time.ts";
import type { ChannelEffect } from "./channel-effects.ts";
import type { ChannelRecord } from "./channel-record.ts";
import type { KeptChannel } from "./kept-channel.ts";
import type { RunningStream } from "./running-stream.ts";

export class Erasure {
  readonly #record: ChannelRecord;
  readonly #stream: RunningStream;
  #at: Instant | undefined;

  constructor(record: ChannelRecord, stream: RunningStream) {
    this.#record = record;
    this.#stream = stream;
  }

  get due(): Instant | undefined {
    return this.#at;
  }

  /** The stream uses `current` now. */
  plan(now: Instant, { row, epochs }: KeptChannel, current: number): void {
    if (this.#at === undefined && epochs.some(({ epoch }) => epoch < current))
      this.#at = after(now, milliseconds(row.overlap));
  }

  /** The store does not work: what is planned is tried again then. */
  postpone(until: Instant): void {
    if (this.#at !== undefined) this.#at = until;
  }

  poll(now: Instant, kept: KeptChannel): readonly ChannelEffect[] {
    if (this.#record.committing || this.#at === undefined || this.#at > now) return [];
    this.#at = undefined;
    const current = this.#stream.reported ?? 0;
    const epochs = kept.epochs.filter(({ epoch }) => epoch >= current);
    return epochs.length === kept.epochs.length ? [] : this.#record.change({ ...kept, epochs }, () => []);
  }
}
