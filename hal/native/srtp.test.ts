// The addon's ciphers: what is promised in srtp.h of whatever JavaScript gives, and of chance under the sanitisers.
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { Worker } from "node:worker_threads";
import { fuzz, isFuzzing } from "../../core/base/fuzz.testkit.ts";
import { loadSockets } from "../native.ts";
import { CIPHER_ROW, succeeded } from "./sockets.ts";

const native = await loadSockets("test");
const NONE = new Uint8Array(0);
const [ENOENT, EINVAL] = [2, 22];
const PACKET = 60;
const TAG = 16;
const SLOT = PACKET + TAG;
const SEQUENCE = 5;

const gcmKey = (): number =>
  succeeded("srtpKey", native.srtpKey(new Uint8Array(16).fill(1), NONE, new Uint8Array(12).fill(2)));

/** For `count` packets that lie behind each other. */
function rowsOf(key: number, count: number): Int32Array {
  const rows = new Int32Array(count * CIPHER_ROW.length);
  for (let i = 0; i < count; i++) {
    const start = i * SLOT;
    rows.set([key, start, start + 12, start + PACKET, start + PACKET, 0, 0, SEQUENCE + i, 99], i * CIPHER_ROW.length);
  }
  return rows;
}

const outcomes = (rows: Int32Array): number[] =>
  [...rows].filter((_, at) => at % CIPHER_ROW.length === CIPHER_ROW.outcome);

test("a batch: each packet under its key, how each went, and the number of those that are done", () => {
  const [one, other] = [gcmKey(), gcmKey()];
  const octets = new Uint8Array(4 * SLOT).fill(7);
  const rows = rowsOf(one, 4);
  rows[CIPHER_ROW.length] = other;
  assert.equal(native.srtpSeal(octets, rows, 4), 4);
  octets[SLOT - 1] = (octets[SLOT - 1] ?? 0) ^ 1;
  native.srtpErase(other);
  assert.equal(native.srtpOpen(octets, rows, 4), 2);
  assert.deepEqual(outcomes(rows), [0, -ENOENT, 1, 1]);
  assert.ok(octets.subarray(2 * SLOT, 2 * SLOT + PACKET).every((octet) => octet === 7));
  native.srtpErase(one);
});

test("a key that is erased is none, and its number may be another's", () => {
  const key = gcmKey();
  assert.deepEqual([native.srtpErase(key), native.srtpErase(key)], [0, -ENOENT]);
  assert.equal(gcmKey(), key);
  native.srtpErase(key);
});

test("many keys at once, each with a number of its own", () => {
  const keys = Array.from({ length: 300 }, gcmKey);
  assert.equal(new Set(keys).size, 300);
  const octets = new Uint8Array(SLOT);
  for (const key of keys) assert.equal(native.srtpSeal(octets, rowsOf(key, 1), 1), 1);
  for (const key of keys) native.srtpErase(key);
});

test("lengths that no suite has are refused", () => {
  const [key, long, auth] = [new Uint8Array(16), new Uint8Array(32), new Uint8Array(20)];
  const [gcm, cm] = [new Uint8Array(12), new Uint8Array(16)];
  const wrong = [
    [new Uint8Array(15), NONE, gcm],
    [NONE, NONE, gcm],
    [key, auth, gcm],
    [key, NONE, cm],
    [long, auth, cm],
    [key, new Uint8Array(19), cm],
    [key, NONE, NONE],
    [key, NONE, new Uint8Array(13)],
  ] as const;
  for (const [encryption, authentication, vector] of wrong)
    assert.equal(native.srtpKey(encryption, authentication, vector), -EINVAL);
});

test("places outside the octets, or out of order, change nothing", () => {
  const key = gcmKey();
  const whole = new Uint8Array(SLOT + 64).fill(0xa5);
  const octets = whole.subarray(32, 32 + SLOT);
  const least = -(2 ** 31);
  const wrong = [
    [-1, 12, PACKET, PACKET],
    [0, 12, PACKET, PACKET + 1],
    [0, 12, SLOT, SLOT],
    [13, 12, PACKET, PACKET],
    [0, 61, PACKET, PACKET],
    [0, 12, PACKET, PACKET - 1],
    [least, least, least, least],
    [0, 12, PACKET, 2 ** 31 - 1],
    [0, 2 ** 31 - 1, 2 ** 31 - 1, 2 ** 31 - 1],
  ];
  for (const places of wrong)
    for (const act of [native.srtpSeal, native.srtpOpen]) {
      const row = Int32Array.from([key, ...places, 0, 0, 0, 99]);
      assert.equal(act(octets, row, 1), 0);
      assert.deepEqual(outcomes(row), [-EINVAL]);
    }
  assert.ok(whole.every((octet) => octet === 0xa5));
  const empty = Int32Array.from([key, 0, 0, 0, 0, 0, 0, 0, 99]);
  assert.equal(native.srtpSeal(NONE, empty, 1), 0);
  native.srtpErase(key);
});

test("tags of a length that the suite has not are refused, and change nothing", () => {
  const cm = succeeded("srtpKey", native.srtpKey(new Uint8Array(16), new Uint8Array(20), new Uint8Array(16)));
  const gcm = gcmKey();
  const octets = new Uint8Array(SLOT);
  const row = (key: number, tagOctets: number) => {
    const one = rowsOf(key, 1);
    one[CIPHER_ROW.tagOctets] = tagOctets;
    return one;
  };
  for (const [key, wrong] of [
    [cm, [-1, 1, 3, 11, 16, -(2 ** 31)]],
    [gcm, [-1, 4, 10, 15, 17, 2 ** 31 - 1]],
  ] as const)
    for (const tagOctets of wrong)
      for (const act of [native.srtpSeal, native.srtpOpen]) {
        const one = row(key, tagOctets);
        assert.equal(act(octets, one, 1), 0);
        assert.deepEqual(outcomes(one), [-EINVAL]);
      }
  assert.ok(octets.every((octet) => octet === 0));
  assert.equal(native.srtpSeal(octets, row(gcm, 16), 1), 1);
  assert.equal(native.srtpSeal(octets, row(cm, 4), 1), 1);
  assert.equal(native.srtpOpen(octets, row(cm, 10), 1), 0);
  assert.equal(native.srtpOpen(octets, row(cm, 4), 1), 1);
  for (const key of [cm, gcm]) native.srtpErase(key);
});

test("what are no octets, rows or numbers of the kind throws", () => {
  const octets = new Uint8Array(SLOT);
  const rows = rowsOf(0, 1);
  const wrong = [
    () => native.srtpSeal(octets, rows, 2),
    () => native.srtpSeal(octets, rows, -1),
    () => native.srtpOpen(octets, rows, 0.5),
    () => native.srtpOpen(rows as unknown as Uint8Array, rows, 1),
    () => native.srtpOpen(octets, octets as unknown as Int32Array, 1),
    () => native.srtpKey(octets, NONE, "" as unknown as Uint8Array),
    () => native.srtpErase(-1),
  ];
  for (const act of wrong) assert.throws(act, TypeError);
  assert.equal(native.srtpSeal(octets, rows, 0), 0);
});

test("memory that was given away has no octets", () => {
  const key = gcmKey();
  const octets = new Uint8Array(SLOT);
  structuredClone(octets, { transfer: [octets.buffer] });
  const rows = rowsOf(key, 1);
  assert.equal(native.srtpSeal(octets, rows, 1), 0);
  assert.deepEqual(outcomes(rows), [-EINVAL]);
  native.srtpErase(key);
});

test("a worker has keys of its own, and may end with them", async () => {
  const own = gcmKey();
  const script = `
    const { workerData, parentPort } = require("node:worker_threads");
    const native = require(workerData);
    const none = native.srtpSeal(new Uint8Array(76), Int32Array.from([0, 0, 12, 60, 60, 0, 0, 0, 0]), 1);
    for (let i = 0; i < 20; i++) native.srtpKey(new Uint8Array(16), new Uint8Array(0), new Uint8Array(12));
    parentPort.postMessage(none);`;
  const worker = new Worker(script, { eval: true, workerData: join(process.cwd(), "build/hal/native/addon.cjs") });
  const [none] = await Promise.all([
    new Promise((resolve) => worker.once("message", resolve)),
    new Promise((resolve) => worker.once("exit", resolve)),
  ]);
  assert.equal(none, 0);
  assert.equal(native.srtpSeal(new Uint8Array(SLOT), rowsOf(own, 1), 1), 1);
  native.srtpErase(own);
});

const scratch = mkdtempSync(join(tmpdir(), "scl-srtp-"));
after(() => rmSync(scratch, { recursive: true, force: true }));

/** Debian's libcrypto3, by its file: its headers are not needed. */
const LIBRARY = ["-Wl,--no-as-needed", "-l:libcrypto.so.3"];
const SOURCES = ["scripts/native/srtp-fuzz.c", "hal/native/srtp.c"];
const FLAGS = ["-std=c11", "-g", "-O1", "-Wall", "-Wextra", "-Werror", "-fno-sanitize-recover=all"];

/** @returns why it could not be made; undefined when it was. */
function compiled(compiler: string, program: string, sanitizers: string, ...more: string[]): string | undefined {
  const args = [...FLAGS, `-fsanitize=${sanitizers}`, ...more, "-o", program, ...SOURCES, ...LIBRARY];
  const { status, stderr, error } = spawnSync(compiler, args, { encoding: "utf8" });
  return status === 0 ? undefined : `${compiler}: ${error?.message ?? stderr}`;
}

/** What a sanitiser, or the program itself, says is in the message. */
function ran(program: string, args: readonly string[]): string {
  const { status, signal, stdout, stderr } = spawnSync(program, args, { encoding: "utf8" });
  assert.equal(status, 0, `${program} ${args.join(" ")}: ${signal ?? status}\n${stderr.slice(0, 4000)}`);
  return stdout;
}

const seeded = join(scratch, "seeded");
const whyNotSeeded = compiled(process.env.CC ?? "cc", seeded, "address,undefined");
if (whyNotSeeded !== undefined) test("the ciphers in C under the sanitisers", { skip: whyNotSeeded });
else
  fuzz("the ciphers in C, under the address and undefined behaviour sanitisers", { seed: 1, rounds: 300 }, (pass) => {
    assert.match(ran(seeded, [String(pass.seed), String(pass.rounds)]), /^[1-9]/);
  });

// Its compiler is half a gigabyte: for those who fuzz (`npm run fuzz`), not for every run of the tests.
if (isFuzzing()) {
  const guided = join(scratch, "guided");
  const whyNot = compiled("clang", guided, "address,undefined,fuzzer", "-DLIBFUZZER");
  const name = "the ciphers in C, under libFuzzer";
  if (whyNot !== undefined) test(`fuzz: ${name}`, { skip: whyNot });
  else
    fuzz(name, { seed: 1, rounds: 2000 }, ({ seed, rounds }) => {
      ran(guided, [`-seed=${1 + (seed % 0x7fffffff)}`, `-runs=${rounds}`, "-max_len=8192", "-verbosity=0"]);
    });
}
