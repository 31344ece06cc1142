// Claim 3: the headend makes the keys. It proposes each; when a demand is open it is asked to make one.
import { sameBytes } from "../base/bytes.ts";
import { type UnixTime, unixTime } from "../base/time.ts";
import type { EpochKey, Message, MessageOf } from "../control/messages.ts";
import type { EpochRow, KeyChannelRow } from "../ports/tables.ts";
import { type KeptChannel, rowOf, stateOf, withAnnounced } from "./epochs.ts";
import type { EpochState } from "./handshake.ts";

/** The state of the proposed epoch. A number that we know with another key is "spent". `inUse`: `newestInUse`. */
export function proposalState(kept: KeptChannel | undefined, key: EpochKey, inUse: number | undefined): EpochState {
  const known = kept?.epochs.find(({ epoch }) => epoch === key.epoch);
  return known === undefined || isSameKey(known, key) ? stateOf(kept, key.epoch, inUse) : "spent";
}

const isSameKey = (row: EpochRow, key: EpochKey): boolean =>
  sameBytes(row.masterKey, key.masterKey) && sameBytes(row.masterSalt, key.masterSalt);

/**
 * The channel with the proposed epoch announced. It takes over the proposal's key octets. The headend switches
 * `switchIn` after it has the acknowledgement, so a repeated proposal moves the switch of an epoch that is still
 * coming.
 */
export function withProposed(
  kept: KeptChannel | undefined,
  headend: string,
  { parameters, key, switchIn }: MessageOf<"epoch.proposal">,
  now: UnixTime,
  inUse: number | undefined,
): KeptChannel {
  const { epoch, masterKey, masterSalt } = key;
  const row = rowOf(parameters, headend, "headend", kept?.row);
  const switchAt = unixTime(now + switchIn);
  const added: EpochRow = { channel: row.channel, epoch, masterKey, masterSalt, state: "announced", switchAt };
  return withAnnounced({ row, epochs: kept?.epochs ?? [] }, added, inUse);
}

/** Asks the headend for a new epoch. `id`: the same in every repetition. */
export const demandMessage = ({ channel }: KeyChannelRow, id: Uint8Array): Message => ({
  type: "epoch.demand",
  id,
  channel,
});
