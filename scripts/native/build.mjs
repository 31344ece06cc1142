// Compiles our own addon, hal/native/*.c, into build/hal/native/, once for all versions of Node and for every C library:
//   node scripts/native/build.mjs [PROCESSOR... | --all]     this machine's when none is named, as Node calls it (arm64)
// What is there and was made of the same source is left alone. Without a compiler or Node's headers there is none, and the router's
// drivers fall back on raw-socket and cap.
import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { homedir } from "node:os";
import { dirname, join, resolve } from "node:path";
import { pathToFileURL } from "node:url";
import { PROCESSORS, processorOf } from "./processors.mjs";

const ROOT = resolve(import.meta.dirname, "../..");
const source = (/** @type {string} */ name) => join(ROOT, "hal/native", name);
const SOURCES = ["addon.c", "sockets.c", "ready.c", "ciphers.c", "srtp.c", "datagrams.c"].map(source);
const HEADERS = ["addon.h", "ready.h", "srtp.h"].map(source);
const FOLDER = join(ROOT, "build/hal/native");
const NAME = "sealcast_sockets.node";
/** Where the compiled TypeScript beside it looks, and the bundler. */
export const SOCKETS_ADDON = join(FOLDER, NAME);

/** Where the addon for a processor is. @param {string} arch */
export const addonFor = (arch) => (arch === process.arch ? SOCKETS_ADDON : join(FOLDER, arch, NAME));

/**
 * The addon names no C library, and takes what it needs of the one that has loaded Node: glibc or musl, whatever the version. So nothing
 * that only one has may creep in: no checked calls (__memcpy_chk), no stack protector, none of the calls with a 64-bit time on 32-bit
 * processors, which the two name differently. scripts/native/addon.test.mjs holds that.
 */
const FLAGS = [
  "-std=c11",
  "-O2",
  "-Wall",
  "-Wextra",
  "-Wno-cast-function-type",
  "-fPIC",
  "-fvisibility=hidden",
  "-fno-stack-protector",
  "-fno-asynchronous-unwind-tables",
  "-U_FORTIFY_SOURCE",
  "-U_TIME_BITS",
  "-U_FILE_OFFSET_BITS",
  "-shared",
  "-nostdlib",
  "-Wl,-z,noexecstack",
  "-Wl,--build-id=none",
  "-s",
];
// Division, where the processor has none.
const LIBRARIES = ["-lgcc"];

/** The folder of node_api.h: came with Node, from the distribution's package, or fetched by node-gyp for the other addons. */
export function nodeHeaders() {
  const cache = join(process.env.XDG_CACHE_HOME ?? join(homedir(), ".cache"), "node-gyp", process.versions.node);
  const prefixes = [process.env.npm_config_nodedir, dirname(dirname(process.execPath)), "/usr", cache];
  return prefixes
    .flatMap((prefix) => (prefix === undefined || prefix === "" ? [] : [join(prefix, "include/node")]))
    .find((folder) => existsSync(join(folder, "node_api.h")));
}

/** @param {string} arch */
function madeOf(arch) {
  const hash = createHash("sha256").update(JSON.stringify([arch, commandFor(arch)]));
  for (const file of [...SOURCES, ...HEADERS]) hash.update(readFileSync(file));
  return hash.digest("hex");
}

/** The compiler and its flags. @param {string} arch */
function commandFor(arch) {
  const { triplet, flags } = processorOf(arch);
  const compiler = arch === process.arch ? (process.env.CC ?? "cc") : `${triplet}-gcc`;
  return { compiler, flags: [...FLAGS, ...flags] };
}

/** @param {string} arch */
const packagesFor = (arch) => {
  const { triplet, debian } = processorOf(arch);
  return `gcc-${triplet.replace("_", "-")} libc6-dev-${debian}-cross`;
};

/**
 * @param {string} arch
 * @param {string} include
 * @returns {string | undefined} why it failed
 */
function compile(arch, include) {
  const { compiler, flags } = commandFor(arch);
  const addon = addonFor(arch);
  mkdirSync(dirname(addon), { recursive: true });
  // Somebody may be loading it, or compiling it too.
  const unfinished = `${addon}.${process.pid}`;
  const args = [...flags, "-I", include, "-o", unfinished, ...SOURCES, ...LIBRARIES];
  const { status, stderr, error } = spawnSync(compiler, args, { encoding: "utf8" });
  if (error !== undefined && "code" in error && error.code === "ENOENT" && arch !== process.arch)
    return `${compiler} is not here (Debian: ${packagesFor(arch)})`;
  if (status !== 0) return `${compiler}: ${error?.message ?? stderr}`;
  renameSync(unfinished, addon);
  return undefined;
}

/**
 * Makes the addon where it is not, or is of another source.
 * @param {string} [arch] this machine's when left out
 * @returns {string | undefined} why there is none
 */
export function buildSockets(arch = process.arch) {
  if (process.platform !== "linux") return `it is for Linux, this is ${process.platform}`;
  if (PROCESSORS[arch] === undefined) return `it is not for ${arch}`;
  const stamp = madeOf(arch);
  const stampFile = `${addonFor(arch)}.made-of`;
  if (existsSync(addonFor(arch)) && existsSync(stampFile) && readFileSync(stampFile, "utf8") === stamp)
    return undefined;
  const include = nodeHeaders();
  if (include === undefined) return `node_api.h of Node ${process.version} was not found`;
  const why = compile(arch, include);
  if (why === undefined) writeFileSync(stampFile, stamp);
  return why;
}

/** @param {string[]} words @returns {string[]} */
function namedProcessors(words) {
  if (words.length === 0) return [process.arch];
  return words.includes("--all") ? Object.keys(PROCESSORS) : words;
}

if (process.argv[1] !== undefined && import.meta.url === pathToFileURL(process.argv[1]).href) {
  for (const arch of namedProcessors(process.argv.slice(2))) {
    const why = buildSockets(arch);
    if (why === undefined) continue;
    process.stderr.write(`the router's own socket addon for ${arch} is not built: ${why}\n`);
    process.exitCode = 1;
  }
}
