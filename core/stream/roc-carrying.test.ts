// RFC 4771: the roll-over counter in every R-th packet.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { hex } from "../base/bytes.testkit.ts";
import { toHex, writeUint32 } from "../base/bytes.ts";
import { StreamReceiver } from "./receiver.ts";
import { carriesRoc } from "./roc-carrying.ts";
import { StreamSender } from "./sender.ts";
import { masterOf, type PacketVector, packetOf, SSRC, skip, testCiphers } from "./stream.testkit.ts";
import type { MkiLength, Suite } from "./suites.ts";

const VECTORS: readonly PacketVector[] = JSON.parse(readFileSync("core/stream/vectors/roc-carrying.json", "utf8"));

for (const v of VECTORS)
  test(`${v.name} (${v.source}): protected octet for octet, and opened without any position`, () => {
    const epoch = v.mki ?? 1;
    const mkiLength: MkiLength = v.mki === null ? 0 : 4;
    const options = { ciphers: testCiphers, suite: v.suite, mkiLength, ssrc: 0xcafebabe, rocEvery: 1 };
    const sender = new StreamSender({ ...options, firstIndex: 0x1234 });
    sender.install(epoch, hex(v.key), hex(v.salt));
    sender.switchTo(epoch);
    const buffer = new Uint8Array(v.protected.length / 2);
    buffer.set(hex(v.clear));
    assert.equal(sender.protect(buffer, v.clear.length / 2), buffer.length);
    assert.equal(toHex(buffer), v.protected);
    const receiver = new StreamReceiver(options);
    receiver.install(epoch, hex(v.key), hex(v.salt));
    assert.equal(receiver.unprotect(buffer), v.clear.length / 2);
    assert.equal(toHex(buffer.subarray(0, v.clear.length / 2)), v.clear);
  });

test("2: every packet whose sequence number R divides, 0 among them; with R = 0 none", () => {
  assert.deepEqual(
    [0, 1, 99, 100, 65_500].map((sequence) => carriesRoc(100, sequence)),
    [true, false, false, true, true],
  );
  assert.equal(carriesRoc(0, 0), false);
});

function ends(suite: Suite, mkiLength: MkiLength, firstIndex: number, rocEvery: number) {
  const options = { ciphers: testCiphers, suite, mkiLength, ssrc: SSRC, rocEvery };
  const sender = new StreamSender({ ...options, firstIndex });
  const receiver = new StreamReceiver(options);
  const { key, salt } = masterOf(suite, 1);
  sender.install(1, key, salt);
  sender.switchTo(1);
  receiver.install(1, key, salt);
  return { sender, receiver };
}

for (const suite of ["AEAD_AES_128_GCM", "AEAD_AES_256_GCM", "AES_CM_128_HMAC_SHA1_80"] as const)
  for (const mkiLength of [0, 4] as const) {
    const name = `${suite}, ${mkiLength} octets of MKI`;

    test(`${name}: a joiner whom nobody tells the position opens the first packet that carries it, and all that follow, over a wrap`, () => {
      const { sender, receiver } = ends(suite, mkiLength, 0x1234_ff41, 10);
      for (let n = 0; n < 5; n++) assert.equal(receiver.unprotect(packetOf(sender)), "srtp.no-position");
      for (let n = 0; n < 500; n++) assert.equal(receiver.unprotect(packetOf(sender)), 52);
      assert.equal(receiver.highest?.roc, 0x1235);
    });

    test(`${name}: after an outage of a thousand turns the counter in the packets says where the stream is`, () => {
      const { sender, receiver } = ends(suite, mkiLength, 0, 4);
      for (let n = 0; n < 300; n++) receiver.unprotect(packetOf(sender));
      const later = ends(suite, mkiLength, 1000 * 0x10000 + 7, 4).sender;
      const results = Array.from({ length: 30 }, () => receiver.unprotect(packetOf(later)));
      assert.ok(results.indexOf(52) >= 0 && results.indexOf(52) <= 16, `${results}`);
      assert.equal(results.at(-1), 52);
    });

    test(`${name}: a counter that is forged moves nothing`, () => {
      const { sender, receiver } = ends(suite, mkiLength, 0x50000, 1);
      const first = packetOf(sender);
      const forged = first.slice();
      const rocAt = suite === "AES_CM_128_HMAC_SHA1_80" ? forged.length - 10 : forged.length - 4;
      writeUint32(forged, rocAt, 0x7777);
      assert.equal(receiver.unprotect(forged.slice()), "srtp.bad-tag");
      assert.equal(receiver.unprotect(first), 52);
      for (let n = 0; n < 100; n++) {
        assert.notEqual(receiver.unprotect(forged.slice()), 52);
        assert.equal(receiver.unprotect(packetOf(sender)), 52);
      }
      assert.deepEqual(receiver.highest, { roc: 5, seq: 100 });
    });
  }

test("a packet that ought to carry the counter and has no room for it is srtp.truncated", () => {
  const { sender, receiver } = ends("AEAD_AES_128_GCM", 4, 0, 1);
  skip(sender, 1);
  assert.equal(receiver.unprotect(packetOf(sender).subarray(0, 12 + 23)), "srtp.truncated");
});
