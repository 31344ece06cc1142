// Whose work a bundle holds, and on what terms: taken from what the bundler really put in, with every text in full.
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";

const KEPT = join(import.meta.dirname, "licenses");
const FOLDER = "node_modules/";
const TEXT = /^(licen[cs]e|copying|unlicense|notice)([.-].*)?$/i;

/**
 * @typedef {{ name: string, version: string, license: string, text: string }} Work somebody's work inside a bundle
 * @typedef {{ file: string, why: string }} Kept a text in `licenses/`, and why the package's own does not do
 */

/** Texts that the packages do not bring as a file of their own. @type {Record<string, Kept>} */
const TEXTS = {
  "raw-socket": {
    file: "raw-socket.txt",
    why: "the package (1.8.1) has its licence only at the end of its README.md, from where this is taken",
  },
  sqlite: {
    file: "sqlite.txt",
    why: "its source is part of better-sqlite3; the text is the head of its sqlite3.h",
  },
};

/** What is compiled into a package's addon besides its own source: packages by name, and SQLite. @type {Record<string, string[]>} */
const COMPILED_IN = { "raw-socket": ["nan"], cap: ["nan"], "better-sqlite3": ["sqlite"] };

/** Our own, of our own source alone. */
const OWN_ADDON = "/hal/native/sealcast_sockets.node";

/** The package's folder, of an input of the bundler ("node_modules/a/b.js", "addon:/.../node_modules/c/d.node"); undefined for our own. */
export function packageFolder(/** @type {string} */ input) {
  const at = input.lastIndexOf(FOLDER);
  if (at < 0) return undefined;
  const [scope = "", name = ""] = input.slice(at + FOLDER.length).split("/");
  return input.slice(input.indexOf(FOLDER), at + FOLDER.length) + (scope.startsWith("@") ? `${scope}/${name}` : scope);
}

/** @param {string} file */
const textOf = (file) => readFileSync(file, "utf8").replaceAll("\r\n", "\n").trim();

/**
 * The licence's text, and the notices that go with it. Throws where there is none: a bundle without it may not be given away.
 * @param {string} name
 * @param {string} folder
 */
function licenseText(name, folder) {
  const kept = TEXTS[name];
  if (kept !== undefined) return textOf(join(KEPT, kept.file));
  const files = readdirSync(folder, { withFileTypes: true }).filter((one) => one.isFile() && TEXT.test(one.name));
  if (files.length === 0) {
    throw new Error(
      `${name} has no licence file in ${folder}: keep its text in scripts/bundle/licenses/, with the reason`,
    );
  }
  return files
    .map((one) => textOf(join(folder, one.name)))
    .sort()
    .join("\n\n");
}

/**
 * @param {string} folder a package's folder
 * @returns {Work}
 */
function workOf(folder) {
  const { name, version, license, licenses } = JSON.parse(readFileSync(join(folder, "package.json"), "utf8"));
  // `licenses` is how packages of before 2014 say it.
  const terms = license ?? licenses?.map((/** @type {{ type: string }} */ one) => one.type).join(" OR ");
  if (typeof terms !== "string") throw new Error(`${folder}/package.json does not name its licence`);
  return { name, version, license: terms, text: licenseText(name, folder) };
}

/** @param {string} modules a node_modules folder */
function sqlite(modules) {
  const header = readFileSync(join(modules, "better-sqlite3/deps/sqlite3/sqlite3.h"), "utf8");
  const [, version = ""] = /#define SQLITE_VERSION +"([^"]+)"/.exec(header) ?? [];
  return { name: "SQLite", version, license: "public domain", text: licenseText("sqlite", "") };
}

/** @param {string} name @param {string} modules */
const compiledIn = (name, modules) => (name === "sqlite" ? sqlite(modules) : workOf(join(modules, name)));

/**
 * Everything in a bundle that is not ours, by name.
 * @param {string[]} inputs the bundler's inputs that left something in the output
 * @param {string} root where node_modules is
 * @returns {Work[]}
 */
export function worksIn(inputs, root) {
  const modules = join(root, FOLDER);
  const folders = new Set(inputs.map(packageFolder).filter((folder) => folder !== undefined));
  const own = [...folders].map((folder) => workOf(join(root, folder)));
  const addons = new Set(
    inputs
      .filter((input) => input.endsWith(".node") && !input.endsWith(OWN_ADDON))
      .flatMap((input) => COMPILED_IN[nameOf(input)] ?? fail(input)),
  );
  const all = [...own, ...[...addons].map((name) => compiledIn(name, modules))];
  return all.sort((a, b) => a.name.localeCompare(b.name, "en") || a.version.localeCompare(b.version, "en"));
}

const nameOf = (/** @type {string} */ input) => (packageFolder(input) ?? "").slice(FOLDER.length);

/** @param {string} input @returns {never} */
function fail(input) {
  throw new Error(`${input}: scripts/bundle/licenses.mjs does not say what is compiled into this addon`);
}

const RULE = "-".repeat(78);

/**
 * The THIRD-PARTY file: packages under the same text share it.
 * @param {string} bundle for example "router.cjs"
 * @param {Work[]} works
 */
export function thirdPartyText(bundle, works) {
  /** @type {Map<string, Work[]>} */
  const byText = new Map();
  for (const work of works) byText.set(work.text, [...(byText.get(work.text) ?? []), work]);
  const parts = [...byText].map(([text, those]) => {
    const names = those.map(({ name, version, license }) => `${name} ${version} (${license})`);
    return `${RULE}\n${names.join("\n")}\n${RULE}\n\n${text}\n`;
  });
  return `${bundle} holds the work of others, each under its own terms.\n\n${parts.join("\n")}`;
}

/**
 * What `--licenses` prints: ours, then theirs.
 * @param {{ version: string, license: string }} manifest
 * @param {string} root
 * @param {string} thirdParty
 */
export const licensesText = ({ version, license }, root, thirdParty) =>
  `sealcast ${version} (${license})\n\n${textOf(join(root, "LICENSE"))}\n\n${RULE}\n${thirdParty}`;
