// The demo as a person sees it, on a terminal: the story is told to its end, and every figure of the live table is one.
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { test } from "node:test";
import { promisify } from "node:util";

test("the demo on a terminal: everything holds, and the live table has no empty figure", async () => {
  const demo = `${process.execPath} scripts/show/main.mjs --loopback --for 12`;
  // `script` gives it a terminal.
  const { stdout } = await promisify(execFile)("script", ["-qec", demo, "/dev/null"], {
    maxBuffer: 1 << 24,
    timeout: 90_000,
  }).catch((error) => assert.fail(`${error.message}\n${error.stdout}`));
  assert.match(stdout, /demo: everything held/);
  assert.doesNotMatch(stdout, /undefined|NaN|\[object/);
  const channel = [...stdout.matchAll(/channel one on [\d.]+: epoch (\d+), (\d+) packets sent/g)];
  assert.ok(channel.length > 3, "the channel's line is drawn again and again");
  const sent = channel.map(([, , packets]) => Number(packets));
  assert.ok(Number(sent.at(-1)) > Number(sent[0]), `packets are counted: ${sent.join(" ")}`);
  assert.match(stdout, /settop11 +watching +[1-9]\d* +0 +\d+ +\d+ ms +identical/);
  assert.match(stdout, /stranger +no picture: \S.* 0 +0 +- +- +-/);
});
