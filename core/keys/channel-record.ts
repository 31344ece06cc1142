// What is on disk of one channel, and the one change of it that is on its way there.
import { type Instant, type UnixTime, unixTime } from "../base/time.ts";
import type { Calendar } from "../ports/clock.ts";
import type { EpochRow } from "../ports/tables.ts";
import type { ChannelEffect } from "./channel-effects.ts";
import { decideKept, type KeptChannel, span } from "./kept-channel.ts";

interface Change {
  readonly next: KeptChannel;
  readonly then: (now: Instant) => readonly ChannelEffect[];
}

export class ChannelRecord {
  readonly #calendar: Calendar;
  #kept: KeptChannel | undefined;
  #change: Change | undefined;

  constructor(calendar: Calendar, kept: KeptChannel | undefined) {
    this.#calendar = calendar;
    this.#kept = kept;
  }

  get kept(): KeptChannel | undefined {
    return this.#kept;
  }

  get epochs(): readonly EpochRow[] {
    return this.#kept?.epochs ?? [];
  }

  get committing(): boolean {
    return this.#change !== undefined;
  }

  /** `then` says what follows once `next` is on disk; until then nothing else may change. */
  change(next: KeptChannel, then: Change["then"]): readonly ChannelEffect[] {
    this.#change = { next, then };
    return [{ kind: "commit", decision: decideKept(this.#kept, next) }];
  }

  committed(now: Instant): readonly ChannelEffect[] {
    const change = this.#change;
    if (change === undefined) return [];
    this.#change = undefined;
    this.#kept = change.next;
    return change.then(now);
  }

  failed(): void {
    this.#change = undefined;
  }

  unix(at: Instant): UnixTime {
    return unixTime(Math.round(this.#calendar.unix(at)));
  }

  at(time: UnixTime): Instant {
    return this.#calendar.at(time);
  }

  get newestAnnounced(): EpochRow | undefined {
    return this.epochs.findLast(({ state }) => state === "announced");
  }

  /** 91, of the newest epoch that the headend has. */
  notice(now: Instant, switchAt: number): ChannelEffect {
    const { channel, window, lastEpoch } = (this.#kept as KeptChannel).row;
    const epoch = this.newestAnnounced?.epoch ?? lastEpoch;
    const notice = { channel, epoch, issued: this.unix(now), switchIn: span(switchAt - now), window };
    return { kind: "notice", notice };
  }
}
