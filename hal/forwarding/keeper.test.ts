// What is seen of a process while it becomes another program, as a keeper becomes the farewell.
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { eventually } from "../in-namespace.testkit.ts";
import { findKeepers, hasEnded } from "./keeper.ts";

/** Becomes itself so many times, then something that waits for its input. */
const CHANGING = 'if [ "$1" = 0 ]; then exec cat; fi; exec sh "$0" $(($1 - 1)) sealcast-router-keeper ""';
const CHANGES = 3000;

test("a process that becomes another program has not ended, and is found at every moment", async () => {
  const folder = mkdtempSync(join(tmpdir(), "sealcast-keeper-"));
  const script = join(folder, "changing");
  writeFileSync(script, CHANGING);
  const child = spawn("sh", [script, String(CHANGES), "sealcast-router-keeper", ""], {
    stdio: ["pipe", "pipe", "ignore"],
  });
  try {
    const pid = child.pid ?? assert.fail("no process");
    let ended = 0;
    let missed = 0;
    let looks = 0;
    for (let round = 0; round < 40; round++) {
      for (let look = 0; look < 200; look++, looks++) if (hasEnded(pid)) ended += 1;
      if (!findKeepers().some((keeper) => keeper.pid === pid)) missed += 1;
    }
    assert.deepEqual({ ended, missed }, { ended: 0, missed: 0 }, `of ${looks} looks`);
    child.kill("SIGKILL");
    await once(child, "exit");
    assert.equal(hasEnded(pid), true);
  } finally {
    child.kill("SIGKILL");
    rmSync(folder, { recursive: true });
  }
});

test("a process that nobody has asked for has ended", async () => {
  const parent = spawn("sh", ["-c", "sleep 0 & echo $!; exec sleep 60"], { stdio: ["ignore", "pipe", "ignore"] });
  try {
    const [line] = (await once(parent.stdout, "data")) as [Buffer];
    assert.ok(await eventually(() => hasEnded(Number(line))), "a zombie");
    assert.equal(hasEnded(parent.pid ?? 0), false);
  } finally {
    parent.kill();
  }
});
