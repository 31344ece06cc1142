import assert from "node:assert/strict";
import { test } from "node:test";
import { encode } from "cborg";
import { NodePrimitives } from "../../hal/primitives/node.ts";
import { flip } from "../base/bytes.testkit.ts";
import { fuzz, mutated } from "../base/fuzz.testkit.ts";
import { concatenate } from "./hpke.ts";
import { EXAMPLE_NOTICE } from "./messages.testkit.ts";
import { isBadNotice, NOTICE_LIMIT, openNotice, sealNotice } from "./notice.ts";

const primitives = new NodePrimitives();
const { privateKey, publicKey } = primitives.ed25519Generate();
const sealed = sealNotice(primitives, privateKey, EXAMPLE_NOTICE);
const open = (payload: Uint8Array, channel = "news") => openNotice(primitives, publicKey, channel, payload);

function dropOf(payload: Uint8Array, channel?: string): string {
  const result = open(payload, channel);
  return isBadNotice(result) ? result.drop : "accepted";
}

/** Signed as a key server would, whatever the body. */
function signed(body: Uint8Array): Uint8Array {
  const domain = new TextEncoder().encode("sealcast/1 notice\0");
  const signature = primitives.ed25519Sign(privateKey, concatenate(domain, body));
  return concatenate(Uint8Array.of(1), signature, body);
}

test("a notice reads back as it was signed", () => {
  assert.deepEqual(open(sealed), EXAMPLE_NOTICE);
});

test("notice.truncated, notice.oversized, notice.version: what is not looked at", () => {
  assert.equal(dropOf(new Uint8Array(0)), "notice.truncated");
  assert.equal(dropOf(sealed.subarray(0, 65)), "notice.truncated");
  assert.equal(dropOf(new Uint8Array(NOTICE_LIMIT + 1)), "notice.oversized");
  assert.equal(dropOf(flip(sealed, 0)), "notice.version");
});

test("notice.forged: another key, another body, another signature", () => {
  const other = primitives.ed25519Generate();
  assert.equal(dropOf(sealNotice(primitives, other.privateKey, EXAMPLE_NOTICE)), "notice.forged");
  assert.equal(dropOf(flip(sealed, 3)), "notice.forged");
  assert.equal(dropOf(flip(sealed, sealed.length - 1)), "notice.forged");
});

test("a signature over the bare body does not serve for a notice", () => {
  const body = encode(EXAMPLE_NOTICE);
  const bare = concatenate(Uint8Array.of(1), primitives.ed25519Sign(privateKey, body), body);
  assert.equal(dropOf(bare), "notice.forged");
});

test("notice.malformed, notice.invalid: signed, but not a notice", () => {
  assert.equal(dropOf(signed(Uint8Array.of(0xff))), "notice.malformed");
  const result = open(signed(encode({ ...EXAMPLE_NOTICE, epoch: -1 })));
  assert.ok(isBadNotice(result));
  assert.equal(result.drop, "notice.invalid");
  assert.ok(result.detail.startsWith("notice.epoch: "), result.detail);
});

test("notice.channel: a notice on the topic of another channel", () => {
  assert.equal(dropOf(sealed, "sport"), "notice.channel");
});

test("a notice that no receiver would take is our own mistake", () => {
  assert.throws(() => sealNotice(primitives, privateKey, { ...EXAMPLE_NOTICE, switchIn: 0.5 }), RangeError);
});

fuzz("mutations are forged, or dropped before that", { seed: 4, rounds: 5000 }, ({ below, rounds }) => {
  const seen = new Set<string>();
  for (let round = 0; round < rounds; round++) seen.add(dropOf(mutated(sealed, below)));
  // "accepted" are the mutations that changed nothing.
  assert.deepEqual([...seen].sort(), ["accepted", "notice.forged", "notice.truncated", "notice.version"]);
});

const UNSIGNED = "mutations that pass for signed are dropped by name behind the signature";

fuzz(UNSIGNED, { seed: 4, rounds: 50_000 }, ({ below, rounds }) => {
  const trusting = Object.assign(new NodePrimitives(), { ed25519Verify: () => true });
  const seen = new Set<string>();
  for (let round = 0; round < rounds; round++) {
    const result = openNotice(trusting, publicKey, "news", mutated(sealed, below));
    seen.add(isBadNotice(result) ? result.drop : "accepted");
  }
  const expected = ["channel", "invalid", "malformed", "truncated", "version"];
  assert.deepEqual([...seen].sort(), ["accepted", ...expected.map((name) => `notice.${name}`)]);
});
