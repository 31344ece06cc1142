import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { existsSync, mkdirSync, rmSync } from "node:fs";
import { dirname, join } from "node:path";
import { test } from "node:test";

const module = JSON.stringify(new URL("scratch.mjs", import.meta.url).href);
/** @param {string} body with `folder` and what ends it */
function run(body) {
  const script = `import { tmpdir } from "node:os"; import { scratchFolder } from ${module};
    const { remove } = scratchFolder(); const folder = tmpdir(); ${body}`;
  return spawnSync(process.execPath, ["--input-type=module", "-e", script], { encoding: "utf8" });
}

test("programs that tests start make what they make in it, and it is gone with them", () => {
  const told = run(`import { spawnSync } from "node:child_process";
    console.log(folder); console.log(spawnSync("mktemp", ["-d"], { encoding: "utf8" }).stdout.trim()); console.log(remove().length);`);
  const [folder = "", made = "", left] = told.stdout.split("\n");
  assert.equal(told.status, 0, told.stderr);
  assert.deepEqual([dirname(made), left, existsSync(folder)], [folder, "1", false]);
});

test("what a killed run has left is gone with the next, and not what another is using", () => {
  const killed = run('console.log(folder); process.kill(process.pid, "SIGKILL"); await new Promise(() => {});');
  const left = killed.stdout.trim();
  assert.deepEqual([killed.signal, existsSync(left)], ["SIGKILL", true]);
  const ours = join(dirname(left), `sct${process.pid}-test`);
  mkdirSync(ours);
  try {
    assert.equal(run("remove();").status, 0);
    assert.deepEqual([existsSync(left), existsSync(ours)], [false, true]);
  } finally {
    rmSync(ours, { recursive: true });
  }
});
