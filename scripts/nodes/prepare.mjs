// Part of the set-up for the tests: Node 22 and 24, and the native addons compiled for them.
import { compileAddons, installNodes, isReady, VERSIONS } from "./install.mjs";

try {
  installNodes();
  for (const version of VERSIONS) {
    if (isReady(version)) continue;
    process.stdout.write(`setup: compiling the native modules for Node ${version} too (a minute or two)\n`);
    compileAddons(version);
  }
} catch (error) {
  process.stdout.write(
    `setup: the tests will not run on other versions of Node: ${error instanceof Error ? error.message : error}\n`,
  );
}
