// The checks judge what is there now: old bundles are replaced before any test runs.
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";

test("whatever bundles are there, the checks build them anew, also when no test is chosen in the end", (t) => {
  const dist = mkdtempSync(join(tmpdir(), "scl-built-"));
  t.after(() => rmSync(dist, { recursive: true }));
  writeFileSync(join(dist, "replay.cjs"), "an old bundle");
  const { status, stdout } = spawnSync(process.execPath, ["scripts/checks/main.mjs", "no-test-has-this-in-its-path"], {
    env: { ...process.env, SEALCAST_DIST: dist, NODE_TEST_CONTEXT: undefined },
    encoding: "utf8",
    timeout: 120_000,
  });
  assert.equal(status, 1, stdout);
  assert.match(stdout, /test: FAILED: no test file matches/);
  const bundle = readFileSync(join(dist, "replay.cjs"), "utf8");
  assert.ok(bundle.startsWith("#!/usr/bin/env node\n"), "the old bundle is still there");
  assert.match(readFileSync(join(dist, "replay.THIRD-PARTY.txt"), "utf8"), /commander/);
});
