// What neither the type checker nor the linter looks at: layers, circles, dead code, borrowed powers, silent defaults, promises that
// nobody waits for.
//   node scripts/checks/code/main.mjs [ROOT]
import { existsSync, readFileSync } from "node:fs";
import { resolve } from "node:path";
import { deadFaults, KEPT } from "./dead.mjs";
import { importFaults } from "./imports.mjs";
import { openProgram } from "./program.mjs";
import { defaultFaults, powerFaults, promiseFaults } from "./statements.mjs";

const root = resolve(process.argv[2] ?? ".");
const kept = existsSync(resolve(root, KEPT)) ? JSON.parse(readFileSync(resolve(root, KEPT), "utf8")) : {};
const program = openProgram(root, resolve(root, "scripts/checks/code/tsconfig.json"));
const faults = [
  ...importFaults(program.files),
  ...powerFaults(program.files),
  ...defaultFaults(program),
  ...promiseFaults(program),
  ...deadFaults(program, kept),
];
program.close();
for (const { path, line, text } of faults) process.stdout.write(`${path}:${line}: ${text}\n`);
process.exit(faults.length === 0 ? 0 : 1);
