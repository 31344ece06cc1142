import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { LoopedComparison, PACKET } from "./looped.mjs";

const file = readFileSync("scripts/sample/test-card.mpegts");
const packets = file.length / PACKET;
const cut = (/** @type {number} */ from, /** @type {number} */ to) => file.subarray(from * PACKET, to * PACKET);

function follow(/** @type {Buffer[]} */ ...parts) {
  const comparison = new LoopedComparison(file);
  for (const part of parts) comparison.add(part);
  return comparison;
}

test("any part of the loop is identical, over its end too, however it is cut", () => {
  const stream = Buffer.concat([cut(2900, packets), file, cut(0, 77)]);
  const comparison = new LoopedComparison(file);
  for (let at = 0; at < stream.length; at += 1000) comparison.add(stream.subarray(at, at + 1000));
  assert.equal(comparison.packets, stream.length / PACKET);
  assert.ok(comparison.identical);
});

test("the marks of a joint and counters that go on are the loop all the same", () => {
  const mark = Buffer.alloc(PACKET, 0xff);
  mark.set([0x47, 1, 0, 0x25, 183, 0x80]);
  const on = Buffer.from(cut(0, 7));
  for (let at = 3; at < on.length; at += PACKET)
    on.writeUInt8((on.readUInt8(at) & 0xf0) | ((on.readUInt8(at) + 9) & 15), at);
  assert.ok(follow(cut(2900, packets), mark, on).identical);
});

test("a lost datagram is a mismatch", () => {
  assert.equal(follow(cut(0, 70), cut(77, 140)).identical, false);
});

test("a repeated datagram is a mismatch", () => {
  assert.equal(follow(cut(0, 70), cut(63, 140)).identical, false);
});

test("a changed octet is a mismatch, in the first packet too", () => {
  const bad = Buffer.from(cut(0, 7));
  bad.writeUInt8(bad.readUInt8(100) ^ 1, 100);
  assert.equal(follow(bad, cut(7, 70)).identical, false);
  assert.equal(follow(cut(0, 70), bad).identical, false);
});

test("an output that was stopped may begin anew anywhere", () => {
  const comparison = follow(cut(0, 70));
  comparison.beginAnew();
  comparison.add(cut(500, 600));
  assert.ok(comparison.identical);
});

test("nothing is not identical", () => {
  assert.equal(follow().identical, false);
});
