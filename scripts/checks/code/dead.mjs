// Dead code: what is exported, or a public member of a class, and used by nothing of the product. A test alone is no use.
import { SyntaxKind } from "typescript/unstable/ast";
import {
  isBindingElement,
  isClassDeclaration,
  isExportDeclaration,
  isGetAccessorDeclaration,
  isIdentifier,
  isImportDeclaration,
  isMethodDeclaration,
  isPropertyAccessExpression,
  isPropertyDeclaration,
  isShorthandPropertyAssignment,
  isVariableStatement,
} from "typescript/unstable/ast/is";
import { SymbolFlags } from "typescript/unstable/sync";
import { lineOf, nameText } from "./program.mjs";

/**
 * @typedef {import("./program.mjs").File} File
 * @typedef {import("./program.mjs").Fault} Fault
 * @typedef {import("./program.mjs").Node} Node
 * @typedef {import("./program.mjs").Program} Program
 * @typedef {import("./program.mjs").Symbol} Symbol
 * @typedef {import("typescript/unstable/ast").Identifier} Identifier
 * @typedef {{ product: number, elsewhere: number, tests: number }} Uses by the product, by files of it other than the declaring one, by tests
 * @typedef {{ file: File, name: Identifier, owner?: import("typescript/unstable/ast").ClassDeclaration }} Declared
 */

/** The file of `kept`. */
export const KEPT = "scripts/checks/code/kept.json";

/** Drivers that stand in for a machine, and the lab: tests are their users, and the product's must not be. */
const FOR_TESTS = /^(hal\/(simulation\/|[\w-]+\/(simulated|memory|seeded)\.ts$)|scripts\/lab\/)/;

/** What the measurements are called by: each is a module of its folder, loaded by name. */
const isMeasurement = (/** @type {Declared} */ { file, name }) =>
  /^scripts\/bench\/[\w-]+\.mjs$/.test(file.path) && name.text === "run";

/** Every identifier of a file outside of `import` and `export { ... }`, which are no uses. @param {Node} node @returns {Generator<Identifier>} */
function* identifiers(node) {
  /** @type {Node[]} */
  const children = [];
  node.forEachChild((child) => void children.push(child));
  for (const child of children) {
    if (isImportDeclaration(child) || isExportDeclaration(child)) continue;
    if (isIdentifier(child)) yield child;
    yield* identifiers(child);
  }
}

/** @param {Identifier} name */
const isDeclaration = (name) =>
  "name" in name.parent && name.parent.name === name && !isPropertyAccessExpression(name.parent);

/**
 * What a member of a generic class shares with the same member of an instantiation is where it is declared; a member of a union is
 * declared in several places.
 * @param {Symbol} symbol
 */
const placesOf = (symbol) =>
  symbol.declarations.map(({ path, index }) => ({ path: String(path), key: `${path}:${index}` }));

const INTERFACE_MEMBERS = [SyntaxKind.PropertySignature, SyntaxKind.MethodSignature];
const isOfInterface = (/** @type {Symbol} */ symbol) =>
  symbol.declarations.some(({ kind }) => INTERFACE_MEMBERS.includes(kind));

/** The uses of everything, by where it is declared. */
class Usage {
  /** @type {Map<string, Uses>} */
  #uses = new Map();
  /** @type {Map<number, Symbol>} */
  #originals = new Map();
  #checker;
  /** Members that the product takes out of an object (`const { name } = ...`): of which class cannot be told. @type {Set<string>} */
  #taken = new Set();
  /** Members that it uses through an interface: name to interfaces, by their number. @type {Map<string, Map<number, Symbol>>} */
  #through = new Map();

  /** @param {Program} program */
  constructor({ files, checker }) {
    this.#checker = checker;
    for (const file of files) this.#read(file);
  }

  /** @param {File} file */
  #read(file) {
    const found = [...identifiers(file.source)];
    const symbols = this.#checker.getSymbolAtLocation(found);
    for (const [index, name] of found.entries()) {
      const { parent } = name;
      if (isBindingElement(parent) && !file.support) this.#taken.add(nameText(parent.propertyName) ?? name.text);
      const symbol = isShorthandPropertyAssignment(parent)
        ? this.#checker.getShorthandAssignmentValueSymbol(parent)
        : symbols[index];
      if (symbol !== undefined && (isShorthandPropertyAssignment(parent) || !isDeclaration(name)))
        this.#count(file, name, this.#original(symbol));
    }
  }

  /** @param {File} file @param {Identifier} name @param {Symbol} symbol */
  #count(file, name, symbol) {
    for (const { path, key } of placesOf(symbol)) {
      const uses = this.#at(key);
      if (file.support) uses.tests += 1;
      else uses.product += 1;
      if (!file.support && !path.endsWith(`/${file.path}`)) uses.elsewhere += 1;
    }
    if (file.support) return;
    const owner = isOfInterface(symbol) ? symbol.getParent() : undefined;
    if (owner === undefined) return;
    const owners = this.#through.get(name.text) ?? new Map();
    this.#through.set(name.text, owners.set(owner.id, owner));
  }

  /** What an import stands for. @param {Symbol} symbol */
  #original(symbol) {
    if ((symbol.flags & SymbolFlags.Alias) === 0) return symbol;
    const original = this.#originals.get(symbol.id) ?? this.#checker.getAliasedSymbol(symbol);
    this.#originals.set(symbol.id, original);
    return original;
  }

  /**
   * True when the member may be used as that of something the class is passed for: an interface that it fits, named or not.
   * @param {import("typescript/unstable/ast").ClassDeclaration} owner
   * @param {string} name
   */
  isUsedThrough(owner, name) {
    if (this.#taken.has(name)) return true;
    const own = this.#checker.getTypeAtLocation(owner);
    return [...(this.#through.get(name)?.values() ?? [])].some((other) => {
      const type = this.#checker.getDeclaredTypeOfSymbol(other);
      return own === undefined || this.#checker.isTypeAssignableTo(own, type);
    });
  }

  /** Of what is declared once. @param {Symbol} symbol */
  of(symbol) {
    return this.#at(placesOf(symbol)[0]?.key ?? "");
  }

  /** @param {string} key @returns {Uses} */
  #at(key) {
    const uses = this.#uses.get(key) ?? { product: 0, elsewhere: 0, tests: 0 };
    this.#uses.set(key, uses);
    return uses;
  }
}

/** @param {Node} node */
const isExported = (node) =>
  "modifiers" in node &&
  Array.isArray(node.modifiers) &&
  node.modifiers.some((/** @type {Node} */ one) => one.kind === SyntaxKind.ExportKeyword);

/** @param {File} file @returns {Declared[]} */
function exportsOf(file) {
  return file.source.statements.filter(isExported).flatMap((statement) => {
    const declared = isVariableStatement(statement) ? statement.declarationList.declarations : [statement];
    return declared.flatMap((one) => ("name" in one ? identifierOf(file, /** @type {Node} */ (one.name)) : []));
  });
}

/** @param {File} file @param {Node | undefined} name @returns {Declared[]} */
const identifierOf = (file, name) => (name !== undefined && isIdentifier(name) ? [{ file, name }] : []);

/** Methods, getters and fields that are not private. @param {File} file @returns {Declared[]} */
function membersOf(file) {
  return file.source.statements.filter(isClassDeclaration).flatMap((owner) =>
    owner.members.flatMap((member) => {
      const counts = isMethodDeclaration(member) || isGetAccessorDeclaration(member) || isPropertyDeclaration(member);
      return counts ? identifierOf(file, member.name).map((declared) => ({ ...declared, owner })) : [];
    }),
  );
}

/** @param {Declared} declared */
const titleOf = ({ name, owner }) => (owner === undefined ? name.text : `${nameText(owner.name)}.${name.text}`);

/** What a class is made from or made for has the member too: whoever has one of those uses it through them. */
const isInherited = (/** @type {import("./program.mjs").Checker} */ checker, /** @type {Declared} */ { owner, name }) =>
  (owner?.heritageClauses ?? []).some((clause) =>
    clause.types.some((base) => {
      const type = checker.getTypeAtLocation(base);
      return type !== undefined && checker.getPropertyOfType(type, name.text) !== undefined;
    }),
  );

/**
 * @param {Program} program
 * @param {Readonly<Record<string, string>>} kept what is not dead although it looks so: "file title", and why
 * @returns {Fault[]}
 */
export function deadFaults(program, kept) {
  const usage = new Usage(program);
  const { checker } = program;
  const product = program.files.filter(({ support }) => !support);
  const declared = product
    .flatMap((file) => [...exportsOf(file), ...membersOf(file)])
    .filter((one) => !isMeasurement(one));
  const symbols = checker.getSymbolAtLocation(declared.map(({ name }) => name));
  const needed = new Set();
  const faults = declared.flatMap((one, index) => {
    const symbol = symbols[index];
    const why = symbol && reason(usage.of(symbol), one, (symbol.flags & SymbolFlags.Value) !== 0);
    if (why === undefined) return [];
    if (one.owner !== undefined && (isInherited(checker, one) || usage.isUsedThrough(one.owner, one.name.text)))
      return [];
    const title = `${one.file.path} ${titleOf(one)}`;
    needed.add(title);
    return title in kept
      ? []
      : [{ path: one.file.path, line: lineOf(one.file, one.name), text: `${titleOf(one)}: ${why}` }];
  });
  const stale = Object.keys(kept).filter((title) => !needed.has(title));
  return [
    ...faults,
    ...stale.map((title) => ({ path: KEPT, line: 1, text: `${title}: is gone, or used: not needed here` })),
  ];
}

/**
 * What is wrong with something that is used so. A type may have its name for whoever calls what takes it; a value is exported for
 * another file, be it a test.
 * @param {Uses} uses
 * @param {Declared} declared
 * @param {boolean} isValue
 */
function reason({ product, elsewhere, tests }, { file, owner }, isValue) {
  if (product + tests === 0) return "dead: nothing uses it";
  if (product === 0) return FOR_TESTS.test(file.path) ? undefined : "dead: only tests use it";
  const exported = owner === undefined && isValue;
  return exported && elsewhere + tests === 0 ? "needs no export: only its own file uses it" : undefined;
}
