// What every Journal must do; the drivers' tests run it.
import assert from "node:assert/strict";
import { test } from "node:test";
import { unixTime } from "../../core/base/time.ts";
import { JOURNAL_LIMIT, type Journal, type JournalEntry } from "../../core/ports/journal.ts";

export const entry = (n: number, ended?: number): JournalEntry => {
  const plain = { reception: new Uint8Array(16).fill(n), channel: `channel-${n}` };
  return ended === undefined ? plain : { ...plain, ended: unixTime(ended) };
};

export interface JournalUnderTest {
  readonly journal: Journal;
  /** The same storage as after a power cut. */
  reopen(): Journal;
  /** Changes of the storage so far. */
  writes(): number;
}

export function journalContract(name: string, make: () => JournalUnderTest): void {
  test(`${name}: a new journal is empty and without a fault`, () => {
    assert.deepEqual(make().journal.load(), { entries: [] });
  });

  test(`${name}: what was saved is there after a power cut, ended or not, in order`, () => {
    const { journal, reopen } = make();
    const entries = [entry(1), entry(2, 1_767_225_600_000), entry(3)];
    journal.save(entries);
    assert.deepEqual(reopen().load(), { entries });
  });

  test(`${name}: a save replaces everything`, () => {
    const { journal, reopen } = make();
    journal.save([entry(1), entry(2)]);
    journal.save([entry(2)]);
    assert.deepEqual(reopen().load().entries, [entry(2)]);
    journal.save([]);
    assert.deepEqual(reopen().load().entries, []);
  });

  test(`${name}: what has not changed is not written again`, () => {
    const { journal, writes } = make();
    journal.save([]);
    assert.equal(writes(), 0);
    journal.save([entry(1)]);
    const after = writes();
    journal.save([entry(1)]);
    assert.equal(writes(), after);
  });

  test(`${name}: one entry too many is our own mistake, and the old content stays`, () => {
    const { journal, reopen } = make();
    journal.save([entry(1)]);
    const many = Array.from({ length: JOURNAL_LIMIT + 1 }, (_, n) => entry(n));
    assert.throws(() => journal.save(many), RangeError);
    assert.deepEqual(reopen().load().entries, [entry(1)]);
    journal.save(many.slice(1));
    assert.equal(reopen().load().entries.length, JOURNAL_LIMIT);
  });

  test(`${name}: entries are copies: erasing an id afterwards does not reach the journal`, () => {
    const { journal } = make();
    const mine = entry(7);
    journal.save([mine]);
    mine.reception.fill(0);
    assert.deepEqual(journal.load().entries, [entry(7)]);
  });
}
