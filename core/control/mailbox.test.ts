import assert from "node:assert/strict";
import { test } from "node:test";
import { SeededEntropy } from "../../hal/entropy/seeded.ts";
import { NodePrimitives } from "../../hal/primitives/node.ts";
import { fuzz, mutated } from "../base/fuzz.testkit.ts";
import { after, instant, seconds } from "../base/time.ts";
import type { KeyPair } from "../ports/primitives.ts";
import { encodeMessage, isBadMessage } from "./codec.ts";
import { Mailbox, type MailboxDrop, type Outgoing, type Received, type Refused } from "./mailbox.ts";
import { EXAMPLE_MESSAGES, EXAMPLES } from "./messages.testkit.ts";
import type { Message } from "./messages.ts";
import type { Peer, Role } from "./participant.ts";
import { Sessions } from "./sessions.ts";

const primitives = new NodePrimitives();
const NOW = instant(0);

interface Party {
  readonly peer: Peer;
  readonly pair: KeyPair;
}

function party(role: Role, id: string, seed: number): Party {
  const privateKey = new SeededEntropy(seed).bytes(32);
  const pair = { privateKey, publicKey: primitives.x25519Public(privateKey) };
  return { peer: { role, id, publicKey: pair.publicKey }, pair };
}

const box = party("settop", "box-1", 1);
const keys = party("keyserver", "keys", 2);
const receptions = party("reception", "receptions", 3);
const head = party("headend", "head", 4);
const router = party("router", "r12", 5);

const mailbox = ({ peer, pair }: Party, peers: readonly Party[], seed = peer.id.length): Mailbox => {
  const options = { role: peer.role, id: peer.id, keys: pair, peers: peers.map((other) => other.peer) };
  return new Mailbox(options, primitives, new SeededEntropy(seed));
};

const boxMailbox = (seed = 5) => mailbox(box, [keys], seed);
const keysMailbox = () => mailbox(keys, [receptions]);
const receptionsMailbox = () => mailbox(receptions, [keys]);
const headMailbox = () => mailbox(head, [keys]);
const routerMailbox = () => mailbox(router, [receptions]);

function sealed(from: Mailbox, to: Party, message: Message): Outgoing {
  const outgoing = from.seal(NOW, to.peer, message);
  assert.ok(!isBadMessage(outgoing));
  return outgoing;
}

function received(at: Mailbox, { topic, payload }: Outgoing): Received {
  const result = at.open(NOW, topic, payload);
  assert.ok(!("drop" in result), "drop" in result ? `${result.drop} ${result.detail}` : "");
  return result;
}

function refused(at: Mailbox, topic: string, payload: Uint8Array): Refused {
  const result = at.open(NOW, topic, payload);
  assert.ok("drop" in result, "was accepted");
  return result;
}

const dropOf = (at: Mailbox, topic: string, payload: Uint8Array): MailboxDrop => refused(at, topic, payload).drop;

/** Who asks whom, with what, on which topics. */
const CONVERSATIONS = [
  ["73/76", boxMailbox, keysMailbox, box, keys, "key.request", "key.grant", "keys/req/0/box-1", "keys/res/box-1"],
  [
    "74/75",
    keysMailbox,
    receptionsMailbox,
    keys,
    receptions,
    "inquiry",
    "permission",
    "reception/req/0/keys",
    "reception/res/keys",
  ],
  [
    "revocation",
    receptionsMailbox,
    keysMailbox,
    receptions,
    keys,
    "rekey.demand",
    "rekey.demand.acknowledged",
    "keys/req/0/receptions",
    "keys/res/receptions",
  ],
  [
    "claim 3",
    headMailbox,
    keysMailbox,
    head,
    keys,
    "epoch.proposal",
    "epoch.accepted",
    "headend/head/up",
    "headend/head/down",
  ],
  [
    "claim 7",
    keysMailbox,
    headMailbox,
    keys,
    head,
    "epoch.offer",
    "epoch.taken",
    "headend/head/down",
    "headend/head/up",
  ],
  [
    "evidence",
    routerMailbox,
    receptionsMailbox,
    router,
    receptions,
    "membership.report",
    "membership.acknowledged",
    "router/r12/membership",
    "router/r12/res",
  ],
] as const;

for (const [name, asks, answers, asker, asked, question, answer, up, down] of CONVERSATIONS) {
  test(`${name}: ${question} is asked on ${up} and answered with ${answer} on ${down}`, () => {
    const [from, to] = [asks(), answers()];
    const outgoing = sealed(from, asked, EXAMPLES[question]);
    assert.equal(outgoing.topic, `sealcast/1/${up}`);
    const { request, message, from: speaker } = received(to, outgoing);
    assert.deepEqual(speaker, asker.peer);
    assert.deepEqual(message, EXAMPLES[question]);
    assert.ok(request);
    const back = to.answer(request, EXAMPLES[answer]);
    assert.ok(!isBadMessage(back));
    assert.equal(back.topic, `sealcast/1/${down}`);
    assert.deepEqual(received(from, back), { from: asked.peer, message: EXAMPLES[answer], request: undefined });
  });
}

test("a device that nobody has heard of is let through with the key it proved: the machine decides", () => {
  const stranger = party("settop", "box-9", 9);
  const { from } = received(keysMailbox(), sealed(mailbox(stranger, [keys]), keys, EXAMPLES["key.request"]));
  assert.deepEqual(from, stranger.peer);
});

test("a role that never speaks to another is our own mistake", () => {
  assert.throws(() => boxMailbox().seal(NOW, receptions.peer, EXAMPLES.stop), RangeError);
});

test("message.invalid: what nobody would accept is not sealed", () => {
  const outgoing = boxMailbox().seal(NOW, keys.peer, { ...EXAMPLES["key.request"], channel: "no spaces" });
  assert.ok(isBadMessage(outgoing));
  assert.equal(outgoing.drop, "message.invalid");
});

test("mailbox.topic: a topic that this role does not hear, or another's", () => {
  const { payload } = sealed(boxMailbox(), keys, EXAMPLES["key.request"]);
  assert.equal(dropOf(keysMailbox(), "sealcast/1/keys/res/keys", payload), "mailbox.topic");
  assert.equal(dropOf(keysMailbox(), "sealcast/1/status/settop/box-1", payload), "mailbox.topic");
  assert.equal(dropOf(boxMailbox(), "sealcast/1/keys/res/box-2", payload), "mailbox.topic");
  assert.equal(dropOf(boxMailbox(), "elsewhere", payload), "topic.unknown");
  assert.equal(dropOf(boxMailbox(), "sealcast/1/keys/res/..", payload), "topic.identifier");
});

test("mailbox.sender: an envelope on the topic of another", () => {
  const { payload } = sealed(boxMailbox(), keys, EXAMPLES["key.request"]);
  assert.equal(dropOf(keysMailbox(), "sealcast/1/keys/req/0/box-2", payload), "mailbox.sender");
});

test("mailbox.impostor: a known name with another key", () => {
  const impostor = party("reception", "receptions", 77);
  const { topic, payload } = sealed(mailbox(impostor, [keys]), keys, EXAMPLES["rekey.demand"]);
  assert.equal(dropOf(keysMailbox(), topic, payload), "mailbox.impostor");
});

test("mailbox.stranger: a server's message from somebody we do not know", () => {
  const stranger = party("keyserver", "other-keys", 78);
  const offer = sealed(mailbox(stranger, [head]), head, EXAMPLES["epoch.offer"]);
  assert.equal(dropOf(headMailbox(), offer.topic, offer.payload), "mailbox.stranger");
  const inquiry = sealed(mailbox(stranger, [receptions]), receptions, EXAMPLES.inquiry);
  assert.equal(dropOf(receptionsMailbox(), inquiry.topic, inquiry.payload), "mailbox.stranger");
});

test("envelope drops pass through with their names", () => {
  const { topic, payload } = sealed(boxMailbox(), keys, EXAMPLES["key.request"]);
  const at = keysMailbox();
  received(at, { topic, payload });
  assert.equal(dropOf(at, topic, payload), "envelope.replayed");
  assert.equal(dropOf(at, topic, payload.subarray(0, 20)), "envelope.truncated");
});

test("envelope.crowded: whoever begins sessions without end gets no more public-key work, and his live one goes on", () => {
  const at = keysMailbox();
  const live = boxMailbox();
  const message = EXAMPLES["key.request"];
  received(at, sealed(live, keys, message));
  for (let n = 1; n < 32; n++) received(at, sealed(boxMailbox(100 + n), keys, message));
  const { topic, payload } = sealed(boxMailbox(200), keys, message);
  assert.equal(dropOf(at, topic, payload), "envelope.crowded");
  received(at, sealed(live, keys, message));
  const later = at.open(after(NOW, seconds(2)), topic, payload);
  assert.ok(!("drop" in later), "one more after a while");
});

const MUTATED = "authentic envelopes with mutated messages are accepted or dropped by name";

fuzz(MUTATED, { seed: 12, rounds: 50_000 }, ({ below, rounds, entropy }) => {
  const at = keysMailbox();
  const sender = new Sessions("box-1", box.pair, primitives, entropy);
  const texts = EXAMPLE_MESSAGES.map((message) => {
    const text = encodeMessage(message);
    assert.ok(!isBadMessage(text));
    return text;
  });
  const seen = new Set<string>();
  for (let round = 0; round < rounds; round++) {
    const text = mutated(texts[below(texts.length)] ?? new Uint8Array(1), below);
    const result = at.open(NOW, "sealcast/1/keys/req/0/box-1", sender.seal(NOW, keys.peer, text));
    seen.add("drop" in result ? result.drop : "accepted");
  }
  assert.deepEqual([...seen].sort(), ["accepted", "message.invalid", "message.malformed", "message.unknown-type"]);
  assert.equal(at.sizes.heard, 1);
});
