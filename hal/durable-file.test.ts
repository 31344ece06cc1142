import assert from "node:assert/strict";
import { existsSync, mkdtempSync, readFileSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { writeDurably } from "./durable-file.ts";

const folder = mkdtempSync(join(tmpdir(), "sealcast-durable-"));
after(() => rmSync(folder, { recursive: true }));

test("a file is for its owner only, and is replaced as a whole", () => {
  const path = join(folder, "replaced");
  writeDurably(path, "a longer text", "replace");
  writeDurably(path, "kurz, ü", "replace");
  assert.equal(readFileSync(path, "utf8"), "kurz, ü");
  assert.equal(statSync(path).mode & 0o777, 0o600);
});

test("a file that must be new takes nobody's place", () => {
  const path = join(folder, "created");
  writeDurably(path, "first", "create");
  assert.throws(() => writeDurably(path, "second", "create"), { code: "EEXIST" });
  assert.equal(readFileSync(path, "utf8"), "first");
});

test("a full disk is the kernel's error", { skip: !existsSync("/dev/full") }, () => {
  assert.throws(() => writeDurably("/dev/full", "text", "replace"), { code: "ENOSPC" });
});
