// The init script under busybox ash, with a PATH of only the applets that a small box has, around a stand-in for the bundle.
import assert from "node:assert/strict";
import { type SpawnSyncReturns, spawnSync } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";

const SCRIPT = "targets/settop/sysv/sealcast-settop";
const BUSYBOX = ["/bin/busybox", "/usr/bin/busybox"].find((path) => existsSync(path));
/** No timeout, nohup, pkill, stat, realpath, start-stop-daemon: OpenWrt and small images leave them out. */
const APPLETS = ["sh", "cat", "echo", "grep", "kill", "rm", "sleep", "tr"];
const skip = BUSYBOX === undefined ? "busybox is not installed" : false;

const scratch = mkdtempSync(join(tmpdir(), "st-sysv-"));
const homes: string[] = [];
after(() => {
  for (const home of homes) init(home, "stop");
  rmSync(scratch, { recursive: true });
});

/** Behaves as the bundle does towards an init script, and writes down what happened to it. */
const STAND_IN = `
const fs = require("node:fs");
const [, , flag, config, command] = process.argv;
const text = fs.readFileSync(config, "utf8").trim();
const say = (line) => fs.appendFileSync(config + ".events", line + "\\n");
if (flag !== "--config") process.exit(64);
if (command === "check-config") {
  if (text === "bad") { process.stderr.write("channels: is missing\\n"); process.exit(78); }
  process.exit(0);
}
if (command === "status") { console.log("one: picture"); process.exit(0); }
if (text === "dies") { console.log("no such interface"); process.exit(69); }
process.on("SIGTERM", () => { if (text !== "deaf") { say("TERM"); process.exit(0); } });
process.on("SIGHUP", () => say("HUP"));
say("start");
setInterval(() => {}, 1000);
`;

interface Home {
  readonly home: string;
  readonly config: string;
  readonly pidFile: string;
  events(): string;
  configure(text: string): void;
}

function makeHome(text = "good"): Home {
  const home = mkdtempSync(join(scratch, "box-"));
  homes.push(home);
  const bin = join(home, "bin");
  mkdirSync(bin);
  for (const applet of APPLETS) symlinkSync(BUSYBOX ?? "", join(bin, applet));
  const config = join(home, "settop.json");
  const pidFile = join(home, "pid");
  writeFileSync(join(home, "settop.cjs"), STAND_IN);
  writeFileSync(
    join(home, "defaults"),
    `NODE='${process.execPath}'\nBUNDLE='${home}/settop.cjs'\nCONFIG='${config}'\nPIDFILE='${pidFile}'\nLOG='${home}/log'\n`,
  );
  const configure = (content: string): void => writeFileSync(config, content);
  configure(text);
  const events = (): string => (existsSync(`${config}.events`) ? readFileSync(`${config}.events`, "utf8") : "");
  return { home, config, pidFile, events, configure };
}

function init(home: string, ...args: string[]): SpawnSyncReturns<string> {
  const env = { PATH: join(home, "bin"), DEFAULTS: join(home, "defaults") };
  return spawnSync(BUSYBOX ?? "", ["ash", SCRIPT, ...args], { env, encoding: "utf8", timeout: 20_000 });
}

async function until(condition: () => boolean): Promise<void> {
  const limit = performance.now() + 5000;
  while (!condition() && performance.now() < limit) await new Promise((resolve) => setImmediate(resolve));
  assert.ok(condition(), "what was waited for did not come");
}

test("ash finds no fault in the script", { skip }, () => {
  const checked = spawnSync(BUSYBOX ?? "", ["ash", "-n", SCRIPT], { encoding: "utf8" });
  assert.deepEqual([checked.status, checked.stderr], [0, ""]);
});

test("start, status, reload, stop: pid file, signals, and the exit codes that LSB asks for", { skip }, async () => {
  const { home, pidFile, events } = makeHome();
  assert.equal(init(home, "status").status, 3);
  const started = init(home, "start");
  assert.deepEqual([started.status, started.stderr], [0, ""]);
  assert.match(started.stdout, /^sealcast-settop started \(\d+\)$/m);
  const again = init(home, "start");
  assert.deepEqual([again.status, again.stdout], [0, "sealcast-settop is running already\n"]);
  const status = init(home, "status");
  assert.equal(status.status, 0);
  assert.match(status.stdout, /is running \(\d+\)\none: picture/);
  assert.equal(init(home, "reload").status, 0);
  await until(() => events().includes("HUP"));
  assert.equal(init(home, "stop").status, 0);
  assert.equal(events(), "start\nHUP\nTERM\n");
  assert.equal(existsSync(pidFile), false);
  assert.equal(init(home, "status").status, 3);
  assert.equal(init(home, "stop").status, 0);
});

test("a bad configuration is told with its faults and 78: nothing starts, and what runs goes on", { skip }, () => {
  const { home, configure, events } = makeHome("bad");
  const refused = init(home, "start");
  assert.deepEqual([refused.status, refused.stderr], [78, "channels: is missing\n"]);
  assert.equal(events(), "");
  configure("good");
  assert.equal(init(home, "start").status, 0);
  configure("bad");
  for (const action of ["reload", "restart"]) assert.equal(init(home, action).status, 78, action);
  assert.equal(init(home, "status").status, 0);
  assert.equal(events(), "start\n");
});

test("a set-top that ends at once is told with its code and leaves no pid file", { skip }, () => {
  const { home, pidFile } = makeHome("dies");
  const started = init(home, "start");
  assert.equal(started.status, 69);
  assert.match(started.stderr, /ended at once with 69/);
  assert.match(readFileSync(join(home, "log"), "utf8"), /no such interface/);
  assert.equal(existsSync(pidFile), false);
});

test("restart gives another process", { skip }, () => {
  const { home, pidFile, events } = makeHome();
  init(home, "start");
  const first = readFileSync(pidFile, "utf8");
  assert.equal(init(home, "restart").status, 0);
  assert.notEqual(readFileSync(pidFile, "utf8"), first);
  assert.equal(events(), "start\nTERM\nstart\n");
});

test("a stale pid file, even one whose pid is somebody else now, neither blocks a start nor gets anybody killed", {
  skip,
}, () => {
  const { home, pidFile } = makeHome();
  writeFileSync(pidFile, `${process.pid}\n`);
  assert.equal(init(home, "status").status, 1);
  assert.equal(init(home, "stop").status, 0);
  for (const rubbish of ["", "abc\n", "-1\n", "99999999\n"]) {
    writeFileSync(pidFile, rubbish);
    assert.equal(init(home, "status").status, 1, rubbish);
  }
  assert.equal(init(home, "start").status, 0);
  assert.equal(init(home, "status").status, 0);
});

test("one that does not listen to SIGTERM is ended after four seconds, and that is said", { skip }, () => {
  const { home } = makeHome("deaf");
  init(home, "start");
  const stopped = init(home, "stop");
  assert.equal(stopped.status, 0);
  assert.match(stopped.stderr, /did not end by itself/);
  assert.equal(init(home, "status").status, 3);
});

test("foreground is the process itself, for ::respawn: in inittab", { skip }, () => {
  const { home } = makeHome("dies");
  const ran = init(home, "foreground");
  assert.deepEqual([ran.status, ran.stdout], [69, "no such interface\n"]);
});

test("anything else is a usage error", { skip }, () => {
  const { home } = makeHome();
  assert.equal(init(home).status, 2);
  assert.equal(init(home, "dance").status, 2);
});
