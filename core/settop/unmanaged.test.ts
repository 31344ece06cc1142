// Senders that are not ours: static keys, an SSRC and a roll-over counter that nobody tells.
import assert from "node:assert/strict";
import { test } from "node:test";
import { nodeCiphers } from "../../hal/cipher/node.ts";
import { RTP_HEADER, writeRtpHeader } from "../stream/rtp.ts";
import { StreamSender } from "../stream/sender.ts";
import { at, key, Recorder } from "./playout.testkit.ts";
import { Playout } from "./playout.ts";
import type { UnmanagedSender } from "./unmanaged.ts";

const SUITE = "AEAD_AES_128_GCM";

function camera(ssrc: number, firstIndex: number, mki?: number) {
  const mkiLength = mki === undefined ? 0 : 4;
  const sender = new StreamSender({ ciphers: nodeCiphers, suite: SUITE, mkiLength, ssrc, firstIndex });
  const { masterKey, masterSalt } = key(1);
  sender.install(mki ?? 0, masterKey, masterSalt);
  sender.switchTo(mki ?? 0);
  return (): Uint8Array => {
    const bytes = new Uint8Array(RTP_HEADER + 188 + sender.trailerLength).fill(0x47);
    writeRtpHeader(bytes, 33, 0);
    return bytes.subarray(0, sender.protect(bytes, RTP_HEADER + 188));
  };
}

function box(sender: Partial<UnmanagedSender> = {}) {
  const output = new Recorder();
  const playout = new Playout({ ciphers: nodeCiphers, output, sign: () => {} }, at(0));
  playout.receiveUnmanaged({ suite: SUITE, mkiLength: 0, roc: 0, keys: [{ ...key(1), epoch: 0 }], ...sender });
  let now = 0;
  /** A second later: how many packets, one each ms, came before the first that came out. */
  const within = (packet: () => Uint8Array, most: number): number => {
    const before = output.packets.length;
    now += 1000;
    for (let n = 0; n < most; n++) {
      playout.datagram(at(now++), packet());
      if (output.packets.length > before) return n;
    }
    return assert.fail(`nothing in ${most} packets`);
  };
  return { output, playout, within };
}

test("a sender that has just begun: its first packet, whatever its SSRC", () => {
  assert.equal(box().within(camera(0xcafe, 100), 1), 0);
});

test("one that has been on for long: its roll-over counter is found, the sooner the nearer it is to what is configured", () => {
  assert.ok(box().within(camera(1, 5 * 0x10000 + 7), 100) <= 16);
  assert.ok(box().within(camera(1, 300 * 0x10000 + 7), 1000) <= (300 / 8 + 1) * 16);
  assert.ok(box({ roc: 296 }).within(camera(1, 300 * 0x10000 + 7), 100) <= 16);
});

test("one that starts anew, with its count at zero, under the same SSRC or another", () => {
  for (const ssrc of [7, 8]) {
    const { within, playout } = box();
    within(camera(7, 30 * 0x10000), 1000);
    const again = camera(ssrc, 3);
    assert.ok(within(again, 100) <= 40);
    for (let n = 0; n < 50; n++) playout.datagram(at(10_000 + n), again());
    assert.equal(playout.status(at(0)).lost, 0);
  }
});

test("an SSRC that is configured is the only one", () => {
  const { playout, output } = box({ ssrc: 9 });
  const [other, ours] = [camera(8, 0), camera(9, 0)];
  for (let n = 0; n < 200; n++) playout.datagram(at(n), other());
  assert.equal(output.packets.length, 0);
  playout.datagram(at(200), ours());
  assert.equal(output.packets.length, 1);
});

test("strangers with other SSRCs do not take the place of one that opens, and delay the first by little", () => {
  const { playout, output } = box();
  const ours = camera(7, 0);
  for (let n = 0; n < 100; n++) {
    for (let f = 0; f < 5; f++) playout.datagram(at(n), stranger(n * 5 + f));
    playout.datagram(at(n), ours());
  }
  assert.ok(output.packets.length > 60, `${output.packets.length} of 100`);
});

test("forgeries in bursts, under the SSRC of the stream or others: while it opens none of it is lost, however far its counter is", () => {
  for (const claimed of [7, undefined]) {
    const { playout, output, within } = box();
    const ours = camera(7, 300 * 0x10000);
    within(ours, 1000);
    const before = output.packets.length;
    for (let n = 0; n < 200; n++) {
      playout.datagram(at(5000 + n * 10), ours());
      for (let f = 0; f < 40; f++) playout.datagram(at(5000 + n * 10), stranger(claimed ?? f));
    }
    assert.equal(output.packets.length - before, 200, `${claimed}`);
  }
});

const stranger = (ssrc: number): Uint8Array => {
  const packet = new Uint8Array(RTP_HEADER + 200).fill(0x55);
  writeRtpHeader(packet, 33, 0);
  packet[11] = ssrc & 255;
  return packet;
};

test("a 4-octet MKI says which key; another MKI is srtp.unknown-mki", () => {
  const keys = [{ ...key(1), epoch: 0xe1f97a0d }];
  const { playout, within } = box({ mkiLength: 4, keys });
  within(camera(7, 0, 0xe1f97a0d), 1);
  playout.datagram(at(1), camera(7, 1, 2)());
  assert.equal(playout.status(at(1)).drops["srtp.unknown-mki"], 1);
});

test("what is no RTP, too short for anything, is dropped by name", () => {
  const { playout } = box();
  playout.datagram(at(0), new Uint8Array(3));
  playout.datagram(at(0), camera(7, 0)());
  playout.datagram(at(0), new Uint8Array(3));
  assert.deepEqual(playout.status(at(0)).drops, { "settop.no-key": 1, "rtp.truncated": 1 });
});
