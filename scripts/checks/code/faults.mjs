// All that a program is asked about.
import { existsSync, readFileSync } from "node:fs";
import { resolve } from "node:path";
import { deadFaults, KEPT } from "./dead.mjs";
import { importFaults } from "./imports.mjs";
import { defaultFaults, powerFaults, promiseFaults } from "./statements.mjs";

/**
 * What does not keep to the rules, one line for each.
 * @param {import("./program.mjs").Program} program
 * @param {string} root where it is, with its exceptions
 * @returns {string[]}
 */
export function faultsIn(program, root) {
  const kept = existsSync(resolve(root, KEPT)) ? JSON.parse(readFileSync(resolve(root, KEPT), "utf8")) : {};
  const faults = [
    ...importFaults(program.files),
    ...powerFaults(program.files),
    ...defaultFaults(program),
    ...promiseFaults(program),
    ...deadFaults(program, kept),
  ];
  return faults.map(({ path, line, text }) => `${path}:${line}: ${text}`);
}
