import assert from "node:assert/strict";
import { test } from "node:test";
import { unixTime } from "../base/time.ts";
import { LAST_EPOCH } from "../control/messages.ts";
import { bytes } from "../control/servers.testkit.ts";
import type { Write } from "../ports/store.ts";
import type { EpochRow, KeyChannelRow } from "../ports/tables.ts";
import {
  currentOf,
  decideKept,
  hasLengths,
  holdsFor,
  type KeptChannel,
  keptChannels,
  leadOf,
  liveOf,
  newestInUse,
  nextStep,
  refreshWithin,
  rowOf,
  span,
  stateOf,
  streamOf,
  withAnnounced,
  withDemand,
  withOffered,
  withoutOld,
} from "./epochs.ts";
import { parameters } from "./keys.testkit.ts";

const epoch = (number: number, state: EpochRow["state"] = "announced", switchAt = number * 10_000): EpochRow => ({
  channel: "one",
  epoch: number,
  masterKey: bytes(number),
  masterSalt: bytes(number, 12),
  state,
  switchAt: unixTime(switchAt),
});

/** Interval 10 s, overlap 2 s, window 1 s. */
const channel = (epochs: readonly EpochRow[], more: Partial<KeyChannelRow> = {}): KeptChannel => ({
  row: { ...rowOf(parameters(), "he", "headend", undefined), lastEpoch: epochs.at(-1)?.epoch ?? 0, ...more },
  epochs,
});

const numbers = ({ epochs }: Pick<KeptChannel, "epochs">): number[] => epochs.map((row) => row.epoch);
const at = unixTime;

test("the epoch in use is the reported one, else the newest whose moment has come, else the oldest", () => {
  const kept = channel([epoch(1), epoch(2), epoch(3, "offered")]);
  assert.equal(currentOf(kept, 2, at(0)), 2);
  assert.equal(currentOf(kept, undefined, at(20_000)), 2);
  assert.equal(currentOf(kept, undefined, at(19_999)), 1);
  assert.equal(currentOf(kept, undefined, at(0)), 1);
  assert.equal(currentOf(kept, undefined, at(40_000)), 2, "an offered one is never in use");
  assert.equal(currentOf(channel([]), undefined, at(0)), undefined);
});

test("who signs the stream is in the row and in each grant, as the headend said last; absent when it signs no more", () => {
  const signedBy = (signer: Uint8Array | undefined) => {
    const { stream, ...rest } = parameters();
    return { ...rest, stream: signer === undefined ? stream : { ...stream, signer } };
  };
  const [first, second] = [bytes(5, 32), bytes(6, 32)];
  const row = rowOf(signedBy(first), "he", "headend", undefined);
  assert.equal(row.signer, "05".repeat(32));
  assert.deepEqual(streamOf(row), signedBy(first).stream);
  const restarted = rowOf(signedBy(second), "he", "headend", row);
  assert.deepEqual(streamOf(restarted).signer, second);
  assert.deepEqual(streamOf(rowOf(signedBy(undefined), "he", "headend", restarted)), parameters().stream);
});

test("an epoch may be in use by its moment or by the report, whichever is the later epoch", () => {
  const kept = channel([epoch(1), epoch(2)]);
  assert.equal(newestInUse(kept, 2, at(10_000)), 2);
  assert.equal(newestInUse(kept, 1, at(20_000)), 2);
  assert.equal(newestInUse(undefined, undefined, at(0)), undefined);
});

test("an epoch is fixed when it may be in use or a later number exists, else coming; unknown numbers are ahead or spent", () => {
  const kept = channel([epoch(2), epoch(3)], { lastEpoch: 3 });
  const states = (inUse: number | undefined) => [1, 2, 3, 4].map((number) => stateOf(kept, number, inUse));
  assert.deepEqual(states(2), ["spent", "fixed", "coming", "ahead"]);
  assert.deepEqual(states(3), ["spent", "fixed", "fixed", "ahead"]);
  assert.equal(stateOf(channel([epoch(3, "offered")]), 3, undefined), "offered");
  assert.deepEqual([stateOf(undefined, 0, undefined), stateOf(undefined, 1, undefined)], ["spent", "ahead"]);
});

test("an announced epoch replaces what was offered, and what was announced but may not be in use", () => {
  const kept = channel([epoch(1), epoch(2), epoch(3)]);
  assert.deepEqual(numbers(withAnnounced(kept, epoch(4), 2)), [1, 2, 4]);
  assert.deepEqual(numbers(withAnnounced(channel([epoch(1), epoch(2, "offered")]), epoch(3), undefined)), [1, 3]);
  assert.deepEqual(numbers(withAnnounced(kept, epoch(4), 3)), [2, 3, 4], "three at most");
  assert.equal(withAnnounced(kept, epoch(4), 3).row.lastEpoch, 4);
});

test("a demand is settled by an epoch above those that were announced when it came", () => {
  const demanded = withDemand(channel([epoch(1), epoch(2)]), 2);
  assert.equal(demanded.row.demandedAbove, 2);
  assert.equal(withAnnounced(demanded, epoch(2), 1).row.demandedAbove, 2);
  assert.equal("demandedAbove" in withAnnounced(demanded, epoch(3), 2).row, false);
  assert.equal(
    rowOf(parameters(), "he", "keyserver", demanded.row).demandedAbove,
    2,
    "its headend cannot take it back",
  );
});

test("an offer uses its number up and takes the place of the offer before it", () => {
  const kept = withOffered(channel([epoch(1), epoch(2), epoch(3, "offered")]), epoch(4, "offered"));
  assert.deepEqual([numbers(kept), kept.row.lastEpoch], [[1, 2, 4], 4]);
});

test("without the old ones, the current epoch and what is later stays", () => {
  assert.deepEqual(numbers(withoutOld(channel([epoch(1), epoch(2), epoch(3)]), 2)), [2, 3]);
});

test("a grant carries the announced epochs from the current one to the one that was asked about", () => {
  const kept = channel([epoch(1), epoch(2), epoch(3), epoch(4, "offered")]);
  assert.deepEqual(numbers({ epochs: liveOf(kept, 2) }), [2, 3]);
  assert.deepEqual(numbers({ epochs: liveOf(kept, 2, 2) }), [2]);
  assert.deepEqual(numbers({ epochs: liveOf(kept, undefined) }), [1, 2, 3]);
});

const STEPS: readonly (readonly [string, KeptChannel, string | undefined])[] = [
  ["headend, no demand", channel([epoch(1)]), undefined],
  ["headend, a demand", channel([epoch(1)], { demandedAbove: 1 }), "demand"],
  ["headend, an offer from before", channel([epoch(1), epoch(2, "offered")]), undefined],
  ["key server, nothing yet", channel([], { maker: "keyserver" }), undefined],
  ["key server, offered", channel([epoch(1, "offered")], { maker: "keyserver", demandedAbove: 0 }), "offer"],
  ["key server, announced", channel([epoch(1)], { maker: "keyserver" }), "make"],
  ["key server, no number left", channel([epoch(LAST_EPOCH)], { maker: "keyserver" }), undefined],
];

for (const [what, kept, step] of STEPS) {
  test(`what time brings: ${what}: ${step ?? "nothing"}`, () => assert.equal(nextStep(kept)?.kind, step));
}

test("the lead is the window and a second, but never more than half the interval", () => {
  assert.equal(leadOf(channel([]).row), 2_000);
  assert.equal(leadOf(channel([], { interval: 3_000 }).row), 1_500);
});

test("keys of a grant are held for what is left of the interval and the overlap; the receiver comes back within the window", () => {
  const { row } = channel([epoch(1)]);
  assert.equal(holdsFor(row, epoch(1), at(13_000)), 7_000 + 2_000);
  assert.equal(refreshWithin(row, epoch(1), at(13_000)), 7_000 + 1_000);
  assert.equal(holdsFor(row, epoch(1), at(90_000)), 2_000, "an overdue epoch");
  assert.equal(refreshWithin(row, epoch(1), at(90_000)), 5_000, "no receiver is asked to come back sooner");
});

test("a span is whole milliseconds from 0 to 366 days", () => {
  assert.deepEqual([-1, 0.5, 1e12].map(span), [0, 1, 366 * 86_400_000]);
});

test("a key fits its suite when key and salt are as long as it wants", () => {
  assert.equal(hasLengths("AEAD_AES_128_GCM", epoch(1)), true);
  assert.equal(hasLengths("AEAD_AES_256_GCM", epoch(1)), false);
  assert.equal(hasLengths("AES_CM_128_HMAC_SHA1_80", epoch(1)), false, "its salt has 14 octets");
});

test("a change writes the channel, the epochs that are new or other, and erases those that are gone", () => {
  const before = channel([epoch(1), epoch(2)]);
  const next = withAnnounced(withoutOld(before, 2), epoch(3), 2);
  const step = decideKept(before, next)().next();
  assert.ok(step.done === true);
  assert.deepEqual(step.value.writes, [
    { put: "key_channel", row: next.row },
    { put: "epoch", row: epoch(3) },
    { delete: "epoch", key: { channel: "one", epoch: 1 } },
  ] satisfies Write[]);
});

test("rows of the store are put together by channel, epochs oldest first", () => {
  const { row } = channel([]);
  const rows = [row, { ...row, channel: "two" }];
  const found = keptChannels(rows, [epoch(2), { ...epoch(7), channel: "two" }, epoch(1)]);
  assert.deepEqual(found.map(numbers), [[1, 2], [7]]);
});
