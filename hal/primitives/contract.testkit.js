// What every driver of port Primitives must do, against the vectors of the RFCs.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { fromHex, toHex } from "../../core/base/bytes.js";

const vectors = JSON.parse(readFileSync("hal/primitives/vectors/primitives.json", "utf8"));
/** The octets of a hexadecimal literal in a test. */
export function hex(text) {
  const bytes = fromHex(text);
  assert.ok(bytes, `not hexadecimal: ${text}`);
  return bytes;
}
export function primitivesContract(name, primitives) {
  agreement(name, primitives);
  derivation(name, primitives);
  sealing(name, primitives);
  signing(name, primitives);
}
function agreement(name, primitives) {
  for (const vector of vectors.x25519) {
    test(`${name}: X25519 agrees with ${vector.source}`, () => {
      const key = hex(vector.private);
      assert.equal(toHex(primitives.x25519Public(key)), vector.ownPublic);
      assert.equal(toHex(primitives.x25519(key, hex(vector.peerPublic)) ?? new Uint8Array()), vector.shared);
    });
  }
  test(`${name}: a generated pair belongs together, and two pairs agree on a secret`, () => {
    const [alice, bob] = [primitives.x25519Generate(), primitives.x25519Generate()];
    assert.deepEqual(primitives.x25519Public(alice.privateKey), alice.publicKey);
    assert.deepEqual(
      primitives.x25519(alice.privateKey, bob.publicKey),
      primitives.x25519(bob.privateKey, alice.publicKey),
    );
  });
  test(`${name}: a public key of small order gives no secret (RFC 7748 section 6.1)`, () => {
    const { privateKey } = primitives.x25519Generate();
    // The points of order 1, 2 and 4: 0, 1 and p - 1, little-endian.
    const zero = new Uint8Array(32);
    const one = Uint8Array.from(zero, (_, i) => (i === 0 ? 1 : 0));
    const minusOne = hex(`ec${"ff".repeat(30)}7f`);
    for (const point of [zero, one, minusOne]) assert.equal(primitives.x25519(privateKey, point), undefined);
  });
  test(`${name}: a key of another length is our own mistake`, () => {
    assert.throws(() => primitives.x25519Public(new Uint8Array(31)), RangeError);
    assert.throws(() => primitives.ed25519Verify(new Uint8Array(33), new Uint8Array(), new Uint8Array(64)), RangeError);
  });
}
function derivation(name, primitives) {
  for (const vector of vectors.hkdf) {
    test(`${name}: HKDF-SHA256 agrees with ${vector.source}`, () => {
      const pseudoRandom = primitives.hkdfExtract(hex(vector.salt), hex(vector.ikm));
      assert.equal(toHex(pseudoRandom), vector.prk);
      const length = vector.okm.length / 2;
      assert.equal(toHex(primitives.hkdfExpand(pseudoRandom, hex(vector.info), length)), vector.okm);
    });
  }
  test(`${name}: HKDF gives 8160 octets and refuses one more`, () => {
    const key = new Uint8Array(32);
    assert.equal(primitives.hkdfExpand(key, key, 8160).length, 8160);
    assert.throws(() => primitives.hkdfExpand(key, key, 8161), RangeError);
  });
  for (const vector of vectors.sha256) {
    test(`${name}: SHA-256 agrees with ${vector.source}`, () => {
      assert.equal(toHex(primitives.sha256(hex(vector.data))), vector.digest);
    });
  }
}
function sealing(name, primitives) {
  for (const vector of vectors.gcm) {
    test(`${name}: AES-128-GCM agrees with ${vector.source}`, () => {
      const [key, nonce, aad] = [hex(vector.key), hex(vector.nonce), hex(vector.aad)];
      assert.equal(toHex(primitives.gcmSeal(key, nonce, aad, hex(vector.text))), vector.box);
      assert.equal(toHex(primitives.gcmOpen(key, nonce, aad, hex(vector.box)) ?? Uint8Array.of(1)), vector.text);
    });
  }
  test(`${name}: a box opens to nothing when any octet of box, associated data or nonce has changed`, () => {
    const [key, nonce, aad, text] = [new Uint8Array(16), new Uint8Array(12), new Uint8Array(5), new Uint8Array(20)];
    const box = primitives.gcmSeal(key, nonce, aad, text);
    for (let at = 0; at < box.length; at++) {
      assert.equal(primitives.gcmOpen(key, nonce, aad, flip(box, at)), undefined, `octet ${at} of the box`);
    }
    assert.equal(primitives.gcmOpen(key, nonce, flip(aad, 2), box), undefined);
    assert.equal(primitives.gcmOpen(key, flip(nonce, 2), aad, box), undefined);
    assert.equal(primitives.gcmOpen(key, nonce, aad, box.subarray(0, 15)), undefined);
  });
}
function signing(name, primitives) {
  for (const vector of vectors.ed25519) {
    test(`${name}: Ed25519 agrees with ${vector.source}`, () => {
      const [key, message] = [hex(vector.private), hex(vector.message)];
      assert.equal(toHex(primitives.ed25519Public(key)), vector.public);
      assert.equal(toHex(primitives.ed25519Sign(key, message)), vector.signature);
      assert.equal(primitives.ed25519Verify(hex(vector.public), message, hex(vector.signature)), true);
    });
  }
  test(`${name}: a signature holds for its message and key only`, () => {
    const [mine, other] = [primitives.ed25519Generate(), primitives.ed25519Generate()];
    const message = Uint8Array.of(1, 2, 3);
    const signature = primitives.ed25519Sign(mine.privateKey, message);
    assert.equal(primitives.ed25519Verify(mine.publicKey, message, signature), true);
    assert.equal(primitives.ed25519Verify(other.publicKey, message, signature), false);
    assert.equal(primitives.ed25519Verify(mine.publicKey, Uint8Array.of(1, 2), signature), false);
    assert.equal(primitives.ed25519Verify(mine.publicKey, message, signature.subarray(0, 63)), false);
  });
}
export function flip(bytes, at) {
  const changed = bytes.slice();
  changed[at] = (changed[at] ?? 0) ^ 1;
  return changed;
}
//# sourceMappingURL=contract.testkit.js.map
