// Whatever fails, and whenever: the rules of the system hold all the time, and all is well again afterwards.
import assert from "node:assert/strict";
import { test } from "node:test";
import { run } from "./run.ts";
import { withoutSystemTime } from "./system-time.ts";

const SEEDS = Number(process.env.SEALCAST_SEEDS ?? 40);
const FIRST = Number(process.env.SEALCAST_FIRST_SEED ?? 1);

test(`${SEEDS} seeds of misfortune: the rules hold throughout, and in the end everybody watches`, async () => {
  for (let seed = FIRST; seed < FIRST + SEEDS; seed++) await withoutSystemTime(() => run(seed));
});

test("the same seed gives the same log, octet for octet, and another seed another one", async () => {
  const [one, again, other] = [await run(7), await run(7), await run(8)];
  assert.equal(one, again);
  assert.notEqual(one, other);
});
