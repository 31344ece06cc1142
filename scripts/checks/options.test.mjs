import assert from "node:assert/strict";
import { test } from "node:test";
import { parseOptions } from "./options.mjs";

test("without options every kind of test runs", () => {
  const all = { requireAll: false, kinds: ["unit", "bundle", "foreign", "lab"], parts: [], isWhole: true };
  assert.deepEqual(parseOptions([], {}), all);
  assert.deepEqual(parseOptions([], { CI: "true" }), { ...all, requireAll: true });
});

test("--unit and --bundles choose, and parts of a path choose further", () => {
  assert.deepEqual(parseOptions(["--unit"], {}).kinds, ["unit"]);
  assert.deepEqual(parseOptions(["--bundles", "--unit", "igmp"], {}), {
    requireAll: false,
    kinds: ["unit", "bundle"],
    parts: ["igmp"],
    isWhole: false,
  });
  assert.equal(parseOptions(["igmp"], {}).isWhole, false);
  assert.equal(parseOptions(["--unit"], {}).isWhole, false);
});

test("an unknown option is refused with the usage", () => {
  assert.throws(() => parseOptions(["--fast"], {}), /unknown option --fast; usage: scripts\/test/);
});
