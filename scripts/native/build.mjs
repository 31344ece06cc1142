// Compiles our own addon, hal/native/*.c, into build/hal/native/, once for all versions of Node: node scripts/native/build.mjs
// What is there and was made of the same source is left alone. Without a compiler or Node's headers there is none, and the router's
// drivers fall back on raw-socket and cap.
import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { homedir } from "node:os";
import { dirname, join, resolve } from "node:path";
import { pathToFileURL } from "node:url";

const ROOT = resolve(import.meta.dirname, "../..");
const source = (/** @type {string} */ name) => join(ROOT, "hal/native", name);
const SOURCES = ["sockets.c", "ready.c"].map(source);
const HEADERS = ["ready.h"].map(source);
/** Where the compiled TypeScript beside it looks, and the bundler. */
export const SOCKETS_ADDON = join(ROOT, "build/hal/native/sealcast_sockets.node");
const STAMP = `${SOCKETS_ADDON}.made-of`;
const FLAGS = [
  "-std=c11",
  "-O2",
  "-Wall",
  "-Wextra",
  "-Wno-cast-function-type",
  "-fPIC",
  "-fvisibility=hidden",
  "-shared",
];

/** The folder of node_api.h: came with Node, from the distribution's package, or fetched by node-gyp for the other addons. */
function headers() {
  const cache = join(process.env.XDG_CACHE_HOME ?? join(homedir(), ".cache"), "node-gyp", process.versions.node);
  const prefixes = [process.env.npm_config_nodedir, dirname(dirname(process.execPath)), "/usr", cache];
  return prefixes
    .flatMap((prefix) => (prefix === undefined || prefix === "" ? [] : [join(prefix, "include/node")]))
    .find((folder) => existsSync(join(folder, "node_api.h")));
}

function madeOf() {
  const hash = createHash("sha256").update(JSON.stringify([process.arch, FLAGS]));
  for (const file of [...SOURCES, ...HEADERS]) hash.update(readFileSync(file));
  return hash.digest("hex");
}

/**
 * Makes the addon where it is not, or is of another source.
 * @returns {string | undefined} why there is none
 */
export function buildSockets() {
  if (process.platform !== "linux") return `it is for Linux, this is ${process.platform}`;
  const stamp = madeOf();
  if (existsSync(SOCKETS_ADDON) && existsSync(STAMP) && readFileSync(STAMP, "utf8") === stamp) return undefined;
  const include = headers();
  if (include === undefined) return `node_api.h of Node ${process.version} was not found`;
  mkdirSync(dirname(SOCKETS_ADDON), { recursive: true });
  // Somebody may be loading it, or compiling it too.
  const unfinished = `${SOCKETS_ADDON}.${process.pid}`;
  const compiler = process.env.CC ?? "cc";
  const args = [...FLAGS, "-I", include, "-o", unfinished, ...SOURCES];
  const { status, stderr, error } = spawnSync(compiler, args, { encoding: "utf8" });
  if (status !== 0) return `${compiler}: ${error?.message ?? stderr}`;
  renameSync(unfinished, SOCKETS_ADDON);
  writeFileSync(STAMP, stamp);
  return undefined;
}

if (process.argv[1] !== undefined && import.meta.url === pathToFileURL(process.argv[1]).href) {
  const why = buildSockets();
  if (why !== undefined) {
    process.stderr.write(`the router's own socket addon is not built: ${why}\n`);
    process.exit(1);
  }
}
