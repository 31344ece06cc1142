// What is known of a channel's stream while it runs: the epoch in use and the place in it, by the headend's word.
import type { Instant } from "../base/time.ts";
import type { Position } from "../control/messages.ts";
import type { ChannelRecord } from "./channel-record.ts";
import { currentOf, span } from "./kept-channel.ts";

interface Place {
  readonly at: Instant;
  readonly roc: number;
  readonly seq: number;
}

export class RunningStream {
  readonly #record: ChannelRecord;
  /** The epoch in use, by the newest report. */
  #reported: number | undefined;
  /** Where the stream is, by the newest report, or by the first word of a headend that has just started. */
  #place: Place | undefined;

  constructor(record: ChannelRecord) {
    this.#record = record;
  }

  get reported(): number | undefined {
    return this.#reported;
  }

  current(now: Instant): number | undefined {
    const { kept } = this.#record;
    return kept === undefined ? undefined : currentOf(kept, this.#reported, this.#record.unix(now));
  }

  /** The newest epoch that may be in use, although the report of it is not here yet: only what is later may be replaced. */
  newestInUse(now: Instant): number | undefined {
    const { kept } = this.#record;
    const planned = kept === undefined ? undefined : currentOf(kept, undefined, this.#record.unix(now));
    const reported = this.#reported;
    return planned === undefined || reported === undefined ? (planned ?? reported) : Math.max(planned, reported);
  }

  position(now: Instant): Position | undefined {
    if (this.#place === undefined) return undefined;
    const { roc, seq, at } = this.#place;
    return { roc, seq, age: span(now - at) };
  }

  /** A headend says where it begins, if it knows. */
  begins(at: Instant, position: { readonly roc: number; readonly seq: number } | undefined): void {
    if (position !== undefined) this.#place = { at, ...position };
  }

  reports(at: Instant, { roc, seq, current }: { roc: number; seq: number; current: number }): void {
    this.#reported = current;
    this.#place = { at, roc, seq };
  }

  /** The headend has started again: what it reported before says nothing of the epoch in use. */
  forgetReport(): void {
    this.#reported = undefined;
  }
}
