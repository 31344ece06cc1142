import assert from "node:assert/strict";
import { test } from "node:test";
import { seededBelow } from "../base/chance.testkit.ts";
import { address, formatIpv4, ipv4 } from "../base/ipv4.ts";
import { instant, seconds } from "../base/time.ts";
import { ANY_SOURCE, filterOf, NO_SOURCE, type SourceFilter, sameFilter } from "../igmp/filter.ts";
import type { UpstreamChange } from "../igmp/proxy.ts";
import { UpstreamPace } from "./upstream-pace.ts";

const [A, B, C] = [address("239.1.1.1"), address("239.1.1.2"), address("239.1.1.3")];
const at = (s: number) => instant(s * 1000);
const word = ({ group, filter }: UpstreamChange): string =>
  `${filter.mode === "exclude" || filter.sources.length > 0 ? "+" : "-"}${group & 255}`;

class Bench {
  readonly pace: UpstreamPace;
  constructor(options: ConstructorParameters<typeof UpstreamPace>[0]) {
    this.pace = new UpstreamPace(options);
  }
  join(s: number, group = A, filter: SourceFilter = ANY_SOURCE): string {
    return this.pace.take(at(s), { group, filter }).map(word).join(" ");
  }
  leave(s: number, group = A): string {
    return this.join(s, group, NO_SOURCE);
  }
  /** What falls due until then, each with its second. */
  until(s: number): string[] {
    const lines: string[] = [];
    for (let due = this.pace.nextDeadline(); due !== undefined && due <= at(s); due = this.pace.nextDeadline())
      lines.push(...this.pace.poll(due).map((change) => `${due / 1000} ${word(change)}`));
    return lines;
  }
}

test("without linger and bound every change goes at once", () => {
  const bench = new Bench({});
  assert.deepEqual([bench.join(0), bench.leave(0), bench.join(0)], ["+1", "-1", "+1"]);
  assert.equal(bench.pace.nextDeadline(), undefined);
  assert.deepEqual(bench.pace.counts.snapshot(), {});
});

test("linger: a group is left only when nobody wants it for so long; wanted again, nothing is said", () => {
  const bench = new Bench({ linger: seconds(5) });
  assert.deepEqual([bench.join(0), bench.leave(1), bench.join(4)], ["+1", "", ""]);
  assert.deepEqual(bench.until(10), []);
  bench.leave(20);
  bench.leave(21);
  assert.deepEqual(bench.until(30), ["25 -1"], "a leave said twice does not wait longer");
  assert.deepEqual(bench.pace.counts.snapshot(), { "upstream.leave-lingered": 2, "upstream.leave-spared": 1 });
});

test("linger: wanted again with other sources, the change is told at once", () => {
  const bench = new Bench({ linger: seconds(5) });
  bench.join(0);
  bench.leave(1);
  assert.equal(bench.join(2, A, filterOf("include", [B])), "+1");
});

test("a bound on changes: joins and leaves in turn, the rest later, what is wanted last wins", () => {
  const bench = new Bench({ changesPerSecond: 2 });
  assert.deepEqual([bench.join(0), bench.leave(0)], ["+1", "-1"], "as many as a second allows may go at once");
  assert.deepEqual([bench.join(0), bench.leave(0), bench.join(0, B), bench.join(0, C)], ["", "", "", ""]);
  assert.deepEqual(bench.until(10), ["0.5 +2", "1 +3"], "A was joined and left again: nothing to say");
  const [begin, end] = [bench.join(10), bench.leave(10, B)];
  assert.deepEqual([begin, end, bench.leave(10, C), bench.join(10, B)], ["+1", "-2", "", ""]);
  assert.deepEqual(bench.until(20), ["10.5 +2", "11 -3"]);
});

test("a flood of changes in any order ends with what is wanted last, and never faster than the bound", () => {
  const below = seededBelow(7);
  const bench = new Bench({ linger: seconds(2), changesPerSecond: 10 });
  const [wanted, told] = [new Map<number, SourceFilter>(), new Map<number, SourceFilter>()];
  const times: number[] = [];
  const note = (now: number, changes: readonly UpstreamChange[]): void => {
    for (const { group, filter } of changes) {
      told.set(group, filter);
      times.push(now);
    }
  };
  for (let i = 0; i < 5000; i++) {
    const group = ipv4(A + below(30));
    const filter = [NO_SOURCE, ANY_SOURCE, filterOf("include", [B])][below(3)] ?? NO_SOURCE;
    wanted.set(group, filter);
    note(i * 5, bench.pace.take(instant(i * 5), { group, filter }));
  }
  for (let due = bench.pace.nextDeadline(); due !== undefined; due = bench.pace.nextDeadline())
    note(due, bench.pace.poll(due));
  for (const [group, filter] of wanted)
    assert.ok(sameFilter(told.get(group) ?? NO_SOURCE, filter), formatIpv4(ipv4(group)));
  for (const [i, time] of times.entries())
    assert.ok(i < 20 || time - (times[i - 20] ?? 0) > 999, `20 changes in ${time - (times[i - 20] ?? 0)} ms`);
});
