// A temporary folder for all that tests make, which ends with them: whoever is killed or fails leaves nothing on the machine, and what a
// test that passes leaves is known.
import { chmodSync, mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

/** Programs that tests start share it by design, one for each user (hal/embedded-native.ts). */
const UNPACKED_ADDONS = /^sealcast-native-\d+$/;

/**
 * From now until `remove` it is the temporary folder of this process and of those that it starts.
 * @returns {{ remove: () => string[] }} `remove` tells what was left in it
 */
export function scratchFolder() {
  const before = process.env.TMPDIR;
  const folder = mkdtempSync(join(tmpdir(), `scl${process.pid}-`));
  // As /tmp is: some tests are run as nobody.
  chmodSync(folder, 0o1777);
  process.env.TMPDIR = folder;
  const remove = () => {
    const left = readdirSync(folder).filter((name) => !UNPACKED_ADDONS.test(name));
    rmSync(folder, { recursive: true, force: true });
    if (before === undefined) delete process.env.TMPDIR;
    else process.env.TMPDIR = before;
    return left;
  };
  return { remove };
}
