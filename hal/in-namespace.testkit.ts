// Test support: runs a test file again inside a network namespace of its own, where the real drivers can do no harm.
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { test } from "node:test";
import { fileURLToPath } from "node:url";

const INSIDE = "SEALCAST_TEST_NAMESPACE";
/** In ms: for what never ends. A busy machine takes its time, and that of the lab has one processor for everything. */
const LIMIT = 220_000;

/** Where programs are looked for. */
const FOLDERS = (process.env.PATH ?? "").split(":");
const isInstalled = (program: string): boolean => FOLDERS.some((folder) => existsSync(`${folder}/${program}`));

/** Why the tests of `programs` cannot run in a namespace here; false when they can. */
function whyNot(programs: readonly string[]): string | false {
  if (process.getuid?.() !== 0) return "needs root for a network namespace";
  const missing = programs.filter((program) => !isInstalled(program));
  return missing.length > 0 && `needs ${missing.join(", ")}`;
}

/**
 * True inside the namespace: register the tests of the real driver there. Outside it registers one test that runs `file`
 * (import.meta.url) inside, after the shell commands of `setup`; without root or one of `programs` that test is skipped and says
 * why. The namespace lives as long as the process in it.
 */
export function inNamespace(
  file: string,
  name: string,
  setup: readonly string[],
  programs: readonly string[] = [],
): boolean {
  if (process.env[INSIDE] === name) return true;
  test(`${name} in a network namespace`, { skip: whyNot(programs) }, async () => {
    const { code, output } = await run(fileURLToPath(file), name, setup);
    assert.equal(code, 0, output);
  });
  return false;
}

/**
 * A link drops what it is to carry until the kernel's link watch, a worker of its own, has seen its carrier; on a busy machine that is
 * some time after `ip link set up` has ended.
 */
const LINKS_CARRY = "while ip -o link show up | grep -Eq 'LOWER_UP.* state (LOWERLAYER)?DOWN '; do sleep 0.01; done";

function run(file: string, name: string, setup: readonly string[]): Promise<{ code: number | null; output: string }> {
  const before = ["set -e", "mount -t sysfs sysfs /sys", "ip link set lo up"];
  const script = [...before, ...setup, LINKS_CARRY, 'exec "$0" "$1"'].join("\n");
  const { NODE_TEST_CONTEXT: _outer, ...environment } = process.env;
  const child = spawn("unshare", ["--net", "--mount", "sh", "-c", script, process.execPath, file], {
    env: { ...environment, [INSIDE]: name },
    stdio: ["ignore", "pipe", "pipe"],
    timeout: LIMIT,
  });
  return new Promise((resolve, reject) => {
    let output = "";
    for (const stream of [child.stdout, child.stderr]) stream.on("data", (text) => (output += String(text)));
    child.on("error", reject);
    child.on("close", (code) => resolve({ code, output }));
  });
}

/** Two ends of a cable: rt0 (10.9.1.1) under test, rt1 its peer without an address. */
export const CABLE = [
  "ip link add rt0 type veth peer name rt1",
  "sysctl -qw net.ipv6.conf.all.disable_ipv6=1 net.ipv4.conf.all.rp_filter=0",
  "ip addr add 10.9.1.1/24 dev rt0",
  "ip link set rt0 up",
  "ip link set rt1 up",
];

/** Turns of the event loop until `condition` holds; false when that takes longer than `limit` ms. */
export async function eventually(condition: () => boolean, limit = 60_000): Promise<boolean> {
  const end = performance.now() + limit;
  while (!condition()) {
    if (performance.now() > end) return false;
    await new Promise((resolve) => setTimeout(resolve, 2));
  }
  return true;
}
