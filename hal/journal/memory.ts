// A journal in memory: for simulation, where a power cut is a new machine over the same journal.
import { HalError } from "../../core/ports/errors.ts";
import { JOURNAL_LIMIT, type Journal, type JournalContent, type JournalEntry } from "../../core/ports/journal.ts";

/** Shared by the processes that use it one after the other. */
export class MemoryJournal implements Journal {
  #entries: readonly JournalEntry[] = [];
  /** How often the content has changed, as a flash chip would count. */
  writes = 0;
  /** While set, `save` fails with it as a full disk does. */
  failing: HalError | undefined;

  load(): JournalContent {
    return { entries: this.#entries.map(copy) };
  }

  save(entries: readonly JournalEntry[]): void {
    if (entries.length > JOURNAL_LIMIT) throw new RangeError(`the journal holds ${JOURNAL_LIMIT}: ${entries.length}`);
    if (sameEntries(entries, this.#entries)) return;
    if (this.failing !== undefined) throw this.failing;
    this.#entries = entries.map(copy);
    this.writes++;
  }
}

/** What a full disk fails with: HalError "journal.disk-full". */
export const diskFull = (): HalError => new HalError("journal.disk-full", "no room for the journal");

const copy = (entry: JournalEntry): JournalEntry => ({ ...entry, reception: entry.reception.slice() });

const key = ({ reception, channel, ended }: JournalEntry): string => `${reception.join()} ${channel} ${ended ?? ""}`;

const sameEntries = (a: readonly JournalEntry[], b: readonly JournalEntry[]): boolean =>
  a.map(key).join(";") === b.map(key).join(";");
