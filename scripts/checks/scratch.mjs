// Where the tests of a run put what they make: in memory where there is room for it, since a test that counts milliseconds is not to wait
// for what others write to the same disk, and gone with the run, whatever a test that was killed has left.
import { spawnSync } from "node:child_process";
import { chmodSync, existsSync, mkdtempSync, readdirSync, rmSync, statfsSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

const MEMORY = "/dev/shm";
/** Octets; a whole run needs less than half. */
const ROOM = 2 ** 31;
/** Short: the sockets of tests are below it, and a socket's path has 107 octets at most. */
const NAME = /^sct(\d+)-/;

/** @param {string} parent */
function make(parent) {
  const folder = mkdtempSync(join(parent, `sct${process.pid}-`));
  // As the usual one: some tests give up root for a while.
  chmodSync(folder, 0o1777);
  return folder;
}

const hasRoom = (/** @type {string} */ folder) => {
  const { bavail, bsize } = statfsSync(folder);
  return bavail * bsize >= ROOM;
};

/** Programs may be kept there: it is not mounted noexec. @param {string} folder */
function executes(folder) {
  const program = join(folder, "executes");
  writeFileSync(program, "#!/bin/sh\n", { mode: 0o755 });
  const { status } = spawnSync(program);
  rmSync(program);
  return status === 0;
}

/** In memory; undefined where there is none that is fit. */
function inMemory() {
  if (!existsSync(MEMORY) || !hasRoom(MEMORY)) return undefined;
  const folder = make(MEMORY);
  if (executes(folder)) return folder;
  rmSync(folder, { recursive: true });
  return undefined;
}

/** What a run has left that was killed. @param {string} parent */
function sweep(parent) {
  for (const name of existsSync(parent) ? readdirSync(parent) : []) {
    const owner = NAME.exec(name)?.[1];
    if (owner !== undefined && !existsSync(`/proc/${owner}`))
      rmSync(join(parent, name), { recursive: true, force: true });
  }
}

/** Makes it and has this process, and whatever it starts, take it for the temporary folder until it ends. @returns {string} its path */
export function takeScratch() {
  const usual = tmpdir();
  for (const parent of [MEMORY, usual]) sweep(parent);
  const folder = inMemory() ?? make(usual);
  process.env.TMPDIR = folder;
  process.on("exit", () => {
    rmSync(folder, { recursive: true, force: true });
    process.env.TMPDIR = usual;
  });
  return folder;
}
