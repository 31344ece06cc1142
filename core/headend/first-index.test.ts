import assert from "node:assert/strict";
import { test } from "node:test";
import { unixTime } from "../base/time.ts";
import { firstIndexAt, ssrcOfChannel } from "./first-index.ts";

test("a headend that starts again later begins above everything it can have sent", () => {
  const first = firstIndexAt(unixTime(Date.parse("2026-11-22T12:00:00Z")));
  const again = firstIndexAt(unixTime(Date.parse("2026-11-22T12:01:00Z")));
  assert.ok(again - first >= 60 * 8000);
  assert.ok(firstIndexAt(unixTime(Date.parse("2900-01-01T00:00:00Z"))) < 2 ** 48);
});

test("a machine without a calendar (1970) begins at zero, not below", () => {
  assert.equal(firstIndexAt(unixTime(0)), 0);
});

test("the SSRC of a channel is the same after every start, and differs from its neighbour's", () => {
  assert.equal(ssrcOfChannel("news"), ssrcOfChannel("news"));
  assert.notEqual(ssrcOfChannel("news"), ssrcOfChannel("newt"));
});
