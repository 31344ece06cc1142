import assert from "node:assert/strict";
import { test } from "node:test";
import { type Ipv4, ipv4 } from "../../core/base/ipv4.ts";
import { ANY_SOURCE, admits, filterOf, NO_SOURCE, type SourceFilter } from "../../core/igmp/filter.ts";
import { SeededEntropy } from "../entropy/seeded.ts";
import { type EntrySource, PortEntries } from "./port-entries.ts";

const SOURCES = [1, 2, 3].map((last) => ipv4(0x0a000000 + last));
const PORTS = [7, 8, 9];

/** Linux's database of one group, as br_mdb.c and br_multicast.c keep it: an (S, G) of ours brings copies for every (*, G). */
class Kernel {
  readonly entries = new Map<string, { readonly port: number; readonly source: EntrySource; ours: boolean }>();

  add(port: number, source: EntrySource): void {
    const copied = source === undefined ? [] : this.of(undefined);
    for (const other of copied)
      if (!this.entries.has(`${other} ${source}`))
        this.entries.set(`${other} ${source}`, { port: other, source, ours: false });
    this.entries.set(`${port} ${source}`, { port, source, ours: true });
  }

  /** A copy may go whenever another of its source does. */
  remove(port: number, source: EntrySource): void {
    this.entries.delete(`${port} ${source}`);
    for (const [key, one] of this.entries) if (one.source === source && !one.ours) this.entries.delete(key);
  }

  of(source: EntrySource): readonly number[] {
    return [...this.entries.values()].filter((one) => one.source === source).map(({ port }) => port);
  }

  delivers(source: Ipv4): readonly number[] {
    const exact = this.of(source);
    return exact.length > 0 ? exact : this.of(undefined);
  }
}

function settle(entries: PortEntries, kernel: Kernel): void {
  for (const [port, source] of entries.toAdd()) {
    kernel.add(port, source);
    entries.added(port, source);
  }
  for (const [port, source] of entries.toRemove()) {
    kernel.remove(port, source);
    entries.removed(port, source);
  }
}

test("whatever the ports want in turn, each gets what it takes; and nothing else, but a source that all exclude", () => {
  const entropy = new SeededEntropy(11);
  const pick = <T>(all: readonly T[]): T => all[Math.floor(entropy.below(all.length))] ?? assert.fail();
  const some = (): readonly Ipv4[] => SOURCES.filter(() => entropy.below(2) < 1);
  for (let round = 0; round < 200; round++) {
    const [entries, kernel, wants] = [new PortEntries(), new Kernel(), new Map<number, SourceFilter>()];
    for (let step = 0; step < 20; step++) {
      const port = pick(PORTS);
      const filter = pick([NO_SOURCE, ANY_SOURCE, filterOf("include", some()), filterOf("exclude", some())]);
      wants.set(port, filter);
      entries.set(port, filter);
      settle(entries, kernel);
      for (const source of SOURCES) {
        const wanting = PORTS.filter((one) => admits(wants.get(one) ?? NO_SOURCE, source));
        if (wanting.length > 0) assert.deepEqual([...kernel.delivers(source)].sort(), wanting, `${round}.${step}`);
      }
    }
    for (const port of entries.ports()) entries.set(port, NO_SOURCE);
    settle(entries, kernel);
    assert.deepEqual([kernel.entries.size, entries.isEmpty], [0, true]);
  }
});
