// Part of the set-up for the tests: Node for other processors, which qemu runs.
import { areInstalled, FOREIGN, installForeignNodes, whyNotOn } from "./install.mjs";

try {
  if (!areInstalled()) {
    process.stdout.write("setup: installing Node for other processors, to be run in qemu (some 100 MB)\n");
    installForeignNodes();
  }
} catch (error) {
  process.stdout.write(`setup: ${error instanceof Error ? error.message : error}\n`);
}
for (const arch of FOREIGN) {
  const why = whyNotOn(arch);
  if (why !== undefined) process.stdout.write(`setup: nothing is tested on ${arch}: ${why}\n`);
}
