// A temporary folder for all that tests make, which ends with them: whoever is killed or fails leaves nothing on the machine, and what a
// test that passes leaves is known. In memory where there is room: a test that counts milliseconds is not to wait for what others write
// to the same disk.
import { spawnSync } from "node:child_process";
import { chmodSync, existsSync, mkdtempSync, readdirSync, rmSync, statfsSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

const MEMORY = "/dev/shm";
/** Octets; a whole run needs less than half. */
const ROOM = 2 ** 31;
/** Short: sockets of tests are below it, and the path of one has 107 octets at most. */
const OURS = /^sct(\d+)-/;
/** Programs that tests start share it by design, one for each user (hal/embedded-native.ts). */
const UNPACKED_ADDONS = /^sealcast-native-\d+$/;

/** @param {string} parent */
function make(parent) {
  const folder = mkdtempSync(join(parent, `sct${process.pid}-`));
  // As /tmp is: some tests are run as nobody.
  chmodSync(folder, 0o1777);
  return folder;
}

/** @param {string} folder */
function hasRoom(folder) {
  const { bavail, bsize } = statfsSync(folder);
  return bavail * bsize >= ROOM;
}

/** It is not mounted noexec. @param {string} folder */
function executes(folder) {
  const program = join(folder, "executes");
  writeFileSync(program, "#!/bin/sh\n", { mode: 0o755 });
  const { status } = spawnSync(program);
  rmSync(program);
  return status === 0;
}

/** Undefined where there is none that is fit. */
function makeInMemory() {
  if (!existsSync(MEMORY) || !hasRoom(MEMORY)) return undefined;
  const folder = make(MEMORY);
  if (executes(folder)) return folder;
  rmSync(folder, { recursive: true });
  return undefined;
}

/** What runs have left that were killed. @param {string} parent */
function sweep(parent) {
  for (const name of existsSync(parent) ? readdirSync(parent) : []) {
    const owner = OURS.exec(name)?.[1];
    if (owner !== undefined && !existsSync(`/proc/${owner}`))
      rmSync(join(parent, name), { recursive: true, force: true });
  }
}

/**
 * From now until `remove` it is the temporary folder of this process and of those that it starts.
 * @returns {{ remove: () => string[] }} `remove` tells what was left in it
 */
export function scratchFolder() {
  const [before, usual] = [process.env.TMPDIR, tmpdir()];
  for (const parent of [MEMORY, usual]) sweep(parent);
  const folder = makeInMemory() ?? make(usual);
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
