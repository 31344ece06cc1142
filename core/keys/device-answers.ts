// What a device is told: its keys, why it gets none, when to come back, or that its stop is on disk.
import { type Instant, unixTime } from "../base/time.ts";
import type { Request } from "../control/link.ts";
import { DENIALS, type Denial, type MessageOf } from "../control/messages.ts";
import type { Calendar } from "../ports/clock.ts";
import type { Entropy } from "../ports/entropy.ts";
import type { ChannelKeys } from "./channel-keys.ts";
import type { KeyServerEffect } from "./events.ts";
import { keyOf, liveOf, refreshWithin, streamOf } from "./kept-channel.ts";
import type { Tally } from "./tally.ts";

/** Milliseconds, spread over as much again. */
const RETRY_AFTER = { "no-epoch": 500, "reception-server": 1_000, load: 2_000 } as const;

export type BusyReason = keyof typeof RETRY_AFTER;

export class DeviceAnswers {
  readonly #tally: Tally;
  readonly #calendar: Calendar;
  readonly #entropy: Entropy;

  constructor(tally: Tally, calendar: Calendar, entropy: Entropy) {
    this.#tally = tally;
    this.#calendar = calendar;
    this.#entropy = entropy;
  }

  /** 76, 95: nothing newer than `asked`, the epoch that was asked about, because the right may have ended since. */
  granted(now: Instant, request: Request, keys: ChannelKeys | undefined, asked: number): KeyServerEffect {
    const current = keys?.current(now);
    const live = keys?.kept === undefined ? [] : liveOf(keys.kept, current, asked);
    const newest = live.at(-1);
    if (keys?.kept === undefined || newest === undefined) return this.busy(request, "no-epoch");
    const { row } = keys.kept;
    const position = keys.position(now);
    return this.#tally.answer(request, {
      type: "key.grant",
      id: request.message.id,
      channel: row.channel,
      stream: streamOf(row),
      epochs: live.slice(-3).map(keyOf),
      current: current ?? newest.epoch,
      ...(position === undefined ? {} : { position }),
      refreshWithin: refreshWithin(row, newest, unixTime(Math.round(this.#calendar.unix(now)))),
    });
  }

  denied(request: Request, reason: Denial): KeyServerEffect {
    const { id, channel } = request.message as MessageOf<"key.request">;
    return this.#tally.answer(request, { type: "key.denied", id, channel, reason, text: DENIALS[reason] }, reason);
  }

  busy(request: Request, reason: BusyReason): KeyServerEffect {
    const { id, channel } = request.message as MessageOf<"key.request">;
    const least = RETRY_AFTER[reason];
    const retryAfter = Math.round(least + this.#entropy.below(least));
    return this.#tally.answer(request, { type: "key.busy", id, channel, reason, retryAfter }, reason);
  }

  // 86.
  stopAcknowledged(request: Request): KeyServerEffect {
    const { id, channel, reception } = request.message as MessageOf<"stop">;
    return this.#tally.answer(request, { type: "stop.acknowledged", id, channel, reception });
  }
}
