// Native addons inside a one-file bundle: unpacked once to a private directory and loaded from there, or found beside the bundle.
// Only the bundler calls this; unbundled code requires the packages as usual.
import { createHash } from "node:crypto";
import { existsSync, lstatSync, readFileSync, realpathSync, renameSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { brotliDecompressSync } from "node:zlib";
import { makeFolder } from "./folder.ts";

/** What the bundler stores of one .node file. */
export interface EmbeddedAddon {
  /** "raw-socket/build/Release/raw.node": the package's own path, as a copy on NODE_PATH has it. */
  readonly id: string;
  /** The ABI it was compiled for: process.versions.modules, or "napi8" for every Node with N-API 8. */
  readonly abi: string;
  /** One for each processor that it was compiled for; none in a bundle built without addons. */
  readonly copies: readonly PackedCopy[];
}

/** The file for one kind of machine. */
export interface PackedCopy {
  /** process.platform and process.arch. */
  readonly platform: string;
  readonly arch: string;
  /** Hexadecimal SHA-256 of the file. */
  readonly sha256: string;
  /** Base64 of the Brotli-compressed file. */
  readonly packed: string;
}

/** Why an addon could not be loaded; `code` lets a driver tell this from other failures. */
class NativeMissing extends Error {
  readonly code = "native.missing";
}

const describe = (cause: unknown): string => (cause instanceof Error ? cause.message : String(cause));

/**
 * Loads the addon: from a file of its name beside the bundle or in SEALCAST_NATIVE_PATH, from inside the bundle when platform,
 * architecture and ABI agree, or from the package on NODE_PATH. Throws NativeMissing with everything that was tried.
 */
export function loadEmbedded(addon: EmbeddedAddon): unknown {
  const tried: string[] = [];
  for (const attempt of [fromBeside, fromBundle, fromNodePath]) {
    const loaded = attempt(addon, tried);
    if (loaded !== undefined) return loaded;
  }
  throw new NativeMissing(`cannot load ${fileName(addon)}: ${tried.join("; ")}`);
}

const fileName = (addon: EmbeddedAddon): string => addon.id.slice(addon.id.lastIndexOf("/") + 1);

function open(file: string): unknown {
  const module = { exports: {} };
  process.dlopen(module, file);
  return module.exports;
}

function attemptOpen(file: string, tried: string[]): unknown {
  try {
    return open(file);
  } catch (cause) {
    tried.push(`${file}: ${describe(cause)}`);
    return undefined;
  }
}

/** The bundle, not the link in a PATH that it was called by. */
const ownFile = (): string => realpathSync(process.argv[1] ?? process.execPath);

function fromBeside(addon: EmbeddedAddon, tried: string[]): unknown {
  const folders = [process.env.SEALCAST_NATIVE_PATH, dirname(ownFile())];
  for (const folder of folders) {
    if (folder === undefined || folder === "") continue;
    const file = join(folder, fileName(addon));
    if (!existsSync(file)) continue;
    const loaded = attemptOpen(file, tried);
    if (loaded !== undefined) return loaded;
  }
  return undefined;
}

/** This Node's, in the terms of the addon's. */
const ownAbi = ({ abi }: EmbeddedAddon): string =>
  abi.startsWith("napi") && Number(process.versions.napi) >= Number(abi.slice("napi".length))
    ? abi
    : process.versions.modules;

const machine = (platform: string, arch: string, abi: string): string => `${platform}-${arch}-abi${abi}`;

/** The copy for this machine and Node; undefined when there is none, which is then said. */
function ownCopy(addon: EmbeddedAddon, tried: string[]): PackedCopy | undefined {
  const mine = machine(process.platform, process.arch, ownAbi(addon));
  const its = addon.copies.map(({ platform, arch }) => machine(platform, arch, addon.abi));
  const copy = addon.copies[its.indexOf(mine)];
  if (its.length === 0) tried.push("the bundle was built without it");
  else if (copy === undefined) tried.push(`the bundle's copy is for ${its.join(", ")}, this is ${mine}`);
  return copy;
}

function fromBundle(addon: EmbeddedAddon, tried: string[]): unknown {
  const copy = ownCopy(addon, tried);
  if (copy === undefined) return undefined;
  let file: string;
  try {
    file = unpack(addon, copy);
  } catch (cause) {
    tried.push(`unpacking: ${describe(cause)} (SEALCAST_NATIVE_DIR names another directory)`);
    return undefined;
  }
  const loaded = attemptOpen(file, tried);
  if (loaded === undefined) tried.push("SEALCAST_NATIVE_DIR names another directory, which must allow execution");
  return loaded;
}

/** The directory the addons are written to: private to this user, so that nobody can put another file in its place. */
function privateFolder(): string {
  const configured = process.env.SEALCAST_NATIVE_DIR;
  const folder =
    configured !== undefined && configured !== ""
      ? configured
      : join(tmpdir(), `sealcast-native-${process.getuid?.() ?? "user"}`);
  makeFolder(folder, 0o700);
  const owner = lstatSync(folder);
  if (!owner.isDirectory() || (process.getuid !== undefined && owner.uid !== process.getuid())) {
    throw new Error(`${folder} belongs to somebody else, or is not a folder`);
  }
  if ((owner.mode & 0o022) !== 0) throw new Error(`${folder} can be written by others`);
  return folder;
}

const sha256 = (bytes: Uint8Array): string => createHash("sha256").update(bytes).digest("hex");

function unpack(addon: EmbeddedAddon, copy: PackedCopy): string {
  const file = join(privateFolder(), `${copy.sha256.slice(0, 16)}-${fileName(addon)}`);
  if (existsSync(file) && sha256(readFileSync(file)) === copy.sha256) return file;
  const bytes = brotliDecompressSync(Buffer.from(copy.packed, "base64"));
  const unfinished = `${file}.${process.pid}`;
  writeFileSync(unfinished, bytes, { mode: 0o700 });
  renameSync(unfinished, file);
  return file;
}

function fromNodePath(addon: EmbeddedAddon, tried: string[]): unknown {
  // From the bundle, not from the working directory, where anybody may have put a node_modules; NODE_PATH is honoured.
  const find = createRequire(ownFile());
  try {
    return open(find.resolve(addon.id));
  } catch (cause) {
    tried.push(`NODE_PATH: ${describe(cause).split("\n")[0]}`);
    return undefined;
  }
}
