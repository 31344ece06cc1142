import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { Aes128Gcm, CipherSuite, DhkemX25519HkdfSha256, HkdfSha256 } from "@hpke/core";
import { NodePrimitives } from "../../hal/primitives/node.ts";
import { hex } from "../base/bytes.testkit.ts";
import { toHex } from "../base/bytes.ts";
import { nonceOf } from "./envelope.ts";
import { exportSecret, type HpkeContext, setupAuthRecipient, setupAuthSender } from "./hpke.ts";

interface Vectors {
  readonly info: string;
  readonly skEm: string;
  readonly pkRm: string;
  readonly skRm: string;
  readonly pkSm: string;
  readonly skSm: string;
  readonly enc: string;
  readonly key: string;
  readonly base_nonce: string;
  readonly exporter_secret: string;
  readonly encryptions: readonly { sequence: number; pt: string; aad: string; nonce: string; ct: string }[];
  readonly exports: readonly { context: string; value: string }[];
}

const vectors = JSON.parse(readFileSync("core/control/vectors/rfc9180-a13.json", "utf8")) as Vectors;
const primitives = new NodePrimitives();
const info = hex(vectors.info);
const sender = { privateKey: hex(vectors.skSm), publicKey: hex(vectors.pkSm) };
const recipient = { privateKey: hex(vectors.skRm), publicKey: hex(vectors.pkRm) };

const senderContext = setupAuthSender(primitives, hex(vectors.skEm), sender, recipient.publicKey, info);
const recipientContext = setupAuthRecipient(primitives, hex(vectors.enc), recipient, sender.publicKey, info);

test("the encapsulated key is that of RFC 9180 A.1.3", () => {
  assert.equal(toHex(senderContext?.enc ?? new Uint8Array()), vectors.enc);
});

for (const [who, context] of [
  ["sender", senderContext],
  ["recipient", recipientContext],
] as const) {
  test(`the ${who}'s key schedule is that of RFC 9180 A.1.3`, () => {
    assert.ok(context);
    assert.equal(toHex(context.key), vectors.key);
    assert.equal(toHex(context.baseNonce), vectors.base_nonce);
    assert.equal(toHex(context.exporterSecret), vectors.exporter_secret);
  });

  test(`the ${who}'s exported values are those of RFC 9180 A.1.3.2`, () => {
    assert.ok(context);
    for (const { context: label, value } of vectors.exports) {
      assert.equal(toHex(exportSecret(primitives, context, hex(label), 32)), value);
    }
  });
}

test("the nonces and ciphertexts of RFC 9180 A.1.3.1 come out, sequence number by sequence number", () => {
  assert.ok(senderContext);
  for (const { sequence, pt, aad, nonce, ct } of vectors.encryptions) {
    const ours = nonceOf(senderContext.baseNonce, sequence);
    assert.equal(toHex(ours), nonce);
    assert.equal(toHex(primitives.gcmSeal(senderContext.key, ours, hex(aad), hex(pt))), ct);
  }
});

test("a public key of small order sets nothing up", () => {
  const zero = new Uint8Array(32);
  assert.equal(setupAuthSender(primitives, hex(vectors.skEm), sender, zero, info), undefined);
  assert.equal(setupAuthRecipient(primitives, zero, recipient, sender.publicKey, info), undefined);
  assert.equal(setupAuthRecipient(primitives, hex(vectors.enc), recipient, zero, info), undefined);
});

const suite = new CipherSuite({ kem: new DhkemX25519HkdfSha256(), kdf: new HkdfSha256(), aead: new Aes128Gcm() });
const exact = (bytes: Uint8Array): ArrayBuffer => new Uint8Array(bytes).buffer;
const label = Uint8Array.of(7, 7, 7);

async function theirPair(): Promise<{
  keys: Awaited<ReturnType<typeof suite.kem.generateKeyPair>>;
  privateKey: Uint8Array;
  publicKey: Uint8Array;
}> {
  const keys = await suite.kem.generateKeyPair();
  const privateKey = new Uint8Array(await suite.kem.serializePrivateKey(keys.privateKey));
  const publicKey = new Uint8Array(await suite.kem.serializePublicKey(keys.publicKey));
  return { keys, privateKey, publicKey };
}

function sameExport(context: HpkeContext | undefined, theirs: ArrayBuffer): void {
  assert.ok(context);
  assert.equal(toHex(exportSecret(primitives, context, label, 48)), toHex(new Uint8Array(theirs)));
}

test("@hpke/core opens what we set up", async () => {
  const [we, they] = [await theirPair(), await theirPair()];
  const ephemeral = primitives.x25519Generate().privateKey;
  const ours = setupAuthSender(primitives, ephemeral, we, they.publicKey, info);
  assert.ok(ours);
  const theirs = await suite.createRecipientContext({
    recipientKey: they.keys,
    enc: exact(ours.enc),
    senderPublicKey: we.keys.publicKey,
    info: exact(info),
  });
  sameExport(ours, await theirs.export(exact(label), 48));
});

test("we open what @hpke/core set up", async () => {
  const [we, they] = [await theirPair(), await theirPair()];
  const theirs = await suite.createSenderContext({
    recipientPublicKey: we.keys.publicKey,
    senderKey: they.keys,
    info: exact(info),
  });
  const ours = setupAuthRecipient(primitives, new Uint8Array(theirs.enc), we, they.publicKey, info);
  sameExport(ours, await theirs.export(exact(label), 48));
});
