// Which file may know which: layers inside core, test support apart from the product, no circles.
import { posix } from "node:path";
import { SyntaxKind } from "typescript/unstable/ast";
import {
  isCallExpression,
  isExportDeclaration,
  isImportDeclaration,
  isImportTypeNode,
  isLiteralTypeNode,
  isStringLiteral,
} from "typescript/unstable/ast/is";
import { isSupport, lineOf, nodesBelow } from "./program.mjs";

/**
 * @typedef {import("./program.mjs").File} File
 * @typedef {import("./program.mjs").Fault} Fault
 * @typedef {import("./program.mjs").Node} Node
 * @typedef {{ from: string, to: string, line: number }} Import of a file of ours by another, both as paths from the root
 */

/** From the ground up; a room may use those below it, and those beside it as long as that makes no circle. */
const LAYERS = [
  ["base"],
  ["ports"],
  ["igmp", "stream", "capture", "control", "mpegts"],
  ["keys", "reception", "headend", "settop", "router"],
];

/** The file's name in `import ... from`, `export ... from`, `import(...)` and the type `import("...")`. @param {Node} node */
function specifierOf(node) {
  /** @type {Node | undefined} */
  let named;
  if (isImportDeclaration(node) || isExportDeclaration(node)) named = node.moduleSpecifier;
  else if (isCallExpression(node) && node.expression.kind === SyntaxKind.ImportKeyword) named = node.arguments[0];
  else if (isImportTypeNode(node) && isLiteralTypeNode(node.argument)) named = node.argument.literal;
  return named !== undefined && isStringLiteral(named) ? named.text : undefined;
}

/** @param {File} file @returns {Import[]} */
function importsOf(file) {
  const folder = posix.dirname(file.path);
  return [...nodesBelow(file.source)].flatMap((node) => {
    const specifier = specifierOf(node);
    if (!specifier?.startsWith(".")) return [];
    return [{ from: file.path, to: posix.join(folder, specifier), line: lineOf(file, node) }];
  });
}

/** "core/igmp/querier.ts" is in the room "core/igmp"; a file directly in core, hal or targets is a room of its own. */
const roomOf = (/** @type {string} */ path) => (path.split("/").length > 2 ? posix.dirname(path) : path);

/** The layer of a room of core; undefined outside of core. @param {string} path */
function layerOf(path) {
  const [top, room] = path.split("/");
  return top === "core" ? LAYERS.findIndex((layer) => room !== undefined && layer.includes(room)) : undefined;
}

/** @param {Import} one @returns {Fault[]} */
function layerFault({ from, to, line }) {
  const [own, other] = [layerOf(from), layerOf(to)];
  if (own === undefined || other === undefined) return [];
  if (own < 0)
    return [
      { path: from, line, text: "this room has no layer: say in scripts/checks/code/imports.mjs where it belongs" },
    ];
  if (other <= own) return [];
  return [{ path: from, line, text: `${roomOf(from)} may not know ${roomOf(to)}, which is above it` }];
}

/** The scripts are no product: those that compare and measure may stand on what tests stand on. @param {string} path */
const isProduct = (path) => !isSupport(path) && !path.startsWith("scripts/");

/** @param {Import} one @returns {Fault[]} */
const supportFault = ({ from, to, line }) =>
  isProduct(from) && isSupport(to) ? [{ path: from, line, text: `the product imports test support: ${to}` }] : [];

/**
 * The groups of names that reach each other, each at least two, or one that imports itself (Tarjan 1972).
 * @param {ReadonlyMap<string, ReadonlySet<string>>} graph
 * @returns {string[][]}
 */
function circles(graph) {
  /** @type {Map<string, { index: number, low: number, open: boolean }>} */
  const seen = new Map();
  /** @type {string[]} */
  const stack = [];
  /** @type {string[][]} */
  const found = [];
  const visit = (/** @type {string} */ name) => {
    const own = { index: seen.size, low: seen.size, open: true };
    seen.set(name, own);
    stack.push(name);
    for (const next of graph.get(name) ?? []) {
      const other = seen.get(next) ?? visit(next);
      if (other.open) own.low = Math.min(own.low, other.low);
    }
    if (own.low === own.index) {
      const group = stack.splice(stack.indexOf(name));
      for (const one of group) seen.set(one, { index: 0, low: 0, open: false });
      own.open = false;
      if (group.length > 1 || graph.get(name)?.has(name)) found.push(group.sort());
    }
    return own;
  };
  for (const name of graph.keys()) if (!seen.has(name)) visit(name);
  return found;
}

/**
 * @param {Import[]} imports
 * @param {(path: string) => string} nodeOf
 */
function graphOf(imports, nodeOf) {
  /** @type {Map<string, Set<string>>} */
  const graph = new Map();
  for (const { from, to } of imports) {
    const [one, other] = [nodeOf(from), nodeOf(to)];
    const known = graph.get(one) ?? new Set();
    graph.set(one, known);
    if (one !== other) known.add(other);
  }
  return graph;
}

/**
 * Files that import each other, types included; and rooms of core and hal that do, without their tests. A target may be composed
 * of another one's parts, and a script may run another one.
 * @param {Import[]} imports
 * @returns {Fault[]}
 */
function circleFaults(imports) {
  const own = imports.filter(({ from }) => !isSupport(from) && !/^(targets|scripts)\//.test(from));
  const groups = [...circles(graphOf(imports, (path) => path)), ...circles(graphOf(own, roomOf))];
  return groups.map((group) => ({ path: group[0] ?? "", line: 1, text: `a circle of imports: ${group.join(", ")}` }));
}

/** @param {readonly File[]} files @returns {Fault[]} */
export function importFaults(files) {
  const imports = files.flatMap(importsOf);
  return [...imports.flatMap(layerFault), ...imports.flatMap(supportFault), ...circleFaults(imports)];
}
