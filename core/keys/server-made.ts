// Claim 7: the key server makes the keys. Each is offered to the headend until it has taken it, and then announced.
import { sameBytes } from "../base/bytes.ts";
import { type UnixTime, unixTime } from "../base/time.ts";
import type { Message, MessageOf } from "../control/messages.ts";
import type { Entropy } from "../ports/entropy.ts";
import type { EpochRow, KeyChannelRow } from "../ports/tables.ts";
import { lengthsOf } from "../stream/suites.ts";
import { hasLengths, type KeptChannel, keyOf, leadOf, offeredOf, span, streamOf, withAnnounced } from "./epochs.ts";
import type { OfferTerms } from "./events.ts";

/**
 * The waiting offer, when this question may get it again: an epoch is made for a running headend, not for a message. A
 * headend that has started again (it names no `last`) may have used that key before, under the same SSRC and maybe the
 * same indices, so it gets another; except when its question is the very one that was answered with the offer
 * (`offerId`).
 */
export function offerToRepeat(
  kept: KeptChannel | undefined,
  headend: string,
  { id, parameters, last }: MessageOf<"epoch.wanted">,
  offerId: Uint8Array | undefined,
): EpochRow | undefined {
  const offered = kept === undefined ? undefined : offeredOf(kept);
  if (kept === undefined || offered === undefined || kept.row.headend !== headend) return undefined;
  const isCopy = offerId !== undefined && sameBytes(offerId, id);
  if (last === undefined && !isCopy) return undefined;
  // The headend has seen a higher number than we have: the offer would be stale for it.
  if (offered.epoch !== Math.max(kept.row.lastEpoch, last ?? 0)) return undefined;
  return hasLengths(parameters.stream.suite, offered) ? offered : undefined;
}

/** A new epoch after the channel's last one, as long as its suite wants it. */
export function newEpoch(row: KeyChannelRow, switchAt: UnixTime, entropy: Entropy): EpochRow {
  const lengths = lengthsOf(streamOf(row).suite);
  return {
    channel: row.channel,
    epoch: row.lastEpoch + 1,
    masterKey: entropy.bytes(lengths.key),
    masterSalt: entropy.bytes(lengths.salt),
    state: "offered",
    switchAt,
  };
}

/** The channel with the offered epoch announced: the headend has it. `inUse`: `newestInUse`. */
export const withTaken = (
  kept: KeptChannel,
  offered: EpochRow,
  switchAt: UnixTime,
  inUse: number | undefined,
): KeptChannel => withAnnounced(kept, { ...offered, state: "announced", switchAt }, inUse);

/** When the epoch after `newest` is made, unless one is demanded before: `leadOf` before the interval is over. */
export const plannedAfter = (row: KeyChannelRow, newest: EpochRow): UnixTime =>
  unixTime(newest.switchAt + row.interval - leadOf(row));

/** It shares the row's key octets. */
export const offerMessage = (row: EpochRow, { id, switchIn }: OfferTerms): Message => ({
  type: "epoch.offer",
  id,
  channel: row.channel,
  key: keyOf(row),
  switchIn: span(switchIn),
});
