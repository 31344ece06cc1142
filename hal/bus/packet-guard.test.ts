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

/** A CONNECT without content: enough for the guard, which counts octets. */
const CONNECT = Uint8Array.of(0x10, 0);

/** A guard whose connection has begun as it must. */
function begun(limit: number): PacketGuard {
  const guard = new PacketGuard(limit);
  guard.check(CONNECT);
  return guard;
}

test("packets up to the limit pass, wherever the stream is cut", () => {
  const stream = Buffer.concat([CONNECT, packet(0), packet(127), packet(128), packet(1000), packet(2), packet(300)]);
  for (const size of [1, 2, 3, 7, 130, 5000]) {
    const guard = new PacketGuard(1000);
    for (let at = 0; at < stream.length; at += size)
      assert.equal(guard.check(stream.subarray(at, at + size)), undefined, `pieces of ${size}`);
  }
});

test("a packet one octet longer is refused as soon as its length is known", () => {
  assert.equal(begun(1000).check(packet(1001).subarray(0, 3)), "oversized");
  assert.equal(new PacketGuard(1000).check(Uint8Array.of(0x10, 0xff, 0xff, 0xff, 0x7f)), "oversized", "256 MB");
});

test("a length of five octets is none", () => {
  assert.equal(new PacketGuard(2 ** 40).check(Uint8Array.of(0x10, 0x80, 0x80, 0x80, 0x80, 0x01)), "oversized");
});

test("what does not begin with a CONNECT is no MQTT, whatever lengths its octets spell", () => {
  for (const first of [0x16, 0x47, 0x30, 0x11, 0x00]) {
    const octets = Uint8Array.of(first, 3, 1, 2, 0, 0x30, 0xff, 0xff, 0xff, 0x7f);
    assert.equal(new PacketGuard(1000).check(octets), "no-mqtt");
  }
});
