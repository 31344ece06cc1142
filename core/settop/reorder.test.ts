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
  assert.deepEqual(reorder.counts, { held: 3, skipped: 0, late: 0, strayed: 0 });
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
  push(5, 62);
  assert.deepEqual(out, [1, 3, 4, 5]);
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
  assert.deepEqual(reorder.counts, { held: 2, skipped: 1, late: 0, strayed: 0 });
});

test("a jump is followed when four packets in a row say so, none of which is lost; what waits goes out first", () => {
  const { out, push, reorder } = make(4);
  for (const index of [1, 3, 500, 501, 503]) push(index);
  assert.deepEqual(out, [1]);
  push(504);
  assert.deepEqual(out, [1, 3, 500, 501, 503, 504]);
  push(505);
  assert.deepEqual(reorder.counts, { held: 1, skipped: 1 + 496 + 1, late: 0, strayed: 0 });
});

test("one packet far ahead, again and again, costs nothing of the order, whatever waits", () => {
  for (const ahead of [5, 32, 33, 400]) {
    const { out, push, reorder } = make(32);
    const taken = new Set<number>();
    const once = (index: number): void => {
      if (!taken.has(index)) push(index);
      taken.add(index);
    };
    for (let n = 0; n < 201; n += 3) {
      once(n);
      if (n % 20 === 0) once(n + ahead);
      once(n + 2);
      once(n + 1);
    }
    const stream = Array.from({ length: 201 }, (_, n) => n);
    assert.deepEqual(out.slice(0, 201), stream, `${ahead} ahead`);
    assert.equal(reorder.counts.skipped, 0);
  }
});

test("one packet ahead is not waited for in vain while the stream goes on: at 50 packets a second nothing is given up", () => {
  const { out, push, reorder } = make(32, 50);
  push(0, 0);
  push(20, 5);
  for (let n = 1; n < 20; n++) {
    push(n, n * 20);
    reorder.expire(at(n * 20));
  }
  push(21, 420);
  assert.deepEqual(
    out,
    Array.from({ length: 22 }, (_, n) => n),
  );
});

test("who led the order astray with four packets in a row has led it for four: the stream is late four times and goes on, none lost", () => {
  const { out, push } = make(32);
  push(1);
  for (const rogue of [400, 401, 402, 403]) push(rogue);
  for (let n = 2; n < 50; n++) push(n);
  assert.deepEqual(out, [1, 400, 401, 402, 403, ...Array.from({ length: 48 }, (_, n) => n + 2)]);
});

test("far ahead, and then nothing more: handed on after the patience", () => {
  const { out, push, reorder } = make(32, 50);
  push(1, 0);
  push(400, 10);
  push(401, 20);
  assert.equal(reorder.giveUpAt, 60);
  reorder.expire(at(60));
  assert.deepEqual(out, [1, 400, 401]);
  assert.equal(reorder.giveUpAt, undefined);
});

test("a restart hands on what waits and takes the next packet as the first, wherever it is", () => {
  const { out, push, reorder } = make(8);
  for (const index of [5000, 5002]) push(index);
  reorder.restart();
  for (const index of [100, 101]) push(index);
  assert.deepEqual(out, [5000, 5002, 100, 101]);
  assert.deepEqual(reorder.counts, { held: 1, skipped: 1, late: 0, strayed: 0 });
});

test("depth 0 holds nothing: what comes late is dropped, the order is kept", () => {
  const { out, push, reorder } = make(0);
  for (const index of [1, 3, 2, 4]) push(index);
  assert.deepEqual(out, [1, 3, 4]);
  assert.deepEqual(reorder.counts, { held: 0, skipped: 1, late: 1, strayed: 0 });
});

test("after a restart any packet is the first, and what waited has gone out", () => {
  const { out, push, reorder } = make(4);
  push(1);
  push(3);
  reorder.restart();
  push(60_000);
  assert.deepEqual(out, [1, 3, 60_000]);
});

test("a packet of any size is held: of 9000 octets and of 65,507", () => {
  const out: Uint8Array[] = [];
  const reorder = new Reorder(4, milliseconds(50), (packet, length) => out.push(packet.slice(0, length)));
  const filled = (length: number): Uint8Array => new Uint8Array(length).fill(length & 255);
  for (const [index, length] of [
    [1, 10],
    [3, 9000],
    [4, 65_507],
    [2, 2049],
    [6, 3000],
    [5, 1],
  ] as const)
    reorder.push(at(0), index, filled(length), length);
  assert.deepEqual(
    out.map((packet) => packet.length),
    [10, 2049, 9000, 65_507, 1, 3000],
  );
  for (const packet of out) assert.deepEqual(packet, filled(packet.length));
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
