// What neither the type checker nor the linter looks at: layers, circles, dead code, borrowed powers, silent defaults, promises that
// nobody waits for.
//   node scripts/checks/code/main.mjs [ROOT]
import { resolve } from "node:path";
import { faultsIn } from "./faults.mjs";
import { openProgram } from "./program.mjs";

const root = resolve(process.argv[2] ?? ".");
const program = openProgram(root);
const faults = faultsIn(program, root);
program.close();
for (const fault of faults) process.stdout.write(`${fault}\n`);
process.exit(faults.length === 0 ? 0 : 1);
