// Test support: the addon's tests and its drivers' on another processor, each file run whole by that processor's Node in qemu.
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { copyFileSync, cpSync, rmSync, symlinkSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import { test } from "node:test";
import { addonFor } from "../native/build.mjs";
import { foreignNode, whyNotOn } from "./install.mjs";

const ROOT = resolve(import.meta.dirname, "../..");
/** Milliseconds for one test file: qemu is some ten times slower. */
const LIMIT = 100_000;

/**
 * Test files. `refused`: what the kernel would do and qemu 7.2 does not pass on, in the words that the driver then uses; preload.cjs goes
 * around that where the byte order is this machine's, and elsewhere the test is that nothing but this is in the way.
 * `isOfOrder`: it depends on the byte order, and on nothing else of the processor.
 * @type {readonly { file: string, refused?: RegExp, isOfOrder?: boolean }[]}
 */
const FILES = [
  { file: "hal/native/sockets" },
  // Node's own OpenSSL, as the addon finds it there.
  { file: "hal/cipher/cipher" },
  // IP_MULTICAST_ALL.
  { file: "hal/datagram/native", refused: /cannot open UDP .* \(ENOPROTOOPT\)/ },
  { file: "hal/links/links", isOfOrder: true },
  { file: "hal/forwarding/relayed-packet", isOfOrder: true },
  { file: "hal/bridge/port-entries", isOfOrder: true },
  // IP_MULTICAST_IF with an interface's index; of AF_PACKET PACKET_ADD_MEMBERSHIP, PACKET_AUXDATA, PACKET_IGNORE_OUTGOING.
  { file: "hal/igmp/packet", refused: /cannot be opened: option 32: protocol not available/ },
];

/** The checkout's core and hal with the processor's addon, made anew; its path. @param {import("./install.mjs").Foreign} arch */
function makeTree(arch) {
  const tree = join(dirname(foreignNode(arch)), "tree");
  rmSync(tree, { recursive: true, force: true });
  for (const name of ["core", "hal", "build/core", "build/hal"])
    cpSync(join(ROOT, name), join(tree, name), { recursive: true });
  copyFileSync(join(ROOT, "package.json"), join(tree, "package.json"));
  symlinkSync(join(ROOT, "node_modules"), join(tree, "node_modules"));
  copyFileSync(addonFor(arch), join(tree, "build/hal/native/sealcast_sockets.node"));
  return tree;
}

/** @param {string} program @param {string[]} args @param {string} cwd @returns {Promise<string>} */
function run(program, args, cwd) {
  const { NODE_TEST_CONTEXT: _outer, ...env } = process.env;
  const child = spawn(program, args, { cwd, env, stdio: ["ignore", "pipe", "pipe"], timeout: LIMIT });
  let output = "";
  for (const stream of [child.stdout, child.stderr]) stream.on("data", (text) => (output += String(text)));
  return new Promise((resolve, reject) => {
    child.on("error", reject);
    child.on("close", (code, signal) => resolve(`${output}\n# ended ${signal ?? code}\n`));
  });
}

const errors = (/** @type {string} */ output) =>
  [...output.matchAll(/^ {2,}error: '(.*)'$/gm)].map(([, error]) => error ?? "");

/** @param {string} output what the file's tests said @param {RegExp | undefined} refused */
function judge(output, refused) {
  if (refused !== undefined && /^# fail [1-9]/m.test(output)) {
    const said = errors(output);
    assert.ok(said.length > 0, output);
    assert.deepEqual(
      said.filter((error) => !refused.test(error)),
      [],
      output,
    );
    return;
  }
  for (const line of [/^# fail 0$/m, /^# pass [1-9]/m, /^# skipped 0$/m, /^# ended 0$/m])
    assert.match(output, line, output);
}

/** @param {import("./install.mjs").Foreign} arch @param {{ isOwnOrder: boolean }} how */
export function testsOn(arch, { isOwnOrder }) {
  const skip = whyNotOn(arch) ?? (process.getuid?.() === 0 ? false : "needs root for network namespaces");
  test(`on ${arch}`, { skip }, async (t) => {
    const [node, tree] = [foreignNode(arch), makeTree(arch)];
    for (const { file, refused } of FILES.filter(({ isOfOrder }) => !isOfOrder || !isOwnOrder)) {
      const limited = !isOwnOrder && refused !== undefined;
      await t.test(limited ? `${file}, as far as qemu passes it on` : file, async () => {
        judge(await run(node, [`build/${file}.test.js`], tree), limited ? refused : undefined);
      });
    }
  });
}
