import assert from "node:assert/strict";
import { test } from "node:test";
import { fuzz } from "../base/fuzz.testkit.ts";
import { type Instant, instant, milliseconds } from "../base/time.ts";
import { Reorder } from "./reorder.ts";

const at = (ms: number): Instant => instant(ms);

function make(depth: number, patience = 50) {
  const out: number[] = [];
  const reorder = new Reorder(depth, milliseconds(patience), (packet, length) => {
    assert.equal(length, 3);
    out.push(((packet[0] ?? 0) << 8) | (packet[1] ?? 0));
  });
  const scratch = new Uint8Array(8);
  const push = (index: number, now = 0): void => {
    scratch.set([(index >>> 8) & 255, index & 255, 0]);
    reorder.push(at(now), index, scratch, 3);
    scratch.fill(0xa5);
  };
  return { reorder, out, push };
}

test("packets in order pass at once, across the wrap of the sequence number", () => {
  const { out, push, reorder } = make(4);
  for (const index of [65534, 65535, 65536, 65537]) push(index);
  assert.deepEqual(out, [65534, 65535, 0, 1]);
  assert.equal(reorder.giveUpAt, undefined);
});

test("overtaken packets are put back in order, also across the wrap", () => {
  const { out, push, reorder } = make(8);
  for (const index of [65533, 65535, 65536, 65534, 65538, 65537]) push(index);
  assert.deepEqual(out, [65533, 65534, 65535, 0, 1, 2]);
  assert.deepEqual(reorder.counts, { held: 3, skipped: 0, late: 0 });
});

test("a packet that does not come is given up after the patience of the first that waits, not before", () => {
  const { out, push, reorder } = make(8, 50);
  push(1, 0);
  push(3, 10);
  push(4, 40);
  assert.equal(reorder.giveUpAt, 60);
  reorder.expire(at(59));
  assert.deepEqual(out, [1]);
  reorder.expire(at(60));
  assert.deepEqual(out, [1, 3, 4]);
  assert.equal(reorder.counts.skipped, 1);
  push(2, 61);
  assert.deepEqual(out, [1, 3, 4]);
  assert.equal(reorder.counts.late, 1);
});

test("a second gap waits for its own patience", () => {
  const { out, push, reorder } = make(8, 50);
  push(1, 0);
  push(3, 0);
  push(5, 40);
  reorder.expire(at(50));
  assert.deepEqual(out, [1, 3]);
  assert.equal(reorder.giveUpAt, 90);
});

test("a packet beyond the window: the oldest gap is given up", () => {
  const { out, push, reorder } = make(2);
  for (const index of [10, 12, 13, 14]) push(index);
  assert.deepEqual(out, [10, 12, 13, 14]);
  assert.deepEqual(reorder.counts, { held: 2, skipped: 1, late: 0 });
});

test("a jump flushes what waits and goes on from there", () => {
  const { out, push, reorder } = make(4);
  for (const index of [1, 3, 5000, 5001]) push(index);
  assert.deepEqual(out, [1, 3, 5000, 5001]);
  assert.equal(reorder.counts.skipped, 1 + 4996);
});

test("a leap by whole turns of the sequence number, while packets wait: they go out, and nothing of the leap counts as missed", () => {
  const { out, push, reorder } = make(8);
  for (const index of [1, 3, 3 + 0x10000, 4 + 0x10000]) push(index);
  assert.deepEqual(out, [1, 3, 3, 4]);
  assert.deepEqual(reorder.counts, { held: 1, skipped: 1, late: 0 });
  assert.equal(reorder.giveUpAt, undefined);
});

test("a sender that began again further back than any late packet is followed", () => {
  const { out, push } = make(8);
  for (const index of [5000, 5002, 100, 101, 99]) push(index);
  assert.deepEqual(out, [5000, 5002, 100, 101]);
});

test("depth 0 holds nothing: what comes late is dropped, the order is kept", () => {
  const { out, push, reorder } = make(0);
  for (const index of [1, 3, 2, 4]) push(index);
  assert.deepEqual(out, [1, 3, 4]);
  assert.deepEqual(reorder.counts, { held: 0, skipped: 1, late: 1 });
});

test("after a restart any packet is the first, and what waited has gone out", () => {
  const { out, push, reorder } = make(4);
  push(1);
  push(3);
  reorder.restart();
  push(60_000);
  assert.deepEqual(out, [1, 3, 60_000]);
});

test("a packet too large to hold is passed on at once", () => {
  const lengths: number[] = [];
  const reorder = new Reorder(4, milliseconds(50), (_packet, length) => lengths.push(length));
  reorder.push(at(0), 1, new Uint8Array(10), 10);
  reorder.push(at(0), 3, new Uint8Array(9000), 9000);
  assert.deepEqual(lengths, [10, 9000]);
});

test("a depth beyond the replay window is our own mistake", () => {
  assert.throws(() => new Reorder(1025, milliseconds(1), () => {}), RangeError);
});

const SHUFFLED =
  "packets lost, duplicated-free and shuffled within the depth: strictly rising, and nothing but the lost is missing";

fuzz(SHUFFLED, { seed: 5, rounds: 100_000 }, ({ entropy, rounds }) => {
  const depth = 16;
  const { out, push, reorder } = make(depth, 50);
  const sent = Array.from({ length: rounds }, (_, i) => i).filter(() => entropy.below(100) > 1);
  const order = sent
    .map((n) => ({ n, key: n + entropy.below(depth / 2) }))
    .sort((a, b) => a.key - b.key)
    .map(({ n }) => n);
  const first = order[0] ?? 0;
  for (const [i, n] of order.entries()) {
    push(n, i / 10);
    reorder.expire(at(i / 10));
  }
  reorder.expire(at(1e9));
  const expected = sent.filter((n) => n >= first).map((n) => n & 0xffff);
  assert.deepEqual(out, expected);
});
