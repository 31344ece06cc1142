import assert from "node:assert/strict";
import { test } from "node:test";
import * as v from "valibot";
import { type Instant, instant } from "../../core/base/time.ts";
import { systemClock } from "../../hal/clock/system.ts";
import { SeededEntropy } from "../../hal/entropy/seeded.ts";
import { type RouterConfig, routerConfig } from "./config.ts";
import { rehearse } from "./rehearsal.ts";

const PLAIN = { id: "r", upstream: { interface: "wan" }, downstreams: [{ interface: "lan0" }, { interface: "lan1" }] };

const parsed = (changes: object): RouterConfig => v.parse(routerConfig, { ...PLAIN, ...changes });

/** How often it let others in, and how many viewers got their stream, by a clock on which each look takes `look` milliseconds. */
async function outcome(config: RouterConfig, look: number) {
  let [now, pauses] = [0, 0];
  const tick = (): Instant => {
    now += look;
    return instant(now);
  };
  const served = await rehearse(
    config,
    { clock: { ...systemClock, now: tick }, entropy: new SeededEntropy(1) },
    (work) => {
      pauses++;
      work();
    },
  );
  return { pauses, served };
}

test("every viewer gets a stream, and others are let in after every millisecond", async () => {
  assert.deepEqual(await outcome(parsed({}), 0.5), { pauses: 30, served: 60 });
});

test("on a machine that is too slow for it a rehearsal ends before it is complete", async () => {
  assert.deepEqual(await outcome(parsed({}), 50), { pauses: 3, served: 3 });
});

test("whatever the configuration allows, a rehearsal does not fail", async () => {
  const denied = { interface: "lan0", deny: ["239.0.0.0/8"], maxGroups: 1, version: 2 };
  for (const changes of [{ forwarding: "none" }, { downstreams: [denied] }])
    assert.equal((await outcome(parsed(changes), 0.5)).served, 0);
  assert.ok((await outcome(parsed({ maxRoutes: 1 }), 0.5)).served > 0);
});
