import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { chmodSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";
import { after, test } from "node:test";
import { milliseconds } from "../../../core/base/time.ts";
import { SimulatedClock } from "../../../hal/clock/simulated.ts";
import { systemdNotifier } from "../notify.ts";

const UNIT = readFileSync("targets/settop/systemd/sealcast-settop.service", "utf8");
const scratch = mkdtempSync(join(tmpdir(), "st-systemd-"));
after(() => rmSync(scratch, { recursive: true }));

const analyze = spawnSync("systemd-analyze", ["--version"]).status === 0;

test("systemd-analyze verify finds nothing", { skip: analyze ? false : "systemd-analyze is not installed" }, () => {
  const unit = join(scratch, "sealcast-settop.service");
  // What is not on this machine stands in for the device's own: the interpreter and the user.
  const here = UNIT.replace("/usr/bin/node", process.execPath).replace(/^(User|Group)=.*$/gm, "");
  writeFileSync(unit, here);
  const verified = spawnSync("systemd-analyze", ["verify", "--man=no", "--recursive-errors=no", unit], {
    encoding: "utf8",
  });
  assert.deepEqual([verified.status, verified.stderr], [0, ""]);
});

test("the unit promises what the set-top keeps", () => {
  for (const line of ["Type=notify", "NotifyAccess=all", "WatchdogSec=30", "StartLimitIntervalSec=0", "Restart=always"])
    assert.ok(UNIT.split("\n").includes(line), line);
  assert.match(UNIT, /^RestartPreventExitStatus=64 78$/m);
});

/** A systemd-notify that writes down what it is told. */
function fakeNotify(code: number): { readonly path: string; told(): string } {
  const folder = mkdtempSync(join(scratch, "bin-"));
  const log = join(folder, "log");
  writeFileSync(join(folder, "systemd-notify"), `#!/bin/sh\necho "$2" >>'${log}'\nexit ${code}\n`);
  chmodSync(join(folder, "systemd-notify"), 0o755);
  writeFileSync(log, "");
  return { path: folder, told: () => readFileSync(log, "utf8") };
}

async function until(condition: () => boolean): Promise<void> {
  const limit = performance.now() + 5000;
  while (!condition() && performance.now() < limit) await new Promise((resolve) => setImmediate(resolve));
  assert.ok(condition(), "what was waited for did not come");
}

function withPath<T>(path: string, run: () => T): T {
  const before = process.env.PATH;
  process.env.PATH = `${path}${delimiter}${before}`;
  try {
    return run();
  } finally {
    process.env.PATH = before;
  }
}

test("ready once, the watchdog at half its interval, stopping at the end and then silence", async () => {
  const { path, told } = fakeNotify(0);
  const clock = new SimulatedClock();
  const environment = { NOTIFY_SOCKET: "/run/x", WATCHDOG_USEC: "30000000" };
  const notifier = systemdNotifier({ clock, environment, failed: assert.fail });
  withPath(path, () => notifier.ready());
  await until(() => told() === "READY=1\n");
  withPath(path, () => clock.run(milliseconds(14_999)));
  assert.equal(told(), "READY=1\n");
  withPath(path, () => clock.run(milliseconds(1)));
  await until(() => told() === "READY=1\nWATCHDOG=1\n");
  withPath(path, () => notifier.stopping());
  await until(() => told().endsWith("STOPPING=1\n"));
  assert.equal(clock.nextAlarm(), undefined);
});

test("a systemd-notify that fails is told once", async () => {
  const { path, told } = fakeNotify(1);
  const failures: string[] = [];
  const clock = new SimulatedClock();
  const environment = { NOTIFY_SOCKET: "/run/x" };
  const notifier = systemdNotifier({ clock, environment, failed: (why) => failures.push(why) });
  withPath(path, () => notifier.ready());
  withPath(path, () => notifier.stopping());
  await until(() => told().split("\n").length === 3 && failures.length === 1);
  assert.match(failures[0] ?? "", /ended with 1/);
});

test("without systemd nothing is spawned", () => {
  const clock = new SimulatedClock();
  const notifier = systemdNotifier({ clock, environment: {}, failed: assert.fail });
  notifier.ready();
  notifier.stopping();
  assert.equal(clock.nextAlarm(), undefined);
});
