// The runner itself: what fails it and what it counts.
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";

const folder = mkdtempSync(join(tmpdir(), "scl-run-"));
after(() => rmSync(folder, { recursive: true, force: true }));

const path = (/** @type {string} */ name) => join(folder, name);

/**
 * What runTests makes of the files. In a process of its own: a test of node's runner cannot run node's runner.
 * @param {Record<string, string>} files
 * @param {{ shared?: boolean, timeout?: number }} [how] `shared`: all in one process
 * @returns {import("./run.mjs").Outcome}
 */
function outcome(files, { shared = false, timeout = 20_000 } = {}) {
  for (const [name, text] of Object.entries(files)) writeFileSync(path(name), text);
  const paths = Object.keys(files).map(path);
  const processes = shared ? [paths] : paths.map((path) => [path]);
  const script = path("run.mjs");
  const result = path("outcome.json");
  writeFileSync(
    script,
    `import { writeFileSync } from "node:fs";
    import { runTests } from ${JSON.stringify(new URL("run.mjs", import.meta.url).href)};
    const outcome = await runTests(${JSON.stringify(processes)}, { timeout: ${timeout} });
    writeFileSync(${JSON.stringify(result)}, JSON.stringify(outcome));`,
  );
  const env = { ...process.env, NODE_TEST_CONTEXT: undefined };
  const { status, stderr } = spawnSync(process.execPath, [script], { env, encoding: "utf8" });
  assert.equal(status, 0, stderr);
  return JSON.parse(readFileSync(result, "utf8"));
}

const TEST = 'import { test } from "node:test";\n';
test("a test file that registers no test is named", () => {
  const found = outcome({ "one.test.mjs": `${TEST}test("a", () => {});`, "none.test.mjs": "1 + 1;" });
  assert.deepEqual(found.empty, [path("none.test.mjs")]);
  assert.equal(found.failed, 0);
});

test("a failing test and a file that cannot be loaded are failures", () => {
  const found = outcome({
    "fails.test.mjs": `${TEST}test("a", () => { throw new Error("no"); });`,
    "broken.test.mjs": 'throw new Error("no");',
  });
  assert.equal(found.failed, 2);
  assert.deepEqual(found.empty, []);
});

test("a skipped test is told with its reason", () => {
  const found = outcome({ "skips.test.mjs": `${TEST}test("a", { skip: "no network" }, () => {});` });
  assert.deepEqual(found.skipped, ["a: no network"]);
  assert.deepEqual(found.empty, []);
});

test("the time of every file is told, the slowest first", () => {
  const found = outcome({
    "quick.test.mjs": `${TEST}test("a", () => {});`,
    "slow.test.mjs": `${TEST}test("a", () => new Promise((resolve) => setTimeout(resolve, 600)));`,
  });
  const seconds = found.took.map((one) => one.seconds);
  // On a busy machine the quick one may take longer.
  assert.deepEqual(
    seconds,
    [...seconds].sort((a, b) => b - a),
  );
  const slow = found.took.find(({ file }) => file === path("slow.test.mjs"));
  assert.ok(seconds.length === 2 && (slow?.seconds ?? 0) >= 0.5, JSON.stringify(found.took));
});

test("files that share a process are told apart: what passes, fails, is empty, or cannot be loaded", () => {
  const found = outcome(
    {
      "passes.test.mjs": `${TEST}test("a", () => {}); test("b", { skip: "no network" }, () => {});`,
      "fails.test.mjs": `${TEST}test("a", () => { throw new Error("no"); }); test("b", () => {});`,
      "none.test.mjs": "1 + 1;",
      "broken.test.mjs": 'throw new Error("no");',
      "last.test.mjs": `${TEST}test("a", () => {});`,
    },
    { shared: true },
  );
  const { passed, failed, skipped, empty, unended } = found;
  assert.deepEqual([passed, failed, skipped, unended], [3, 2, ["b: no network"], []]);
  assert.deepEqual(empty, [path("none.test.mjs")]);
  assert.equal(found.took.length, 5);
});

test("what a file that shares a process does after its tests is done before the next begins", () => {
  const found = outcome(
    {
      "first.test.mjs": `import { after, test } from "node:test"; test("a", () => {}); after(() => { globalThis.done = true; });`,
      "second.test.mjs": `${TEST}test("a", () => { if (!globalThis.done) throw new Error("not yet"); });`,
    },
    { shared: true },
  );
  assert.deepEqual([found.passed, found.failed], [2, 0]);
});

test("what a test leaves in the temporary folder is told, and gone with the run; the addons that programs unpack there are no fault", () => {
  const makes = (/** @type {string} */ name) =>
    `import { mkdirSync, writeFileSync } from "node:fs"; import { tmpdir } from "node:os";     test("a", () => { mkdirSync(tmpdir() + "/${name}"); writeFileSync(${JSON.stringify(path("where.txt"))}, tmpdir()); });`;
  const found = outcome({
    "leaves.test.mjs": `${TEST}${makes("left-behind")}`,
    "unpacks.test.mjs": `${TEST}${makes("sealcast-native-0")}`,
  });
  assert.deepEqual([found.left, found.failed], [["left-behind"], 0]);
  assert.equal(existsSync(readFileSync(path("where.txt"), "utf8")), false);
});

test("one that hangs is ended, and with it all that share its process are told not to have come to their end", () => {
  const found = outcome(
    {
      "ends.test.mjs": `${TEST}test("a", () => {});`,
      "hangs.test.mjs": `${TEST}test("a", () => new Promise((resolve) => setTimeout(resolve, 60_000)));`,
      "waits.test.mjs": `${TEST}test("a", () => {});`,
    },
    { shared: true, timeout: 3_000 },
  );
  assert.ok(found.failed > 0);
  assert.deepEqual(found.unended, [path("hangs.test.mjs"), path("waits.test.mjs")]);
});
