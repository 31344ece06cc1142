import assert from "node:assert/strict";
import { test } from "node:test";
import { HeardByBoth } from "./heard-by-both.ts";

const packet = (...octets: number[]): Uint8Array => Uint8Array.from(octets);

test("a packet counts once both have heard it, whoever was first", () => {
  const heard = new HeardByBoth();
  assert.equal(heard.first(packet(1)), false);
  assert.equal(heard.second(packet(2)), false);
  assert.equal(heard.second(packet(1)), true);
  assert.equal(heard.first(packet(2)), true);
  assert.equal(heard.firstOnly, 0);
});

test("equal packets count one by one, in any order", () => {
  const heard = new HeardByBoth();
  const told = [
    heard.first(packet(7)),
    heard.first(packet(7)),
    heard.second(packet(7)),
    heard.first(packet(7)),
    heard.second(packet(7)),
  ];
  assert.deepEqual(told, [false, false, true, false, true]);
  assert.equal(heard.firstOnly, 1);
});

test("what only one hears is not kept for ever", () => {
  const heard = new HeardByBoth();
  for (let i = 0; i < 3000; i++) heard.first(packet(i >> 8, i));
  assert.equal(heard.firstOnly, 1024);
  assert.equal(heard.second(packet(0, 0)), false, "forgotten");
  assert.equal(heard.second(packet(2999 >> 8, 2999)), true);
});

test("the octets are compared as they are now: a driver's buffer may change afterwards", () => {
  const heard = new HeardByBoth();
  const buffer = new Uint8Array(8);
  buffer.set([1, 2], 2);
  heard.first(buffer.subarray(2, 4));
  buffer.set([9, 9], 2);
  assert.equal(heard.second(packet(1, 2)), true);
});
