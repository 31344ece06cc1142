// Boots the lab's machine as a process of this one, and has it run test files.
import { spawn } from "node:child_process";
import { once } from "node:events";
import {
  closeSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readFileSync,
  rmSync,
  statfsSync,
  writeFileSync,
} from "node:fs";
import { join, resolve } from "node:path";
import { FOLDER } from "./kernel.mjs";

const ROOT = resolve(import.meta.dirname, "../..");
/** Megabytes; what nobody writes to is not taken. */
const MEMORY = 2048;

/** A folder in memory with room for the machine's, or one on the disk. @param {string} out */
function memoryIn(out) {
  if (!existsSync("/dev/shm")) return out;
  const { bavail, bsize } = statfsSync("/dev/shm");
  return bavail * bsize > MEMORY << 20 ? "/dev/shm" : out;
}

/**
 * @param {import("./kernel.mjs").Kernel} kernel
 * @param {string} out
 */
const commandLine = ({ modules }, out) => [
  `mem=${MEMORY}M`,
  "root=/dev/root",
  "rootfstype=hostfs",
  "rootflags=/",
  "ro",
  "quiet",
  `init=${join(import.meta.dirname, "init.sh")}`,
  `uml_dir=${out}`,
  "umid=vm",
  // What the kernel says, and what the tests say, which is ours.
  "con=null",
  "con0=null,fd:1",
  "ssl=null",
  "ssl0=null,fd:3",
  `SEALCAST_OUT=${out}`,
  `SEALCAST_MODULES=${modules}`,
  `SEALCAST_ROOT=${ROOT}`,
  `SEALCAST_NODE=${process.execPath}`,
];

/** @param {import("./kernel.mjs").Kernel} kernel @param {string} out */
function start(kernel, out) {
  const log = openSync(consoleIn(out), "a");
  const machine = spawn(kernel.program, commandLine(kernel, out), {
    detached: true,
    env: { ...process.env, TMPDIR: memoryIn(out) },
    stdio: ["ignore", log, log, 1],
  });
  closeSync(log);
  return machine;
}

const consoleIn = (/** @type {string} */ out) => join(out, "console");

/** Nothing is left of the machine, whatever happens. @param {import("node:child_process").ChildProcess} machine @param {number} limit */
async function end(machine, limit) {
  // Its processes are those of its group.
  const kill = () => machine.pid !== undefined && machine.exitCode === null && process.kill(-machine.pid, "SIGKILL");
  process.prependOnceListener("exit", kill);
  for (const signal of /** @type {const} */ (["SIGINT", "SIGTERM"])) process.once(signal, () => process.exit(1));
  const timer = setTimeout(kill, limit);
  await once(machine, "close");
  clearTimeout(timer);
  process.off("exit", kill);
}

/**
 * The exit code of the tests, or what the kernel said when it came to no end.
 * @param {import("./kernel.mjs").Kernel} kernel
 * @param {readonly string[]} files as node runs them, from the root of the checkout
 * @param {number} limit milliseconds
 * @returns {Promise<number | string>}
 */
export async function runInside(kernel, files, limit) {
  mkdirSync(FOLDER, { recursive: true });
  const out = mkdtempSync(join(FOLDER, "run-"));
  process.once("exit", () => rmSync(out, { recursive: true, force: true }));
  writeFileSync(join(out, "files"), files.join("\n"));
  await end(start(kernel, out), limit);
  const code = join(out, "code");
  return existsSync(code) ? Number(readFileSync(code, "utf8")) : readFileSync(consoleIn(out), "latin1");
}
