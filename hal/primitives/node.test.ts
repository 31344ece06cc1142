import assert from "node:assert/strict";
import { test } from "node:test";
import { primitivesContract } from "./contract.ts";
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
