// Other versions of Node and the native addons compiled for each, below build/nodes/; what is there already is left alone.
import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { copyFileSync, cpSync, existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join, resolve } from "node:path";

export const ROOT = resolve(import.meta.dirname, "../..");
const FOLDER = join(ROOT, "build/nodes");
/** Compiled for one version of Node only: the package and its addon. */
const ADDONS = { "raw-socket": "raw.node", cap: "cap.node", "better-sqlite3": "better_sqlite3.node" };
export const NATIVE = Object.keys(ADDONS);
const OBJECT_WRAP = join(ROOT, "scripts/native/object-wrap.h");
/** Main versions; the exact ones are in package.json beside this file, with their hashes in its lock file. */
export const VERSIONS = ["22", "24"];

const packageOf = (/** @type {string} */ version) => join(FOLDER, "node_modules", `node-${version}-${process.arch}`);
export const nodeOf = (/** @type {string} */ version) => join(packageOf(version), "bin/node");
const folderOf = (/** @type {string} */ version) => join(FOLDER, version);
/** The checkout as that version would have it. */
export const treeOf = (/** @type {string} */ version) => join(folderOf(version), "tree");
/** The native packages of a version, each with its compiled addon. */
export const modulesOf = (/** @type {string} */ version) => join(folderOf(version), "modules");
const stampOf = (/** @type {string} */ version) => join(folderOf(version), "stamp.json");

/** SHA-256 of what is in the file. @param {string} file */
export const digestOf = (file) => createHash("sha256").update(readFileSync(file)).digest("hex");

/** What the addons of a version are made of. @param {string} version */
function stamp(version) {
  const versions = NATIVE.map((name) => readManifest(join(ROOT, "node_modules", name)).version);
  return JSON.stringify([readManifest(packageOf(version)).version, ...versions, digestOf(OBJECT_WRAP)]);
}

const readManifest = (/** @type {string} */ folder) => JSON.parse(readFileSync(join(folder, "package.json"), "utf8"));

/** @param {string} version */
export const isReady = (version) =>
  existsSync(nodeOf(version)) &&
  existsSync(stampOf(version)) &&
  readFileSync(stampOf(version), "utf8") === stamp(version);

/** @param {string} program @param {string[]} args @param {object} [how] */
function run(program, args, how = {}) {
  const { status, stdout, stderr, error } = spawnSync(program, args, { encoding: "utf8", maxBuffer: 1 << 26, ...how });
  if (status !== 0)
    throw new Error(`${program} ${args.join(" ")}: ${error?.message ?? `${stdout}${stderr}`.slice(-2000)}`);
  return stdout;
}

const LOCK = "package-lock.json";

/** True when what was installed last in the folder is what is locked now. @param {string} folder */
export const isLocked = (folder) =>
  existsSync(join(folder, LOCK)) &&
  readFileSync(join(folder, LOCK)).equals(readFileSync(join(import.meta.dirname, LOCK)));

/** Installs every version that is locked, checked against its hash. Throws when one is missing afterwards. */
export function installNodes() {
  mkdirSync(FOLDER, { recursive: true });
  const isInstalled = VERSIONS.every((version) => existsSync(nodeOf(version))) && isLocked(FOLDER);
  if (!isInstalled) {
    for (const file of ["package.json", LOCK]) copyFileSync(join(import.meta.dirname, file), join(FOLDER, file));
    run("npm", ["ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"], { cwd: FOLDER });
  }
  for (const version of VERSIONS) {
    if (!existsSync(nodeOf(version)))
      throw new Error(`there is no Node ${version} for ${process.platform} ${process.arch}`);
  }
}

/** node-gyp comes with npm. */
function nodeGyp() {
  const global = run("npm", ["root", "--global"]).trim();
  const beside = resolve(dirname(process.execPath), "../lib/node_modules");
  const found = [global, beside]
    .map((folder) => join(folder, "npm/node_modules/node-gyp/bin/node-gyp.js"))
    .find(existsSync);
  if (found === undefined) throw new Error("npm's own node-gyp is not where npm is");
  return found;
}

/** Loads each addon: throws when one was compiled against the headers of another version. @param {string} version */
function checkAddons(version) {
  for (const [name, addon] of Object.entries(ADDONS)) {
    const file = join(modulesOf(version), name, "build/Release", addon);
    run(nodeOf(version), ["-e", `process.dlopen({ exports: {} }, ${JSON.stringify(file)})`]);
  }
}

/** Compiles the native packages for a version, with the headers that came with it. @param {string} version */
export function compileAddons(version) {
  rmSync(folderOf(version), { recursive: true, force: true });
  const gyp = nodeGyp();
  for (const name of NATIVE) {
    const folder = join(modulesOf(version), name);
    cpSync(join(ROOT, "node_modules", name), folder, { recursive: true, filter: (path) => !path.endsWith("/build") });
    const path = `${dirname(nodeOf(version))}:${process.env.PATH}`;
    const args = [gyp, "rebuild", "--release"];
    // `nan` is found as the package itself would find it; the flags are those of scripts/setup, but for the headers: node-gyp takes the
    // environment's, which setup has set to those of the Node that runs it, before those on its command line.
    const flags = {
      npm_config_nodedir: packageOf(version),
      NODE_PATH: join(ROOT, "node_modules"),
      JOBS: "max",
      CXXFLAGS: `-include ${OBJECT_WRAP}`,
    };
    const env = { ...process.env, PATH: path, ...flags };
    run(nodeOf(version), args, { cwd: folder, env });
    // Megabytes of objects, of no use any more.
    rmSync(join(folder, "build/Release/obj.target"), { recursive: true, force: true });
  }
  checkAddons(version);
  writeFileSync(stampOf(version), stamp(version));
}
