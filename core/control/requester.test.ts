import assert from "node:assert/strict";
import { test } from "node:test";
import { SeededEntropy } from "../../hal/entropy/seeded.ts";
import { after, type Instant, instant, milliseconds, seconds } from "../base/time.ts";
import type { Entropy } from "../ports/entropy.ts";
import { EXAMPLES } from "./messages.testkit.ts";
import type { Message } from "./messages.ts";
import type { Peer } from "./participant.ts";
import { newRequestId, type OutgoingRequest, Requester, type RequesterEffect } from "./requester.ts";

const keys: Peer = { role: "keyserver", id: "keys", publicKey: new Uint8Array(32).fill(1) };
const other: Peer = { role: "keyserver", id: "other", publicKey: new Uint8Array(32).fill(2) };
const START = instant(1000);

const request = (entropy: Entropy): Message => ({ ...EXAMPLES["key.request"], id: newRequestId(entropy) });

/** Runs the machine until `until` and notes when it sends. */
function sends(requester: Requester, until: Instant): readonly number[] {
  const moments: number[] = [];
  for (let at = requester.nextDeadline(); at !== undefined && at <= until; at = requester.nextDeadline()) {
    const sent = requester.poll(at).filter(({ kind }) => kind === "send");
    moments.push(...sent.map(() => at as number));
  }
  return moments;
}

function asked(
  options: Partial<OutgoingRequest> = {},
  seed = 5,
): { requester: Requester; message: Message; effects: readonly RequesterEffect[] } {
  const entropy = new SeededEntropy(seed);
  const requester = new Requester(entropy);
  const message = request(entropy);
  return { requester, message, effects: requester.ask(START, { to: keys, message, ...options }) };
}

test("a request goes out at once and again after 0.7 to 1.3 s, whatever is drawn", () => {
  for (let seed = 1; seed < 200; seed++) {
    const { requester, message, effects } = asked({}, seed);
    assert.deepEqual(effects, [{ kind: "send", to: keys, message }]);
    const wait = (requester.nextDeadline() ?? 0) - START;
    assert.ok(wait >= 700 && wait <= 1300, `${wait}`);
  }
});

test("repetitions carry the same message, with a growing limit and never less than 200 ms between them", () => {
  const { requester, message } = asked();
  const first = requester.nextDeadline() ?? START;
  assert.deepEqual(requester.poll(first), [{ kind: "send", to: keys, message }]);
  const moments = [first as number, ...sends(requester, after(START, seconds(600)))];
  const waits = moments.slice(1).map((at, i) => at - (moments[i] ?? 0));
  for (const [i, wait] of waits.entries()) {
    assert.ok(wait >= 200, `wait ${i} is ${wait}`);
    assert.ok(wait <= Math.min(30_000, 1000 * 2 ** (i + 1)), `wait ${i} is ${wait}`);
  }
  assert.ok(Math.max(...waits) > 10_000, "the waits have grown");
});

test("polling early or twice sends nothing", () => {
  const { requester } = asked();
  assert.deepEqual(requester.poll(after(START, milliseconds(699))), []);
  const due = after(START, milliseconds(1300));
  assert.equal(requester.poll(due).length, 1);
  assert.deepEqual(requester.poll(due), []);
});

test("an answer ends the request", () => {
  const { requester, message } = asked({ key: "news" });
  const answer = { ...EXAMPLES["key.grant"], id: message.id };
  assert.deepEqual(requester.receive(START, keys, answer), { kind: "answered", request: message, answer, key: "news" });
  assert.equal(requester.outstanding, 0);
  assert.equal(requester.isAsking("news"), false);
  assert.deepEqual(sends(requester, after(START, seconds(600))), []);
});

test("answer.unknown: a repeated answer", () => {
  const { requester, message } = asked();
  const answer = { ...EXAMPLES["key.denied"], id: message.id };
  requester.receive(START, keys, answer);
  assert.equal(requester.receive(START, keys, answer), "answer.unknown");
});

test("answer.unexpected: an answer of another type, or from somebody else, ends nothing", () => {
  const { requester, message } = asked();
  assert.equal(requester.receive(START, keys, { ...EXAMPLES.permission, id: message.id }), "answer.unexpected");
  assert.equal(requester.receive(START, other, { ...EXAMPLES["key.grant"], id: message.id }), "answer.unexpected");
  assert.equal(requester.outstanding, 1);
});

test("busy: asked again not before the server said, and not all at once", () => {
  const moments = new Set<number>();
  for (let seed = 1; seed < 50; seed++) {
    const { requester, message } = asked({}, seed);
    const busy = { ...EXAMPLES["key.busy"], id: message.id, retryAfter: 5000 };
    const matched = requester.receive(START, keys, busy);
    assert.ok(typeof matched !== "string");
    assert.equal(matched.kind, "busy");
    const [again = 0] = sends(requester, after(START, seconds(8)));
    assert.ok(again >= START + 5000 && again <= START + 7500, `${again}`);
    moments.add(again);
  }
  assert.ok(moments.size > 40, "spread");
});

test("while one request with a key waits, another is not sent", () => {
  const entropy = new SeededEntropy(3);
  const requester = new Requester(entropy);
  assert.equal(requester.ask(START, { to: keys, message: request(entropy), key: "news" }).length, 1);
  assert.deepEqual(requester.ask(START, { to: keys, message: request(entropy), key: "news" }), []);
  assert.equal(requester.ask(START, { to: keys, message: request(entropy), key: "sport" }).length, 1);
  assert.equal(requester.outstanding, 2);
});

test("the same request asked twice is sent once", () => {
  const { requester, message } = asked();
  assert.deepEqual(requester.ask(START, { to: keys, message }), []);
});

test("a request that passes its deadline says so", () => {
  const deadline = after(START, seconds(3));
  const { requester, message } = asked({ deadline, key: "news" });
  let last: readonly RequesterEffect[] = [];
  for (let at = requester.nextDeadline(); at !== undefined; at = requester.nextDeadline()) last = requester.poll(at);
  assert.deepEqual(last, [{ kind: "expired", reason: "deadline", to: keys, message, key: "news" }]);
  assert.equal(requester.outstanding, 0);
});

test("with too many waiting, a further request expires at once, as full", () => {
  const entropy = new SeededEntropy(3);
  const requester = new Requester(entropy, { outstanding: 2, slowest: seconds(30) });
  for (let i = 0; i < 2; i++) requester.ask(START, { to: keys, message: request(entropy) });
  const message = request(entropy);
  assert.deepEqual(requester.ask(START, { to: keys, message }), [
    { kind: "expired", reason: "full", to: keys, message, key: undefined },
  ]);
  assert.equal(requester.outstanding, 2);
});

test("a cancelled request is neither repeated nor matched", () => {
  const { requester, message } = asked({ key: "news" });
  assert.equal(requester.cancel("news"), true);
  assert.equal(requester.cancel("news"), false);
  assert.deepEqual(sends(requester, after(START, seconds(60))), []);
  assert.equal(requester.receive(START, keys, { ...EXAMPLES["key.grant"], id: message.id }), "answer.unknown");
});

test("when the broker is back, what waits goes out within 0.6 s and then as at first", () => {
  const { requester } = asked();
  sends(requester, after(START, seconds(120)));
  const back = after(START, seconds(120));
  requester.hurry(back);
  const [first = 0, second = 0] = sends(requester, after(back, seconds(2)));
  assert.ok(first - back <= 600);
  assert.ok(second - first >= 700 && second - first <= 1300);
});

test("twenty thousand that wait are looked at in turns, and each is still repeated in its time", () => {
  const entropy = new SeededEntropy(3);
  const requester = new Requester(entropy, { outstanding: 20_000, slowest: seconds(2) });
  for (let n = 0; n < 20_000; n++) requester.ask(START, { to: keys, message: request(entropy) });
  let turns = 0;
  let repeated = 0;
  const end = after(START, milliseconds(1_320));
  for (let at = requester.nextDeadline(); at !== undefined && at <= end; at = requester.nextDeadline()) {
    turns += 1;
    repeated += requester.poll(at).length;
  }
  assert.ok(turns <= 35, `${turns}`);
  assert.ok(repeated >= 20_000, `${repeated}`);
});
