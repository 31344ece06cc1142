// The epochs of one channel as they are on disk: which are live, what a grant carries, and how long it lasts.
import { type Duration, milliseconds, type UnixTime } from "../base/time.ts";
import type { ChannelParameters, EpochKey, StreamParameters } from "../control/messages.ts";
import type { Decision, Write } from "../ports/store.ts";
import type { EpochRow, KeyChannelRow } from "../ports/tables.ts";
import { lengthsOf } from "../stream/suites.ts";

/** Previous, current and next. */
const KEPT_EPOCHS = 3;
/** No receiver is asked to come back sooner than this. */
const SOONEST_REFRESH = 5_000;
/** Beyond the set-tops' window, so that the last of them has its key before the switch. */
const LEAD_MARGIN = 1_000;
/** Epochs are numbered with 32 bits, and never anew. */
export const LAST_EPOCH = 0xffff_ffff;
const LONGEST_SPAN = 366 * 86_400_000;

/** One channel and its epochs, oldest first. Never changed in place: a change is on disk before it is here. */
export interface KeptChannel {
  readonly row: KeyChannelRow;
  readonly epochs: readonly EpochRow[];
}

export function rowOf(
  parameters: ChannelParameters,
  headend: string,
  maker: KeyChannelRow["maker"],
  old: KeyChannelRow | undefined,
): KeyChannelRow {
  const { channel, group, port, stream, interval, overlap, window } = parameters;
  const { suite, mkiLength, ssrc, payloadType } = stream;
  const demanded = old?.demandedAbove === undefined ? {} : { demandedAbove: old.demandedAbove };
  const plain = {
    channel,
    headend,
    maker,
    group,
    port,
    suite,
    mkiLength,
    ssrc,
    payloadType,
    interval,
    overlap,
    window,
  };
  return { ...plain, lastEpoch: old?.lastEpoch ?? 0, ...demanded };
}

export const streamOf = ({ suite, mkiLength, ssrc, payloadType }: KeyChannelRow): StreamParameters => ({
  suite: suite as StreamParameters["suite"],
  mkiLength: mkiLength as StreamParameters["mkiLength"],
  ssrc,
  payloadType,
});

export const keyOf = ({ epoch, masterKey, masterSalt }: EpochRow): EpochKey => ({ epoch, masterKey, masterSalt });

/** Whether key and salt are as long as the suite wants them. */
export function hasLengths(
  suite: StreamParameters["suite"],
  { masterKey, masterSalt }: Pick<EpochKey, "masterKey" | "masterSalt">,
): boolean {
  const lengths = lengthsOf(suite);
  return masterKey.length === lengths.key && masterSalt.length === lengths.salt;
}

/** How long before its switch an epoch is made. Never more than half the interval, so that short intervals still have a rhythm. */
export const leadOf = ({ interval, window }: KeyChannelRow): Duration =>
  milliseconds(Math.min(interval / 2, window + LEAD_MARGIN));

/** The epoch in use: as reported, else the newest whose moment has come, else the oldest. */
export function currentOf({ epochs }: KeptChannel, reported: number | undefined, now: UnixTime): number | undefined {
  if (reported !== undefined) return reported;
  const announced = epochs.filter((epoch) => epoch.state === "announced");
  return (announced.findLast((epoch) => epoch.switchAt <= now) ?? announced[0])?.epoch;
}

/** The current epoch and the next, up to `most`: what a grant carries. */
export const liveOf = (
  { epochs }: KeptChannel,
  current: number | undefined,
  most = Number.POSITIVE_INFINITY,
): EpochRow[] => epochs.filter(({ state, epoch }) => state === "announced" && epoch >= (current ?? 0) && epoch <= most);

/** What is left of the epoch's planned use. */
const remainingUse = ({ interval }: KeyChannelRow, newest: EpochRow, now: UnixTime): number =>
  Math.max(0, newest.switchAt + interval - now);

/** How long the keys of a grant are in use, the overlap included, in whole milliseconds. */
export const holdsFor = (row: KeyChannelRow, newest: EpochRow, now: UnixTime): number =>
  span(remainingUse(row, newest, now) + row.overlap);

/** When the receiver asks again without having heard a notice. */
export const refreshWithin = (row: KeyChannelRow, newest: EpochRow, now: UnixTime): number =>
  span(Math.max(SOONEST_REFRESH, remainingUse(row, newest, now) + row.window));

export const span = (milliseconds: number): number => Math.min(LONGEST_SPAN, Math.max(0, Math.round(milliseconds)));

/** With the new epoch, without those that were announced but never used: the headend has replaced them. */
export function withEpoch(kept: KeptChannel, added: EpochRow, current: number | undefined): KeptChannel {
  const others = kept.epochs.filter(
    ({ epoch }) => epoch !== added.epoch && (current === undefined || epoch <= current),
  );
  const epochs = [...others, added].sort((a, b) => a.epoch - b.epoch).slice(-KEPT_EPOCHS);
  return { row: settledBy(added, { ...kept.row, lastEpoch: Math.max(kept.row.lastEpoch, added.epoch) }), epochs };
}

/** An epoch that was not yet known when the rekey was demanded ends the demand once the headend has it. */
function settledBy({ epoch, state }: EpochRow, row: KeyChannelRow): KeyChannelRow {
  if (state !== "announced" || row.demandedAbove === undefined || epoch <= row.demandedAbove) return row;
  const { demandedAbove: _settled, ...rest } = row;
  return rest;
}

/** Makes `next` durable: what is gone from it is erased. */
export function decideKept(before: KeptChannel | undefined, next: KeptChannel): Decision<void> {
  const erased = (before?.epochs ?? []).filter(({ epoch }) => !next.epochs.some((kept) => kept.epoch === epoch));
  const channel = next.row.channel;
  const writes: Write[] = [
    { put: "key_channel", row: next.row },
    ...next.epochs
      .filter((row) => !(before?.epochs.includes(row) ?? false))
      .map((row): Write => ({ put: "epoch", row })),
    ...erased.map(({ epoch }): Write => ({ delete: "epoch", key: { channel, epoch } })),
  ];
  // biome-ignore lint/correctness/useYield: this decision needs no rows, what is on disk is what we last wrote.
  return function* () {
    return { outcome: undefined, writes };
  };
}

/** What the store holds, put together. */
export function keptChannels(rows: readonly KeyChannelRow[], epochs: readonly EpochRow[]): KeptChannel[] {
  return rows.map((row) => ({
    row,
    epochs: epochs.filter(({ channel }) => channel === row.channel).sort((a, b) => a.epoch - b.epoch),
  }));
}
