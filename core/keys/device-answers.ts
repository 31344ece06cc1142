// What a device is told: its keys, why it gets none, when to come back, or that its stop is on disk.
import type { Instant, UnixTime } from "../base/time.ts";
import { DENIALS, type Denial, type MessageOf } from "../control/messages.ts";
import type { Entropy } from "../ports/entropy.ts";
import type { ChannelKeys } from "./channel.ts";
import { keyOf, liveOf, refreshWithin, streamOf } from "./epochs.ts";

type KeyRequest = MessageOf<"key.request">;

/** Milliseconds, spread over as much again. */
const RETRY_AFTER = { "no-epoch": 500, "reception-server": 1_000, load: 2_000 } as const;

/** Why a device is to come back later, as "key.busy" says it. */
export type BusyReason = keyof typeof RETRY_AFTER;

/**
 * 76, 95: the epochs from the current one to `asked`, the one that the reception server was asked about; nothing newer,
 * because the right may have ended since. Undefined when there is none. The keys share the octets of the channel's
 * record.
 */
export function grant(
  now: Instant,
  unix: UnixTime,
  { id }: KeyRequest,
  keys: ChannelKeys,
  asked: number,
): MessageOf<"key.grant"> | undefined {
  const { kept } = keys;
  if (kept === undefined) return undefined;
  const current = keys.current(now);
  const live = liveOf(kept, current, asked);
  const newest = live.at(-1);
  if (newest === undefined) return undefined;
  const position = keys.position(now);
  return {
    type: "key.grant",
    id,
    channel: kept.row.channel,
    stream: streamOf(kept.row),
    epochs: live.map(keyOf),
    current: current ?? newest.epoch,
    ...(position === undefined ? {} : { position }),
    refreshWithin: refreshWithin(kept.row, newest, unix),
  };
}

/** With words that a person understands. */
export const denial = ({ id, channel }: KeyRequest, reason: Denial): MessageOf<"key.denied"> => ({
  type: "key.denied",
  id,
  channel,
  reason,
  text: DENIALS[reason],
});

/**
 * Come back in 0.5 to 1 s while the channel has no epoch, in 1 to 2 s while the reception server is silent, in 2 to 4 s
 * under load.
 */
export function busy({ id, channel }: KeyRequest, reason: BusyReason, entropy: Entropy): MessageOf<"key.busy"> {
  const least = RETRY_AFTER[reason];
  return { type: "key.busy", id, channel, reason, retryAfter: Math.round(least + entropy.below(least)) };
}

/** 86. */
export const stopAcknowledgement = ({ id, channel, reception }: MessageOf<"stop">): MessageOf<"stop.acknowledged"> => ({
  type: "stop.acknowledged",
  id,
  channel,
  reception,
});
