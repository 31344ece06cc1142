// The whole source as one program, with the compiler's own idea of what each name means. TypeScript 7 calls this interface unstable:
// package.json pins the version.
import { relative } from "node:path";
import { isIdentifier } from "typescript/unstable/ast/is";
import { API } from "typescript/unstable/sync";

/**
 * @typedef {import("typescript/unstable/ast").Node} Node
 * @typedef {import("typescript/unstable/ast").SourceFile} SourceFile
 * @typedef {import("typescript/unstable/sync").Checker} Checker
 * @typedef {import("typescript/unstable/sync").Symbol} Symbol
 * @typedef {{ path: string, source: SourceFile, support: boolean }} File `path` from the root, with /; `support`: a test or test support
 * @typedef {{ files: File[], checker: Checker, close(): void }} Program
 * @typedef {{ path: string, line: number, text: string }} Fault
 */

/** Tests, and what only tests import. */
const SUPPORT = /\.(test|testkit)\.[cm]?[jt]s$/;

export const isSupport = (/** @type {string} */ path) => SUPPORT.test(path);

/**
 * @param {string} root the folder with core, hal, targets and scripts
 * @param {string} configuration a tsconfig.json whose program holds all of them
 * @returns {Program}
 */
export function openProgram(root, configuration) {
  const api = new API({ cwd: root });
  const [project] = api.updateSnapshot({ openProjects: [configuration] }).getProjects();
  if (project === undefined) throw new Error(`${configuration} is no project`);
  const files = project.program.getSourceFileNames().flatMap((name) => {
    const path = relative(root, name).split("\\").join("/");
    const source = /^(core|hal|targets|scripts)\/|^esbuild\.config\.mjs$/.test(path)
      ? project.program.getSourceFile(name)
      : undefined;
    return source === undefined ? [] : [{ path, source, support: isSupport(path) }];
  });
  return { files, checker: project.checker, close: () => api.close() };
}

/** Every node below, the outer before the inner. @param {Node} node @returns {Generator<Node>} */
export function* nodesBelow(node) {
  /** @type {Node[]} */
  const children = [];
  node.forEachChild((child) => void children.push(child));
  for (const child of children) {
    yield child;
    yield* nodesBelow(child);
  }
}

/** @param {File} file @param {Node} node */
export function lineOf(file, node) {
  const before = file.source.text.slice(0, node.getStart(file.source));
  return before.split("\n").length;
}

/** @param {Node | undefined} node */
export const nameText = (node) => (node !== undefined && isIdentifier(node) ? node.text : undefined);
