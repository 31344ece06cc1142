// Fuzz tests: short and always the same in a usual run; with `npm run fuzz` of new seeds, for as long as it is told.
import { randomInt } from "node:crypto";
import { test } from "node:test";
import { SeededEntropy } from "../../hal/entropy/seeded.ts";
import { type Below, seededBelow } from "./chance.testkit.ts";

export interface FuzzPlan {
  /** Of the first pass in a usual run; the others have the next ones. */
  readonly seed: number;
  /** Of one pass; left out where a pass has no rounds of its own. */
  readonly rounds?: number;
  /** In a usual run; default 1. */
  readonly passes?: number;
}

/** One pass: everything it draws comes from its seed. */
export interface FuzzPass {
  readonly seed: number;
  readonly rounds: number;
  readonly entropy: SeededEntropy;
  readonly below: Below;
}

/**
 * A test named "fuzz: ...". SEALCAST_FUZZ_SEED=N runs the pass of that seed alone, SEALCAST_FUZZ_FOR=SECONDS passes of new seeds until
 * the time is over, at least one. What fails says its seed.
 */
export function fuzz(name: string, plan: FuzzPlan, pass: (pass: FuzzPass) => void | Promise<void>): void {
  test(`fuzz: ${name}`, async (t) => {
    const { rounds = 1 } = plan;
    let passes = 0;
    for (const seed of seedsOf(plan, process.env)) {
      try {
        await pass({ seed, rounds, entropy: new SeededEntropy(seed), below: seededBelow(seed) });
      } catch (cause) {
        const found = cause instanceof Error ? cause.message : String(cause);
        throw new Error(`SEALCAST_FUZZ_SEED=${seed} after ${passes} passes: ${found}`, { cause });
      }
      passes += 1;
    }
    t.diagnostic(`${passes} passes of ${rounds} rounds`);
  });
}

/** The seeds of a run, as its environment asks. */
export function* seedsOf(
  { seed, passes = 1 }: FuzzPlan,
  { SEALCAST_FUZZ_SEED: one, SEALCAST_FUZZ_FOR: seconds }: NodeJS.ProcessEnv,
): Generator<number> {
  if (one !== undefined) yield Number(one);
  else if (seconds === undefined) for (let i = 0; i < passes; i++) yield seed + i;
  else {
    const end = performance.now() + Number(seconds) * 1000;
    for (let next = randomInt(2 ** 32); ; next = (next + 1) % 2 ** 32) {
      yield next;
      if (performance.now() >= end) return;
    }
  }
}
