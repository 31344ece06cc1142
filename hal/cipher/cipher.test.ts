import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { test } from "node:test";
import { fuzz } from "../../core/base/fuzz.testkit.ts";
import { cipherContract } from "./contract.testkit.ts";
import { loadNativeCiphers } from "./native.ts";
import { nobleCiphers } from "./noble.ts";
import { nodeCiphers } from "./node.ts";
import { packetContract, sameAsAnother } from "./packets.testkit.ts";

const drivers = { node: nodeCiphers, noble: nobleCiphers, native: await loadNativeCiphers() };
for (const [name, ciphers] of Object.entries(drivers)) {
  cipherContract(name, ciphers);
  packetContract(name, ciphers);
  fuzz(`${name}: whole packets are another driver's, octet for octet`, { seed: 3711, rounds: 60 }, (pass) =>
    sameAsAnother(ciphers, pass),
  );
}

test("what one driver seals the other opens, for packets of up to 1400 octets", () => {
  for (const keyLength of [16, 32]) {
    const key = randomBytes(keyLength);
    const node = nodeCiphers.gcm(key);
    const noble = nobleCiphers.gcm(key);
    for (let length = 12; length <= 1400; length += 53) {
      const clear = randomBytes(length + 16);
      const packet = Uint8Array.from(clear);
      const iv = randomBytes(12);
      node.seal(iv, packet, 12, length);
      assert.equal(noble.open(iv, packet, 12, length), true);
      noble.seal(iv, packet, 12, length);
      assert.equal(node.open(iv, packet, 12, length), true);
      assert.deepEqual(packet.subarray(0, length), Uint8Array.from(clear.subarray(0, length)));
    }
  }
});
