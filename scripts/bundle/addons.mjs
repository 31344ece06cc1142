// Native addons as modules of a bundle: each .node file is packed once, however many bundles hold it, and kept packed in build/.
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { join, relative, resolve } from "node:path";
import { brotliCompressSync, brotliDecompressSync, constants } from "node:zlib";
import { addonFor, buildSockets, SOCKETS_ADDON } from "../native/build.mjs";
import { shippedProcessors } from "../native/processors.mjs";

const root = resolve(import.meta.dirname, "../..");
const PACKED = join(root, "build/packed");

/** @typedef {import("../../hal/embedded-native.ts").EmbeddedAddon} EmbeddedAddon */
/** @typedef {import("../../hal/embedded-native.ts").PackedCopy} PackedCopy */

const sha256 = (/** @type {Uint8Array} */ bytes) => createHash("sha256").update(bytes).digest("hex");

/**
 * What an earlier build packed of the same octets; undefined when there is nothing, or something that is not that file.
 * @param {string} file
 * @param {string} hash
 */
function packedBefore(file, hash) {
  if (!existsSync(file)) return undefined;
  const packed = readFileSync(file);
  try {
    return sha256(brotliDecompressSync(packed)) === hash ? packed : undefined;
  } catch {
    return undefined;
  }
}

/**
 * Brotli at its best takes seconds for SQLite: its result is kept by the hash of what it packed.
 * @param {Buffer} bytes
 * @param {string} hash
 */
function pack(bytes, hash) {
  const file = join(PACKED, `${hash}.br`);
  const before = packedBefore(file, hash);
  if (before !== undefined) return before;
  const packed = brotliCompressSync(bytes, {
    params: { [constants.BROTLI_PARAM_QUALITY]: 11, [constants.BROTLI_PARAM_SIZE_HINT]: bytes.length },
  });
  mkdirSync(PACKED, { recursive: true });
  // Another build may pack the same file at the same time.
  const unfinished = `${file}.${process.pid}`;
  writeFileSync(unfinished, packed);
  renameSync(unfinished, file);
  return packed;
}

/** Ours is compiled once for every Node that has N-API 8; the others for one. @param {string} file */
const identity = (file) =>
  file === SOCKETS_ADDON
    ? { id: "sealcast-sockets/sealcast_sockets.node", abi: "napi8" }
    : {
        id: relative(join(root, "node_modules"), file).split("\\").join("/"),
        abi: process.versions.modules,
      };

/**
 * @param {string} file
 * @param {string} arch
 * @returns {PackedCopy}
 */
function packedCopy(file, arch) {
  const bytes = readFileSync(file);
  const hash = sha256(bytes);
  return { platform: process.platform, arch, sha256: hash, packed: pack(bytes, hash).toString("base64") };
}

/**
 * Ours is for every processor that it can be compiled for here, and small: together less than a tenth of a bundle. So one bundle does
 * for all. Others are for this machine.
 * @param {string} file
 */
const copiesOf = (file) =>
  (file === SOCKETS_ADDON ? ownProcessors() : [process.arch])
    .map((arch) => ({ arch, copy: file === SOCKETS_ADDON ? addonFor(arch) : file }))
    .filter(({ copy }) => existsSync(copy))
    .map(({ arch, copy }) => packedCopy(copy, arch));

/**
 * @param {string} file
 * @param {boolean} inside
 * @returns {EmbeddedAddon}
 */
const embedded = (file, inside) => ({ ...identity(file), copies: inside ? copiesOf(file) : [] });

/** Processors that ours is here for. An addon of another source, left from before, is none. */
const ownProcessors = () => shippedProcessors().filter((arch) => buildSockets(arch) === undefined);

/** Where ours is; a bundle without it falls back on the others, so that it is no reason to build none. */
function ownAddon() {
  const why = buildSockets();
  if (why !== undefined) process.stderr.write(`the bundle is built without the socket addon: ${why}\n`);
  return SOCKETS_ADDON;
}

const BETTER_SQLITE = join(root, "node_modules/better-sqlite3/build/Release/better_sqlite3.node");

/**
 * .node files, and `bindings` as better-sqlite3 asks for its own, become modules that hal/embedded-native loads.
 * @param {{ inside: boolean }} how whether the bundles hold the addons, or only look for them beside themselves and on NODE_PATH
 * @returns {import("esbuild").Plugin}
 */
export function nativeAddons({ inside }) {
  /** @type {Map<string, EmbeddedAddon>} */
  const addons = new Map();
  const addonOf = (/** @type {string} */ file) => {
    const addon = addons.get(file) ?? embedded(file, inside);
    addons.set(file, addon);
    return addon;
  };
  const loader = JSON.stringify(join(root, "hal/embedded-native.ts"));
  return {
    name: "native-addons",
    setup(builder) {
      builder.onResolve({ filter: /\/sealcast_sockets\.node$/ }, () => ({ path: ownAddon(), namespace: "addon" }));
      builder.onResolve({ filter: /\.node$/ }, (from) => ({
        path: resolve(from.resolveDir, from.path),
        namespace: "addon",
      }));
      builder.onLoad({ filter: /.*/, namespace: "addon" }, ({ path }) => ({
        contents: `module.exports = require(${loader}).loadEmbedded(${JSON.stringify(addonOf(path))});`,
        loader: "js",
        resolveDir: root,
      }));
      builder.onResolve({ filter: /^bindings$/ }, (from) => ({ path: from.importer, namespace: "bindings" }));
      builder.onLoad({ filter: /better-sqlite3/, namespace: "bindings" }, () => ({
        contents: `module.exports = () => require(${JSON.stringify(BETTER_SQLITE)});`,
        loader: "js",
        resolveDir: root,
      }));
    },
  };
}
