// Single expressions that are forbidden: chance in core, and a promise that nobody waits for.
import { isCallExpression, isExpressionStatement, isPropertyAccessExpression } from "typescript/unstable/ast/is";
import { lineOf, nameText, nodesBelow } from "./program.mjs";

/**
 * @typedef {import("./program.mjs").File} File
 * @typedef {import("./program.mjs").Fault} Fault
 * @typedef {import("./program.mjs").Node} Node
 */

const isMathRandom = (/** @type {Node} */ node) =>
  isPropertyAccessExpression(node) && nameText(node.name) === "random" && nameText(node.expression) === "Math";

/** @param {readonly File[]} files @returns {Fault[]} */
export const chanceFaults = (files) =>
  files
    .filter(({ path, support }) => path.startsWith("core/") && !support)
    .flatMap((file) =>
      [...nodesBelow(file.source)].filter(isMathRandom).map((node) => ({
        path: file.path,
        line: lineOf(file, node),
        text: "Math.random in core: chance is an argument (core/ports/entropy.ts)",
      })),
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
      if (handlesRejection(call) || (file.support && registersTest(call))) return [];
      return [{ path: file.path, line: lineOf(file, call), text: "nobody waits for this promise" }];
    });
  });
}

/** node:test waits for what it has registered: `test(...)`, `describe.skip(...)`. @param {Node} call */
const registersTest = (call) => /^(test|it|describe|suite)\b/.test(call.getText());

/** `.catch(...)` at its end, or `.then(done, failed)`. @param {import("typescript/unstable/ast").CallExpression} call */
function handlesRejection({ expression, arguments: given }) {
  if (!isPropertyAccessExpression(expression)) return false;
  const name = nameText(expression.name);
  return name === "catch" || (name === "then" && given.length > 1);
}
