// Native modules that are missing, wrong or not allowed: a message with driver, need and alternative, and every way to supply them.
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { chmodSync, chownSync, cpSync, mkdirSync, readdirSync, symlinkSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { before, test } from "node:test";
import { Bundle, Configured, controlConfig, isRoot, type RunOptions, scratch } from "./bundles.testkit.ts";

const folder = scratch("native");
/** The bundles without addons. */
const bare = join(folder, "dist");
/** A bundle with them, away from this repository's node_modules. */
const full = join(folder, "full");
const modules = resolve("node_modules");
const ADDON = "better-sqlite3/build/Release/better_sqlite3.node";
const withEnv = (more: NodeJS.ProcessEnv, dist = bare): RunOptions => ({
  dist,
  env: { ...process.env, NODE_PATH: "", ...more },
});

before(() => {
  const env = { ...process.env, SEALCAST_WITHOUT_ADDONS: "1", SEALCAST_DIST: bare };
  const built = spawnSync(process.execPath, ["esbuild.config.mjs", "control", "router"], { env, encoding: "utf8" });
  assert.equal(built.status, 0, built.stderr);
  mkdirSync(full);
  cpSync("dist/control.cjs", join(full, "control.cjs"));
});

let runs = 0;
function control(options: RunOptions): Configured {
  const own = join(folder, `run-${++runs}`);
  mkdirSync(own);
  return new Configured("control", own, controlConfig(own), options);
}

/** Ends with `code`; what it wrote, free of stack traces. */
async function failure(bundle: Bundle, code: number): Promise<string> {
  const ended = await bundle.end();
  assert.equal(ended.code, code, bundle.text);
  assert.doesNotMatch(bundle.text, /\n\s+at |"stack"/);
  return bundle.text;
}

async function works(bundle: Configured): Promise<void> {
  await bundle.running();
  assert.equal((await bundle.stop()).code, 0);
}

const router = (options: RunOptions, ...settings: string[]): Bundle => {
  const all = ["id=r", "downstreams.0.interface=lo", "socket=", "taps=false", ...settings];
  return new Bundle(
    "router",
    all.flatMap((setting) => ["--set", setting]),
    options,
  );
};

test("control without SQLite says which driver, what it needs and what was tried, and exits with 69", async () => {
  const text = await failure(control(withEnv({})), 69);
  assert.match(text, /store\.native-missing/);
  assert.match(text, /needs: better_sqlite3\.node/);
  assert.match(text, /the bundle was built without it/);
  assert.match(text, /NODE_PATH/);
});

test("a router without raw-socket names the driver, the package and the alternative, and exits with 69", async () => {
  const text = await failure(router(withEnv({})), 69);
  assert.match(text, /igmp\.native-missing: the igmp driver cannot load its native part/);
  assert.match(text, /needs: the native package raw-socket/);
  assert.match(text, /or: on OpenWrt install/);
});

test("a router with our own addon alone needs no other, and says which drivers it has", async () => {
  const own = withEnv({ SEALCAST_NATIVE_PATH: resolve("build/hal/native") });
  const bundle = router(own, "forwarding=none", `socket=${join(folder, "own.sock")}`, "taps=true");
  await bundle.line(/interface is in use|permission/);
  if (isRoot) {
    const settings = ["id=r", "downstreams.0.interface=lo", `socket=${join(folder, "own.sock")}`];
    const args = [...settings.flatMap((setting) => ["--set", setting]), "status", "--json"];
    const { stdout } = spawnSync(process.execPath, [join(bare, "router.cjs"), ...args], { encoding: "utf8" });
    const { drivers } = JSON.parse(stdout) as { drivers: Readonly<Record<string, { driver: string }>> };
    const chosen = Object.entries(drivers).map(([port, { driver }]) => `${port} ${driver}`);
    assert.deepEqual(chosen, ["igmp packet", "tap packet", "links netlink"]);
  }
  await bundle.stop();
});

test("the addon is found on NODE_PATH", () => works(control(withEnv({ NODE_PATH: modules }))));

test("the addon is found in SEALCAST_NATIVE_PATH", () =>
  works(control(withEnv({ SEALCAST_NATIVE_PATH: join(modules, "better-sqlite3/build/Release") }))));

test("the addon is found beside the bundle, also when the bundle is called through a link", async () => {
  const beside = join(folder, "beside");
  mkdirSync(beside);
  cpSync(join(bare, "control.cjs"), join(beside, "control.cjs"));
  cpSync(join(modules, ADDON), join(beside, "better_sqlite3.node"));
  await works(control(withEnv({}, beside)));
  const links = join(folder, "links");
  mkdirSync(links);
  symlinkSync(join(beside, "control.cjs"), join(links, "control.cjs"));
  await works(control(withEnv({}, links)));
});

test("a file that is no addon for this machine is passed over, and named when nothing else is there", async () => {
  const wrong = join(folder, "wrong");
  mkdirSync(wrong);
  writeFileSync(join(wrong, "better_sqlite3.node"), "not an ELF file");
  assert.match(await failure(control(withEnv({ SEALCAST_NATIVE_PATH: wrong })), 69), /wrong\/better_sqlite3\.node: /);
  await works(control(withEnv({ SEALCAST_NATIVE_PATH: wrong }, full)));
});

test("another platform's addon inside the bundle is named with both platforms, and NODE_PATH still helps", async () => {
  const foreign = join(folder, "foreign");
  mkdirSync(foreign);
  const copyFor = (arch: string, abi: string): string => `abi:"${abi}",copies:[{platform:"linux",arch:"${arch}"`;
  const mine = copyFor(process.arch, process.versions.modules);
  const text = spawnSync("cat", ["dist/control.cjs"], { encoding: "utf8", maxBuffer: 1 << 26 }).stdout;
  assert.ok(text.includes(mine));
  writeFileSync(join(foreign, "control.cjs"), text.replace(mine, copyFor("mips", "99")));
  const said = await failure(control(withEnv({}, foreign)), 69);
  assert.match(said, new RegExp(`the bundle's copy is for linux-mips-abi99, this is linux-${process.arch}-abi`));
  await works(control(withEnv({ NODE_PATH: modules }, foreign)));
});

test("addons are unpacked once, into a folder and files that only we may write", async () => {
  const own = join(folder, "unpacked");
  for (let n = 0; n < 2; n++) await works(control(withEnv({ SEALCAST_NATIVE_DIR: own }, full)));
  assert.equal(readdirSync(own).length, 1);
});

test("a damaged unpacked addon is replaced", async () => {
  const own = join(folder, "unpacked");
  const [name = ""] = readdirSync(own);
  writeFileSync(join(own, name), "half a fi");
  await works(control(withEnv({ SEALCAST_NATIVE_DIR: own }, full)));
});

test("a folder that others may write is refused", async () => {
  const open = join(folder, "open");
  mkdirSync(open);
  chmodSync(open, 0o777);
  const text = await failure(control(withEnv({ SEALCAST_NATIVE_DIR: open }, full)), 69);
  assert.match(text, /open can be written by others \(SEALCAST_NATIVE_DIR names another directory\)/);
  assert.deepEqual(readdirSync(open), []);
});

test("somebody else's folder is refused", { skip: !isRoot && "needs root to make one" }, async () => {
  const others = join(folder, "others");
  mkdirSync(others, 0o700);
  chownSync(others, 65_534, 65_534);
  const text = await failure(control(withEnv({ SEALCAST_NATIVE_DIR: others }, full)), 69);
  assert.match(text, /others belongs to somebody else/);
});

test("a folder that cannot be made is named", async () => {
  const text = await failure(control(withEnv({ SEALCAST_NATIVE_DIR: "/proc/sealcast" }, full)), 69);
  assert.match(text, /unpacking: .*\/proc\/sealcast/);
});

test("a folder without execution is named", { skip: !isRoot && "needs root to mount one" }, async () => {
  const noexec = join(folder, "noexec");
  mkdirSync(noexec);
  const own = join(folder, "noexec-run");
  mkdirSync(own);
  const program = [process.execPath, join(full, "control.cjs"), "--set", `socket=${own}/s`];
  const parts = ["keyServer", "reception"].flatMap((part) => ["--set", `${part}.identity=${own}/${part}.json`]);
  const store = ["--set", `store.path=${own}/x.db`, "--set", "broker.listeners.0.port=0"];
  const script = 'mount -t tmpfs -o noexec,mode=700 none "$1" && shift && exec "$@"';
  const all = ["-m", "sh", "-c", script, "sh", noexec, ...program, ...parts, ...store];
  const env = { ...process.env, NODE_PATH: "", SEALCAST_NATIVE_DIR: noexec };
  const { status, stdout } = spawnSync("unshare", all, { env, encoding: "utf8", timeout: 60_000 });
  assert.equal(status, 69, stdout);
  assert.match(stdout, /noexec\/.*failed to map segment/);
  assert.match(stdout, /SEALCAST_NATIVE_DIR/);
});

test("capture without cap is a warning: the router goes on without taps", async () => {
  const bundle = router(
    withEnv({ SEALCAST_NATIVE_PATH: join(modules, "raw-socket/build/Release") }),
    "taps=true",
    "forwarding=none",
  );
  const said = await bundle.line(/tap\.native-missing|permission/);
  assert.match(said, isRoot ? /tap\.native-missing.*run without taps/ : /permission/);
  await bundle.stop();
});
