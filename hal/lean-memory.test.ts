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

/** What a process of its own says of itself. */
function told<Told>(program: string): Told {
  const args = ["--expose-gc", "--input-type=module", "-e", program];
  return JSON.parse(spawnSync(process.execPath, args, { encoding: "utf8" }).stdout);
}

/** @param measure is taken before the burst, and again after it */
const after = (first: string, measure: string): Report =>
  told(`${first} const { leanMemory } = await import("./build/hal/lean-memory.js"); ${measure} ${burst(measure)}`);

test("what a burst took goes back to the system, and the young generation stays small", () => {
  const [plain, lean] = [after("", ""), after('import "./build/hal/young-generation.js";', "await leanMemory();")];
  assert.ok(lean.young < plain.young / 2, `young generation: ${lean.young} of ${plain.young} MiB`);
  const isGlibc = "glibcVersionRuntime" in (process.report.getReport() as { header: object }).header;
  if (isGlibc) assert.ok(lean.grown < plain.grown / 2, `after the burst: ${lean.grown} of ${plain.grown} MiB`);
});

/** MiB of files (programs, libraries) that are resident before and after, and what a function that is used for the first time says then. */
const forgetting = `
  const { readFileSync } = await import("node:fs");
  const { forgetStart } = await import("./build/hal/lean-memory.js");
  const files = () => Number(/RssFile:\\s+(\\d+)/.exec(readFileSync("/proc/self/status", "latin1"))[1]) / 1024;
  const before = files();
  await forgetStart();
  const after = files();
  const { createHash } = await import("node:crypto");
  console.log(JSON.stringify({ before, after, hash: createHash("sha256").update("abc").digest("hex") }));`;

test("what only the start used leaves the process, and whatever is needed of it comes back", () => {
  const { before, after, hash } = told<{ before: number; after: number; hash: string }>(forgetting);
  assert.ok(after < before / 2, `${after} of ${before} MiB`);
  // FIPS 180-2, B.1.
  assert.equal(hash, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
});
