// The whole source as one program, with the compiler's own idea of what each name means. TypeScript 7 calls this interface unstable:
// package.json pins the version.
import { relative, resolve } from "node:path";
import { isIdentifier } from "typescript/unstable/ast/is";
import { API } from "typescript/unstable/sync";

/**
 * @typedef {import("typescript/unstable/ast").Node} Node
 * @typedef {import("typescript/unstable/ast").SourceFile} SourceFile
 * @typedef {import("typescript/unstable/sync").Checker} Checker
 * @typedef {import("typescript/unstable/sync").Symbol} Symbol
 * @typedef {{ path: string, source: SourceFile, support: boolean }} File `path` from the root, with /; `support`: a test or test support
 * @typedef {import("typescript/unstable/proto").FileChangeSummary} Changes
 * @typedef {{ files: File[], checker: Checker, after(changes: Changes): Program, close(): void }} Program
 *   `after`: the program again, when these files are no longer what they were; the one before is no longer valid
 * @typedef {{ path: string, line: number, text: string }} Fault
 */

/** Tests, and what only tests import. */
const SUPPORT = /\.(test|testkit)\.[cm]?[jt]s$/;

export const isSupport = (/** @type {string} */ path) => SUPPORT.test(path);

/**
 * @param {string} root the folder with core, hal, targets and scripts
 * @returns {Program}
 */
export function openProgram(root) {
  const configuration = resolve(root, "scripts/checks/code/tsconfig.json");
  const api = new API({ cwd: root });
  /** @param {import("typescript/unstable/sync").Snapshot} snapshot @returns {Program} */
  const programOf = (snapshot) => {
    const [project] = snapshot.getProjects();
    if (project === undefined) throw new Error(`${configuration} is no project`);
    return {
      files: filesOf(project.program, root),
      checker: project.checker,
      after: (changes) => programOf(api.updateSnapshot({ fileChanges: changes })),
      close: () => api.close(),
    };
  };
  return programOf(api.updateSnapshot({ openProjects: [configuration] }));
}

/** Ours. @param {import("typescript/unstable/sync").Program} program @param {string} root @returns {File[]} */
const filesOf = (program, root) =>
  program.getSourceFileNames().flatMap((name) => {
    const path = relative(root, name).split("\\").join("/");
    const isOurs = /^(core|hal|targets|scripts)\/|^esbuild\.config\.mjs$/.test(path);
    const source = isOurs ? program.getSourceFile(name) : undefined;
    return source === undefined ? [] : [{ path, source, support: isSupport(path) }];
  });

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
