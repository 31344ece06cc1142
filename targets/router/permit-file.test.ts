import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { address } from "../../core/base/ipv4.ts";
import { milliseconds, seconds, unixTime } from "../../core/base/time.ts";
import { HalError } from "../../core/ports/errors.ts";
import type { KeptPermits } from "../../core/router/policy/permits.ts";
import { SimulatedClock } from "../../hal/clock/simulated.ts";
import { FileEvidenceLog, PERMITS } from "../../hal/evidence/file.ts";
import { createLogger } from "../shared/log.ts";
import { linesOf, PermitFile, readPermits } from "./permit-file.ts";

const [FILM, NEWS] = [address("239.1.9.1"), address("239.1.0.1")];
const KEPT: KeptPermits = {
  standsFor: seconds(600),
  cards: [
    { mac: "02:00:00:00:00:11", port: "lan1", groups: [NEWS, FILM] },
    { mac: "02:00:00:00:00:12", groups: [NEWS, FILM] },
    { mac: "02:00:00:00:00:13", port: "lan1", groups: [FILM] },
  ],
};
const NOON = unixTime(1_800_000_000_000);
const later = (s: number) => unixTime(NOON + s * 1000);
const log = createLogger({ level: "silent", format: "json", toStderr: true }, "router", "test");

test("what was written is read, for the time that is left; groups that cards have together stand there once", () => {
  const lines = linesOf(KEPT, NOON);
  assert.equal(lines.length, 6);
  assert.deepEqual(readPermits(lines, later(100)), { ...KEPT, standsFor: seconds(500) });
  assert.equal(readPermits(lines, later(600)), undefined);
});

test("a calendar that has fallen behind does not lengthen it", () => {
  assert.equal(readPermits(linesOf(KEPT, NOON), unixTime(0))?.standsFor, seconds(600));
});

test("a line that is missing or damaged takes nobody's right but of those it is about, and gives none", () => {
  const lines = linesOf(KEPT, NOON);
  const without = (n: number) => readPermits(lines.toSpliced(n, 1), NOON)?.cards.map(({ mac }) => mac.slice(-2));
  assert.equal(without(0), undefined);
  assert.deepEqual(without(1), ["13"]);
  assert.deepEqual(without(2), ["12", "13"]);
  assert.deepEqual(readPermits([...lines, "{", '{"mac":7}', '{"set":1,"groups":["x"]}'], NOON), KEPT);
});

test("changes are on the disk after some seconds, and at the end; a disk that refuses is told and stops nothing", async (context) => {
  const folder = mkdtempSync(join(tmpdir(), "sealcast-permits-"));
  context.after(() => rmSync(folder, { recursive: true }));
  const clock = new SimulatedClock();
  const open = (name: string) => new FileEvidenceLog(join(folder, name), PERMITS);
  let kept = KEPT;
  const file = new PermitFile(open("a"), { clock, log }, () => kept);
  assert.equal(file.load(), undefined);
  file.changed();
  clock.run(seconds(9));
  kept = { ...KEPT, cards: KEPT.cards.slice(0, 1) };
  clock.run(milliseconds(1000));
  await file.close();
  const next = new PermitFile(open("a"), { clock, log }, () => KEPT);
  assert.deepEqual(next.load(), kept);
  next.changed();
  await next.close();
  assert.deepEqual(new PermitFile(open("a"), { clock, log }, () => KEPT).load(), KEPT);
  const nowhere = new FileEvidenceLog("/proc/none", PERMITS);
  await assert.rejects(nowhere.replace([]), (error) => error instanceof HalError && error.code.startsWith("permits."));
  const refused = new PermitFile(nowhere, { clock, log }, () => KEPT);
  refused.changed();
  await refused.close();
});
