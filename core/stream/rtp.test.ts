import assert from "node:assert/strict";
import { test } from "node:test";
import { hex } from "../base/bytes.testkit.ts";
import {
  checkRtp,
  checkRtpHeader,
  payloadEnd,
  type RtpDrop,
  sequenceOf,
  ssrcOf,
  stamp,
  timestampOf,
  writeRtpHeader,
} from "./rtp.ts";
import { payloadTypeOf } from "./stream.testkit.ts";

const DROPS: readonly { name: string; packet: string; drop: RtpDrop }[] = [
  { name: "eleven octets", packet: "8021000100000002000003", drop: "rtp.truncated" },
  { name: "no octet", packet: "", drop: "rtp.truncated" },
  { name: "version 1", packet: "402100010000000200000003", drop: "rtp.version" },
  { name: "version 3 (STUN and DTLS share ports with RTP)", packet: "c02100010000000200000003", drop: "rtp.version" },
  { name: "two CSRCs announced, one there", packet: "82210001000000020000000300000004", drop: "rtp.csrc" },
  { name: "extension bit without extension header", packet: "902100010000000200000003", drop: "rtp.extension" },
  {
    name: "extension of two words, one there",
    packet: "902100010000000200000003bede000200000000",
    drop: "rtp.extension",
  },
  { name: "padding bit without payload", packet: "a02100010000000200000003", drop: "rtp.padding" },
  { name: "padding of zero octets", packet: "a0210001000000020000000300000000", drop: "rtp.padding" },
  { name: "padding longer than the payload", packet: "a0210001000000020000000300000005", drop: "rtp.padding" },
];

for (const { name, packet, drop } of DROPS) {
  test(`${name} is dropped as ${drop}`, () => {
    const bytes = hex(packet);
    assert.equal(checkRtp(bytes, bytes.length), drop);
  });
}

test("the header length counts CSRC list and extension, and the payload ends before the padding", () => {
  const packet = hex("b121000100000002000000030000000abede000100000000ffff0002");
  assert.equal(checkRtp(packet, packet.length), 24);
  assert.equal(payloadEnd(packet, packet.length), packet.length - 2);
});

test("padding is not judged before decryption", () => {
  const packet = hex("a0210001000000020000000300000005");
  assert.equal(checkRtpHeader(packet, packet.length), 12);
});

test("a written and stamped header reads back, every field at its largest", () => {
  const packet = new Uint8Array(12).fill(0xa5);
  writeRtpHeader(packet, 127, 0xffffffff);
  stamp(packet, 0xffff, 0xfffffffe);
  assert.equal(checkRtp(packet, 12), 12);
  assert.equal(payloadTypeOf(packet), 127);
  assert.equal(timestampOf(packet), 0xffffffff);
  assert.equal(sequenceOf(packet), 0xffff);
  assert.equal(ssrcOf(packet), 0xfffffffe);
});
