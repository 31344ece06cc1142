// The epochs of one channel as they are on disk: which are live, in which state each is, what comes next, what is
// erased.
import { fromHex, toHex } from "../base/bytes.ts";
import { type Duration, milliseconds, type UnixTime } from "../base/time.ts";
import {
  type ChannelParameters,
  type EpochKey,
  LAST_EPOCH,
  LONGEST_SPAN,
  type StreamParameters,
} from "../control/messages.ts";
import type { Decision, Write } from "../ports/store.ts";
import type { EpochRow, KeyChannelRow } from "../ports/tables.ts";
import { lengthsOf } from "../stream/suites.ts";
import type { EpochState } from "./handshake.ts";

/** Previous, current and next. */
const KEPT_EPOCHS = 3;
/** No receiver is asked to come back sooner than this. */
const SOONEST_REFRESH = 5_000;
/** Beyond the set-tops' window, so that the last of them has its key before the switch. */
const LEAD_MARGIN = 1_000;

/**
 * One channel and its epochs, at most three, oldest first. Never changed in place: a change is on disk before it is
 * here.
 */
export interface KeptChannel {
  readonly row: KeyChannelRow;
  readonly epochs: readonly EpochRow[];
}

/**
 * The channel as its headend describes it. What is not the headend's to say, the last number and an open demand, stays
 * as in `old`.
 */
export function rowOf(
  parameters: ChannelParameters,
  headend: string,
  maker: KeyChannelRow["maker"],
  old: KeyChannelRow | undefined,
): KeyChannelRow {
  const { channel, group, port, stream, interval, overlap, window } = parameters;
  const { suite, mkiLength, ssrc, payloadType, signer, rocEvery } = stream;
  const demanded = old?.demandedAbove === undefined ? {} : { demandedAbove: old.demandedAbove };
  const own = { lastEpoch: old?.lastEpoch ?? 0, ...demanded };
  return {
    channel,
    headend,
    maker,
    group,
    port,
    suite,
    mkiLength,
    ssrc,
    payloadType,
    ...(rocEvery === undefined ? {} : { rocEvery }),
    interval,
    overlap,
    window,
    ...own,
    ...(signer === undefined ? {} : { signer: toHex(signer) }),
  };
}

/** How the stream is protected, as a grant says it. */
export function streamOf({ suite, mkiLength, ssrc, payloadType, signer, rocEvery }: KeyChannelRow): StreamParameters {
  const key = signer === undefined ? undefined : fromHex(signer);
  return {
    suite: suite as StreamParameters["suite"],
    mkiLength: mkiLength as StreamParameters["mkiLength"],
    ssrc,
    payloadType,
    ...(key === undefined ? {} : { signer: key }),
    ...(rocEvery === undefined ? {} : { rocEvery }),
  };
}

/** The row's key for a message. It shares the row's octets. */
export const keyOf = ({ epoch, masterKey, masterSalt }: EpochRow): EpochKey => ({ epoch, masterKey, masterSalt });

/** Whether key and salt are as long as the suite wants them. */
export function hasLengths(
  suite: StreamParameters["suite"],
  { masterKey, masterSalt }: Pick<EpochKey, "masterKey" | "masterSalt">,
): boolean {
  const lengths = lengthsOf(suite);
  return masterKey.length === lengths.key && masterSalt.length === lengths.salt;
}

/**
 * How long before its switch an epoch is made. Never more than half the interval, so that short intervals still have a
 * rhythm.
 */
export const leadOf = ({ interval, window }: KeyChannelRow): Duration =>
  milliseconds(Math.min(interval / 2, window + LEAD_MARGIN));

/** The epoch in use: as reported, else the newest whose moment has come, else the oldest. */
export function currentOf({ epochs }: KeptChannel, reported: number | undefined, now: UnixTime): number | undefined {
  if (reported !== undefined) return reported;
  const announced = epochs.filter((epoch) => epoch.state === "announced");
  return (announced.findLast((epoch) => epoch.switchAt <= now) ?? announced[0])?.epoch;
}

/**
 * The newest epoch that may be in use, although the report of it is not here yet: only what is later may be replaced.
 */
export function newestInUse(
  kept: KeptChannel | undefined,
  reported: number | undefined,
  now: UnixTime,
): number | undefined {
  const planned = kept === undefined ? undefined : currentOf(kept, undefined, now);
  return planned === undefined || reported === undefined ? (planned ?? reported) : Math.max(planned, reported);
}

/** The state of the epoch with this number in the handshake. `inUse`: `newestInUse`. */
export function stateOf(kept: KeptChannel | undefined, number: number, inUse: number | undefined): EpochState {
  const last = kept?.row.lastEpoch ?? 0;
  const row = kept?.epochs.find(({ epoch }) => epoch === number);
  if (row === undefined) return number > last ? "ahead" : "spent";
  if (row.state === "offered") return "offered";
  return number < last || (inUse !== undefined && number <= inUse) ? "fixed" : "coming";
}

/** The newest epoch that the headend has. */
export const newestAnnounced = ({ epochs }: KeptChannel): EpochRow | undefined =>
  epochs.findLast(({ state }) => state === "announced");

/** The epoch that the headend has not taken yet: there is one at most. */
export const offeredOf = ({ epochs }: KeptChannel): EpochRow | undefined =>
  epochs.find(({ state }) => state === "offered");

/** What time brings to a channel; the table is in handshake.ts. */
export type Step =
  | { readonly kind: "demand" }
  | { readonly kind: "offer"; readonly offered: EpochRow }
  /** The epoch after `newest`. */
  | { readonly kind: "make"; readonly newest: EpochRow };

/** What time brings next; undefined when only a message can bring something. */
export function nextStep(kept: KeptChannel): Step | undefined {
  const { row, epochs } = kept;
  if (row.maker === "headend") return row.demandedAbove === undefined ? undefined : { kind: "demand" };
  const offered = offeredOf(kept);
  if (offered !== undefined) return { kind: "offer", offered };
  const newest = epochs.at(-1);
  return newest === undefined || row.lastEpoch >= LAST_EPOCH ? undefined : { kind: "make", newest };
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

/** When the receiver asks again without having heard a notice: whole milliseconds from now. */
export const refreshWithin = (row: KeyChannelRow, newest: EpochRow, now: UnixTime): number =>
  span(Math.max(SOONEST_REFRESH, remainingUse(row, newest, now) + row.window));

/** As a message may carry it: whole milliseconds, 0 to 366 days. */
export const span = (milliseconds: number): number => Math.min(LONGEST_SPAN, Math.max(0, Math.round(milliseconds)));

/**
 * With `added`, announced. Without those that were offered, or announced but never used: it takes their place. `inUse`:
 * `newestInUse`. An epoch that was not yet announced when a rekey was demanded settles the demand.
 */
export function withAnnounced(kept: KeptChannel, added: EpochRow, inUse: number | undefined): KeptChannel {
  const stays = ({ epoch, state }: EpochRow) => state === "announced" && (inUse === undefined || epoch <= inUse);
  const others = kept.epochs.filter((row) => row.epoch !== added.epoch && stays(row));
  const epochs = [...others, added].sort((a, b) => a.epoch - b.epoch).slice(-KEPT_EPOCHS);
  return { row: settledBy(added, { ...kept.row, lastEpoch: Math.max(kept.row.lastEpoch, added.epoch) }), epochs };
}

function settledBy({ epoch }: EpochRow, row: KeyChannelRow): KeyChannelRow {
  if (row.demandedAbove === undefined || epoch <= row.demandedAbove) return row;
  const { demandedAbove: _settled, ...rest } = row;
  return rest;
}

/** With `added`, offered, in place of what was offered before and not taken. */
export const withOffered = ({ row, epochs }: KeptChannel, added: EpochRow): KeptChannel => ({
  row: { ...row, lastEpoch: added.epoch },
  epochs: [...epochs.filter(({ state }) => state === "announced").slice(1 - KEPT_EPOCHS), added],
});

/** With an open demand: the epochs up to number `newest`, the newest announced one, must go out of use. */
export const withDemand = ({ row, epochs }: KeptChannel, newest: number): KeptChannel => ({
  row: { ...row, demandedAbove: newest },
  epochs,
});

/** Without the epochs before `current`. */
export const withoutOld = ({ row, epochs }: KeptChannel, current: number): KeptChannel => ({
  row,
  epochs: epochs.filter(({ epoch }) => epoch >= current),
});

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

/**
 * What the store holds, put together. From here on the key octets belong to the key server, which overwrites them in
 * the end.
 */
export function keptChannels(rows: readonly KeyChannelRow[], epochs: readonly EpochRow[]): KeptChannel[] {
  return rows.map((row) => ({
    row,
    epochs: epochs.filter(({ channel }) => channel === row.channel).sort((a, b) => a.epoch - b.epoch),
  }));
}
