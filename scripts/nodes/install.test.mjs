import assert from "node:assert/strict";
import { copyFileSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { digestOf, isLocked } from "./install.mjs";

const folder = mkdtempSync(join(tmpdir(), "scl-install-"));
after(() => rmSync(folder, { recursive: true, force: true }));

test("a folder whose lock file is gone or another one is installed anew, not given up", () => {
  const lock = join(folder, "package-lock.json");
  assert.equal(isLocked(folder), false);
  writeFileSync(lock, "{}");
  assert.equal(isLocked(folder), false);
  copyFileSync("scripts/nodes/package-lock.json", lock);
  assert.equal(isLocked(folder), true);
});

test("addons are compiled anew when what is compiled into them changes, be it at the same length", () => {
  const header = join(folder, "object-wrap.h");
  const [one, other] = ["int a;", "int b;"].map((text) => {
    writeFileSync(header, text);
    return digestOf(header);
  });
  assert.notEqual(one, other);
});
