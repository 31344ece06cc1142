import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { existsSync, mkdirSync } from "node:fs";
import { dirname, join } from "node:path";
import { test } from "node:test";

const module = JSON.stringify(new URL("scratch.mjs", import.meta.url).href);
/** @param {string} body with `folder` */
const run = (body) => {
  const script = `import { takeScratch } from ${module}; const folder = takeScratch(); ${body}`;
  return spawnSync(process.execPath, ["--input-type=module", "-e", script], { encoding: "utf8" });
};

test("what a run makes for its tests is gone with it, and so is what a killed one has left, but not what another is using", () => {
  const told = run(`
    import { spawnSync } from "node:child_process";
    const made = spawnSync("mktemp", ["-d"], { encoding: "utf8" }).stdout.trim();
    console.log(folder); console.log(made);`);
  const [folder = "", made = ""] = told.stdout.split("\n");
  assert.equal(told.status, 0, told.stderr);
  assert.equal(dirname(made), folder, "a program that it starts puts it there too");
  assert.ok(!existsSync(folder));

  const killed = run('console.log(folder); process.kill(process.pid, "SIGKILL"); await new Promise(() => {});');
  const left = killed.stdout.trim();
  assert.equal(killed.signal, "SIGKILL");
  assert.ok(existsSync(left));
  const ours = join(dirname(left), `sct${process.pid}-test`);
  mkdirSync(ours);
  try {
    assert.equal(run("").status, 0);
    assert.deepEqual([existsSync(left), existsSync(ours)], [false, true]);
  } finally {
    spawnSync("rm", ["-r", ours]);
  }
});
