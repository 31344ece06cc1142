// The capabilities of the unit are enough: the router runs with no others, is killed, and is taken over. Needs root.
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { once } from "node:events";
import { existsSync, readFileSync } from "node:fs";
import { after, before, test } from "node:test";
import { type Actor, act, inside, ip, makeNamespaces, removeNamespaces } from "../namespaces.testkit.ts";

const NAMESPACE = `sd-${process.pid}`;
const root = process.getuid?.() === 0;
const setpriv = spawnSync("setpriv", ["--version"]).status === 0;
const skip = !root
  ? "needs root for network namespaces"
  : (!setpriv && "needs setpriv") || (!existsSync("dist/router.cjs") && "needs npm run build");
/** Waits end when it happens; a busy machine may take its time. */
const LIMIT = 20_000;

const UNIT = readFileSync("targets/router/systemd/sealcast-router.service", "utf8");
const capabilities = (/^CapabilityBoundingSet=(.*)$/m.exec(UNIT)?.[1] ?? "").toLowerCase().split(" ");
const bounding = ["-all", ...capabilities.map((name) => `+${name.replace(/^cap_/, "")}`)].join();
const querier = (): string => inside(NAMESPACE, "cat", "/sys/class/net/br0/bridge/multicast_querier").trim();

before(() => {
  if (skip !== false) return;
  makeNamespaces([NAMESPACE]);
  ip("-n", NAMESPACE, "link", "add", "br0", "type", "bridge", "mcast_querier", "1");
  ip("-n", NAMESPACE, "addr", "add", "10.2.0.1/24", "dev", "br0");
  ip("-n", NAMESPACE, "link", "set", "br0", "up");
});
after(() => (root ? removeNamespaces([NAMESPACE]) : undefined));

async function start(): Promise<Actor> {
  const settings = ["id=unit", `socket=/tmp/${NAMESPACE}.sock`, "downstreams.0.interface=br0", "log.format=json"];
  const words = settings.flatMap((setting) => ["--set", setting]);
  const confined = ["setpriv", `--bounding-set=${bounding}`, "--no-new-privs"];
  const router = act(NAMESPACE, ...confined, process.execPath, "dist/router.cjs", ...words);
  await router.saw(/"msg":"running"/, LIMIT);
  return router;
}

async function end(router: Actor, signal: "SIGKILL" | "SIGINT"): Promise<void> {
  const ended = once(router.process, "exit");
  router.process.kill(signal);
  await ended;
}

const complaints = (router: Actor): readonly string[] => router.lines.filter((line) => /"level":[4-6]0/.test(line));

test("with the unit's capabilities it routes, quietens a bridge, takes over from a killed one, and gives back", {
  skip,
}, async () => {
  assert.equal(querier(), "1");
  const first = await start();
  assert.deepEqual(complaints(first), []);
  assert.equal(querier(), "0");
  await end(first, "SIGKILL");
  const second = await start();
  assert.deepEqual(complaints(second), []);
  await end(second, "SIGINT");
  assert.deepEqual(complaints(second), []);
});
