import assert from "node:assert/strict";
import { test } from "node:test";
import { PacketGuard } from "./packet-guard.ts";

/** A PUBLISH (type 3) whose remaining length is `length`, MQTT 3.1.1 section 2.2.3. */
function packet(length: number): Uint8Array {
  const header = [0x30];
  let left = length;
  do {
    header.push((left % 128) | (left >= 128 ? 128 : 0));
    left = Math.floor(left / 128);
  } while (left > 0);
  return Uint8Array.from([...header, ...new Uint8Array(length).fill(0xff)]);
}

test("packets up to the limit pass, wherever the stream is cut", () => {
  const stream = Buffer.concat([packet(0), packet(127), packet(128), packet(1000), packet(2), packet(300)]);
  for (const size of [1, 2, 3, 7, 130, 5000]) {
    const guard = new PacketGuard(1000);
    for (let at = 0; at < stream.length; at += size)
      assert.equal(guard.accepts(stream.subarray(at, at + size)), true, `pieces of ${size}`);
  }
});

test("a packet one octet longer is refused as soon as its length is known", () => {
  assert.equal(new PacketGuard(1000).accepts(packet(1001).subarray(0, 3)), false);
  assert.equal(new PacketGuard(1000).accepts(Uint8Array.of(0x10, 0xff, 0xff, 0xff, 0x7f)), false, "256 MB");
});

test("a length of five octets is none", () => {
  assert.equal(new PacketGuard(2 ** 40).accepts(Uint8Array.of(0x10, 0x80, 0x80, 0x80, 0x80, 0x01)), false);
});
