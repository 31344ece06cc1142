import assert from "node:assert/strict";
import { test } from "node:test";
import { unixTime } from "../../core/base/time.ts";
import { billedWithin, durationText, type Period, Totals } from "./usage.ts";

const record = (since: number, until: number) => ({ since: unixTime(since), until: unixTime(until) });

test("a record is billed for its part of the period, from the period's first moment to before its last", () => {
  const cases: readonly (readonly [number, number, Period, number | undefined])[] = [
    [10, 20, {}, 10],
    [10, 20, { since: 10, until: 20 }, 10],
    [10, 20, { since: 15 }, 5],
    [10, 20, { until: 15 }, 5],
    [10, 20, { since: 12, until: 15 }, 3],
    [10, 20, { since: 20 }, undefined],
    [10, 20, { until: 10 }, undefined],
    [10, 10, { since: 10, until: 11 }, 0],
    [10, 10, { until: 10 }, undefined],
    [10, 10, { since: 11 }, undefined],
  ];
  for (const [since, until, period, billed] of cases)
    assert.equal(billedWithin(record(since, until), period), billed, JSON.stringify([since, until, period]));
});

test("periods that follow each other bill every record once, whole, wherever their borders lie", () => {
  const span = { first: 0, last: 12 };
  for (let since = span.first; since <= span.last; since++)
    for (let until = since; until <= span.last; until++)
      for (let border = span.first; border <= span.last + 1; border++) {
        const parts = [{ until: border }, { since: border }].map((period) =>
          billedWithin(record(since, until), period),
        );
        const owners = parts.filter((part) => part !== undefined);
        const where = `${since}..${until} cut at ${border}`;
        assert.equal(
          owners.reduce((sum, part) => sum + part, 0),
          until - since,
          where,
        );
        assert.equal(owners.length, since < border && border < until ? 2 : 1, where);
      }
});

test("sums are exact to the millisecond, one for each combination of names, and one when there are none", () => {
  const row = (subscriber: string, channel: string, billedSeconds: number) => ({ subscriber, channel, billedSeconds });
  const sums = (by: ConstructorParameters<typeof Totals>[0], rows: readonly ReturnType<typeof row>[]) => {
    const totals = new Totals(by);
    for (const one of rows) totals.add(one);
    return [...totals.rows()];
  };
  const tenths = Array.from({ length: 10 }, () => row("b", "one", 0.1));
  assert.deepEqual(sums([], tenths), [{ records: 10, billedSeconds: 1 }]);
  assert.deepEqual(sums([], []), [{ records: 0, billedSeconds: 0 }]);
  assert.deepEqual(sums(["subscriber"], []), []);
  assert.deepEqual(sums(["subscriber", "channel"], [...tenths, row("a", "two", 5), row("b", "two", 0.001)]), [
    { subscriber: "a", channel: "two", records: 1, billedSeconds: 5 },
    { subscriber: "b", channel: "one", records: 10, billedSeconds: 1 },
    { subscriber: "b", channel: "two", records: 1, billedSeconds: 0.001 },
  ]);
});

test("a duration is shown in seconds and as hours, minutes and seconds", () => {
  assert.equal(durationText(0), "0 s (0:00:00.000)");
  assert.equal(durationText(3725.5), "3725.5 s (1:02:05.500)");
  assert.equal(durationText(360_000.001), "360000.001 s (100:00:00.001)");
});
