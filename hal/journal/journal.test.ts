import assert from "node:assert/strict";
import {
  chmodSync,
  existsSync,
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
import { join } from "node:path";
import { after, test } from "node:test";
import { fuzz } from "../../core/base/fuzz.testkit.ts";
import { HalError } from "../../core/ports/errors.ts";
import { entry, journalContract } from "./contract.testkit.ts";
import { FileJournal, parseJournal } from "./file.ts";
import { diskFull, MemoryJournal } from "./memory.ts";

const scratch = mkdtempSync(join(tmpdir(), "st-journal-"));
after(() => rmSync(scratch, { recursive: true }));
let count = 0;
const path = (): string => join(scratch, `${count++}`, "receptions.json");

journalContract("file journal", () => {
  const file = path();
  return {
    journal: new FileJournal(file),
    reopen: () => new FileJournal(file),
    writes: () => (existsSync(file) ? statSync(file).ino : 0),
  };
});

journalContract("memory journal", () => {
  const journal = new MemoryJournal();
  return { journal, reopen: () => journal, writes: () => journal.writes };
});

const code = (expected: string) => (error: unknown) => error instanceof HalError && error.code === expected;

test("a file that is no journal is kept aside, named, and the journal goes on", () => {
  const broken = ["", "{", "[]", '{"version":2,"receptions":[]}', '{"version":1,"receptions":[{"reception":"00"}]}'];
  for (const text of broken) {
    const file = path();
    new FileJournal(file).save([entry(1)]);
    writeFileSync(file, text);
    const journal = new FileJournal(file);
    const { entries, fault } = journal.load();
    assert.deepEqual(entries, []);
    assert.equal(fault?.code, "journal.corrupt");
    assert.equal(readFileSync(`${file}.corrupt`, "utf8"), text);
    journal.save([entry(2)]);
    assert.deepEqual(new FileJournal(file).load(), { entries: [entry(2)] });
  }
});

test("a journal as large as a film is set aside unread", () => {
  const file = path();
  new FileJournal(file).save([entry(1)]);
  writeFileSync(file, Buffer.alloc(300 * 1024, 0x20));
  assert.equal(new FileJournal(file).load().fault?.code, "journal.corrupt");
});

test("a journal path that is a folder is a named fault, not a crash", () => {
  const file = path();
  mkdirSync(file, { recursive: true });
  const journal = new FileJournal(file);
  const { fault } = journal.load();
  assert.ok(fault !== undefined && ["journal.corrupt", "journal.unreadable"].includes(fault.code));
});

test("a power cut between writing and renaming leaves the old journal", () => {
  const file = path();
  new FileJournal(file).save([entry(1)]);
  writeFileSync(`${file}.new`, '{"version":1,"rec');
  assert.deepEqual(new FileJournal(file).load(), { entries: [entry(1)] });
  new FileJournal(file).save([entry(2)]);
  assert.deepEqual(readdirSync(join(file, "..")), ["receptions.json"]);
});

test("the journal is for its owner only", () => {
  const file = path();
  new FileJournal(file).save([entry(1)]);
  assert.equal(statSync(file).mode & 0o777, 0o600);
});

test("a device that is full is journal.disk-full, and says what follows", () => {
  // The kernel's own full device stands where the journal writes beside itself.
  const file = path();
  const journal = new FileJournal(file);
  journal.save([entry(1)]);
  symlinkSync("/dev/full", `${file}.new`);
  assert.throws(
    () => journal.save([entry(2)]),
    (error) =>
      error instanceof HalError && error.code === "journal.disk-full" && /lapsed/.test(error.alternative ?? ""),
  );
  assert.deepEqual(new FileJournal(file).load().entries, [entry(1)]);
  journal.save([entry(2)]);
  assert.deepEqual(new FileJournal(file).load().entries, [entry(2)]);
});

test("a folder that may not be written is journal.permission", () => {
  const file = path();
  new FileJournal(file).save([entry(1)]);
  chmodSync(join(file, ".."), 0o500);
  // Root may write everywhere: for a moment it is nobody.
  const root = process.geteuid?.() === 0;
  if (root) process.seteuid?.(65_534);
  try {
    assert.throws(() => new FileJournal(file).save([entry(2)]), code("journal.permission"));
  } finally {
    if (root) process.seteuid?.(0);
  }
  chmodSync(join(file, ".."), 0o700);
});

test("a parent that is a file is journal.failed", () => {
  const file = path();
  new FileJournal(file).save([entry(1)]);
  assert.throws(() => new FileJournal(join(file, "below", "j")).save([entry(2)]), code("journal.failed"));
});

test("the memory journal can be as full as a disk", () => {
  const journal = new MemoryJournal();
  journal.save([entry(1)]);
  journal.failing = diskFull();
  assert.throws(() => journal.save([entry(2)]), code("journal.disk-full"));
  assert.deepEqual(journal.load().entries, [entry(1)]);
});

const MUTATED = "mutations of a journal: entries that are sound, or a named fault, never anything else";

fuzz(MUTATED, { seed: 7, rounds: 20_000 }, ({ below, rounds }) => {
  const file = path();
  new FileJournal(file).save([entry(1), entry(2, 5), entry(3)]);
  const sound = readFileSync(file);
  const outcomes = { sound: 0, refused: 0 };
  for (let round = 0; round < rounds; round++) {
    const text = Buffer.from(sound);
    for (let n = 1 + below(3); n > 0; n--) text[below(text.length)] = below(256);
    const cut = below(4) === 0 ? text.subarray(0, below(text.length)) : text;
    try {
      const entries = parseJournal(cut.toString("utf8"));
      for (const { reception, channel } of entries) assert.ok(reception.length === 16 && channel.length <= 64);
      outcomes.sound++;
    } catch (error) {
      assert.ok(error instanceof Error && ["SyntaxError", "ValiError"].includes(error.name), String(error));
      outcomes.refused++;
    }
  }
  assert.ok(outcomes.sound > 20 && outcomes.refused > 1000, JSON.stringify(outcomes));
});
