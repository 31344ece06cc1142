// What every bundle promises, asked of the files in dist/ as a user runs them.
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { test } from "node:test";

const TARGETS = ["headend", "router", "settop", "control", "keyserver", "reception", "replay"];
const { version } = JSON.parse(readFileSync("package.json", "utf8")) as { version: string };

function run(target: string, ...args: string[]): { code: number | null; out: string; err: string } {
  const done = spawnSync(process.execPath, [`dist/${target}.cjs`, ...args], { encoding: "utf8", timeout: 20_000 });
  return { code: done.status, out: done.stdout, err: done.stderr };
}

for (const target of TARGETS) {
  test(`${target} --help names the target and its commands, and exits with 0`, () => {
    const { code, out } = run(target, "--help");
    assert.equal(code, 0);
    assert.match(out, new RegExp(`Usage: sealcast-${target}`));
    assert.match(out, /check-config/);
  });

  test(`${target} --version is the package's version`, () => {
    const { code, out } = run(target, "--version");
    assert.equal(code, 0);
    assert.equal(out.trim(), version);
  });

  test(`${target} --licenses prints our licence and, in full, those of everything inside it`, () => {
    const { code, out } = run(target, "--licenses");
    assert.equal(code, 0);
    const ours = readFileSync("LICENSE", "utf8").trim();
    assert.ok(out.startsWith(`sealcast ${version} (Apache-2.0)\n\n${ours}`), "our licence comes first");
    const theirs = readFileSync(`dist/${target}.THIRD-PARTY.txt`, "utf8");
    assert.ok(out.endsWith(theirs), "the file beside the bundle says the same");
    const commander = readFileSync("node_modules/commander/LICENSE", "utf8").trim();
    assert.ok(theirs.includes(commander), "every bundle has commander's command line");
  });

  test(`${target} check-config lists every fault of a bad configuration with its path and exits with 78`, () => {
    const { code, err } = run(target, "check-config", "--set", "nonsense=1", "--set", "rubbish.x=2");
    assert.equal(code, 78);
    assert.match(err, /^ {2}nonsense: is not an entry of this configuration$/m);
    assert.match(err, /^ {2}rubbish: is not an entry of this configuration$/m);
  });

  test(`${target} refuses to run with a bad configuration: 78, before anything opens`, () => {
    // A tool does nothing without a command.
    const command = target === "replay" ? ["igmp", "-"] : [];
    assert.equal(run(target, ...command, "--set", "nonsense=1").code, 78);
  });

  test(`${target} says that a configuration file is missing, with its path`, () => {
    const { code, err } = run(target, "check-config", "--config", "/nonexistent/sealcast.json");
    assert.equal(code, 78);
    assert.match(err, /\/nonexistent\/sealcast\.json/);
  });

  test(`${target} refuses an unknown flag with 64`, () => {
    const { code, err } = run(target, "--no-such-flag");
    assert.equal(code, 64);
    assert.match(err, /no-such-flag/);
  });
}
