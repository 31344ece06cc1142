// What a burst took and gave back, seen from outside in a process of its own.
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { test } from "node:test";

interface Report {
  /** MiB that are resident more than before the burst. */
  readonly grown: number;
  /** MiB of V8's young generation. */
  readonly young: number;
}

/** 30 MiB in blocks that lie on the C library's heap, after one that it maps by itself; then three million objects that live for a moment. */
const burst = (afterwards: string): string => `
  const before = process.memoryUsage.rss();
  Buffer.alloc(24 << 20, 1);
  gc();
  (() => Array.from({ length: 500 }, () => Buffer.alloc(60_000, 1)).length)();
  // The second waits for what the first has found.
  gc();
  gc();
  ${afterwards}
  const grown = (process.memoryUsage.rss() - before) / 2 ** 20;
  let some = [];
  for (let n = 0; n < 3_000_000; n++) {
    some.push({ n });
    if (some.length > 100_000) some = [];
  }
  const { getHeapSpaceStatistics } = await import("node:v8");
  const young = getHeapSpaceStatistics().find((space) => space.space_name === "new_space").space_size / 2 ** 20;
  console.log(JSON.stringify({ grown, young }));`;

/** @param measure is taken before the burst, and again after it */
function after(measure: string): Report {
  const program = `const { leanMemory } = await import("./build/hal/lean-memory.js"); ${measure} ${burst(measure)}`;
  const args = ["--expose-gc", "--input-type=module", "-e", program];
  return JSON.parse(spawnSync(process.execPath, args, { encoding: "utf8" }).stdout);
}

test("what a burst took goes back to the system, and the young generation stays small", () => {
  const [plain, lean] = [after(""), after("await leanMemory();")];
  assert.ok(lean.young < plain.young / 2, `young generation: ${lean.young} of ${plain.young} MiB`);
  const isGlibc = "glibcVersionRuntime" in (process.report.getReport() as { header: object }).header;
  if (isGlibc) assert.ok(lean.grown < plain.grown / 2, `after the burst: ${lean.grown} of ${plain.grown} MiB`);
});
