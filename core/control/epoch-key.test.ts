import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { overwriteKeys } from "./epoch-key.ts";
import { bytes } from "./servers.testkit.ts";

const key = (value: number) => ({ masterKey: bytes(value), masterSalt: bytes(value, 12) });

test("the octets of ended keys are overwritten", () => {
  const [one, two] = [key(1), key(2)];
  overwriteKeys([one, two]);
  for (const ended of [one, two]) assert.deepEqual(ended, key(0));
});

test("octets that a kept key shares stay", () => {
  const [ended, moved] = [key(1), key(2)];
  overwriteKeys([ended, moved], [{ ...moved }]);
  assert.deepEqual([ended, moved], [key(0), key(2)]);
});

test("nobody else overwrites a master key by hand", () => {
  const sources = ["core", "hal", "targets"].flatMap((folder) =>
    readdirSync(folder, { recursive: true, encoding: "utf8" }).map((name) => join(folder, name)),
  );
  const own = sources.filter((name) => name.endsWith(".ts") && !name.endsWith(".test.ts"));
  assert.ok(own.includes(join("core", "control", "epoch-key.ts")));
  const byHand = /master(Key|Salt)\.fill\(|function overwriteKeys/;
  assert.deepEqual(
    own.filter((name) => byHand.test(readFileSync(name, "utf8"))),
    [join("core", "control", "epoch-key.ts")],
  );
});
