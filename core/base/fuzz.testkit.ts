// Fuzz tests: short and always the same in a usual run; with `npm run fuzz` of new seeds, for as long as it is told. What runs real
// processes is bounded (`seedOf`, `withSeed`), but takes its seed from the same place and tells it in the same way.
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
 * the time is over, at least one; SEALCAST_FUZZ_ROUNDS=N passes from its own seed on (or from SEALCAST_FUZZ_SEED) until there were N
 * rounds, the same in every run. What fails says its seed.
 */
export function fuzz(name: string, plan: FuzzPlan, pass: (pass: FuzzPass) => void | Promise<void>): void {
  test(`fuzz: ${name}`, async (t) => {
    const { rounds = 1 } = plan;
    let passes = 0;
    let first: number | undefined;
    for (const seed of seedsOf(plan, process.env)) {
      first ??= seed;
      const drawn = { seed, rounds, entropy: new SeededEntropy(seed), below: seededBelow(seed) };
      await telling(`SEALCAST_FUZZ_SEED=${seed} after ${passes} passes`, () => pass(drawn));
      passes += 1;
    }
    t.diagnostic(`${passes} passes of ${rounds} rounds from seed ${first}: ${passes * rounds} rounds, no difference`);
  });
}

/** Whatever `run` throws says `where` before its own message. */
async function telling(where: string, run: () => void | Promise<void>): Promise<void> {
  try {
    await run();
  } catch (cause) {
    throw new Error(`${where}: ${cause instanceof Error ? cause.message : String(cause)}`, { cause });
  }
}

/** Whether this is `npm run fuzz`. */
export const isFuzzing = (): boolean =>
  process.env.SEALCAST_FUZZ_FOR !== undefined || process.env.SEALCAST_FUZZ_ROUNDS !== undefined;

/** The seed of a test that is no `fuzz`: SEALCAST_FUZZ_SEED, or its own. */
export const seedOf = (usual: number): number => Number(process.env.SEALCAST_FUZZ_SEED ?? usual);

/** Runs what draws from this seed (`seedOf`): what fails says it. */
export const withSeed = (seed: number, run: () => void | Promise<void>): Promise<void> =>
  telling(`SEALCAST_FUZZ_SEED=${seed}`, run);

/**
 * A copy, of at least one octet before, with one fault: an octet replaced, a bit turned over, the end cut off, octets moved, or up to
 * eight put in. One in thirty or so is what it was.
 */
export function mutated(bytes: Uint8Array, below: Below): Uint8Array {
  const changed = bytes.slice();
  const at = below(bytes.length);
  switch (below(5)) {
    case 0:
      changed[at] = below(256);
      return changed;
    case 1:
      changed[at] = (changed[at] ?? 0) ^ (1 << below(8));
      return changed;
    case 2:
      return changed.subarray(0, at);
    case 3:
      changed.copyWithin(at, below(bytes.length));
      return changed;
    default: {
      const inserted = Array.from({ length: below(9) }, () => below(256));
      const longer = new Uint8Array(changed.length + inserted.length);
      longer.set(changed.subarray(0, at));
      longer.set(inserted, at);
      longer.set(changed.subarray(at), at + inserted.length);
      return longer;
    }
  }
}

/** The seeds of a run, as its environment asks. */
export function* seedsOf(
  { seed, passes = 1, rounds: each = 1 }: FuzzPlan,
  { SEALCAST_FUZZ_SEED: one, SEALCAST_FUZZ_FOR: seconds, SEALCAST_FUZZ_ROUNDS: rounds }: NodeJS.ProcessEnv,
): Generator<number> {
  if (rounds !== undefined) for (let i = 0; i * each < Number(rounds); i++) yield Number(one ?? seed) + i;
  else if (one !== undefined) yield Number(one);
  else if (seconds === undefined) for (let i = 0; i < passes; i++) yield seed + i;
  else {
    const end = performance.now() + Number(seconds) * 1000;
    for (let next = randomInt(2 ** 32); ; next = (next + 1) % 2 ** 32) {
      yield next;
      if (performance.now() >= end) return;
    }
  }
}
