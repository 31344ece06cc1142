import assert from "node:assert/strict";
import { test } from "node:test";
import { instant } from "../base/time.ts";
import type { Request } from "../control/mailbox.ts";
import type { Message, MessageOf } from "../control/messages.ts";
import { bytes, CountingEntropy, peer } from "../control/servers.testkit.ts";
import { PolicyInquiry, type PolicyInquiryEffect, type PolicyInquiryEvent } from "./policy-inquiry.ts";

const SERVER = peer("reception", "reception-1", 7);

/** The machine of a router that has this state, which was told, and what it does. */
function bench(state: { revision: number; refused?: { revision: number; faults: string[] } } = { revision: 5 }) {
  const machine = new PolicyInquiry(SERVER, new CountingEntropy());
  let now = instant(0);
  const feed = (event: PolicyInquiryEvent) => machine.receive(now, event);
  let asked: MessageOf<"policy.request"> | undefined;
  const seen = (effects: readonly PolicyInquiryEffect[]): readonly PolicyInquiryEffect[] => {
    for (const effect of effects)
      if (effect.kind === "send" && effect.message.type === "policy.request") asked = effect.message;
    return effects;
  };
  seen(feed({ kind: "policy-state", state }));
  return {
    machine,
    get asked() {
      return asked;
    },
    feed: (event: PolicyInquiryEvent) => seen(feed(event)),
    /** The answer to the request that is under way. */
    answer: (message: { type: "policy.unchanged" } | Omit<MessageOf<"policy">, "id">, from = SERVER) =>
      seen(feed({ kind: "answer", from, message: { ...message, id: asked?.id ?? bytes(0) } as Message })),
    /** Control says that there is one. */
    tell: (revision: number) => seen(feed({ kind: "asked", request: requestOf(changed(revision)) })),
    pass(milliseconds: number) {
      now = instant(now + milliseconds);
      return seen(machine.poll(now));
    },
  };
}

const requestOf = (message: Message): Request => ({ from: SERVER, message }) as unknown as Request;
const changed = (revision: number): Message => ({ type: "policy.changed", id: bytes(200), revision });
const part = (revision: number, text: string, at = 0, parts = 1) =>
  ({ type: "policy", revision, part: at, parts, text }) as const;
const reasons = (effects: readonly PolicyInquiryEffect[]): unknown[] =>
  effects.map((effect) => (effect.kind === "drop" ? effect.reason : effect.kind));

test("nothing is asked before the process has said what it has; then that is told, and again at each connection", () => {
  const machine = new PolicyInquiry(SERVER, new CountingEntropy());
  assert.deepEqual(machine.receive(instant(0), { kind: "up" }), []);
  const at = bench({ revision: 5, refused: { revision: 6, faults: ["rules.0: no"] } });
  assert.deepEqual([at.asked?.revision, at.asked?.refused?.revision, at.asked?.wants], [5, 6, undefined]);
  const first = at.asked?.id;
  assert.deepEqual(at.answer({ type: "policy.unchanged" }), []);
  assert.deepEqual(at.pass(1e7), []);
  assert.deepEqual(reasons(at.feed({ kind: "up" })), ["send"]);
  assert.notDeepEqual(at.asked?.id, first);
});

test("an unanswered request is repeated as the same one, and at once when the broker is back", () => {
  const at = bench();
  const first = at.asked?.id;
  assert.deepEqual(reasons(at.pass(2000)), ["send"]);
  assert.deepEqual(at.asked?.id, first);
  at.feed({ kind: "up" });
  assert.deepEqual(reasons(at.pass(600)), ["send"]);
  assert.deepEqual(at.asked?.id, first);
});

test("a newer policy is given to the process, and its state afterwards is told to control", () => {
  const at = bench();
  assert.deepEqual(at.answer(part(9, '{"rules":[]}')), [{ kind: "policy", revision: 9, text: '{"rules":[]}' }]);
  assert.deepEqual(at.feed({ kind: "up" }), [], "it is being looked at");
  assert.deepEqual(reasons(at.feed({ kind: "policy-state", state: { revision: 9 } })), ["send"]);
  assert.equal(at.asked?.revision, 9);
});

test("one of several parts is put together of them, each asked for by revision and place", () => {
  const at = bench();
  assert.deepEqual(reasons(at.answer(part(9, "a", 0, 3))), ["send"]);
  assert.deepEqual(at.asked?.wants, { revision: 9, part: 1 });
  assert.deepEqual(reasons(at.answer(part(9, "b", 1, 3))), ["send"]);
  assert.deepEqual(at.asked?.wants, { revision: 9, part: 2 });
  assert.deepEqual(at.answer(part(9, "c", 2, 3)), [{ kind: "policy", revision: 9, text: "abc" }]);
});

test("a newer one that comes while an older is being put together takes its place, from its first part on", () => {
  const at = bench();
  at.answer(part(9, "a", 0, 3));
  assert.deepEqual(reasons(at.answer(part(11, "x", 0, 2))), ["send"]);
  assert.deepEqual(at.asked?.wants, { revision: 11, part: 1 });
  assert.deepEqual(at.answer(part(11, "y", 1, 2)), [{ kind: "policy", revision: 11, text: "xy" }]);
});

test("policy.stale: what is no newer than one that is known changes nothing, be that in force or refused", () => {
  for (const revision of [1, 5]) assert.deepEqual(reasons(bench().answer(part(revision, "{}"))), ["policy.stale"]);
  const refused = { revision: 5, refused: { revision: 8, faults: [] } };
  assert.deepEqual(reasons(bench(refused).answer(part(8, "{}"))), ["policy.stale"]);
  assert.deepEqual(reasons(bench(refused).answer(part(9, "{}"))), ["policy"]);
});

test("policy.part: a part that was not asked for is none, and no other is asked for until there is a reason", () => {
  const at = bench();
  assert.deepEqual(reasons(at.answer(part(9, "b", 1, 2))), ["policy.part"]);
  assert.deepEqual(at.pass(1e7), []);
  at.tell(9);
  at.answer(part(9, "a", 0, 2));
  assert.deepEqual(reasons(at.answer(part(9, "a", 0, 2))), ["policy.part"]);
});

test("an answer of somebody else, or to nothing that was asked, is dropped by name", () => {
  const at = bench();
  assert.deepEqual(reasons(at.answer(part(9, "{}"), peer("reception", "reception-1", 8))), ["answer.unexpected"]);
  at.answer({ type: "policy.unchanged" });
  assert.deepEqual(reasons(at.answer(part(9, "{}"))), ["answer.unknown"]);
});

test("control says that there is a newer one: it is noted and asked for; of an older one it is only noted", () => {
  const at = bench();
  at.answer({ type: "policy.unchanged" });
  const [noted, asks] = at.tell(9);
  assert.ok(noted?.kind === "answer" && noted.message.type === "policy.noted");
  assert.deepEqual(noted.message.id, bytes(200));
  assert.equal(asks?.kind, "send");
  at.answer({ type: "policy.unchanged" });
  assert.deepEqual(reasons(at.tell(5)), ["answer"]);
});

test("told of one while the answer of a moment before is on its way, it asks once more", () => {
  const at = bench();
  assert.deepEqual(reasons(at.tell(9)), ["answer"]);
  assert.deepEqual(reasons(at.answer({ type: "policy.unchanged" })), ["send"]);
  assert.deepEqual(at.answer({ type: "policy.unchanged" }), []);
});

test("policy.unexpected: any other message out of turn", () => {
  const request = requestOf({ type: "permission", id: bytes(1) });
  assert.deepEqual(reasons(bench().feed({ kind: "asked", request })), ["policy.unexpected"]);
});
