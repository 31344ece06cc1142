// Whatever fails, and whenever: the rules of the system hold all the time, and all is well again afterwards.
import assert from "node:assert/strict";
import { test } from "node:test";
import { run, runControlOnly } from "./run.testkit.ts";
import { withoutSystemTime } from "./system-time.testkit.ts";

/** More, or others, for a night: SEALCAST_SEEDS=1000 SEALCAST_FIRST_SEED=100000. */
const SEEDS = Number(process.env.SEALCAST_SEEDS ?? 25);
const FIRST = Number(process.env.SEALCAST_FIRST_SEED ?? 1);
const seeds = (count: number): readonly number[] => Array.from({ length: count }, (_, i) => FIRST + i);

/** Of the last line that carries a time. */
const simulatedMs = (log: string): number => Number(log.trimEnd().split("\n").at(-2)?.split(" ")[0]);

test("seeds of misfortune: the rules hold throughout, in the end everybody watches, and no run asks this machine for the time", async () => {
  let simulated = 0;
  for (const seed of seeds(SEEDS)) simulated += simulatedMs(await withoutSystemTime(() => run(seed)));
  assert.ok(simulated >= SEEDS * 90_000, `${simulated} ms went by`);
});

test("while only the control plane fails, every packet that a viewer misses is counted as being without a key", async () => {
  const missed: number[] = [];
  for (const seed of seeds(Math.ceil(SEEDS / 5))) missed.push(await withoutSystemTime(() => runControlOnly(seed)));
  assert.ok(missed.some((packets) => packets > 0));
});

test("the same seed gives the same log, octet for octet, and another seed another one", async () => {
  const [one, again, other] = [await run(7), await run(7), await run(8)];
  assert.equal(one, again);
  assert.notEqual(one, other);
  for (const what of [
    /"number":71,/,
    /"number":81,/,
    /"73":/,
    /"95":/,
    /igmp /,
    /"epoch":2,/,
    /reception of .* is live/,
    /usage \{/,
  ])
    assert.match(one, what);
});
