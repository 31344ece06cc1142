// Over crashes, lost answers and summaries: every change reaches the server once and in order, or is in a number.
import assert from "node:assert/strict";
import { test } from "node:test";
import { fuzz } from "../base/fuzz.testkit.ts";
import { encodeMessage, isBadMessage } from "../control/codec.ts";
import type { MembershipChange, MembershipCount } from "../control/messages.ts";
import { type EvidenceLine, formatLine } from "./evidence-lines.ts";
import { EvidenceQueue, type Report } from "./evidence-queue.ts";

const change = (at: number, what: MembershipChange["change"], host = 1, group = 0xefff_0001): MembershipChange => ({
  change: what,
  interface: "lan",
  host,
  group,
  sources: [],
  at,
});

/** What a server has taken: the last number of each process, and everything that came with a new one. */
class Server {
  readonly changes: MembershipChange[] = [];
  readonly counts: MembershipCount[] = [];
  dropped = 0;
  #last: { readonly process: number; readonly sequence: number } | undefined;

  take({ process, sequence, changes, counts, dropped }: Report): void {
    if (this.#last?.process === process && sequence <= this.#last.sequence) return;
    this.#last = { process, sequence };
    this.changes.push(...changes);
    this.counts.push(...counts);
    this.dropped += dropped;
  }
}

const linesOf = (queue: EvidenceQueue): string[] => queue.snapshot().map(formatLine);

/** Everything that waits, taken and acknowledged. */
function drain(queue: EvidenceQueue, server: Server): void {
  for (let report = queue.underWay ?? queue.cut(); report !== undefined; report = queue.cut()) {
    server.take(report);
    queue.acknowledge();
  }
}

test("visits that are over are summed up by host and group, oldest first; what opens or closes a row stays as it is", () => {
  const queue = new EvidenceQueue({ process: 1 }, 16);
  queue.add(change(0, "expired", 7));
  for (let n = 1; n <= 8; n++) queue.add(change(n, n % 2 === 1 ? "joined" : "left"));
  queue.add(change(9, "joined", 2));
  for (let n = 10; n <= 17; n++) queue.add(change(n, "joined", n));
  const server = new Server();
  drain(queue, server);
  const [count, ...others] = server.counts;
  assert.deepEqual(
    [count?.host, count?.group, count?.since, count?.until, count?.joined, count?.left, others],
    [1, 0xefff_0001, 1, 6, 3, 3, []],
  );
  assert.deepEqual(
    server.changes.map(({ at }) => at),
    [0, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17],
  );
  assert.equal(server.dropped, 0);
});

test("lines that nobody takes are not kept: the whole is written instead", () => {
  const queue = new EvidenceQueue({ process: 1 }, 256);
  assert.equal(queue.takeLines(), undefined);
  for (let n = 0; n < 170; n++) {
    queue.add(change(n, "joined", n));
    queue.cut();
    queue.acknowledge();
  }
  assert.equal(queue.takeLines()?.length, 510);
  for (let n = 0; n < 171; n++) {
    queue.add(change(n, "joined", n));
    queue.cut();
    queue.acknowledge();
  }
  assert.equal(queue.takeLines(), undefined);
});

test("a report is never larger than a message may be, however long its lists and names", () => {
  const queue = new EvidenceQueue({ process: 1 }, 1024);
  const long = "x".repeat(64);
  const sources = Array.from({ length: 64 }, (_, n) => 0xffff_0000 + n);
  const mac = "02:00:00:00:00:01";
  const place = { interface: long, port: long, mac, host: 0xffff_ffff, group: 0xffff_ffff };
  const longer = Array<string>(64).fill(`${"ffff:".repeat(7)}ffff`);
  for (let n = 0; n < 300; n++)
    queue.add({
      ...place,
      change: "expired",
      sources: n % 2 === 0 ? sources : longer,
      at: 4_000_000_000_000 + n,
      certainty: "shared",
    });
  const numbers = { since: 4_000_000_000_000, until: 4_000_000_000_000, joined: 0, left: 0, expired: 0 };
  for (let n = 0; n < 64; n++)
    queue.addCount({ ...place, ...numbers, reason: `${n}`.padEnd(64, "x"), refused: 4_000_000_000 });
  let told = 0;
  for (let report = queue.cut(); report !== undefined; report = queue.cut()) {
    const { changes, counts, ...numbers } = report;
    const id = new Uint8Array(16);
    const encoded = encodeMessage({
      type: "membership.report",
      id,
      ...numbers,
      changes: [...changes],
      counts: [...counts],
    });
    assert.ok(!isBadMessage(encoded), JSON.stringify(encoded));
    assert.ok(changes.length + counts.length > 0);
    told += changes.length + counts.length;
    queue.acknowledge();
  }
  assert.equal(told, 364);
});

test("where lines are missing all others are told once more, under new numbers, and how many are missing", () => {
  const before = new EvidenceQueue({ process: 7, started: 5 }, 256);
  for (let n = 0; n < 5; n++) before.add(change(n, "joined", n));
  before.cut();
  for (let n = 5; n < 9; n++) before.add(change(n, "joined", n));
  const lines = linesOf(before).filter((line) => !line.includes('"at":3') && !line.includes('"report"'));
  const queue = new EvidenceQueue({ process: 2 }, 256, { lines: [...lines, "what is this"], damaged: 2 });
  const report = queue.cut();
  assert.deepEqual(
    [report?.process, (report?.sequence ?? 0) > 1, report?.started, report?.changes.map(({ at }) => at)],
    [7, true, undefined, [0, 1, 2, 4, 5, 6, 7, 8]],
  );
  queue.acknowledge();
  const own = queue.cut();
  assert.deepEqual([own?.process, own?.sequence, own?.dropped, own?.changes], [2, 1, 3, []]);
});

test("lines that do not fit each other are taken as if some were missing", () => {
  const { lines, odd } = {
    lines: [formatLine({ change: change(1, "joined") })],
    odd: ['{"acknowledged":true}', '{"report":{"process":9,"sequence":1,"changes":4,"counts":0}}'],
  };
  for (const one of odd) {
    const queue = new EvidenceQueue({ process: 2 }, 256, { lines: [...lines, one], damaged: 0 });
    const report = queue.cut();
    assert.deepEqual([report?.process, report?.changes.length], [3, 1]);
    queue.acknowledge();
    assert.equal(queue.cut()?.dropped, 1);
  }
});

test("the first report of a process says when it began, over a restart too", () => {
  const before = new EvidenceQueue({ process: 7, started: 5 }, 256);
  before.add(change(6, "joined"));
  const first = before.cut();
  const queue = new EvidenceQueue({ process: 8, started: 9 }, 256, { lines: linesOf(before), damaged: 0 });
  assert.deepEqual([first?.started, queue.underWay], [5, first]);
  queue.acknowledge();
  assert.deepEqual([queue.cut()?.started, queue.isDue], [9, false]);
});

/** A router whose processes die at any moment, on a disk that keeps what was written, and a server whose answers may be lost. */
class Play {
  readonly server = new Server();
  readonly told = { joined: 0, left: 0, expired: 0, refused: 0 };
  givenUp = 0;
  crashes = 0;
  readonly #below: (limit: number) => number;
  readonly #limit: number;
  #queue: EvidenceQueue;
  #disk: string[] = [];
  #at = 0;

  constructor(below: (limit: number) => number) {
    this.#below = below;
    this.#limit = below(2) === 0 ? 16 : 1024;
    this.#queue = new EvidenceQueue({ process: 0 }, this.#limit);
  }

  step(): void {
    const choice = this.#below(32);
    if (choice < 4) this.#report();
    else if (choice < 7) this.#crash();
    else if (choice < 10) this.#refuse();
    else this.#change();
  }

  end(): void {
    drain(this.#queue, this.server);
  }

  #write(): void {
    const lines = this.#queue.takeLines();
    this.#disk = lines === undefined ? linesOf(this.#queue) : [...this.#disk, ...lines.map(formatLine)];
  }

  #report(): void {
    const report = this.#queue.underWay ?? this.#queue.cut();
    this.#write();
    if (report === undefined) return;
    this.server.take(report);
    if (this.#below(3) > 0) this.#queue.acknowledge();
  }

  /** All changes were written; that a report was acknowledged perhaps not. */
  #crash(): void {
    const lines = this.#queue.takeLines();
    if (lines === undefined) this.#disk = linesOf(this.#queue);
    else {
      const isAcknowledgement = (line: EvidenceLine): boolean => "acknowledged" in line;
      const isLost = lines.every(isAcknowledgement) && this.#below(2) === 0;
      if (!isLost) this.#disk.push(...lines.map(formatLine));
    }
    this.crashes++;
    this.#queue = new EvidenceQueue({ process: this.crashes }, this.#limit, { lines: this.#disk, damaged: 0 });
  }

  #refuse(): void {
    const refused = 1 + this.#below(3);
    this.told.refused += refused;
    const numbers = { since: this.#at, until: this.#at, joined: 0, left: 0, expired: 0, refused };
    const place = { host: this.#below(4), group: this.#below(4), reason: "igmp.host-groups" };
    this.givenUp += this.#queue.addCount({ ...place, ...numbers });
  }

  #change(): void {
    const what = (["joined", "joined", "left", "expired"] as const)[this.#below(4)] ?? "left";
    this.told[what]++;
    this.givenUp += this.#queue.add(change(this.#at++, what, this.#below(4), this.#below(3)));
  }
}

function check({ server, told }: Play): void {
  const times = server.changes.map(({ at }) => at);
  assert.ok(
    times.every((at, i) => i === 0 || at > (times[i - 1] ?? 0)),
    "each once, in order",
  );
  for (const kind of ["joined", "left", "expired", "refused"] as const) {
    const oneByOne = server.changes.filter(({ change: what }) => what === kind).length;
    const sum = server.counts.reduce((all, count) => all + count[kind], oneByOne);
    assert.equal(sum, told[kind], kind);
  }
}

const NAME = "processes that die, answers that are lost, limits that are reached: once, in order, and the sum is exact";

fuzz(NAME, { seed: 11, rounds: 120 }, ({ below, rounds }) => {
  const seen = { givenUp: 0, summarised: 0, crashes: 0 };
  for (let round = 0; round < rounds; round++) {
    const play = new Play(below);
    for (let step = 0; step < 400; step++) play.step();
    play.end();
    check(play);
    seen.givenUp += play.givenUp;
    seen.crashes += play.crashes;
    seen.summarised += play.server.counts.filter(({ joined }) => joined > 0).length;
  }
  assert.ok(seen.givenUp > 0 && seen.summarised > 0 && seen.crashes > 0, JSON.stringify(seen));
});
