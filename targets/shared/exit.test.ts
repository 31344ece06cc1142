// The exit codes stand in one table; --help and the README tell the same.
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { HalError } from "../../core/ports/errors.ts";
import { CommandRefused } from "./admin.ts";
import { EXIT, exitCodeOf, exitHelp, MEANINGS } from "./exit.ts";

const TARGETS = ["headend", "router", "settop", "control", "keyserver", "reception", "replay"];

test("every exit code has a meaning, which the README tells in the same words", () => {
  const readme = readFileSync("README.md", "utf8");
  for (const [name, code] of Object.entries(EXIT)) {
    if (code === EXIT.ok) continue;
    const meaning = MEANINGS[name as keyof typeof MEANINGS];
    assert.ok(readme.includes(`| ${code} | ${meaning} |`), `README.md has the row "${code} | ${meaning}"`);
  }
});

for (const target of TARGETS)
  test(`sealcast-${target} --help tells the exit codes and where a configuration is looked for`, () => {
    const { stdout } = spawnSync(process.execPath, [`dist/${target}.cjs`, "--help"], { encoding: "utf8" });
    assert.ok(stdout.includes(exitHelp()), stdout);
    assert.ok(stdout.replace(/\s+/g, " ").includes(`default: /etc/sealcast/${target}.json, where it is`), stdout);
  });

test("what stops a process has its code by kind", () => {
  const hal = (code: string): Error => new HalError(code, "words");
  const cases: readonly (readonly [unknown, number])[] = [
    [new CommandRefused("alice exists already"), EXIT.data],
    [hal("store.missing"), EXIT.noInput],
    [hal("store.foreign"), EXIT.data],
    [hal("store.native-missing"), EXIT.unavailable],
    [hal("igmp.native-missing"), EXIT.unavailable],
    [hal("store.full"), EXIT.ioError],
    [hal("journal.corrupt"), EXIT.ioError],
    [hal("stdout.failed"), EXIT.ioError],
    [hal("identity.exists"), EXIT.cannotCreate],
    [hal("identity.missing"), EXIT.unavailable],
    [hal("mroute.permission"), EXIT.permission],
    [hal("broker.in-use"), EXIT.unavailable],
    [new TypeError("x is not a function"), EXIT.software],
  ];
  for (const [error, code] of cases) assert.equal(exitCodeOf(error), code, String(error));
});
