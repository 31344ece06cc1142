// Several test files in one process: what it costs to start one, and to load what all of them need, is paid once.
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { pathToFileURL } from "node:url";

/** Each file is a suite of its name, so that what fails says where, and what a file does before or after its tests is its own. */
const text = (/** @type {string[]} */ files) => `import { describe } from "node:test";
for (const [file, url] of ${JSON.stringify(files.map((file) => [file, pathToFileURL(resolve(file)).href]))}) {
  describe(file, async () => { await import(url); });
}
`;

/**
 * What node is to run for each of these processes, given the files of each.
 * @param {string[][]} processes
 * @returns {{ files: string[], remove: () => void }}
 */
export function filesFor(processes) {
  const folder = mkdtempSync(join(tmpdir(), "scl-shared-"));
  const files = processes.map((files, index) => {
    if (files.length === 1) return files[0] ?? "";
    const shared = join(folder, `${index}.test.mjs`);
    writeFileSync(shared, text(files));
    return shared;
  });
  return { files, remove: () => rmSync(folder, { recursive: true }) };
}
