// The first start: the example takes the machine's networks, in busybox ash with a stand-in for uci.
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { BUSYBOX } from "./init.testkit.ts";

const SCRIPT = readFileSync("targets/router/openwrt/files/etc/uci-defaults/60-sealcast-router", "utf8");
const SHIM = readFileSync("targets/router/openwrt/uci-shim.sh", "utf8");
const skip = BUSYBOX === undefined && "needs busybox";
const scratch = mkdtempSync(join(tmpdir(), "sealcast-defaults-"));
after(() => rmSync(scratch, { recursive: true }));
before(() => {
  mkdirSync(join(scratch, "bin"));
  for (const applet of ["sed", "grep"]) symlinkSync(BUSYBOX ?? "", join(scratch, "bin", applet));
});

/** The example of the package, as `uci show` prints it. */
const SHIPPED = {
  "sealcast-router.main": "router",
  "sealcast-router.main.enabled": "0",
  "sealcast-router.main.id": "openwrt",
  "sealcast-router.@upstream[0]": "upstream",
  "sealcast-router.@upstream[0].network": "wan",
  "sealcast-router.@downstream[0]": "downstream",
  "sealcast-router.@downstream[0].network": "lan",
};
const LOOPBACK = { "network.loopback": "interface", "network.loopback.proto": "static" };
const NAMED = { "system.@system[0].hostname": "OpenWrt" };

type Settings = Readonly<Record<string, string>>;

const network = (name: string, proto: string): Settings => ({
  [`network.${name}`]: "interface",
  [`network.${name}.proto`]: proto,
});

/** A section's type is not quoted. */
const quoted = (key: string, value: string): string =>
  /^network\.\w+$|^sealcast-router\.(main|@\w+\[0\])$/.test(key) ? `${key}=${value}` : `${key}='${value}'`;

/** What is committed; undefined when nothing is. */
function firstStart(...settings: readonly Settings[]): Settings | undefined {
  const uci = join(scratch, "uci");
  const all = Object.entries(Object.assign({}, SHIPPED, LOOPBACK, NAMED, ...settings) as Settings);
  writeFileSync(uci, all.map(([key, value]) => `${quoted(key, value)}\n`).join(""));
  const done = spawnSync(BUSYBOX ?? "", ["ash", "-c", `${SHIM}\n${SCRIPT}`], {
    encoding: "utf8",
    env: { PATH: join(scratch, "bin"), UCI: uci },
    timeout: 10_000,
  });
  assert.deepEqual([done.stderr, done.status], ["", 0]);
  if (done.stdout === "") return undefined;
  const lines = done.stdout.trim().split("\n");
  return Object.fromEntries(lines.map((line) => /^(.*?)='?(.*?)'?$/.exec(line)?.slice(1) ?? []));
}

const id = (settings: Settings | undefined) => settings?.["sealcast-router.main.id"];
const upstream = (settings: Settings | undefined) => settings?.["sealcast-router.@upstream[0].network"];
const downstream = (settings: Settings | undefined) => settings?.["sealcast-router.@downstream[0].network"];

test("a usual router: wan is upstream, lan downstream, and the name is the machine's", { skip }, () => {
  const said = firstStart(network("lan", "static"), network("wan", "dhcp"));
  assert.deepEqual([id(said), upstream(said), downstream(said)], ["OpenWrt", "wan", "lan"]);
  assert.equal(said?.["sealcast-router.main.enabled"], "0", "nobody has asked for it yet");
});

test("networks of other names are found by how they get their address", { skip }, () => {
  const said = firstStart(network("home", "static"), network("iptv", "pppoe"));
  assert.deepEqual([upstream(said), downstream(said)], ["iptv", "home"]);
});

test("a machine that only bridges has no upstream, and no section of it", { skip }, () => {
  const said = firstStart(network("lan", "dhcp"));
  assert.deepEqual([upstream(said), downstream(said)], [undefined, "lan"]);
  assert.equal(said?.["sealcast-router.@upstream[0]"], undefined);
});

test("a name of the machine becomes one that the router takes", { skip }, () => {
  const named = (hostname: string) => id(firstStart({ "system.@system[0].hostname": hostname }));
  assert.equal(named("Küche 2"), "K--che-2");
  assert.equal(named("-.box"), "box");
  assert.equal(named("x".repeat(70)), "x".repeat(64));
  assert.equal(named("***"), "openwrt");
});

test("what somebody has changed is left alone, at every upgrade", { skip }, () => {
  assert.equal(firstStart({ "sealcast-router.main.id": "mine" }), undefined);
  assert.equal(firstStart({ "sealcast-router.main.enabled": "1" }), undefined);
  const said = firstStart(network("home", "static"), { "sealcast-router.@upstream[0].network": "tv" });
  assert.equal(upstream(said), "tv");
});

test("a second run changes nothing more", { skip }, () => {
  const said = firstStart(network("home", "static"), network("iptv", "dhcp"));
  assert.equal(firstStart(said ?? {}), undefined);
});
