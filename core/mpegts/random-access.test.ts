// ISO/IEC 13818-1 section 2.4.3.5: the random access indicator, on the PID with the clock.
import assert from "node:assert/strict";
import { test } from "node:test";
import { type Made, tsPacket } from "./packet.testkit.ts";
import { TS_PACKET } from "./packet.ts";
import { RandomAccessSearch } from "./random-access.ts";

const VIDEO = 0x100;
const SOUND = 0x101;

function finds(search: RandomAccessSearch, ...made: readonly Made[]): boolean {
  const stream = new Uint8Array(made.length * TS_PACKET + 10);
  for (const [i, packet] of made.entries()) stream.set(tsPacket(packet), 5 + i * TS_PACKET);
  return search.finds(stream, 5, 5 + made.length * TS_PACKET);
}

test("a mark on the PID with the clock, in the packet that shows it or in a later one", () => {
  assert.equal(finds(new RandomAccessSearch(), { pid: SOUND }, { pid: VIDEO, pcr: 1, randomAccess: true }), true);
  const search = new RandomAccessSearch();
  assert.equal(finds(search, { pid: VIDEO, pcr: 1 }, { pid: VIDEO }), false);
  assert.equal(finds(search, { pid: SOUND }, { pid: VIDEO, randomAccess: true }), true);
});

test("sound, which marks every frame, is no place for a picture to begin", () => {
  const search = new RandomAccessSearch();
  assert.equal(finds(search, { pid: SOUND, randomAccess: true }), false);
  assert.equal(finds(search, { pid: VIDEO, pcr: 1 }, { pid: SOUND, randomAccess: true }), false);
});

test("sound alone has the clock and may begin anywhere it is marked", () => {
  assert.equal(finds(new RandomAccessSearch(), { pid: SOUND, pcr: 5, randomAccess: true }), true);
});

test("what is no transport stream may begin with any packet", () => {
  assert.equal(new RandomAccessSearch().finds(new Uint8Array(1316), 0, 1316), true);
  const cut = tsPacket({ pid: VIDEO });
  assert.equal(new RandomAccessSearch().finds(cut, 0, 187), true);
});
