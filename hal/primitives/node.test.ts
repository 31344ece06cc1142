import assert from "node:assert/strict";
import { test } from "node:test";
import { fromHex } from "../../core/base/bytes.ts";
import { isSmallOrder } from "../../core/control/small-order.ts";
import { primitivesContract } from "./contract.testkit.ts";
import { NodePrimitives } from "./node.ts";

primitivesContract("node", new NodePrimitives());

test("a cache of one key object serves any number of peers", () => {
  const primitives = new NodePrimitives(1);
  const me = primitives.x25519Generate();
  const peers = Array.from({ length: 5 }, () => primitives.x25519Generate());
  for (const peer of [...peers, ...peers]) {
    const theirs = primitives.x25519(peer.privateKey, me.publicKey);
    assert.deepEqual(primitives.x25519(me.privateKey, peer.publicKey), theirs);
  }
});

test("the keys that are listed as nobody's are those with which X25519 gives nothing", () => {
  const own = new Uint8Array(32).fill(7);
  const p = `${"ff".repeat(30)}7f`;
  const order8 = "e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800";
  const order8too = "5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f1157";
  const zeros = "00".repeat(31);
  for (const text of [
    `00${zeros}`,
    `01${zeros}`,
    order8,
    order8too,
    `ec${p}`,
    `ed${p}`,
    `ee${p}`,
    `00${"00".repeat(30)}80`,
  ]) {
    const key = fromHex(text) ?? new Uint8Array(0);
    assert.ok(isSmallOrder(key), text);
    assert.equal(new NodePrimitives().x25519(own, key), undefined, text);
  }
  for (const text of [`02${zeros}`, `09${zeros}`, "ab".repeat(32)]) {
    const key = fromHex(text) ?? new Uint8Array(0);
    assert.ok(!isSmallOrder(key) && new NodePrimitives().x25519(own, key) !== undefined, text);
  }
});
