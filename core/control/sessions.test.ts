// The sealed envelope and its sessions over real primitives: every drop is earned, and mutations find nothing else.
import assert from "node:assert/strict";
import { test } from "node:test";
import { SeededEntropy } from "../../hal/entropy/seeded.ts";
import { NodePrimitives } from "../../hal/primitives/node.ts";
import { flip } from "../base/bytes.testkit.ts";
import { toHex } from "../base/bytes.ts";
import { fuzz, mutated } from "../base/fuzz.testkit.ts";
import { WINDOW } from "../base/replay-window.ts";
import { after, instant, milliseconds, minutes } from "../base/time.ts";
import type { KeyPair } from "../ports/primitives.ts";
import { ENVELOPE_LIMIT, type EnvelopeDrop } from "./envelope.ts";
import type { Peer } from "./participant.ts";
import { type Opened, SESSION_LIMITS, type SessionLimits, Sessions } from "./sessions.ts";

const primitives = new NodePrimitives();
const START = instant(0);
const TEXT = Uint8Array.of(1, 2, 3, 4, 5);

function pair(seed: number): KeyPair {
  const privateKey = new SeededEntropy(seed).bytes(32);
  return { privateKey, publicKey: primitives.x25519Public(privateKey) };
}

const boxKeys = pair(1);
const serverKeys = pair(2);
const server: Peer = { role: "keyserver", id: "keys", publicKey: serverKeys.publicKey };

const sessionsOf = (id: string, keys: KeyPair, seed: number, limits: Partial<SessionLimits> = {}): Sessions =>
  new Sessions(id, keys, primitives, new SeededEntropy(seed), { ...SESSION_LIMITS, ...limits });

const boxSessions = (limits: Partial<SessionLimits> = {}) => sessionsOf("box-1", boxKeys, 10, limits);
const serverSessions = (limits: Partial<SessionLimits> = {}, seed = 20) => sessionsOf("keys", serverKeys, seed, limits);

function opened<Kind extends Opened["kind"]>(result: Opened | EnvelopeDrop, kind: Kind): Opened & { kind: Kind } {
  assert.ok(typeof result !== "string", String(result));
  assert.equal(result.kind, kind);
  return result as Opened & { kind: Kind };
}

const request = (sessions: Sessions, envelope: Uint8Array) => opened(sessions.open(envelope), "request");

/** The encapsulated key of a request: it names the session. */
const encOf = (envelope: Uint8Array): string => toHex(envelope.subarray(38, 70));

test("a request opens to its text, with the sender's name and proved key, and its answer comes back", () => {
  const [box, keys] = [boxSessions(), serverSessions()];
  const received = request(keys, box.seal(START, server, TEXT));
  assert.equal(received.senderId, "box-1");
  assert.deepEqual(received.senderKey, boxKeys.publicKey);
  assert.deepEqual(received.text, TEXT);
  const answer = opened(box.open(keys.sealAnswer(received.origin, Uint8Array.of(9))), "answer");
  assert.deepEqual(answer.text, Uint8Array.of(9));
  assert.deepEqual(answer.peer, server);
});

test("a text may be empty", () => {
  assert.equal(request(serverSessions(), boxSessions().seal(START, server, new Uint8Array(0))).text.length, 0);
});

test("the same seed seals the same octets", () => {
  assert.deepEqual(boxSessions().seal(START, server, TEXT), boxSessions().seal(START, server, TEXT));
});

test("public-key work is done once a session, not once a message", () => {
  let agreements = 0;
  const counting = new NodePrimitives();
  const x25519 = counting.x25519.bind(counting);
  counting.x25519 = (privateKey, publicKey) => {
    agreements += 1;
    return x25519(privateKey, publicKey);
  };
  const box = new Sessions("box-1", boxKeys, counting, new SeededEntropy(1));
  const keys = new Sessions("keys", serverKeys, counting, new SeededEntropy(2));
  for (let i = 0; i < 50; i++) box.open(keys.sealAnswer(request(keys, box.seal(START, server, TEXT)).origin, TEXT));
  assert.equal(agreements, 4);
});

test("any server with the key opens any request, and both may answer the same one", () => {
  const [box, one, two] = [boxSessions(), serverSessions({}, 21), serverSessions({}, 22)];
  request(one, box.seal(START, server, TEXT));
  const envelope = box.seal(START, server, TEXT);
  const first = one.sealAnswer(request(one, envelope).origin, TEXT);
  const second = two.sealAnswer(request(two, envelope).origin, TEXT);
  assert.notDeepEqual(first, second, "the same text under one nonce would be the same octets");
  assert.deepEqual(opened(box.open(first), "answer").text, TEXT);
  assert.deepEqual(opened(box.open(second), "answer").text, TEXT);
});

test("messages may arrive in any order within the window", () => {
  const [box, keys] = [boxSessions(), serverSessions()];
  const envelopes = Array.from({ length: WINDOW }, () => box.seal(START, server, TEXT));
  for (const envelope of envelopes.reverse()) request(keys, envelope);
});

test("envelope.replayed: the same envelope twice, or one from below the window", () => {
  const [box, keys] = [boxSessions(), serverSessions()];
  const first = box.seal(START, server, TEXT);
  const second = box.seal(START, server, TEXT);
  request(keys, second);
  assert.equal(keys.open(second), "envelope.replayed");
  for (let i = 0; i < WINDOW; i++) request(keys, box.seal(START, server, TEXT));
  assert.equal(keys.open(first), "envelope.replayed");
});

test("a new session begins after 24 hours, after the last message of one, and with a new key of the peer", () => {
  const day = minutes(24 * 60);
  const box = boxSessions({ messages: 3 });
  const first = encOf(box.seal(START, server, TEXT));
  assert.equal(encOf(box.seal(after(START, milliseconds(day - 1)), server, TEXT)), first);
  const renewed = encOf(box.seal(after(START, day), server, TEXT));
  assert.notEqual(renewed, first, "24 hours");
  for (let i = 0; i < 2; i++) assert.equal(encOf(box.seal(after(START, day), server, TEXT)), renewed);
  assert.notEqual(encOf(box.seal(after(START, day), server, TEXT)), renewed, "3 messages");
  const rekeyed = { ...server, publicKey: pair(3).publicKey };
  assert.notEqual(encOf(box.seal(START, rekeyed, TEXT)), renewed, "another key");
});

test("an answer to the session before still opens", () => {
  const [box, keys] = [boxSessions({ messages: 1 }), serverSessions()];
  const received = request(keys, box.seal(START, server, TEXT));
  box.seal(START, server, TEXT);
  opened(box.open(keys.sealAnswer(received.origin, TEXT)), "answer");
});

test("a server that has forgotten a session derives it again", () => {
  const [box, keys, other] = [boxSessions(), serverSessions({ heard: 1 }), sessionsOf("box-2", pair(4), 30)];
  request(keys, box.seal(START, server, TEXT));
  request(keys, other.seal(START, server, TEXT));
  request(keys, box.seal(START, server, TEXT));
  assert.deepEqual(keys.sizes, { asked: 0, heard: 1, forgotten: 2 });
});

test("envelope.truncated, envelope.oversized: lengths that cannot be", () => {
  const [box, keys] = [boxSessions(), serverSessions()];
  const envelope = box.seal(START, server, TEXT);
  const shortest = envelope.length - TEXT.length;
  for (let length = 0; length < shortest; length++)
    assert.equal(keys.open(envelope.subarray(0, length)), "envelope.truncated", `${length} octets`);
  assert.equal(keys.open(new Uint8Array(ENVELOPE_LIMIT + 1)), "envelope.oversized");
});

test("envelope.version, envelope.kind, envelope.sender, envelope.sequence: fields that cannot be", () => {
  const [envelope, keys] = [boxSessions().seal(START, server, TEXT), serverSessions()];
  const withOctet = (at: number, value: number): Uint8Array => {
    const changed = envelope.slice();
    changed[at] = value;
    return changed;
  };
  assert.equal(keys.open(withOctet(0, 2)), "envelope.version");
  assert.equal(keys.open(withOctet(1, 3)), "envelope.kind");
  assert.equal(keys.open(withOctet(78, 0)), "envelope.sender", "no id");
  assert.equal(keys.open(withOctet(79, 0x2f)), "envelope.sender", "a slash");
  assert.equal(keys.open(withOctet(70, 1)), "envelope.sequence");
});

test("envelope.recipient: sealed for another key", () => {
  const envelope = boxSessions().seal(START, server, TEXT);
  assert.equal(sessionsOf("other", pair(5), 40).open(envelope), "envelope.recipient");
});

test("envelope.forged: any changed octet of key, enc, sequence, name or box, and a key of small order", () => {
  const [envelope, keys] = [boxSessions().seal(START, server, TEXT), serverSessions()];
  for (const at of [6, 37, 38, 69, 77, 79, 83, envelope.length - 1])
    assert.equal(keys.open(flip(envelope, at)), "envelope.forged", `octet ${at}`);
  const smallOrder = envelope.slice();
  smallOrder.fill(0, 38, 70);
  assert.equal(keys.open(smallOrder), "envelope.forged");
  assert.equal(keys.sizes.heard, 0, "a forgery takes no place in the cache");
  request(keys, envelope);
});

test("nobody can speak for a key they do not hold, not even to the server itself", () => {
  // Key compromise impersonation aside, Auth mode needs the sender's private key: a thief has only the public one.
  const thief = sessionsOf("box-1", { privateKey: pair(6).privateKey, publicKey: boxKeys.publicKey }, 50);
  assert.equal(serverSessions().open(thief.seal(START, server, TEXT)), "envelope.forged");
});

test("envelope.session: an answer to a question that was never asked", () => {
  const [box, keys] = [boxSessions(), serverSessions()];
  const { origin } = request(keys, box.seal(START, server, TEXT));
  assert.equal(boxSessions().open(keys.sealAnswer(origin, TEXT)), "envelope.session");
  assert.equal(box.open(keys.sealAnswer({ ...origin, sequence: 1 }, TEXT)), "envelope.session", "not asked yet");
});

test("an answer cannot be moved to another request of the session", () => {
  const [box, keys] = [boxSessions(), serverSessions()];
  const { origin } = request(keys, box.seal(START, server, TEXT));
  box.seal(START, server, TEXT);
  const answer = keys.sealAnswer(origin, TEXT);
  assert.equal(box.open(flip(answer, 41)), "envelope.forged");
});

test("sealing to a key of small order is our own mistake", () => {
  assert.throws(() => boxSessions().seal(START, { ...server, publicKey: new Uint8Array(32) }, TEXT), RangeError);
});

/** Of one pass. */
const ROUNDS = 10_000;

fuzz(
  "mutations of requests are dropped by name, and no cache grows",
  { seed: 99, rounds: ROUNDS },
  ({ below, rounds }) => {
    const keys = serverSessions({ heard: 8 });
    const envelope = boxSessions().seal(START, server, TEXT);
    const seen = new Set<string>();
    for (let round = 0; round < rounds; round++) {
      const result = keys.open(mutated(envelope, below));
      seen.add(typeof result === "string" ? result : "opened");
    }
    // "opened" and then "replayed" are the mutations that changed nothing.
    const known = ["forged", "kind", "recipient", "replayed", "sender", "sequence", "truncated", "version"];
    assert.deepEqual([...seen].sort(), [...known.map((name) => `envelope.${name}`), "opened"]);
    assert.equal(keys.sizes.heard, 1);
  },
);

fuzz("mutations of answers are dropped by name", { seed: 98, rounds: ROUNDS }, ({ below, rounds }) => {
  const [box, keys] = [boxSessions(), serverSessions()];
  const { origin } = request(keys, box.seal(START, server, TEXT));
  const answer = keys.sealAnswer(origin, TEXT);
  const seen = new Set<string>();
  for (let round = 0; round < rounds; round++) {
    const result = box.open(mutated(answer, below));
    if (typeof result === "string") seen.add(result);
    else assert.deepEqual(result.text, TEXT);
  }
  for (const drop of ["envelope.forged", "envelope.session", "envelope.truncated", "envelope.version"])
    assert.ok(seen.has(drop), drop);
  assert.equal(box.sizes.heard, 0);
});
