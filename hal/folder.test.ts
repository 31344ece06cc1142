import assert from "node:assert/strict";
import { existsSync, mkdtempSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { makeFolder } from "./folder.ts";

test("a folder is made with those above it, once and again", () => {
  const root = mkdtempSync(join(tmpdir(), "sealcast-folder-"));
  const deep = join(root, "a/b/c");
  makeFolder(deep, 0o700);
  makeFolder(deep, 0o700);
  assert.equal(statSync(deep).mode & 0o777, 0o700);
  rmSync(root, { recursive: true });
});

test("where no folder can be made the kernel's error comes back at once", { skip: !existsSync("/proc/self") }, () => {
  assert.throws(() => makeFolder("/proc/sealcast/a/b", 0o700), { code: "ENOENT" });
});
