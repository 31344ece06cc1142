// What a forgery costs: counted in trials of a key, not in time.
import assert from "node:assert/strict";
import { test } from "node:test";
import { fuzz } from "../base/fuzz.testkit.ts";
import type { Ciphers } from "../ports/cipher.ts";
import { MOST_TRIALS } from "./receiver.ts";
import { masterOf, packetOf, pair, rekey, skip, testCiphers } from "./stream.testkit.ts";
import type { MkiLength, Suite } from "./suites.ts";

/** Tells how often a tag was checked. */
function counted(): { readonly ciphers: Ciphers; trials: number } {
  const count = { ciphers: testCiphers, trials: 0 };
  const gcm = (key: Uint8Array) => {
    const cipher = testCiphers.gcm(key);
    return {
      ...cipher,
      open: (iv: Uint8Array, packet: Uint8Array, aadEnd: number, textEnd: number) => {
        count.trials++;
        return cipher.open(iv, packet, aadEnd, textEnd);
      },
    };
  };
  const hmacSha1 = (key: Uint8Array) => {
    const hmac = testCiphers.hmacSha1(key);
    return {
      ...hmac,
      sign: (...given: Parameters<typeof hmac.sign>) => {
        count.trials++;
        hmac.sign(...given);
      },
    };
  };
  count.ciphers = { ...testCiphers, gcm, hmacSha1 };
  return count;
}

/** Three live epochs, of which the first is in use, and a position that nothing has confirmed. */
function threeLive(suite: Suite, mkiLength: MkiLength) {
  const count = counted();
  const ends = pair(0x50000, suite, mkiLength, count.ciphers);
  for (const epoch of [2, 3]) {
    const { key, salt } = masterOf(suite, epoch);
    ends.receiver.install(epoch, key, salt);
  }
  count.trials = 0;
  return { ...ends, count };
}

for (const suite of ["AEAD_AES_128_GCM", "AES_CM_128_HMAC_SHA1_80"] as const)
  for (const mkiLength of [4, 0] as const) {
    const name = `${suite}, ${mkiLength} octets of MKI, three live epochs`;

    test(`${name}: a packet of the stream costs one trial, a duplicate none`, () => {
      const { sender, receiver, count } = threeLive(suite, mkiLength);
      receiver.unprotect(packetOf(sender));
      count.trials = 0;
      for (let n = 0; n < 1000; n++) {
        const packet = packetOf(sender);
        assert.equal(receiver.unprotect(packet.slice()), 52);
        assert.equal(receiver.unprotect(packet), "srtp.replayed");
      }
      assert.equal(count.trials, 1000);
    });

    fuzz(
      `${name}: no forgery costs more than four trials, before the first packet, while the stream flows and while it does not`,
      { seed: 3711, rounds: 3000 },
      ({ below, rounds }) => {
        const { sender, receiver, count } = threeLive(suite, mkiLength);
        for (const [phase, prepare] of phases(sender, receiver)) {
          prepare();
          for (let n = 0; n < rounds / 6; n++) {
            const forgery = forged(packetOf(sender), below);
            count.trials = 0;
            receiver.unprotect(forgery);
            assert.ok(count.trials <= MOST_TRIALS, `${phase}: ${count.trials} trials`);
          }
        }
      },
    );

    fuzz(
      `${name}: of a stream among five times as many forgeries not a packet is lost, for one trial more each with MKI`,
      { seed: 7714, rounds: 3000 },
      ({ below, rounds }) => {
        const { sender, receiver, count } = threeLive(suite, mkiLength);
        for (let n = 0; n < rounds; n++) {
          const packet = packetOf(sender);
          for (let f = 0; f < 5; f++) receiver.unprotect(forged(packet.slice(), below));
          assert.equal(receiver.unprotect(packet), 52);
        }
        assert.equal(receiver.statistics.lost, 0);
        const perForgery = (count.trials - rounds) / (5 * rounds);
        assert.ok(perForgery <= (mkiLength === 4 ? 1.5 : 3.5), `${perForgery} trials a forgery`);
      },
    );
  }

/** Before a packet has opened, with a position in hand and one that is far away, in a pause, and after an outage. */
function phases(
  sender: ReturnType<typeof pair>["sender"],
  receiver: ReturnType<typeof pair>["receiver"],
): readonly (readonly [string, () => void])[] {
  return [
    ["a position in hand", () => {}],
    ["no packet yet, another position", () => receiver.position(9, 9)],
    ["the stream flows", () => heard(sender, receiver)],
    ["a position behind", () => receiver.position(1, 0)],
    ["a position ahead", () => receiver.position(0x7000, 0)],
    ["after an outage", () => skip(sender, 70_000)],
  ];
}

function heard(sender: ReturnType<typeof pair>["sender"], receiver: ReturnType<typeof pair>["receiver"]): void {
  const { roc, seq } = sender.position();
  receiver.position(roc, seq);
  for (let n = 0; n < 400; n++) assert.equal(receiver.unprotect(packetOf(sender)), 52);
}

/** A live MKI where there is one, any sequence number, a wrong tag. */
function forged(packet: Uint8Array, below: (limit: number) => number): Uint8Array {
  const far = below(4) > 0;
  if (far) packet.set([below(256), below(256)], 2);
  packet[20] = (packet[20] ?? 0) ^ (1 + below(255));
  return packet;
}

test("without MKI each of three live keys is found with the first packet under it", () => {
  const ends = pair(0, "AEAD_AES_128_GCM", 0);
  for (const epoch of [2, 3, 4]) {
    rekey(ends, epoch);
    for (let n = 0; n < 10; n++) assert.equal(ends.receiver.unprotect(packetOf(ends.sender)), 52);
  }
});
