// The addon's own calls where Node cannot be had: under musl, and on processors that npm has no Node for. scripts/native/host.c stands in.
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { addonFor, buildSockets, nodeHeaders } from "./build.mjs";
import { PROCESSORS, processorOf } from "./processors.mjs";

const SOURCES = ["host.c", "host-rest.c"].map((name) => join(import.meta.dirname, name));
const FLAGS = ["-std=c11", "-O1", "-Wall", "-Wextra", "-Werror", "-rdynamic"];
const scratch = mkdtempSync(join(tmpdir(), "scl-host-"));
after(() => rmSync(scratch, { recursive: true, force: true }));

/** What the calls return, whatever the processor and the C library; errors are Linux's own: EAGAIN 11, EBADF 9, ENOTSOCK 88. */
const CALLS = [
  "functions 22",
  "socket opened",
  "bind 0",
  "setOption 0",
  "getOption 4",
  "filter 0",
  "receive -11",
  "send 3",
  "send 3",
  "receive 2",
  "rows 3 3 interface 1 octets 1 3 from 127.0.0.1",
  "name 16",
  "sendBatch 2",
  "receive 2",
  "readyAt 0",
  "ready 0",
  "takeDescriptor opened",
  "close 0",
  "close -9",
  "bind -88",
  "receive throws: a number out of range",
  // ENOSYS: this program has no OpenSSL.
  "srtpKey -38",
  "srtpSeal 0",
];
/** qemu passes what comes beside a packet (IP_PKTINFO) on as it is, in the byte order of the machine that runs it, not of the guest. */
const PASSED_AS_IT_IS = [" interface 1 ", " interface 16777216 "];
const WITH_GLIBC = "trimAt 0";
/** ENOSYS: it gives memory back by itself. */
const WITH_MUSL = "trimAt -38";

/** The number of mappings, the program's own and the C library's at least. */
const RELEASED = "releaseFiles, some";

/** @typedef {{ name: string, arch: string, compiler: string, run?: string[], says: string[] }} Host */

/** How qemu calls each. @type {Record<string, string>} */
const QEMU = { arm64: "aarch64", arm: "arm", riscv64: "riscv64", s390x: "s390x" };

/** @type {Host[]} */
const HOSTS = [
  { name: "glibc", arch: process.arch, compiler: process.env.CC ?? "cc", says: [WITH_GLIBC, RELEASED] },
  { name: "musl", arch: process.arch, compiler: "musl-gcc", says: [WITH_MUSL, RELEASED] },
  ...Object.keys(PROCESSORS)
    .filter((arch) => arch !== process.arch && QEMU[arch] !== undefined)
    .map((arch) => ({
      name: `glibc for ${arch}, in qemu`,
      arch,
      compiler: `${processorOf(arch).triplet}-gcc`,
      run: [`qemu-${QEMU[arch]}-static`, "-L", `/usr/${processorOf(arch).triplet}`],
      // What releaseFiles does is not seen: qemu passes /proc/self/smaps on, whose addresses are its own and not the guest's.
      says: [WITH_GLIBC],
    })),
];

const FOLDERS = (process.env.PATH ?? "").split(":");
const isInstalled = (/** @type {string} */ program) =>
  program.includes("/") ? existsSync(program) : FOLDERS.some((folder) => existsSync(join(folder, program)));

/** @param {Host} host */
function whyNot({ arch, compiler, run = [] }) {
  const missing = [compiler, ...run.slice(0, 1)].find((program) => !isInstalled(program));
  return missing === undefined ? (buildSockets(arch) ?? false) : `${missing} is not here`;
}

/** @param {string} program @param {string[]} args */
function output(program, args) {
  const { status, signal, stdout, stderr, error } = spawnSync(program, args, {
    encoding: "utf8",
    stdio: ["ignore", "pipe", "pipe"],
  });
  assert.equal(status, 0, `${program} ${args.join(" ")}: ${error?.message ?? ""}${signal ?? ""}${stdout}${stderr}`);
  return stdout.trim().split("\n");
}

for (const [i, host] of HOSTS.entries()) {
  const { name, arch, compiler, run = [], says } = host;
  test(`the addon's calls, by a program of ${name}`, { skip: whyNot(host) }, () => {
    const program = join(scratch, String(i));
    output(compiler, [
      ...FLAGS,
      ...processorOf(arch).flags,
      "-I",
      nodeHeaders() ?? "",
      "-o",
      program,
      ...SOURCES,
      "-ldl",
    ]);
    const seesMemory = says.length > 1 ? ["releaseFiles"] : [];
    const [first = "", ...others] = [...run, program, addonFor(arch), ...seesMemory];
    const [right = "", swapped = ""] = PASSED_AS_IT_IS;
    const calls = arch === "s390x" && run.length > 0 ? CALLS.map((line) => line.replace(right, swapped)) : CALLS;
    const told = output(first, others).map((line) => line.replace(/^releaseFiles ([2-9]|\d\d+)$/, RELEASED));
    assert.deepEqual(told, [...calls, ...says]);
  });
}
