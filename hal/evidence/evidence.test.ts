import assert from "node:assert/strict";
import {
  chmodSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { after, test } from "node:test";
import { fuzz } from "../../core/base/fuzz.testkit.ts";
import { HalError } from "../../core/ports/errors.ts";
import { evidenceLogContract } from "./contract.testkit.ts";
import { crc32 } from "./crc32.ts";
import { FileEvidenceLog } from "./file.ts";
import { MemoryEvidenceLog } from "./memory.ts";

const scratch = mkdtempSync(join(tmpdir(), "st-evidence-"));
after(() => rmSync(scratch, { recursive: true }));
let count = 0;
const path = (): string => join(scratch, `${count++}`, "router.evidence");

evidenceLogContract("file", () => {
  const file = path();
  return { log: new FileEvidenceLog(file), reopen: () => new FileEvidenceLog(file) };
});

evidenceLogContract("memory", () => {
  const log = new MemoryEvidenceLog();
  return { log, reopen: () => log };
});

const code = (expected: string) => (error: unknown) => error instanceof HalError && error.code === expected;

const written = async (...lines: readonly string[]): Promise<string> => {
  const file = path();
  await new FileEvidenceLog(file).replace(lines);
  return file;
};

test("the checksum is the one of RFC 1952", () => {
  assert.equal(crc32("123456789"), 0xcbf43926);
});

test("the log is for its owner only, and nothing else is left in its folder", async () => {
  const file = await written("one");
  await new FileEvidenceLog(file).commit(["two"]);
  assert.equal(statSync(file).mode & 0o777, 0o600);
  assert.deepEqual(readdirSync(dirname(file)), ["router.evidence"]);
});

test("what a power cut left unfinished is not there, wherever it cut", async () => {
  const file = await written("one", "two");
  const text = readFileSync(file);
  for (let length = text.indexOf(10) + 1; length < text.length; length++) {
    writeFileSync(file, text.subarray(0, length));
    assert.deepEqual(new FileEvidenceLog(file).load(), { lines: ["one"], damaged: 0 });
  }
});

test("a power cut between writing and renaming leaves the old log", async () => {
  const file = await written("one");
  writeFileSync(`${file}.new`, "0000");
  assert.deepEqual(new FileEvidenceLog(file).load().lines, ["one"]);
});

test("a damaged log is kept aside and named, and what can be read of it is read", async () => {
  const file = await written("one", "two", "three");
  const damaged = readFileSync(file, "utf8").replace("two", "owt");
  writeFileSync(file, damaged);
  const { lines, damaged: missing, fault } = new FileEvidenceLog(file).load();
  assert.deepEqual([lines, missing, fault?.code], [["one", "three"], 1, "evidence.damaged"]);
  assert.equal(readFileSync(`${file}.damaged`, "utf8"), damaged);
  assert.deepEqual(new FileEvidenceLog(file).load(), { lines: [], damaged: 0 });
});

test("a device that is full is evidence.disk-full, and the old log stays", async () => {
  // The kernel's own full device stands where the log writes beside itself.
  const file = await written("one");
  symlinkSync("/dev/full", `${file}.new`);
  const log = new FileEvidenceLog(file);
  await assert.rejects(log.replace(["two"]), code("evidence.disk-full"));
  assert.deepEqual(new FileEvidenceLog(file).load().lines, ["one"]);
  await log.replace(["two"]);
  assert.deepEqual(new FileEvidenceLog(file).load().lines, ["two"]);
  const full = path();
  mkdirSync(dirname(full));
  symlinkSync("/dev/full", full);
  await assert.rejects(new FileEvidenceLog(full).commit(["one"]), code("evidence.disk-full"));
});

/** Root may write everywhere: for a moment it is nobody. */
async function asNobody(work: () => Promise<void>): Promise<void> {
  const root = process.geteuid?.() === 0;
  chmodSync(scratch, 0o755);
  if (root) process.seteuid?.(65_534);
  try {
    await work();
  } finally {
    if (root) process.seteuid?.(0);
  }
}

test("what may not be written is evidence.permission, and is not read either", async () => {
  const file = await written("one");
  chmodSync(dirname(file), 0o555);
  chmodSync(file, 0o444);
  await asNobody(async () => {
    const { lines, fault } = new FileEvidenceLog(file).load();
    assert.deepEqual([lines, fault?.code], [[], "evidence.permission"]);
    await assert.rejects(new FileEvidenceLog(file).replace(["two"]), code("evidence.permission"));
    await assert.rejects(new FileEvidenceLog(file).write(["two"]), code("evidence.permission"));
  });
  assert.deepEqual(new FileEvidenceLog(file).load().lines, ["one"]);
});

test("a path that is a folder, or below a file, is a named fault", async () => {
  const folder = path();
  mkdirSync(folder, { recursive: true });
  assert.equal(new FileEvidenceLog(folder).load().fault?.code, "evidence.failed");
  await assert.rejects(new FileEvidenceLog(folder).replace(["one"]), code("evidence.failed"));
  await assert.rejects(new FileEvidenceLog(join(await written(), "below")).replace(["one"]), code("evidence.failed"));
});

fuzz(
  "mutations of a log: each line as it was, or counted as damaged",
  { seed: 5, rounds: 300 },
  ({ below, rounds }) => {
    const file = path();
    mkdirSync(dirname(file));
    const lines = Array.from({ length: 8 }, (_, n) => `{"change":${n}}`);
    const sound = Buffer.from(lines.map((line) => `${crc32(line).toString(16).padStart(8, "0")} ${line}\n`).join(""));
    for (let round = 0; round < rounds; round++) {
      const mutated = Buffer.from(sound);
      for (let n = 1 + below(3); n > 0; n--) mutated[below(mutated.length)] = below(256);
      writeFileSync(file, mutated);
      const found = new FileEvidenceLog(file).load();
      assert.ok(found.lines.every((line) => lines.includes(line)));
      assert.ok(found.lines.length + found.damaged >= 5 && found.lines.length >= 2);
    }
  },
);
