import assert from "node:assert/strict";
import { test } from "node:test";
import { type Instant, instant, milliseconds } from "../base/time.ts";
import { bytes, CountingEntropy } from "../control/servers.testkit.ts";
import { HeadendQuestion } from "./headend-question.ts";

const AT = instant(1_000);
const TERMS = { id: bytes(9), switchIn: milliseconds(2_000) };

/** The waits between repetitions, each without the 0.3 s that the middle of the spread adds. */
function waits(question: HeadendQuestion, ask: (now: Instant) => void): number[] {
  let now = AT;
  return Array.from({ length: 6 }, () => {
    ask(now);
    const wait = question.next - now;
    now = question.next;
    return wait - 300;
  });
}

test("what was not asked since the start is due at once", () => {
  assert.equal(new HeadendQuestion(new CountingEntropy()).next, 0);
});

test("a demand has one id in all its repetitions, and each wait is twice the last, up to five seconds", () => {
  const question = new HeadendQuestion(new CountingEntropy());
  const ids = new Set<string>();
  const found = waits(question, (now) => ids.add(question.demand(now).join()));
  assert.deepEqual(found, [700, 1_400, 2_800, 5_000, 5_000, 5_000]);
  assert.equal(ids.size, 1);
});

test("an offer keeps its terms in all its repetitions, and counts from the latest", () => {
  const question = new HeadendQuestion(new CountingEntropy());
  question.beginOffer(AT, TERMS);
  const later = question.next;
  assert.equal(later, AT + 1_000);
  assert.deepEqual(question.repeatOffer(later, milliseconds(1)).id, TERMS.id);
  assert.deepEqual(question.offer?.switchIn, TERMS.switchIn);
  assert.equal(question.offer?.sent, later);
  assert.equal(question.next, later + 1_700, "the second wait");
});

test("an offer whose terms were lost in a restart gets new ones", () => {
  const question = new HeadendQuestion(new CountingEntropy());
  const { id, switchIn } = question.repeatOffer(AT, milliseconds(500));
  assert.equal(switchIn, 500);
  assert.deepEqual(question.repeatOffer(question.next, milliseconds(1)).id, id);
});

test("what is not the next step is forgotten, and what is stays", () => {
  const question = new HeadendQuestion(new CountingEntropy());
  question.beginOffer(AT, TERMS);
  question.keepOnly("offer");
  assert.deepEqual(question.offer?.id, TERMS.id);
  question.keepOnly("make");
  assert.equal(question.offer, undefined);
  assert.equal(question.next, 0);
});
