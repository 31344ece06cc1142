// Single statements and expressions that are forbidden: powers that core would help itself to, a promise that nobody waits for, a
// member of a union that is passed over in silence.
import {
  isArrayLiteralExpression,
  isCallExpression,
  isDefaultClause,
  isExpressionStatement,
  isIdentifier,
  isPropertyAccessExpression,
  isReturnStatement,
  isSatisfiesExpression,
  isSwitchStatement,
  isThrowStatement,
} from "typescript/unstable/ast/is";
import { TypeFlags } from "typescript/unstable/sync";
import { lineOf, nameText, nodesBelow } from "./program.mjs";

/**
 * @typedef {import("./program.mjs").File} File
 * @typedef {import("./program.mjs").Fault} Fault
 * @typedef {import("./program.mjs").Node} Node
 */

/** `name.x`, and not `x.name`. @param {Node} node @param {string} name */
const isOf = (node, name) => isPropertyAccessExpression(node.parent) && nameText(node.parent.expression) === name;
const isMember = (/** @type {Node} */ node) => isPropertyAccessExpression(node.parent) && node.parent.name === node;

/** What an identifier of core must not stand for; `Math` is there for all of its functions but one. @param {Node} node */
function forbiddenPower(node) {
  if (!isIdentifier(node) || isMember(node)) return undefined;
  if (node.text === "globalThis") return "globalThis in core: it holds the clock, timers and chance";
  if (node.text === "Intl") return "Intl in core: it tells the time and the machine's language";
  if (node.text !== "Math") return undefined;
  if (!isOf(node, "Math")) return "Math in core is for Math.NAME: any other way leads to Math.random";
  const { parent } = node;
  return isPropertyAccessExpression(parent) && nameText(parent.name) === "random"
    ? "Math.random in core: chance is an argument (core/ports/entropy.ts)"
    : undefined;
}

/** Time and chance by other names than the linter knows. @param {readonly File[]} files @returns {Fault[]} */
export const powerFaults = (files) =>
  files
    .filter(({ path, support }) => path.startsWith("core/") && !support)
    .flatMap((file) =>
      [...nodesBelow(file.source)].flatMap((node) => {
        const text = forbiddenPower(node);
        return text === undefined ? [] : [{ path: file.path, line: lineOf(file, node), text }];
      }),
    );

/**
 * Statements that are a call and nothing more, whose value is a promise: `void` says that it is meant.
 * @param {import("./program.mjs").Program} program
 * @returns {Fault[]}
 */
export function promiseFaults({ files, checker }) {
  return files.flatMap((file) => {
    const calls = [...nodesBelow(file.source)].flatMap((node) =>
      isExpressionStatement(node) && isCallExpression(node.expression) ? [node.expression] : [],
    );
    const types = checker.getTypeAtLocation(calls);
    return calls.flatMap((call, index) => {
      const type = types[index];
      if (type === undefined || checker.getPropertyOfType(type, "then") === undefined) return [];
      if (handlesRejection(call) || (usesNodeTest(file) && registersTest(call))) return [];
      return [{ path: file.path, line: lineOf(file, call), text: "nobody waits for this promise" }];
    });
  });
}

const usesNodeTest = (/** @type {File} */ { source }) => source.text.includes('from "node:test"');

/** node:test waits for what it has registered: `test(...)`, `describe.skip(...)`. @param {Node} call */
const registersTest = (call) => /^(test|it|describe|suite)\b/.test(call.getText());

/** `.catch(...)` at its end, or `.then(done, failed)`. @param {import("typescript/unstable/ast").CallExpression} call */
function handlesRejection({ expression, arguments: given }) {
  if (!isPropertyAccessExpression(expression)) return false;
  const name = nameText(expression.name);
  return name === "catch" || (name === "then" && given.length > 1);
}

/**
 * Defaults of the product that let whatever a union gets later pass in silence: a switch over literals is exhaustive, or its default says
 * what becomes of all others.
 * @param {import("./program.mjs").Program} program
 * @returns {Fault[]}
 */
export function defaultFaults({ files, checker }) {
  return files
    .filter(({ support }) => !support)
    .flatMap((file) => {
      const switches = [...nodesBelow(file.source)].filter(isSwitchStatement);
      const types = checker.getTypeAtLocation(switches.map(({ expression }) => expression));
      return switches.flatMap(({ caseBlock }, index) => {
        const silent = caseBlock.clauses.find((clause) => isDefaultClause(clause) && !says(clause));
        if (silent === undefined || !isUnionOfLiterals(types[index])) return [];
        const text =
          "a default that passes over what the union gets later: `satisfies never`, a named drop, or a value";
        return [{ path: file.path, line: lineOf(file, silent), text }];
      });
    });
}

const LITERAL = TypeFlags.StringLiteral | TypeFlags.NumberLiteral | TypeFlags.Undefined;

/** Two or more, `undefined` among them where something is optional. @param {import("typescript/unstable/sync").Type | undefined} type */
const isUnionOfLiterals = (type) =>
  type?.isUnionType() && type.getTypes().every(({ flags }) => (flags & LITERAL) !== 0);

/**
 * True when the clause throws, calls something (a drop is counted by a call), holds `satisfies never`, or returns a value that is neither
 * `undefined` nor an empty list.
 * @param {Node} clause
 */
function says(clause) {
  return [...nodesBelow(clause)].some((node) => {
    if (isSatisfiesExpression(node)) return node.type.getText() === "never";
    if (isReturnStatement(node)) return node.expression !== undefined && !isNothing(node.expression);
    return isCallExpression(node) || isThrowStatement(node);
  });
}

/** @param {Node} value */
const isNothing = (value) =>
  nameText(value) === "undefined" || (isArrayLiteralExpression(value) && value.elements.length === 0);
