import assert from "node:assert/strict";
import { test } from "node:test";
import { instant, milliseconds, seconds } from "../base/time.ts";
import type { Entropy } from "../ports/entropy.ts";
import { OpenQuestion, repeatsWithin } from "./open-question.ts";

/** Draws always this part of what is possible. */
const part = (of: number): Entropy => ({ bytes: (length) => new Uint8Array(length), below: (limit) => of * limit });
const ID = new Uint8Array(16).fill(7);

const question = (due = 0): OpenQuestion => new OpenQuestion(ID, instant(due), repeatsWithin(seconds(30)));

/** Sent whenever it is due: the waits until it is due again. */
function waits(open: OpenQuestion, entropy: Entropy, count = 8): readonly number[] {
  return Array.from({ length: count }, () => {
    const sent = open.due;
    open.sent(sent, entropy);
    return open.due - sent;
  });
}

test("the highest draw: 1.3 s, then doubled from 2 s on up to the ceiling", () => {
  assert.deepEqual(waits(question(), part(1)), [1300, 2000, 4000, 8000, 16_000, 30_000, 30_000, 30_000]);
});

test("a draw in the middle is half the range: full jitter", () => {
  assert.deepEqual(waits(question(), part(0.5)), [1000, 1000, 2000, 4000, 8000, 15_000, 15_000, 15_000]);
});

test("the lowest draw: 0.7 s, and never less than 0.2 s later on", () => {
  assert.deepEqual(waits(question(), part(0)), [700, 200, 200, 200, 200, 200, 200, 200]);
});

test("it is due when it was to be, keeps its id, and counts how often it was sent", () => {
  const open = question(500);
  assert.equal(open.due, 500);
  assert.equal(open.attempts, 0);
  waits(open, part(1), 3);
  assert.equal(open.attempts, 3);
  assert.equal(open.id, ID);
});

test("hastened, it is repeated at once, but not before what was sent last had 0.7 s to be answered; never later", () => {
  const open = question();
  waits(open, part(1), 5);
  const sent = open.due;
  open.sent(sent, part(1));
  open.hasten(instant(sent + 100));
  assert.equal(open.due, sent + 700);
  open.hasten(instant(sent + 5000));
  assert.equal(open.due, sent + 700);
});

test("hastened before it was ever sent, it waits for nothing", () => {
  const open = question(5000);
  open.hasten(instant(100));
  assert.equal(open.due, 100);
});

test("restarted, it is sent when told and then as at first", () => {
  const open = question();
  waits(open, part(1), 5);
  open.restart(instant(1_000_000));
  assert.equal(open.due, 1_000_000);
  assert.deepEqual(waits(open, part(1), 2), [1300, 2000]);
});

test("busy: not before the server said, spread over half as much again and over 0.2 s at least", () => {
  const due = (retryAfter: number, entropy: Entropy): number => {
    const open = question();
    open.busy(instant(1000), milliseconds(retryAfter), entropy);
    return open.due;
  };
  assert.equal(due(4000, part(0)), 5000);
  assert.equal(due(4000, part(1)), 7000);
  assert.equal(due(100, part(1)), 1300);
});
