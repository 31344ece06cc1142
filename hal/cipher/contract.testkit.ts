// What every driver of port Ciphers must do; the drivers' tests run it against vectors from the RFCs.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { hex as octets } from "../../core/base/bytes.testkit.ts";
import { toHex } from "../../core/base/bytes.ts";
import type { Ciphers } from "../../core/ports/cipher.ts";

/** Of hal/cipher/vectors/gcm.json: octets in hexadecimal digits. */
export interface GcmVector {
  readonly name: string;
  readonly source: string;
  readonly key: string;
  readonly header: string;
  readonly iv: string;
  readonly text: string;
  readonly sealed: string;
}

const vectors = <T>(file: string): readonly T[] => JSON.parse(readFileSync(`hal/cipher/vectors/${file}`, "utf8"));

/** A packet at octet `offset` of a larger buffer that is filled with 0xa5, as a slice of a receive buffer may lie. */
function placed(hex: string, offset: number, room: number): Uint8Array {
  const content = octets(hex);
  const buffer = new Uint8Array(offset + content.length + room + 32).fill(0xa5);
  buffer.set(content, offset);
  return buffer.subarray(offset, offset + content.length + room);
}

export function cipherContract(name: string, ciphers: Ciphers): void {
  for (const v of vectors<GcmVector>("gcm.json")) {
    for (const offset of [0, 1, 2, 4, 7]) gcmVector(name, ciphers, v, offset);
  }
  for (const v of vectors<{ name: string; source: string; key: string; iv: string; keystream: string }>("ctr.json")) {
    for (const offset of [0, 3]) ctrVector(name, ciphers, v, offset);
  }
  for (const v of vectors<{ name: string; source: string; key: string; data: string; mac: string }>("hmac-sha1.json")) {
    hmacVector(name, ciphers, v);
  }
  wrongTags(name, ciphers);
  lengths(name, ciphers);
  ownership(name, ciphers);
}

function gcmVector(name: string, ciphers: Ciphers, v: GcmVector, offset: number): void {
  const aadEnd = v.header.length / 2;
  const textEnd = aadEnd + v.text.length / 2;

  test(`${name}: ${v.name} (${v.source}) seals and opens in place at offset ${offset}`, () => {
    const cipher = ciphers.gcm(octets(v.key));
    const packet = placed(v.header + v.text, offset, 16);
    for (let round = 0; round < 3; round++) {
      cipher.seal(octets(v.iv), packet, aadEnd, textEnd);
      assert.equal(toHex(packet), v.header + v.sealed);
      assert.equal(cipher.open(octets(v.iv), packet, aadEnd, textEnd), true);
      assert.equal(toHex(packet.subarray(0, textEnd)), v.header + v.text);
    }
    assert.equal(new Uint8Array(packet.buffer)[packet.byteOffset + packet.length], 0xa5, "nothing written behind");
  });
}

function ctrVector(
  name: string,
  ciphers: Ciphers,
  v: { name: string; source: string; key: string; iv: string; keystream: string },
  offset: number,
): void {
  test(`${name}: ${v.name} (${v.source}) at offset ${offset}`, () => {
    const cipher = ciphers.ctr(octets(v.key));
    const iv = octets(v.iv);
    for (const length of [48, 47, 33, 16, 1, 0]) {
      const data = placed("00".repeat(length), offset, 0);
      cipher.apply(iv, data, 0, length);
      assert.equal(toHex(data), v.keystream.slice(0, 2 * length));
    }
    assert.equal(toHex(iv), v.iv, "the caller's counter block is left alone");
  });
}

function hmacVector(
  name: string,
  ciphers: Ciphers,
  v: { name: string; source: string; key: string; data: string; mac: string },
): void {
  test(`${name}: ${v.name} (${v.source}), data split at every octet between data and suffix`, () => {
    const hmac = ciphers.hmacSha1(octets(v.key));
    const data = octets(v.data);
    for (let end = 0; end <= data.length; end++) {
      const into = new Uint8Array(14).fill(0xa5);
      hmac.sign(data, end, data.subarray(end), into, 2, 10);
      assert.equal(toHex(into), `a5a5${v.mac.slice(0, 20)}a5a5`);
    }
  });
}

function wrongTags(name: string, ciphers: Ciphers): void {
  test(`${name}: one wrong bit in header, text, tag or IV fails and leaves the packet as it was`, () => {
    const [v] = vectors<GcmVector>("gcm.json");
    assert.ok(v);
    const cipher = ciphers.gcm(octets(v.key));
    const aadEnd = v.header.length / 2;
    const textEnd = aadEnd + v.text.length / 2;
    for (let at = 0; at < textEnd + 16; at++) {
      const packet = octets(v.header + v.sealed);
      packet[at] = (packet[at] ?? 0) ^ (1 << (at % 8));
      const before = toHex(packet);
      assert.equal(cipher.open(octets(v.iv), packet, aadEnd, textEnd), false);
      assert.equal(toHex(packet), before);
    }
    const iv = octets(v.iv).fill(1, 11);
    assert.equal(cipher.open(iv, octets(v.header + v.sealed), aadEnd, textEnd), false);
  });
}

function lengths(name: string, ciphers: Ciphers): void {
  test(`${name}: texts of every length from 0 to 70 come back, with associated data of 12 to 28`, () => {
    const cipher = ciphers.gcm(new Uint8Array(32).fill(3));
    const iv = new Uint8Array(12).fill(5);
    for (let length = 0; length <= 70; length++) {
      const aadEnd = 12 + 4 * (length % 5);
      const clear = Uint8Array.from({ length: aadEnd + length + 16 }, (_, i) => i * 7);
      const packet = clear.slice();
      cipher.seal(iv, packet, aadEnd, aadEnd + length);
      assert.equal(cipher.open(iv, packet, aadEnd, aadEnd + length), true);
      assert.deepEqual(packet.subarray(0, aadEnd + length), clear.subarray(0, aadEnd + length));
    }
  });
}

function ownership(name: string, ciphers: Ciphers): void {
  test(`${name}: the caller may erase its key at once; keys of other lengths are refused`, () => {
    const [v] = vectors<GcmVector>("gcm.json");
    assert.ok(v);
    const key = octets(v.key);
    const cipher = ciphers.gcm(key);
    key.fill(0);
    const aadEnd = v.header.length / 2;
    assert.equal(cipher.open(octets(v.iv), octets(v.header + v.sealed), aadEnd, aadEnd + v.text.length / 2), true);
    for (const length of [0, 15, 24, 33]) {
      assert.throws(() => ciphers.gcm(new Uint8Array(length)), RangeError);
      assert.throws(() => ciphers.ctr(new Uint8Array(length)), RangeError);
    }
  });
}
