import assert from "node:assert/strict";
import { test } from "node:test";
import { compare, PACKET, writePackets } from "./numbered.mjs";

const input = Buffer.alloc(100 * PACKET);
writePackets(input, 0);
const cut = (/** @type {number} */ from, /** @type {number} */ to) => input.subarray(from * PACKET, to * PACKET);

test("a part of the input, from its first packet on, is identical", () => {
  assert.deepEqual(compare(input, cut(30, 90)), {
    packets: 60,
    lost: 0,
    duplicated: 0,
    corrupt: 0,
    first: 30,
    identical: true,
    gaps: [],
  });
});

test("a missing packet is lost", () => {
  const found = compare(input, Buffer.concat([cut(3, 10), cut(12, 20)]));
  assert.deepEqual([found.identical, found.lost, found.duplicated, found.corrupt], [false, 2, 0, 0]);
  assert.deepEqual(found.gaps, [[10, 2]]);
});

test("a repeated packet is a duplicate", () => {
  const found = compare(input, Buffer.concat([cut(3, 10), cut(9, 20)]));
  assert.deepEqual([found.identical, found.lost, found.duplicated, found.corrupt], [false, 0, 1, 0]);
});

test("a changed octet is a corrupt packet", () => {
  const output = Buffer.from(cut(3, 10));
  output.writeUInt8(output.readUInt8(400) ^ 1, 400);
  const found = compare(input, output);
  assert.deepEqual([found.identical, found.corrupt], [false, 1]);
});

test("nothing at all is not identical, and neither is half a packet more", () => {
  assert.equal(compare(input, Buffer.alloc(0)).identical, false);
  assert.equal(compare(input, input.subarray(0, PACKET + 1)).identical, false);
});
