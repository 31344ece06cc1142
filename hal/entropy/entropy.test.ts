import assert from "node:assert/strict";
import { test } from "node:test";
import { toHex } from "../../core/base/bytes.ts";
import type { Entropy } from "../../core/ports/entropy.ts";
import { SeededEntropy } from "./seeded.ts";
import { systemEntropy } from "./system.ts";

function entropyContract(name: string, entropy: Entropy): void {
  test(`${name}: bytes gives as many as asked, in a fresh array`, () => {
    assert.equal(entropy.bytes(0).length, 0);
    const [a, b] = [entropy.bytes(32), entropy.bytes(32)];
    assert.equal(a.length, 32);
    assert.notEqual(toHex(a), toHex(b));
    assert.notEqual(a.buffer, b.buffer);
  });

  test(`${name}: below stays in [0, limit) and covers it evenly`, () => {
    const bins = new Array<number>(10).fill(0);
    for (let i = 0; i < 20_000; i++) {
      const drawn = entropy.below(10);
      assert.ok(drawn >= 0 && drawn < 10);
      bins[Math.floor(drawn)] = (bins[Math.floor(drawn)] ?? 0) + 1;
    }
    for (const n of bins) assert.ok(n > 1700 && n < 2300, `bins ${bins.join(" ")}`);
  });
}

entropyContract("system entropy", systemEntropy);
for (const seed of [0, 1, 0xffffffff]) entropyContract(`seeded entropy ${seed}`, new SeededEntropy(seed));

test("the same seed gives the same draws, another seed others", () => {
  const draw = (seed: number) => toHex(new SeededEntropy(seed).bytes(16));
  assert.equal(draw(7), draw(7));
  assert.notEqual(draw(7), draw(8));
});

test("a seed that somebody wrote down gives the draws that it gave then", () => {
  assert.equal(toHex(new SeededEntropy(7).bytes(16)), "d6e413850863759535eebdc2e6f1e712");
  assert.equal(new SeededEntropy(7).below(1000), 837.5768651936326);
});
