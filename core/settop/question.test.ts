import assert from "node:assert/strict";
import { test } from "node:test";
import { instant } from "../base/time.ts";
import type { Entropy } from "../ports/entropy.ts";
import { Question } from "./question.ts";

let made = 0;
/** Every id another one; draws always in the middle. */
const middle: Entropy = {
  bytes: (length) => new Uint8Array(length).fill(++made),
  below: (limit) => limit / 2,
};

test("of several plans the earliest counts, with its own reason", () => {
  const question = new Question(middle);
  question.plan(instant(500), "refresh");
  question.plan(instant(100), "rekey");
  question.plan(instant(300), "resync");
  assert.equal(question.nextDeadline(), 100);
  assert.equal(question.due(instant(99)), undefined);
  assert.equal(question.due(instant(100))?.reason, "rekey");
});

test("an open question is repeated with its id, and nothing is planned beside it", () => {
  const question = new Question(middle);
  question.plan(instant(0), "start");
  const first = question.due(instant(0));
  question.plan(instant(10), "rekey");
  assert.equal(question.nextDeadline(), 1000, "the repeat, not the plan");
  assert.deepEqual(question.due(instant(1000)), first);
  assert.equal(question.attempts, 2);
  assert.ok(first !== undefined && question.has(first.id));
});

test("hastened, an open question still leaves its answer 0.7 s; a planned one stays where it is", () => {
  const question = new Question(middle);
  question.plan(instant(200), "start");
  question.hasten(instant(0));
  assert.equal(question.nextDeadline(), 200);
  question.due(instant(200));
  question.hasten(instant(300));
  assert.equal(question.nextDeadline(), 900);
});

test("once answered nothing is due, and the next question has an id of its own", () => {
  const question = new Question(middle);
  question.plan(instant(0), "start");
  const first = question.due(instant(0));
  question.answered();
  assert.equal(question.nextDeadline(), undefined);
  assert.equal(question.reason, undefined);
  assert.ok(first !== undefined && !question.has(first.id), "a late answer is for no question");
  question.plan(instant(5000), "refresh");
  assert.notDeepEqual(question.due(instant(5000))?.id, first.id);
});
