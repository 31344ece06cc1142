// What every driver of a router's evidence log promises (core/ports/evidence-log.ts).
import assert from "node:assert/strict";
import { test } from "node:test";
import type { EvidenceLog } from "../../core/ports/evidence-log.ts";

export interface EvidenceLogUnderTest {
  readonly log: EvidenceLog;
  /** The same storage as the next process finds it. */
  reopen(): EvidenceLog;
}

export function evidenceLogContract(name: string, make: () => EvidenceLogUnderTest): void {
  test(`${name}: a new log is empty and without a fault`, () => {
    assert.deepEqual(make().log.load(), { lines: [], damaged: 0 });
  });

  test(`${name}: lines that were added are there for the next process, in order, whatever they say`, async () => {
    const { log, reopen } = make();
    await log.replace([]);
    await log.write(["one", '{"two":"zwei – 二"}']);
    await log.commit(["", "three"]);
    await log.commit([]);
    assert.deepEqual(reopen().load(), { lines: ["one", '{"two":"zwei – 二"}', "", "three"], damaged: 0 });
  });

  test(`${name}: what is replaced is gone, and more can be added`, async () => {
    const { log, reopen } = make();
    await log.replace(["old", "older"]);
    await log.commit(["new"]);
    await log.replace(["all"]);
    await log.write(["more"]);
    const next = reopen();
    assert.deepEqual(next.load().lines, ["all", "more"]);
    await next.commit(["and more"]);
    assert.deepEqual(reopen().load().lines, ["all", "more", "and more"]);
  });
}
