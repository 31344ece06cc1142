// The checkout as another version of Node would have it: our sources and what was compiled of them, the packages, and its own addons.
import { cpSync, mkdirSync, readdirSync, rmSync, symlinkSync } from "node:fs";
import { join } from "node:path";
import { modulesOf, NATIVE, ROOT, treeOf } from "./install.mjs";

/** Made by tools, or of no concern to a test. */
const LEFT_OUT = new Set([".git", "build", "dist", "node_modules"]);
/** What tsc has made. */
const COMPILED = ["core", "hal", "targets"];

/** Makes it anew. @param {string} version */
export function makeTree(version) {
  const tree = treeOf(version);
  rmSync(tree, { recursive: true, force: true });
  mkdirSync(join(tree, "node_modules"), { recursive: true });
  for (const name of readdirSync(ROOT).filter((name) => !LEFT_OUT.has(name))) {
    cpSync(join(ROOT, name), join(tree, name), { recursive: true });
  }
  for (const name of COMPILED) cpSync(join(ROOT, "build", name), join(tree, "build", name), { recursive: true });
  keepPacked(tree);
  linkPackages(tree, version);
}

/** Packed addons are kept by the hash of what was packed, so that all versions can keep theirs in one place. @param {string} tree */
function keepPacked(tree) {
  const packed = join(ROOT, "build/packed");
  mkdirSync(packed, { recursive: true });
  symlinkSync(packed, join(tree, "build/packed"));
}

/** @param {string} tree @param {string} version */
function linkPackages(tree, version) {
  const packages = join(ROOT, "node_modules");
  for (const name of readdirSync(packages).filter((name) => !NATIVE.includes(name))) {
    symlinkSync(join(packages, name), join(tree, "node_modules", name));
  }
  // Copies: a link would lead to the packages beside the compiled ones, and those are of another version.
  for (const name of NATIVE) {
    cpSync(join(modulesOf(version), name), join(tree, "node_modules", name), { recursive: true });
  }
}
