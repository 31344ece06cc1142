import assert from "node:assert/strict";
import { test } from "node:test";
import { instant } from "../base/time.ts";
import { RunningStream } from "./running-stream.ts";

test("the place in the stream has the age of the word that told it, in whole milliseconds", () => {
  const stream = new RunningStream();
  assert.equal(stream.position(instant(5)), undefined);
  stream.reports(instant(10), { roc: 1, seq: 2, current: 3 });
  assert.deepEqual(stream.position(instant(60.4)), { roc: 1, seq: 2, age: 50 });
  stream.begins(instant(100), undefined);
  assert.deepEqual(stream.position(instant(110)), { roc: 1, seq: 2, age: 100 }, "a start without a place says nothing");
  stream.begins(instant(100), { roc: 4, seq: 5 });
  assert.deepEqual(stream.position(instant(110)), { roc: 4, seq: 5, age: 10 });
});

test("a headend that starts again takes back the epoch that it reported, not its place", () => {
  const stream = new RunningStream();
  stream.reports(instant(10), { roc: 1, seq: 2, current: 3 });
  assert.equal(stream.reported, 3);
  stream.forgetReport();
  assert.equal(stream.reported, undefined);
  assert.deepEqual(stream.position(instant(10)), { roc: 1, seq: 2, age: 0 });
});
