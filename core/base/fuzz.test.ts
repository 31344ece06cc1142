import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { test } from "node:test";
import { seededBelow } from "./chance.testkit.ts";
import { mutated, seedsOf } from "./fuzz.testkit.ts";

test("a usual run has the plan's own seeds, each time the same", () => {
  assert.deepEqual([...seedsOf({ seed: 7 }, {})], [7]);
  assert.deepEqual([...seedsOf({ seed: 7, passes: 3 }, {})], [7, 8, 9]);
});

test("SEALCAST_FUZZ_SEED is the only one", () => {
  const wanted = { SEALCAST_FUZZ_SEED: "4711", SEALCAST_FUZZ_FOR: "10" };
  assert.deepEqual([...seedsOf({ seed: 7, passes: 3 }, wanted)], [4711]);
});

test("SEALCAST_FUZZ_FOR brings new seeds until the time is over, at least one", () => {
  const [first] = seedsOf({ seed: 7 }, { SEALCAST_FUZZ_FOR: "0" });
  const [second] = seedsOf({ seed: 7 }, { SEALCAST_FUZZ_FOR: "0" });
  assert.notEqual(first, second);
  const begin = performance.now();
  const many = [...seedsOf({ seed: 7 }, { SEALCAST_FUZZ_FOR: "0.05" })];
  assert.ok(performance.now() - begin >= 50);
  assert.equal(new Set(many.slice(0, 100)).size, Math.min(many.length, 100));
});

test("what is found names its seed, and that seed finds it again", () => {
  const kit = new URL("./fuzz.testkit.js", import.meta.url).href;
  const script = `import { fuzz } from ${JSON.stringify(kit)};
    fuzz("odd", { seed: 2, passes: 2 }, ({ seed }) => { if (seed % 2 === 1) throw new Error("it is odd"); });`;
  const run = (seed?: string) =>
    spawnSync(process.execPath, ["--input-type=module", "-e", script], {
      env: { ...process.env, NODE_TEST_CONTEXT: undefined, SEALCAST_FUZZ_FOR: undefined, SEALCAST_FUZZ_SEED: seed },
      encoding: "utf8",
    });
  const found = run();
  assert.equal(found.status, 1);
  assert.match(found.stdout, /SEALCAST_FUZZ_SEED=3 after 1 passes: it is odd/);
  assert.match(run("3").stdout, /SEALCAST_FUZZ_SEED=3 after 0 passes: it is odd/);
  assert.equal(run("2").status, 0);
});

test("a test with real processes takes its one seed from the same place, and tells it", () => {
  const kit = new URL("./fuzz.testkit.js", import.meta.url).href;
  const script = `import { seedOf, withSeed } from ${JSON.stringify(kit)};
    await withSeed(seedOf(5), () => { throw new Error("it is odd"); });`;
  const run = (seed?: string) =>
    spawnSync(process.execPath, ["--input-type=module", "-e", script], {
      env: { ...process.env, SEALCAST_FUZZ_SEED: seed },
      encoding: "utf8",
    });
  assert.match(run().stderr, /SEALCAST_FUZZ_SEED=5: it is odd/);
  assert.match(run("3").stderr, /SEALCAST_FUZZ_SEED=3: it is odd/);
});

test("a mutation has every kind of fault, and leaves what it was given alone", () => {
  const below = seededBelow(1);
  const bytes = Uint8Array.from({ length: 20 }, (_, n) => n);
  const before = bytes.slice();
  const lengths = new Set<number>();
  let same = 0;
  for (let round = 0; round < 5000; round++) {
    const found = mutated(bytes, below);
    lengths.add(found.length);
    if (Buffer.compare(found, before) === 0) same += 1;
  }
  assert.deepEqual(bytes, before);
  assert.deepEqual(
    [...lengths].sort((a, b) => a - b),
    Array.from({ length: 29 }, (_, n) => n),
  );
  assert.ok(same > 0 && same < 500, `${same} of 5000 are unchanged`);
});

test("a number of rounds is done in passes from the test's own seed on, or from one that is given", () => {
  const plan = { seed: 7, rounds: 2000 };
  assert.deepEqual([...seedsOf(plan, { SEALCAST_FUZZ_ROUNDS: "5000" })], [7, 8, 9]);
  assert.deepEqual([...seedsOf(plan, { SEALCAST_FUZZ_ROUNDS: "4000", SEALCAST_FUZZ_SEED: "40" })], [40, 41]);
});
