// Whatever fails, and whenever: the rules of the system hold all the time, and all is well again afterwards.
import assert from "node:assert/strict";
import { test } from "node:test";
import { fuzz } from "../../core/base/fuzz.testkit.ts";
import { run, runControlOnly } from "./run.testkit.ts";
import { withoutSystemTime } from "./system-time.testkit.ts";

/** Of the last line that carries a time. */
const simulatedMs = (log: string): number => Number(log.trimEnd().split("\n").at(-2)?.split(" ")[0]);

const HOLD =
  "seeds of misfortune: the rules hold throughout, in the end everybody watches, and no run asks this machine for the time";

fuzz(HOLD, { seed: 1, passes: 8 }, async ({ seed }) => {
  const simulated = simulatedMs(await withoutSystemTime(() => run(seed)));
  assert.ok(simulated >= 90_000, `${simulated} ms went by`);
});

const COUNTED =
  "while only the control plane fails, every packet that a viewer misses is counted as being without a key";

fuzz(COUNTED, { seed: 1, passes: 3 }, async ({ seed }) => {
  await withoutSystemTime(() => runControlOnly(seed));
});

test("and there are such packets: the rule above is not kept by missing none", async () => {
  assert.ok((await runControlOnly(4)) > 0);
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
