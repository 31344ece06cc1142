// Protection against the published vectors, and each drop literal earned.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { hex } from "../base/bytes.testkit.ts";
import { toHex } from "../base/bytes.ts";
import { derive, deriveSessionKeys } from "./key-derivation.ts";
import { StreamReceiver } from "./receiver.ts";
import { StreamSender } from "./sender.ts";
import { masterOf, type Pair, packetOf, pair, rekey, SSRC, skip, testCiphers } from "./stream.testkit.ts";
import type { MkiLength, Suite } from "./suites.ts";

const read = <T>(file: string): readonly T[] => JSON.parse(readFileSync(`core/stream/vectors/${file}`, "utf8"));

interface PacketVector {
  readonly name: string;
  readonly source: string;
  readonly suite: Suite;
  readonly mki: number | null;
  readonly key: string;
  readonly salt: string;
  readonly roc: number;
  readonly clear: string;
  readonly protected: string;
}

for (const v of read<PacketVector>("packets.json")) {
  const mkiLength: MkiLength = v.mki === null ? 0 : 4;
  const epoch = v.mki ?? 1;

  test(`${v.name} (${v.source}) is protected octet for octet`, () => {
    const options = { ciphers: testCiphers, suite: v.suite, mkiLength, ssrc: 0xcafebabe };
    const sender = new StreamSender({ ...options, firstIndex: 0x1234 });
    sender.install(epoch, hex(v.key), hex(v.salt));
    sender.switchTo(epoch);
    const clear = hex(v.clear);
    const buffer = new Uint8Array(clear.length + sender.trailerLength);
    buffer.set(clear);
    assert.equal(toHex(buffer.subarray(0, sender.protect(buffer, clear.length))), v.protected);
  });

  test(`${v.name} (${v.source}) is unprotected in place`, () => {
    const receiver = new StreamReceiver({ ciphers: testCiphers, suite: v.suite, mkiLength, ssrc: 0xcafebabe });
    receiver.install(epoch, hex(v.key), hex(v.salt));
    receiver.position(v.roc, 0x1230);
    const packet = hex(v.protected);
    const length = receiver.unprotect(packet);
    assert.equal(length, v.clear.length / 2);
    assert.equal(toHex(packet.subarray(0, v.clear.length / 2)), v.clear);
  });
}

interface DerivationVector {
  readonly name: string;
  readonly source: string;
  /** null: no suite of ours derives from such a salt. */
  readonly suite: Suite | null;
  readonly key: string;
  readonly salt: string;
  readonly encryption: string;
  readonly sessionSalt: string;
  readonly authentication: string;
}

for (const v of read<DerivationVector>("key-derivation.json")) {
  test(`session keys: ${v.name} (${v.source})`, () => {
    const [key, salt] = [hex(v.key), hex(v.salt)];
    for (const [label, wanted] of [v.encryption, v.authentication, v.sessionSalt].entries())
      assert.equal(toHex(derive(testCiphers, key, salt, label, wanted.length / 2)), wanted);
    if (v.suite === null) return;
    const keys = deriveSessionKeys(testCiphers, v.suite, key, salt);
    assert.equal(toHex(keys.encryption), v.encryption);
    assert.equal(toHex(keys.salt), v.sessionSalt);
    assert.equal(toHex(keys.authentication), v.authentication.slice(0, 2 * keys.authentication.length));
  });
}

const COMBINATIONS: readonly (readonly [Suite, MkiLength])[] = [
  ["AEAD_AES_128_GCM", 4],
  ["AEAD_AES_128_GCM", 0],
  ["AEAD_AES_256_GCM", 4],
  ["AEAD_AES_256_GCM", 0],
  ["AES_CM_128_HMAC_SHA1_80", 4],
  ["AES_CM_128_HMAC_SHA1_80", 0],
];

for (const [suite, mkiLength] of COMBINATIONS) {
  test(`${suite} with ${mkiLength} octets of MKI: 300 packets over three keys and a wrap, none lost or altered`, () => {
    const ends = pair(0x1ffc0, suite, mkiLength);
    for (let n = 0; n < 300; n++) {
      if (n === 100) rekey(ends, 2, suite);
      if (n === 200) rekey(ends, 7, suite);
      const packet = packetOf(ends.sender, n);
      assert.equal(ends.receiver.unprotect(packet), 52);
      assert.ok(packet.subarray(12, 52).every((octet) => octet === (n & 255)));
    }
    assert.deepEqual(ends.receiver.statistics, {
      received: 300,
      lost: 0,
      duplicated: 0,
      reordered: 0,
      undecryptable: 0,
      resynchronised: 0,
    });
    assert.equal(ends.receiver.lastEpoch, 7);
    assert.deepEqual(ends.receiver.highest, { roc: ends.sender.position().roc, seq: ends.sender.position().seq });
  });
}

test("srtp.truncated: a packet without room for tag and MKI", () => {
  const { sender, receiver } = pair();
  assert.equal(receiver.unprotect(packetOf(sender).subarray(0, 31)), "srtp.truncated");
});

test("rtp.version: what is not RTP is named by the RTP gate", () => {
  const { receiver } = pair();
  assert.equal(receiver.unprotect(new Uint8Array(100)), "rtp.version");
});

test("srtp.ssrc: another stream's packet", () => {
  const { sender, receiver } = pair();
  const packet = packetOf(sender);
  packet[11] = (packet[11] ?? 0) ^ 1;
  assert.equal(receiver.unprotect(packet), "srtp.ssrc");
});

test("srtp.no-position: a key without a position opens nothing", () => {
  const { sender } = pair();
  const receiver = new StreamReceiver({ ciphers: testCiphers, suite: "AEAD_AES_128_GCM", mkiLength: 4, ssrc: SSRC });
  const { key, salt } = masterOf("AEAD_AES_128_GCM", 1);
  receiver.install(1, key, salt);
  assert.equal(receiver.unprotect(packetOf(sender)), "srtp.no-position");
});

test("srtp.unknown-mki: names the epoch to ask for until it is installed", () => {
  const ends = pair();
  const { key, salt } = masterOf("AEAD_AES_128_GCM", 9);
  ends.sender.install(9, key, salt);
  ends.sender.switchTo(9);
  assert.equal(ends.receiver.unprotect(packetOf(ends.sender)), "srtp.unknown-mki");
  assert.equal(ends.receiver.unknownEpoch, 9);
  ends.receiver.install(9, key, salt);
  assert.equal(ends.receiver.unknownEpoch, undefined);
  assert.equal(ends.receiver.unprotect(packetOf(ends.sender)), 52);
});

test("srtp.replayed: the same packet a second time, also after a rekey", () => {
  const ends = pair();
  const packet = packetOf(ends.sender);
  const again = packet.slice();
  assert.equal(ends.receiver.unprotect(packet), 52);
  assert.equal(ends.receiver.unprotect(again.slice()), "srtp.replayed");
  rekey(ends, 2);
  assert.equal(ends.receiver.unprotect(packetOf(ends.sender)), 52);
  assert.equal(ends.receiver.unprotect(again), "srtp.replayed");
  assert.equal(ends.receiver.statistics.duplicated, 2);
});

test("without MKI a duplicate is a duplicate, also while three keys are live; without any key the reason is the key", () => {
  const ends = pair(0, "AEAD_AES_128_GCM", 0);
  rekey(ends, 2);
  const packet = packetOf(ends.sender);
  const { key, salt } = masterOf("AEAD_AES_128_GCM", 3);
  ends.receiver.install(3, key, salt);
  assert.equal(ends.receiver.unprotect(packet.slice()), 52);
  assert.equal(ends.receiver.unprotect(packet.slice()), "srtp.replayed");
  ends.receiver.erase();
  assert.equal(ends.receiver.unprotect(packetOf(ends.sender)), "srtp.unknown-mki");
});

test("srtp.too-old: a packet held back for more than the window", () => {
  const { sender, receiver } = pair();
  const held = packetOf(sender);
  for (let n = 0; n < 1024; n++) assert.equal(receiver.unprotect(packetOf(sender)), 52);
  assert.equal(receiver.unprotect(held), "srtp.too-old");
});

test("srtp.bad-tag: one wrong bit anywhere behind the SSRC; the packet stays as it was", () => {
  for (const [suite, mkiLength] of COMBINATIONS) {
    const { sender, receiver } = pair(0, suite, mkiLength);
    const packet = packetOf(sender);
    const tagEnd = packet.length - (suite === "AES_CM_128_HMAC_SHA1_80" ? 0 : mkiLength);
    for (const at of [12, 30, 51, tagEnd - 1, tagEnd - 10]) {
      const forged = packet.slice();
      forged[at] = (forged[at] ?? 0) ^ 0x10;
      const before = toHex(forged);
      assert.equal(receiver.unprotect(forged), "srtp.bad-tag");
      assert.equal(toHex(forged), before);
    }
    assert.equal(receiver.unprotect(packet), 52);
  }
});

test("a CSRC list and a header extension are authenticated and left in the clear", () => {
  const { sender, receiver } = pair();
  const clear = hex("912100000000000000000000000000aabede000100000001cafe");
  const buffer = new Uint8Array(clear.length + sender.trailerLength);
  buffer.set(clear);
  const packet = buffer.subarray(0, sender.protect(buffer, clear.length));
  assert.equal(toHex(packet.subarray(12, 24)), toHex(clear.subarray(12, 24)));
  assert.notEqual(toHex(packet.subarray(24, 26)), "cafe");
  assert.equal(receiver.unprotect(packet), clear.length);
  assert.equal(toHex(packet.subarray(24, 26)), "cafe");
});

test("the sender's own mistakes are thrown: no epoch, a falling epoch, no room", () => {
  const sender = new StreamSender({
    ciphers: testCiphers,
    suite: "AEAD_AES_128_GCM",
    mkiLength: 4,
    ssrc: SSRC,
    firstIndex: 0,
  });
  assert.throws(() => sender.protect(new Uint8Array(64), 12), /no epoch in use/);
  assert.throws(() => sender.switchTo(3), /epoch 3 is not installed/);
  const { key, salt } = masterOf("AEAD_AES_128_GCM", 3);
  sender.install(3, key, salt);
  sender.switchTo(3);
  assert.throws(() => sender.install(3, key, salt), /epoch must rise: 3 after 3/);
  assert.throws(() => sender.protect(new Uint8Array(31), 12), /no room/);
  assert.throws(() => sender.protect(new Uint8Array(64), 12), /rtp.version/);
  assert.throws(() => sender.install(4, key.subarray(1), salt), /master key of 15 octets/);
});

test("loss, reordering and duplicates are told apart", () => {
  const { sender, receiver } = pair();
  const packets = Array.from({ length: 10 }, (_, n) => packetOf(sender, n));
  const feed = (n: number) => receiver.unprotect((packets[n] ?? new Uint8Array()).slice());
  for (const n of [0, 1, 4, 3, 7, 7, 9]) feed(n);
  const { received, lost, reordered, duplicated, undecryptable } = receiver.statistics;
  assert.deepEqual(
    { received, lost, reordered, duplicated, undecryptable },
    { received: 6, lost: 4, reordered: 1, duplicated: 1, undecryptable: 0 },
  );
});

test("an outage of more than 2^15 packets counts as one resynchronisation, not as loss", () => {
  const ends: Pair = pair(1000);
  assert.equal(ends.receiver.unprotect(packetOf(ends.sender)), 52);
  skip(ends.sender, 40_000);
  while (ends.receiver.unprotect(packetOf(ends.sender)) !== 52) assert.equal(ends.receiver.positionLost, false);
  const { received, lost, resynchronised } = ends.receiver.statistics;
  assert.deepEqual({ received, lost, resynchronised }, { received: 2, lost: 0, resynchronised: 1 });
});

test("an erased sender protects nothing more, and says that it has no epoch", () => {
  const { sender } = pair();
  packetOf(sender);
  sender.erase();
  assert.equal(sender.epoch, undefined);
  assert.throws(() => packetOf(sender), RangeError);
});
