import assert from "node:assert/strict";
import { test } from "node:test";
import { CardQuestions } from "./card-questions.ts";

const many = (n: number, from = 0) => Array.from({ length: n }, (_, i) => `card ${from + i}`);

test("eight at a time, in turns by port and acquaintance, within these in order", () => {
  const questions = new CardQuestions();
  for (const mac of many(10)) questions.add(mac, "lan1", "new");
  for (const mac of many(2, 20)) questions.add(mac, "lan2", "new");
  questions.add("card 30", "lan1", "answered");
  assert.deepEqual(
    questions.next().map((mac) => mac.slice(5)),
    ["0", "20", "30", "1", "21", "2", "3", "4"],
  );
  assert.deepEqual(questions.next(), [], "one request at a time");
});

test("whoever waits is asked about once, in the place of what is known now; whoever is removed is not", () => {
  const questions = new CardQuestions();
  for (const mac of many(20)) questions.add(mac, "lan1", "new");
  questions.add("card 15", "lan1", "heard again");
  questions.remove("card 1");
  assert.deepEqual(
    questions.next().map((mac) => mac.slice(5)),
    ["0", "15", "2", "3", "4", "5", "6", "7"],
  );
  questions.add("card 0", "lan1", "heard again");
  assert.equal(questions.waits("card 0"), false, "it is under way");
});

test("the next request comes with the answer to the one before, what that left out with it; an answer to another is none", () => {
  const questions = new CardQuestions();
  for (const mac of many(9)) questions.add(mac, "lan1", "new");
  questions.next();
  questions.answered(["card 99"]);
  assert.deepEqual(questions.next(), []);
  questions.answered(many(7));
  assert.deepEqual(questions.next(), ["card 8", "card 7"]);
  assert.equal(questions.isEmpty, false);
  questions.answered(["card 8", "card 7"]);
  assert.equal(questions.isEmpty, true);
  assert.deepEqual(questions.next(), []);
});
