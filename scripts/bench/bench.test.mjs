// The bench command does what its users rely on: it measures, says so, and writes the report in the promised form.
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { peakMemory } from "./support/measure.mjs";

test("the control, bundle and first-joins figures are measured and written with their ratios", () => {
  const folder = mkdtempSync(join(tmpdir(), "sealcast-bench-"));
  try {
    const file = join(folder, "figures.json");
    const args = ["scripts/bench/main.mjs", "--quick", "--json", file, "control", "bundle", "first-joins"];
    const { status, stdout, stderr } = spawnSync(process.execPath, args, { encoding: "utf8", timeout: 120_000 });
    assert.equal(status, 0, stdout + stderr);
    const { figures } = JSON.parse(readFileSync(file, "utf8"));
    assert.ok(figures.some((/** @type {{ name: string }} */ { name }) => name.startsWith("key requests")));
    for (const figure of figures) {
      assert.deepEqual(Object.keys(figure), ["name", "unit", "ours", "against", "theirs", "ratio"]);
      assert.ok(Math.abs(figure.ratio / (figure.ours / figure.theirs) - 1) < 0.02, JSON.stringify(figure));
    }
  } finally {
    rmSync(folder, { recursive: true });
  }
});

test("what a packet takes with each cipher driver is measured beside C, by the names that others look for", () => {
  const folder = mkdtempSync(join(tmpdir(), "sealcast-bench-"));
  try {
    const file = join(folder, "figures.json");
    const args = ["scripts/bench/stream/main.mjs", "--quick", "--json", file, "ciphers"];
    const { status, stdout, stderr } = spawnSync(process.execPath, args, { encoding: "utf8", timeout: 120_000 });
    assert.equal(status, 0, stdout + stderr);
    const { figures } = JSON.parse(readFileSync(file, "utf8"));
    for (const driver of ["native", "node", "noble"])
      for (const what of ["protect", "unprotect"]) {
        const name = `${what}.AEAD_AES_128_GCM.${driver}`;
        const figure = figures.find((/** @type {{ name: string }} */ one) => one.name === name);
        assert.ok(figure?.ours > 0 && figure.theirs > 0, name);
      }
  } finally {
    rmSync(folder, { recursive: true });
  }
});

test("100,000 tracked memberships of 25,000 hosts in 20,000 groups take less than 150 MB, node included", async () => {
  const peak = await peakMemory([`${import.meta.dirname}/support/memberships.mjs`, "100000"]);
  assert.ok(peak > 50 && peak < 150, `${peak} MiB`);
});
