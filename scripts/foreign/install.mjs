// Node for other processors, which qemu runs here, below build/foreign/; what is there already is left alone.
import { spawnSync } from "node:child_process";
import {
  chmodSync,
  copyFileSync,
  cpSync,
  existsSync,
  mkdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { join, resolve } from "node:path";
import { addonFor, buildSockets } from "../native/build.mjs";
import { processorOf } from "../native/processors.mjs";

const ROOT = resolve(import.meta.dirname, "../..");
const FOLDER = join(ROOT, "build/foreign");
const LOCK = "package-lock.json";

/** Processors that the tests run on besides this machine's, and what qemu calls each. */
const QEMU = { arm64: "qemu-aarch64-static", arm: "qemu-arm-static", s390x: "qemu-s390x-static" };
export const FOREIGN = /** @type {(keyof typeof QEMU)[]} */ (Object.keys(QEMU)).filter((arch) => arch !== process.arch);

/** @typedef {keyof typeof QEMU} Foreign */

const packageOf = (/** @type {Foreign} */ arch) => join(FOLDER, "node_modules", `node-${arch}`);
const binaryOf = (/** @type {Foreign} */ arch) => join(packageOf(arch), "bin/node");
/** Where the C library and that of C++ for it are. */
const rootOf = (/** @type {Foreign} */ arch) => `/usr/${processorOf(arch).triplet}`;
const FOLDERS = (process.env.PATH ?? "").split(":");
const isInstalled = (/** @type {string} */ program) => FOLDERS.some((folder) => existsSync(join(folder, program)));

/** True when what was installed last is what is locked now. */
const isLocked = () =>
  existsSync(join(FOLDER, LOCK)) &&
  readFileSync(join(FOLDER, LOCK)).equals(readFileSync(join(import.meta.dirname, LOCK)));

/** Why nothing for the processor can run here; undefined when it can. @param {Foreign} arch */
export function whyNotOn(arch) {
  const { debian } = processorOf(arch);
  if (!isInstalled(QEMU[arch])) return `${QEMU[arch]} is not here (Debian: qemu-user-static)`;
  for (const [file, name] of Object.entries({ "libstdc++.so.6": "libstdc++6", "libatomic.so.1": "libatomic1" })) {
    const library = join(rootOf(arch), "lib", file);
    if (!existsSync(library)) return `${library} is not here (Debian: ${name}-${debian}-cross)`;
  }
  if (!existsSync(binaryOf(arch)) || !isLocked()) return `its Node is not here: node scripts/foreign/prepare.mjs`;
  return buildSockets(arch);
}

export const areInstalled = () => FOREIGN.every((arch) => existsSync(binaryOf(arch))) && isLocked();

/** Installs Node for every one of them, checked against the locked hashes. Throws when npm does not. */
export function installForeignNodes() {
  mkdirSync(FOLDER, { recursive: true });
  for (const file of ["package.json", LOCK]) copyFileSync(join(import.meta.dirname, file), join(FOLDER, file));
  // --force: none of them is for this machine.
  const args = ["ci", "--force", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"];
  const { status, stderr, error } = spawnSync("npm", args, { cwd: FOLDER, encoding: "utf8" });
  if (status !== 0) throw new Error(`npm ${args.join(" ")}: ${error?.message ?? stderr.slice(-2000)}`);
}

/**
 * A program that is Node for the processor: what it starts by `process.execPath` is the same, which the kernel alone would not start.
 * @param {Foreign} arch
 */
export function foreignNode(arch) {
  const folder = join(FOLDER, arch);
  mkdirSync(folder, { recursive: true });
  const [program, preload] = [join(folder, "node"), join(folder, "exec-path.cjs")];
  writeFileSync(preload, `process.execPath = ${JSON.stringify(program)};\n`);
  const words = [QEMU[arch], "-L", rootOf(arch), binaryOf(arch), "--require", preload];
  writeFileSync(program, `#!/bin/sh\nexec ${words.map((word) => `'${word}'`).join(" ")} "$@"\n`);
  chmodSync(program, 0o755);
  return program;
}

/** The checkout's core and hal with the processor's addon, made anew; its path. @param {Foreign} arch */
export function makeForeignTree(arch) {
  const tree = join(FOLDER, arch, "tree");
  rmSync(tree, { recursive: true, force: true });
  for (const name of ["core", "hal", "build/core", "build/hal"])
    cpSync(join(ROOT, name), join(tree, name), { recursive: true });
  copyFileSync(join(ROOT, "package.json"), join(tree, "package.json"));
  symlinkSync(join(ROOT, "node_modules"), join(tree, "node_modules"));
  copyFileSync(addonFor(arch), join(tree, "build/hal/native/sealcast_sockets.node"));
  return tree;
}
