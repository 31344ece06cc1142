import assert from "node:assert/strict";
import { test } from "node:test";
import { instant, seconds } from "../base/time.ts";
import { Allowance } from "./allowance.ts";

test("a burst at once, then one after each span, and one name does not take from another", () => {
  const allowance = new Allowance({ burst: 3, spacing: seconds(2) });
  const taken = (at: number, name = "a"): boolean => allowance.take(instant(at), name);
  assert.deepEqual([taken(0), taken(0), taken(0), taken(0)], [true, true, true, false]);
  assert.equal(taken(0, "b"), true);
  assert.deepEqual([taken(1_999), taken(2_000), taken(2_000)], [false, true, false]);
  assert.deepEqual(
    [1, 2, 3, 4].map(() => taken(60_000)),
    [true, true, true, false],
    "never more than the burst, however long the rest",
  );
});
