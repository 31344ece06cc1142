// The README's "by hand" commands, run as they stand: a reader who pastes them gets a receiver and a usage record.
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { it } from "node:test";

const readme = readFileSync("README.md", "utf8");

/** @param {string} name the block's mark: <!-- tested: NAME --> */
function block(name) {
  const [, text] = new RegExp(`<!-- tested: ${name} -->\\n\`\`\`sh\\n([^]*?)\`\`\``).exec(readme) ?? [];
  assert.ok(text, `README.md has a block marked "${name}"`);
  return text;
}

it("what the README tells to do by hand works as it stands", () => {
  const { stdout, stderr, status } = spawnSync(
    "bash",
    ["-ec", `trap 'kill $(jobs -p) 2>/dev/null || true' EXIT; set -m; ${block("by-hand")}rm -r "$W"`],
    {
      encoding: "utf8",
      timeout: 60_000,
    },
  );
  assert.equal(status, 0, stdout + stderr);
  assert.match(stdout, /box1 .*news/, "the live reception or the usage record names device and channel");
  assert.match(stdout, /stopped/, "the usage record says why it ended");
  const [, size] = /(\d+) \S+ +\d+ \S+ \S+news\.ts/.exec(stdout) ?? [];
  assert.ok(Number(size) > 100_000, `the clear stream is in the file: ${stdout}`);
});
