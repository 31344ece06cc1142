// Seeded mutations of good packets. Every result is a length or a known literal, and the genuine stream goes on without loss.
import assert from "node:assert/strict";
import { writeUint32 } from "../base/bytes.ts";
import type { Below } from "../base/chance.testkit.ts";
import { fuzz } from "../base/fuzz.testkit.ts";
import { isManifest } from "./manifest.ts";
import { checkRtp, checkRtpHeader } from "./rtp.ts";
import { gate, rogueManifest, Signing } from "./source.testkit.ts";
import { masterOf, packetOf, pair, rekey, SSRC, testCiphers } from "./stream.testkit.ts";
import type { Suite } from "./suites.ts";
import { makeTransform } from "./transform.ts";

/** Of one pass. */
const ROUNDS = 20_000;
const RTP_DROPS = new Set<unknown>(["rtp.truncated", "rtp.version", "rtp.csrc", "rtp.extension", "rtp.padding"]);
const DROPS = new Set<unknown>([
  ...RTP_DROPS,
  "srtp.truncated",
  "srtp.ssrc",
  "srtp.no-position",
  "srtp.unknown-mki",
  "srtp.replayed",
  "srtp.too-old",
  "srtp.bad-tag",
  "srtp.unconfirmed",
]);

/** Flips bits, sets octets, cuts, grows, or fills with chance. */
function mutate(good: Uint8Array, below: Below): Uint8Array {
  const length = below(5) === 0 ? below(good.length + 40) : good.length;
  const packet = new Uint8Array(length);
  packet.set(good.subarray(0, length));
  for (let i = below(4); i >= 0 && length > 0; i--) {
    const at = below(3) === 0 ? below(Math.min(16, length)) : below(length);
    packet[at] = below(2) === 0 ? below(256) : (packet[at] ?? 0) ^ (1 << below(8));
  }
  return packet;
}

fuzz(
  "mutated RTP packets pass the gate with a header inside the packet, or are dropped by name",
  { seed: 3550, rounds: ROUNDS },
  ({ below, rounds }) => {
    const { sender } = pair();
    const good = packetOf(sender).subarray(0, 52);
    for (let round = 0; round < rounds; round++) {
      const packet = mutate(good, below);
      const header = checkRtp(packet, packet.length);
      if (typeof header === "string") assert.ok(RTP_DROPS.has(header), header);
      else assert.ok(header >= 12 && header <= packet.length);
    }
  },
);

for (const suite of ["AEAD_AES_128_GCM", "AES_CM_128_HMAC_SHA1_80"] as const satisfies readonly Suite[]) {
  fuzz(
    `${suite}: packets are mutated, half get a tag computed anew under a retired key, and no packet of the stream is lost`,
    { seed: 3711, rounds: ROUNDS },
    ({ below, rounds }) => {
      const ends = pair(0xff80, suite);
      const { key, salt } = masterOf(suite, 77);
      const stranger = makeTransform(testCiphers, suite, SSRC, key, salt);
      const seen = new Map<unknown, number>();
      let good = packetOf(ends.sender);
      assert.equal(ends.receiver.unprotect(good.slice()), 52);
      for (let round = 1; round <= rounds; round++) {
        const packet = mutate(good, below);
        if (round % 2 === 0) retag(packet, suite, stranger, below);
        const result = ends.receiver.unprotect(packet);
        assert.ok(DROPS.has(result), `round ${round}: ${result}`);
        seen.set(result, (seen.get(result) ?? 0) + 1);
        if (round % 5000 === 0) rekey(ends, 1 + round / 5000, suite);
        if (round % 100 === 0) {
          good = packetOf(ends.sender);
          assert.equal(ends.receiver.unprotect(good.slice()), 52, `genuine packet after round ${round}`);
        }
      }
      const { received, lost, reordered } = ends.receiver.statistics;
      assert.deepEqual({ received, lost, reordered }, { received: 1 + rounds / 100, lost: 0, reordered: 0 });
      for (const drop of ["srtp.truncated", "srtp.ssrc", "srtp.unknown-mki", "srtp.replayed", "srtp.bad-tag"]) {
        assert.ok(seen.has(drop), `${drop} was reached`);
      }
    },
  );
}

/** Gives the mutated packet our SSRC, a live MKI and a right tag under a key that is not live, where it is long enough. */
function retag(packet: Uint8Array, suite: Suite, stranger: ReturnType<typeof makeTransform>, below: Below): void {
  const trailer = suite === "AES_CM_128_HMAC_SHA1_80" ? 14 : 20;
  const textEnd = packet.length - trailer;
  if (textEnd < 12) return;
  packet[0] = 0x80;
  writeUint32(packet, 8, SSRC);
  const headerEnd = checkRtpHeader(packet, textEnd);
  assert.equal(headerEnd, 12);
  const mkiAt = suite === "AES_CM_128_HMAC_SHA1_80" ? textEnd : textEnd + 16;
  writeUint32(packet, mkiAt, 1 + below(4));
  stranger.seal(packet, 12, textEnd, suite === "AES_CM_128_HMAC_SHA1_80" ? textEnd + 4 : textEnd, below(0x20000));
}

fuzz(
  "mutations with a right tag under the live key open or are dropped by name, and never crash",
  { seed: 7714, rounds: ROUNDS },
  ({ below, rounds }) => {
    const ends = pair(0x10000);
    const { key, salt } = masterOf("AEAD_AES_128_GCM", 1);
    const member = makeTransform(testCiphers, "AEAD_AES_128_GCM", SSRC, key, salt);
    let opened = 0;
    for (let round = 0; round < rounds; round++) {
      const length = 12 + below(60);
      const packet = Uint8Array.from({ length: length + 20 }, () => below(256));
      packet[0] = 0x80 | below(64);
      writeUint32(packet, 8, SSRC);
      const headerEnd = checkRtpHeader(packet, length);
      if (typeof headerEnd === "number") {
        const sequence = ((packet[2] ?? 0) << 8) | (packet[3] ?? 0);
        member.seal(packet, headerEnd, length, length, 0x10000 + sequence);
        writeUint32(packet, length + 16, 1);
      }
      const result = ends.receiver.unprotect(packet);
      if (typeof result === "number") opened++;
      else assert.ok(DROPS.has(result), result);
    }
    assert.ok(opened > 10);
  },
);

fuzz(
  "mutated manifests, of the sender and of a member, are dropped by name, and no packet of the stream is missing",
  { seed: 8285, rounds: 2000 },
  ({ below, rounds }) => {
    const signing = new Signing().stream(0, rounds, 1);
    const wire = signing.finish();
    const made = gate();
    const digests = new Uint8Array(16).fill(1);
    for (const { at: now, datagram } of wire) {
      const source =
        below(2) === 0 && isManifest(datagram) ? datagram : rogueManifest({ epoch: 1, number: below(99), digests });
      const mutated = mutate(source, below);
      if (isManifest(mutated)) made.gate.datagram(now, mutated);
      made.gate.datagram(now, datagram);
    }
    assert.equal(made.passed.length, rounds);
    const { drops } = made.gate.snapshot();
    assert.ok((drops["manifest.malformed"] ?? 0) > 0 && (drops["manifest.bad-tag"] ?? 0) > 0, JSON.stringify(drops));
  },
);
