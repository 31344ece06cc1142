import assert from "node:assert/strict";
import { chmodSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { systemEntropy } from "../entropy/system.ts";
import { NodePrimitives } from "../primitives/node.ts";
import { createIdentity, readIdentity } from "./file.ts";
import { formatIdentity, generateIdentity, parseIdentity, peerOf, publicIdentity } from "./identity.ts";

const folder = mkdtempSync(join(tmpdir(), "sealcast-identity-"));
after(() => rmSync(folder, { recursive: true }));
const primitives = new NodePrimitives();
const box = generateIdentity("settop", "box-1", primitives, systemEntropy);
const keys = generateIdentity("keyserver", "keys", primitives, systemEntropy);

test("an identity reads back as it was written, into a file for its owner only", () => {
  for (const identity of [box, keys]) {
    const path = join(folder, `${identity.id}.json`);
    createIdentity(path, identity);
    assert.equal(statSync(path).mode & 0o777, 0o600);
    assert.deepEqual(readIdentity(path, primitives), identity);
  }
  assert.deepEqual(
    readdirSync(folder).filter((name) => name.endsWith(".tmp")),
    [],
  );
});

test("only a key server has a signing key", () => {
  assert.equal(box.ed25519, undefined);
  assert.equal(keys.ed25519?.publicKey.length, 32);
});

test("the public part tells no secret", () => {
  const text = JSON.stringify([publicIdentity(keys), peerOf(keys)]);
  assert.ok(!text.includes(keys.password));
  assert.ok(!text.includes(Buffer.from(keys.x25519.privateKey).toString("hex")));
  assert.equal(publicIdentity(keys).x25519, Buffer.from(peerOf(keys).publicKey).toString("hex"));
});

test("an identity is never replaced", () => {
  const path = join(folder, "twice.json");
  createIdentity(path, box);
  const before = readFileSync(path, "utf8");
  assert.throws(() => createIdentity(path, keys), { code: "identity.exists" });
  assert.equal(readFileSync(path, "utf8"), before);
});

test("a file that others can read is refused, and the message says what to do", () => {
  const path = join(folder, "open.json");
  createIdentity(path, box);
  chmodSync(path, 0o644);
  assert.throws(() => readIdentity(path, primitives), { code: "identity.mode", needs: `chmod 600 ${path}` });
});

test("a missing file and a missing folder are told by name", () => {
  assert.throws(() => readIdentity(join(folder, "none.json"), primitives), { code: "identity.missing" });
  assert.throws(() => createIdentity(join(folder, "none", "x.json"), box), { code: "identity.missing" });
});

test("every fault of a file is told at once, with its path", () => {
  const file = JSON.parse(formatIdentity(box));
  const broken = {
    ...file,
    id: "no spaces",
    role: "king",
    x25519: { private: "ab", public: file.x25519.public },
    extra: 1,
  };
  const faults = parseIdentity(JSON.stringify(broken), primitives);
  assert.ok(Array.isArray(faults));
  const paths = faults.map((fault) => String(fault).split(":")[0]);
  assert.deepEqual(paths.sort(), ["identity.extra", "identity.id", "identity.role", "identity.x25519.private"]);
});

test("a public key that does not belong to the private one is a fault", () => {
  const file = JSON.parse(formatIdentity(keys));
  const other = JSON.parse(formatIdentity(box));
  const mixed = { ...file, x25519: { private: file.x25519.private, public: other.x25519.public } };
  assert.deepEqual(parseIdentity(JSON.stringify(mixed), primitives), [
    "identity.x25519.public: does not belong to the private key",
  ]);
});

test("a key server without a signing key is a fault", () => {
  const { ed25519: _, ...file } = JSON.parse(formatIdentity(keys));
  assert.deepEqual(parseIdentity(JSON.stringify(file), primitives), ["identity.ed25519: a key server needs one"]);
});

test("whatever the file holds, reading it gives an identity or faults", () => {
  const path = join(folder, "damaged.json");
  for (const text of ["", "{", "null", "[]", '"x"', "{}", '{"x25519":null}', "\u0000"]) {
    assert.ok(Array.isArray(parseIdentity(text, primitives)), text);
    writeFileSync(path, text, { mode: 0o600 });
    assert.throws(() => readIdentity(path, primitives), { code: "identity.invalid" });
  }
});

test("an id that cannot be a topic level is our own mistake", () => {
  assert.throws(() => generateIdentity("settop", "a/b", primitives, systemEntropy), RangeError);
});
