// What every driver of port Ciphers makes of whole SRTP packets, in one call or of its single ciphers: published vectors, the same as
// another driver's under every length and index, and nothing of a packet whose tag is wrong.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { hex } from "../../core/base/bytes.testkit.ts";
import { toHex } from "../../core/base/bytes.ts";
import type { FuzzPass } from "../../core/base/fuzz.testkit.ts";
import type { Ciphers, PacketCipher } from "../../core/ports/cipher.ts";
import { LAST_INDEX } from "../../core/stream/packet-index.ts";
import { masterOf, type PacketVector, SSRC, testCiphers } from "../../core/stream/stream.testkit.ts";
import { lengthsOf, SUITES, type Suite } from "../../core/stream/suites.ts";
import { makeTransform, transformOf } from "../../core/stream/transform.ts";
import type { GcmVector } from "./contract.testkit.ts";

const HEADER = 12;
const SEQUENCE = 2;

const read = <T>(file: string): readonly T[] => JSON.parse(readFileSync(file, "utf8"));

export function packetContract(name: string, ciphers: Ciphers): void {
  for (const v of read<GcmVector>("hal/cipher/vectors/gcm.json")) gcmVector(name, ciphers, v);
  for (const v of read<PacketVector>("core/stream/vectors/packets.json")) packetVector(name, ciphers, v);
  for (const suite of SUITES) {
    wrongTags(name, ciphers, suite);
    indices(name, ciphers, suite);
    ownership(name, ciphers, suite);
  }
  shortenedTags(name, ciphers);
}

const sequenceOf = (header: Uint8Array): number => (header[SEQUENCE] ?? 0) * 256 + (header[SEQUENCE + 1] ?? 0);

/** RFC 7714 8.1: the vector of a packet and that of index 0 differ in its sequence number. */
function gcmVector(name: string, ciphers: Ciphers, v: GcmVector): void {
  test(`${name}: whole packets: ${v.name} (${v.source})`, () => {
    const header = hex(v.header);
    const vector = hex(v.iv);
    for (const octet of [0, 1]) vector[10 + octet] = (vector[10 + octet] ?? 0) ^ (header[SEQUENCE + octet] ?? 0);
    const cipher = transformOf(ciphers, { encryption: hex(v.key), authentication: new Uint8Array(0), vector });
    const packet = hex(v.header + v.text + "00".repeat(16));
    const textEnd = packet.length - 16;
    for (let round = 0; round < 2; round++) {
      cipher.seal(packet, header.length, textEnd, textEnd, sequenceOf(header));
      assert.equal(toHex(packet), v.header + v.sealed);
      assert.equal(cipher.open(packet, header.length, textEnd, textEnd, sequenceOf(header)), true);
      assert.equal(toHex(packet.subarray(0, textEnd)), v.header + v.text);
    }
    cipher.erase();
  });
}

function packetVector(name: string, ciphers: Ciphers, v: PacketVector): void {
  test(`${name}: whole packets: ${v.name} (${v.source})`, () => {
    const cipher = makeTransform(ciphers, v.suite, 0xcafebabe, hex(v.key), hex(v.salt));
    const sealed = hex(v.protected);
    const textEnd = v.clear.length / 2;
    const tagAt = isTagLast(v.suite) ? sealed.length - lengthsOf(v.suite).tag : textEnd;
    assert.equal(cipher.open(sealed, HEADER, textEnd, tagAt, sequenceOf(sealed)), true);
    assert.equal(toHex(sealed.subarray(0, textEnd)), v.clear);
    cipher.seal(sealed, HEADER, textEnd, tagAt, sequenceOf(sealed));
    assert.equal(toHex(sealed), v.protected);
    cipher.erase();
  });
}

/** With an MKI: behind the tag in GCM (RFC 7714 section 6), before it in CM (RFC 3711 section 3.1). */
const isTagLast = (suite: Suite): boolean => lengthsOf(suite).authKey > 0;

function cipherOf(ciphers: Ciphers, suite: Suite, epoch = 1): PacketCipher {
  const { key, salt } = masterOf(suite, epoch);
  return makeTransform(ciphers, suite, SSRC, key, salt);
}

/** A packet that starts at octet `offset` of a larger buffer, with room for tag and MKI; 0xa5 lies around it. */
function packetAt(offset: number, headerEnd: number, text: number): Uint8Array {
  const length = headerEnd + text + 20;
  const buffer = new Uint8Array(offset + length + 16).fill(0xa5);
  for (let i = 0; i < headerEnd + text; i++) buffer[offset + i] = 7 * i;
  return buffer.subarray(offset, offset + length);
}

function wrongTags(name: string, ciphers: Ciphers, suite: Suite): void {
  test(`${name}: ${suite}: one wrong bit anywhere, or another turn of the index, and the packet is as it was`, () => {
    const cipher = cipherOf(ciphers, suite);
    const textEnd = HEADER + 40;
    const sealed = packetAt(0, HEADER, 40).slice();
    cipher.seal(sealed, HEADER, textEnd, textEnd, 5);
    const refused = (packet: Uint8Array, index: number): void => {
      const before = toHex(packet);
      assert.equal(cipher.open(packet, HEADER, textEnd, textEnd, index), false);
      assert.equal(toHex(packet), before);
    };
    for (let at = 0; at < textEnd + lengthsOf(suite).tag; at++) {
      const packet = sealed.slice();
      packet[at] = (packet[at] ?? 0) ^ (1 << (at % 8));
      refused(packet, 5);
    }
    for (const index of [0x10005, 0x8000_0000_0005, LAST_INDEX]) refused(sealed, index);
    assert.equal(cipher.open(sealed, HEADER, textEnd, textEnd, 5), true);
    cipher.erase();
  });
}

/** As in RFC 4771, where a counter takes four octets of it. */
function shortenedTags(name: string, ciphers: Ciphers): void {
  test(`${name}: a shortened tag is the beginning of the whole, nothing is written behind it, and each of its bits counts`, () => {
    const suite = "AES_CM_128_HMAC_SHA1_80";
    const cipher = cipherOf(ciphers, suite);
    const textEnd = HEADER + 40;
    const whole = packetAt(0, HEADER, 40).slice();
    cipher.seal(whole, HEADER, textEnd, textEnd, 5);
    for (const tagOctets of [4, 6, 9]) {
      const sealed = packetAt(0, HEADER, 40).slice();
      cipher.seal(sealed, HEADER, textEnd, textEnd, 5, tagOctets);
      const tagEnd = textEnd + tagOctets;
      assert.equal(toHex(sealed), toHex(whole.subarray(0, tagEnd)) + "a5".repeat(sealed.length - tagEnd));
      for (let bit = 8 * textEnd; bit < 8 * tagEnd; bit++) {
        const packet = sealed.slice();
        packet[bit >> 3] = (packet[bit >> 3] ?? 0) ^ (1 << (bit & 7));
        assert.equal(cipher.open(packet, HEADER, textEnd, textEnd, 5, tagOctets), false);
      }
      assert.equal(cipher.open(sealed, HEADER, textEnd, textEnd, 5), false);
      assert.equal(cipher.open(sealed, HEADER, textEnd, textEnd, 5, tagOctets), true);
    }
    cipher.erase();
  });
}

function indices(name: string, ciphers: Ciphers, suite: Suite): void {
  test(`${name}: ${suite}: every bit of the index counts, up to the last`, () => {
    const ours = cipherOf(ciphers, suite);
    const theirs = cipherOf(testCiphers, suite);
    for (const index of [0, ...Array.from({ length: 48 }, (_, bit) => 2 ** bit), 0x8000_0000_ffff, LAST_INDEX]) {
      const [one, other] = [packetAt(0, HEADER, 30), packetAt(0, HEADER, 30)];
      ours.seal(one, HEADER, HEADER + 30, HEADER + 30, index);
      theirs.seal(other, HEADER, HEADER + 30, HEADER + 30, index);
      assert.equal(toHex(one), toHex(other), String(index));
    }
    ours.erase();
  });
}

function ownership(name: string, ciphers: Ciphers, suite: Suite): void {
  test(`${name}: ${suite}: keys of several sessions at once, which the caller may overwrite`, () => {
    const all = Array.from({ length: 20 }, (_, epoch) => {
      const { key, salt } = masterOf(suite, epoch);
      const cipher = makeTransform(ciphers, suite, SSRC, key, salt);
      key.fill(0);
      salt.fill(0);
      return cipher;
    });
    all[3]?.erase();
    all[3] = cipherOf(ciphers, suite, 3);
    for (const [epoch, cipher] of all.entries()) {
      const packet = packetAt(0, HEADER, 20);
      cipherOf(testCiphers, suite, epoch).seal(packet, HEADER, HEADER + 20, HEADER + 20, 1);
      assert.equal(cipher.open(packet, HEADER, HEADER + 20, HEADER + 20, 1), true);
    }
    for (const cipher of all) cipher.erase();
  });
}

/** Packets of any length and place are another driver's, octet for octet, and come back. */
export function sameAsAnother(ciphers: Ciphers, { below, rounds }: FuzzPass): void {
  for (const suite of SUITES) {
    const ours = cipherOf(ciphers, suite);
    const theirs = cipherOf(testCiphers, suite);
    for (let round = 0; round < rounds; round++) {
      const [offset, headerEnd, text] = [below(9), HEADER + 4 * below(20), below(3) === 0 ? below(40) : below(1500)];
      const [one, other] = [packetAt(offset, headerEnd, text), packetAt(offset, headerEnd, text)];
      const textEnd = headerEnd + text;
      const tagAt = textEnd + (isTagLast(suite) ? 4 : 0);
      const tagOctets = isTagLast(suite) ? 4 + below(7) : lengthsOf(suite).tag;
      const index = below(0x10000) * 0x1_0000_0000 + below(0x1_0000_0000);
      ours.seal(one, headerEnd, textEnd, tagAt, index, tagOctets);
      theirs.seal(other, headerEnd, textEnd, tagAt, index, tagOctets);
      assert.deepEqual(new Uint8Array(one.buffer), new Uint8Array(other.buffer));
      assert.equal(ours.open(one, headerEnd, textEnd, tagAt, index, tagOctets), true);
      theirs.open(other, headerEnd, textEnd, tagAt, index, tagOctets);
      assert.deepEqual(one.subarray(0, textEnd), other.subarray(0, textEnd));
    }
    ours.erase();
  }
}
