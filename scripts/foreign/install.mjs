// Node for other processors, which qemu runs here, below build/foreign/; what is there already is left alone.
import { spawnSync } from "node:child_process";
import { chmodSync, copyFileSync, existsSync, mkdirSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { endianness } from "node:os";
import { join, resolve } from "node:path";
import { buildSockets, SOCKETS_ADDON } from "../native/build.mjs";
import { processorOf } from "../native/processors.mjs";

const ROOT = resolve(import.meta.dirname, "../..");
const FOLDER = join(ROOT, "build/foreign");
const PRELOAD = join(import.meta.dirname, "preload.cjs");
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
  return buildSockets(arch) ?? whyNotStarted(arch);
}

/** @param {Foreign} arch */
function whyNotStarted(arch) {
  const { stdout, stderr, error } = spawnSync(foreignNode(arch), ["-p", "process.arch"], { encoding: "utf8" });
  return stdout?.trim() === arch ? undefined : `its Node does not start: ${error?.message ?? stderr}`;
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
 * A program that is Node for the processor; see preload.cjs for what it does besides.
 * @param {Foreign} arch
 */
export function foreignNode(arch) {
  const folder = join(FOLDER, arch);
  mkdirSync(folder, { recursive: true });
  const program = join(folder, "node");
  const environment = {
    SEALCAST_FOREIGN_NODE: program,
    SEALCAST_HOST_NODE: process.execPath,
    SEALCAST_HOST_ADDON: SOCKETS_ADDON,
    SEALCAST_HOST_ORDER: endianness(),
  };
  const assigned = Object.entries(environment).map(([name, value]) => `${name}='${value}'`);
  const words = [QEMU[arch], "-L", rootOf(arch), binaryOf(arch), "--require", PRELOAD].map((word) => `'${word}'`);
  // Another test may be running it.
  const unfinished = `${program}.${process.pid}`;
  writeFileSync(unfinished, `#!/bin/sh\n${["exec", "env", ...assigned, ...words].join(" ")} "$@"\n`);
  chmodSync(unfinished, 0o755);
  renameSync(unfinished, program);
  return program;
}
