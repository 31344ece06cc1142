// The router's bundle, the same file for every processor, on others than this machine's: it unpacks and takes its own addon.
import assert from "node:assert/strict";
import { spawn, spawnSync } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { after, test } from "node:test";
import { addonFor } from "../native/build.mjs";
import { FOREIGN, foreignNode, whyNotOn } from "./install.mjs";

const BUNDLE = "dist/router.cjs";
const LIMIT = 100_000;
const scratch = mkdtempSync(join(tmpdir(), "scl-foreign-"));
after(() => rmSync(scratch, { recursive: true, force: true }));

/** Two cables, then the router in this shell's place. */
const NETWORK = [
  "set -e",
  "mount -t sysfs sysfs /sys",
  ...["rt0", "rt2"].flatMap((name, i) => [
    `ip link add ${name} type veth peer name ${name}b`,
    `ip addr add 10.9.${i}.1/24 dev ${name}`,
    `ip link set ${name} up`,
    `ip link set ${name}b up`,
  ]),
  'exec "$@"',
].join("\n");

/** @param {import("./install.mjs").Foreign} arch */
function why(arch) {
  if (!existsSync(BUNDLE)) return "needs npm run build";
  return whyNotOn(arch) ?? (process.getuid?.() === 0 ? false : "needs root for a network namespace");
}

// s390x's addon is in no bundle.
for (const arch of FOREIGN.filter((one) => one !== "s390x")) {
  test(`the router's bundle on ${arch} uses our addon for all that it can`, {
    skip: why(arch),
    timeout: LIMIT,
  }, async (t) => {
    const [native, socket] = [join(scratch, arch, "native"), join(scratch, arch, "socket")];
    mkdirSync(join(scratch, arch));
    const settings = {
      id: "lab",
      socket,
      takeover: 0,
      "upstream.interface": "rt0",
      downstreams: '[{"interface":"rt2"}]',
    };
    const options = Object.entries(settings).flatMap(([name, value]) => ["--set", `${name}=${value}`]);
    const command = [foreignNode(arch), BUNDLE, ...options, "run"];
    const router = spawn("unshare", ["--net", "--mount", "sh", "-c", NETWORK, "sh", ...command], {
      env: { ...process.env, SEALCAST_NATIVE_DIR: native },
      stdio: ["ignore", "pipe", "pipe"],
    });
    t.after(() => router.kill("SIGKILL"));
    const ended = new Promise((resolve) => router.on("close", (code, signal) => resolve(signal ?? code)));
    /** @type {string[]} */
    const log = [];
    const isRunning = new Promise((resolve) => {
      for (const input of [router.stdout, router.stderr])
        createInterface({ input }).on("line", (line) => {
          log.push(line);
          if (line.includes('"msg":"running"')) resolve(true);
        });
    });
    assert.equal(await Promise.race([isRunning, ended]), true, log.join("\n"));
    const status = spawnSync(process.execPath, [BUNDLE, ...options, "status", "--json"], { encoding: "utf8" });
    assert.equal(status.status, 0, status.stderr);
    assert.deepEqual(JSON.parse(status.stdout).drivers, {
      igmp: { driver: "packet" },
      forwarding: { driver: "native" },
      tap: { driver: "packet" },
      links: { driver: "netlink" },
    });
    const [unpacked = ""] = readdirSync(native);
    assert.ok(readFileSync(join(native, unpacked)).equals(readFileSync(addonFor(arch))));
    router.kill("SIGINT");
    assert.equal(await ended, 0, log.join("\n"));
  });
}
