// What a router has seen and nobody has acknowledged, of this process and of those before it: in order, bounded, cut into reports. A
// report keeps its number and its content until it is acknowledged, so that the server can tell a repetition, over a restart too.
import { type MembershipChange, type MembershipCount, MOST_COUNTS } from "../control/messages.ts";
import { CountTable, countOf, foldVisits, withoutPlace } from "./evidence-counts.ts";
import { type EvidenceLine, parseLine } from "./evidence-lines.ts";

/** Changes in one report. */
export const REPORT_CHANGES = 128;
/** Octets of the changes and counts of one report, so that the message stays within core/control/codec.ts's MESSAGE_LIMIT. */
const REPORT_OCTETS = 15 * 1024;

/** A process of the router. */
export interface RouterProcess {
  /** Random, 32 bits. */
  readonly process: number;
  /** In Unix ms. */
  readonly started?: number;
}

/** What a "membership.report" carries; `started` in the first of a process only. */
export interface Report extends RouterProcess {
  readonly sequence: number;
  readonly dropped: number;
  readonly changes: readonly MembershipChange[];
  readonly counts: readonly MembershipCount[];
}

/** What one process saw. */
interface Run extends RouterProcess {
  /** Of its last report. */
  sequence: number;
  /** Changes of which no more than their number is left, since its last report. */
  dropped: number;
  counts: MembershipCount[];
  changes: MembershipChange[];
}

/** What an earlier process left, and in which state it was found. */
export interface Restored {
  readonly lines: readonly string[];
  /** Lines that were there and cannot be read. */
  readonly damaged: number;
}

const NOTHING_RESTORED: Restored = { lines: [], damaged: 0 };

/** Every mutation is a line (`takeLines`), or shows only in all of them (`snapshot`) after a summary. */
export class EvidenceQueue {
  readonly #limit: number;
  readonly #own: Run;
  /** The oldest process first, ours last. */
  #runs: Run[];
  #underWay: Report | undefined;
  #size = 0;
  #lines: EvidenceLine[] = [];
  /** The lines since the last `takeLines` do not tell all that has happened. */
  #mustBeWhole = true;

  /** At most `limit` changes and counts are kept besides the report that is under way. */
  constructor(own: RouterProcess, limit: number, restored: Restored = NOTHING_RESTORED) {
    this.#limit = limit;
    this.#own = { ...own, sequence: 0, dropped: 0, counts: [], changes: [] };
    this.#runs = [];
    const lines = restored.lines.flatMap((text) => parseLine(text) ?? []);
    const missing = restored.damaged + restored.lines.length - lines.length;
    if (missing > 0 || !lines.every((line) => this.#replay(line))) this.#salvage(lines, Math.max(1, missing));
    this.#runs.push(this.#own);
    this.#forgetEmpty();
    this.#size = this.#counted();
    this.#makeRoom();
  }

  /** Changes and counts that wait, those of the report under way not counted. */
  get waiting(): number {
    return this.#size;
  }

  /** Whether there is something to report besides what is under way; the first report of a process goes even if it is empty. */
  get isDue(): boolean {
    return this.#runs.some(isDue);
  }

  /** The report that is cut and not acknowledged. */
  get underWay(): Report | undefined {
    return this.#underWay;
  }

  /** How many changes were given up for room: only their number, without place, is left of them. */
  add(change: MembershipChange): number {
    this.#own.changes.push(change);
    this.#note({ change });
    this.#size++;
    return this.#makeRoom();
  }

  /** As `add`. */
  addCount(count: MembershipCount): number {
    this.#own.counts.push(count);
    this.#note({ count });
    this.#size++;
    return this.#makeRoom();
  }

  /** Cuts the next report from what is oldest, when none is under way and there is something to tell. */
  cut(): Report | undefined {
    const run = this.#underWay === undefined ? this.#runs.find(isDue) : undefined;
    if (run === undefined) return undefined;
    const counts = withinOctets(run.counts.slice(0, MOST_COUNTS), REPORT_OCTETS);
    const changes = withinOctets(run.changes.slice(0, REPORT_CHANGES), REPORT_OCTETS - octetsOf(counts));
    const { process, sequence } = run;
    const report = { process, sequence: sequence + 1, changes: changes.length, counts: counts.length };
    this.#note({ report });
    this.#size -= changes.length + counts.length;
    return this.#take(run, report);
  }

  /** The report under way is on the server's disk. */
  acknowledge(): void {
    this.#underWay = undefined;
    this.#note({ acknowledged: true });
    this.#forgetEmpty();
  }

  /** What has happened since the last call, as lines; undefined when the whole must be written anew (`snapshot`). */
  takeLines(): readonly EvidenceLine[] | undefined {
    const lines = this.#mustBeWhole ? undefined : this.#lines;
    this.#lines = [];
    this.#mustBeWhole = false;
    return lines;
  }

  /** Lines that nobody takes, as there is no disk or it has failed, are not kept: then the whole is written anew. */
  #note(line: EvidenceLine): void {
    if (this.#mustBeWhole) return;
    this.#lines.push(line);
    if (this.#lines.length <= 2 * this.#limit) return;
    this.#lines = [];
    this.#mustBeWhole = true;
  }

  /** Everything, as lines. */
  snapshot(): readonly EvidenceLine[] {
    const underWay = this.#underWay;
    const before = underWay === undefined ? [] : linesOfReport(underWay);
    return [...before, ...this.#runs.flatMap(linesOfRun)];
  }

  /** Whether the line fits what came before it. */
  #replay(line: EvidenceLine): boolean {
    const last = this.#runs.at(-1);
    if ("process" in line) return this.#replayProcess(line.process);
    if ("report" in line) return this.#replayReport(line.report);
    if ("acknowledged" in line) {
      const wasUnderWay = this.#underWay !== undefined;
      this.#underWay = undefined;
      return wasUnderWay;
    }
    if (last === undefined) return false;
    if ("change" in line) last.changes.push(line.change);
    else last.counts.push(line.count);
    return true;
  }

  /** A process that is summed up begins where its last report ended: what is under way was written before. */
  #replayProcess(line: ProcessLine): boolean {
    const known = this.#runs.at(-1);
    if (known?.process === line.id && known.changes.length + known.counts.length === 0) {
      known.dropped = line.dropped;
      return known.sequence === line.sequence;
    }
    this.#runs.push(runOf(line));
    return true;
  }

  #replayReport(report: ReportLine): boolean {
    const run = this.#runs.find(({ process }) => process === report.process);
    if (run === undefined || this.#underWay !== undefined) return false;
    if (run.changes.length < report.changes || run.counts.length < report.counts) return false;
    this.#take(run, report);
    return true;
  }

  #take(run: Run, { process, sequence, changes, counts }: ReportLine): Report {
    const { started } = run;
    const report = {
      process,
      ...(sequence === 1 && started !== undefined ? { started } : {}),
      sequence,
      dropped: run.dropped,
      changes: run.changes.splice(0, changes),
      counts: run.counts.splice(0, counts),
    };
    run.sequence = sequence;
    run.dropped = 0;
    this.#underWay = report;
    return report;
  }

  /**
   * Where lines are missing nobody knows which of the others were told already: all are told once more, under numbers that were not used
   * yet. The server passes over joins and ends that it knows.
   */
  #salvage(lines: readonly EvidenceLine[], missing: number): void {
    // Whose they are, if the line that said so is missing: somebody who is neither us nor known.
    const runs = [runOf({ id: (this.#own.process ^ 1) >>> 0, sequence: 0, dropped: 0 })];
    for (const line of lines) {
      const last = runs.at(-1);
      if ("process" in line && line.process.id !== last?.process) runs.push(runOf(line.process));
      if ("change" in line) last?.changes.push(line.change);
      if ("count" in line) last?.counts.push(line.count);
    }
    for (const run of runs.slice(1)) run.sequence += UNUSED;
    this.#runs = runs;
    this.#underWay = undefined;
    this.#own.dropped = missing;
  }

  /** A process that has ended and has nothing left to tell. */
  #forgetEmpty(): void {
    this.#runs = this.#runs.filter((run) => run === this.#own || hasContent(run));
  }

  #counted(): number {
    return this.#runs.reduce((size, { changes, counts }) => size + changes.length + counts.length, 0);
  }

  /** Beyond the limit the oldest eighth becomes numbers: visits by host and group, and where that is not enough, all in one. */
  #makeRoom(): number {
    if (this.#size <= this.#limit) return 0;
    const goal = this.#limit - Math.ceil(this.#limit / 8);
    for (const run of this.#runs) {
      if (this.#size <= goal) break;
      this.#fold(run);
    }
    let givenUp = 0;
    for (const run of this.#runs) {
      if (this.#size <= goal) break;
      givenUp += this.#giveUp(run, this.#size - goal);
    }
    this.#mustBeWhole = true;
    return givenUp;
  }

  #fold(run: Run): void {
    const oldest = run.changes.splice(0, Math.ceil(this.#limit / 2));
    const { changes, counts } = foldVisits(oldest);
    run.changes.unshift(...changes);
    run.counts = this.#bounded([...run.counts, ...counts]);
    this.#size = this.#counted();
  }

  /** By host and group as long as that takes no more than a quarter of the room; the rest without place, the oldest first. */
  #bounded(counts: readonly MembershipCount[]): MembershipCount[] {
    const all = new CountTable(counts).all();
    const excess = Math.max(0, all.length - Math.floor(this.#limit / 4));
    return [...new CountTable([...all.slice(0, excess).map(withoutPlace), ...all.slice(excess)]).all()];
  }

  #giveUp(run: Run, excess: number): number {
    const oldest = run.changes.splice(0, excess);
    run.counts = [...new CountTable([...oldest.map(countOf).map(withoutPlace), ...run.counts]).all()];
    run.dropped += oldest.length;
    this.#size = this.#counted();
    return oldest.length;
  }
}

/** More reports than a process makes before its log is written anew. */
const UNUSED = 1_000_000;

type ProcessLine = Extract<EvidenceLine, { process: unknown }>["process"];
type ReportLine = Extract<EvidenceLine, { report: unknown }>["report"];

const runOf = ({ id, started, sequence, dropped }: ProcessLine): Run => ({
  process: id,
  ...(started === undefined ? {} : { started }),
  ...{ sequence, dropped, counts: [], changes: [] },
});

const hasContent = ({ changes, counts, dropped }: Run): boolean => changes.length + counts.length + dropped > 0;

/** The first report of a process ends what the one before it had told. */
const isDue = (run: Run): boolean => run.sequence === 0 || hasContent(run);

const processLine = ({ process, ...run }: Omit<Run, "changes" | "counts">): EvidenceLine => ({
  process: { id: process, ...run },
});

const linesOfReport = ({ sequence, changes, counts, ...report }: Report): readonly EvidenceLine[] => [
  processLine({ ...report, sequence: sequence - 1 }),
  ...counts.map((count) => ({ count })),
  ...changes.map((change) => ({ change })),
  { report: { process: report.process, sequence, changes: changes.length, counts: counts.length } },
];

const linesOfRun = ({ changes, counts, ...run }: Run): readonly EvidenceLine[] => [
  processLine(run),
  ...counts.map((count) => ({ count })),
  ...changes.map((change) => ({ change })),
];

/** As many of the first as fit into so many octets of CBOR. */
function withinOctets<T extends object>(all: readonly T[], octets: number): readonly T[] {
  let left = octets;
  const beyond = all.findIndex((one) => {
    left -= octetsOf([one]);
    return left < 0;
  });
  return beyond === -1 ? all : all.slice(0, beyond);
}

/** Never less than the CBOR (RFC 8949) of maps of texts, numbers and lists of addresses. */
const octetsOf = (rows: readonly object[]): number =>
  rows.reduce(
    (sum, row) => sum + Object.entries(row).reduce((all, [key, value]) => all + key.length + 1 + valueOctets(value), 2),
    0,
  );

function valueOctets(value: unknown): number {
  if (typeof value === "string") return 3 + value.length * 3;
  return Array.isArray(value) ? value.reduce((sum, one) => sum + (typeof one === "string" ? 2 + one.length : 5), 3) : 9;
}
