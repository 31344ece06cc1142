// Test support: runs a test file again inside a network namespace of its own, where the real drivers can do no harm.
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { test } from "node:test";
import { fileURLToPath } from "node:url";

/** Milliseconds for all tests of a namespace; the lab's machine has one processor for everything. */
const LIMIT = 60_000;
const LIMIT_IN_MACHINE = 220_000;
const isOfMachine = (file: string): boolean => file.includes(".vm.test.");

const INSIDE = "SEALCAST_TEST_NAMESPACE";

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

function run(file: string, name: string, setup: readonly string[]): Promise<{ code: number | null; output: string }> {
  const script = ["set -e", "mount -t sysfs sysfs /sys", "ip link set lo up", ...setup, 'exec "$0" "$1"'].join("\n");
  const { NODE_TEST_CONTEXT: _outer, ...environment } = process.env;
  const child = spawn("unshare", ["--net", "--mount", "sh", "-c", script, process.execPath, file], {
    env: { ...environment, [INSIDE]: name },
    stdio: ["ignore", "pipe", "pipe"],
    timeout: isOfMachine(file) ? LIMIT_IN_MACHINE : LIMIT,
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
export async function eventually(condition: () => boolean, limit = 3000): Promise<boolean> {
  const end = performance.now() + limit;
  while (!condition()) {
    if (performance.now() > end) return false;
    await new Promise((resolve) => setTimeout(resolve, 2));
  }
  return true;
}
