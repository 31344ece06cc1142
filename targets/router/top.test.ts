import assert from "node:assert/strict";
import { test } from "node:test";
import type { Sample } from "./sample.ts";
import { simulatedRouter } from "./simulated.testkit.ts";
import { topLines } from "./top.ts";

const view = { sort: "packets", width: 120, height: Number.POSITIVE_INFINITY } as const;

test("two looks at a router make rates: packets, bits, viewers and zaps of a group; queries and reports of an interface", async () => {
  const { a, b, run, service } = await simulatedRouter();
  const look = (): Sample => service.commands.sample?.({}) as Sample;
  a.join();
  run(3);
  const before = look();
  b.join();
  run(2);
  const lines = topLines(before, look(), view);
  assert.match(lines[0] ?? "", /^1 groups, 2 viewers, 50 packets\/s, 400 kbit\/s; CPU /);
  assert.ok(
    lines.some((line) => /^239\.255\.77\.1 +50 +400 +2 +0$/.test(line)),
    lines.join("\n"),
  );
  // In two seconds one query of ours, b's join and its repeat.
  assert.ok(
    lines.some((line) => /^br-lan +up +1 +0\.5 +1 +0 +0$/.test(line)),
    lines.join("\n"),
  );
});

const sample = (at: number, groups: Sample["groups"]): Sample => ({
  at,
  process: { cpuSeconds: at / 2000, residentBytes: 50 * 2 ** 20 },
  interfaces: [],
  groups,
});
const group = (name: string, packets: number, viewers = 0, zaps = 0) => ({
  group: name,
  packets,
  bytes: 125 * packets,
  viewers,
  zaps,
});

test("sorted by each key; a route that was made anew counts from zero; what the screen does not hold is said", () => {
  const before = sample(0, [group("239.1.1.10", 1000), group("239.1.1.9", 5000, 0, 4)]);
  const after = sample(1000, [group("239.1.1.10", 1200, 1), group("239.1.1.9", 100, 3, 6), group("239.1.1.1", 7, 2)]);
  const order = (sort: "packets" | "viewers" | "zaps" | "group") =>
    topLines(before, after, { ...view, sort })
      .filter((line) => line.startsWith("239."))
      .map((line) => line.split(/\s+/)[0]);
  assert.deepEqual(order("packets"), ["239.1.1.10", "239.1.1.9", "239.1.1.1"]);
  assert.deepEqual(order("viewers"), ["239.1.1.9", "239.1.1.1", "239.1.1.10"]);
  assert.deepEqual(order("zaps"), ["239.1.1.9", "239.1.1.1", "239.1.1.10"]);
  assert.deepEqual(order("group"), ["239.1.1.1", "239.1.1.9", "239.1.1.10"]);
  const lines = topLines(before, after, { ...view, height: 8 });
  assert.ok(lines.length <= 8, lines.join("\n"));
  assert.ok(lines.at(-1)?.includes("more groups"));
  assert.match(lines[0] ?? "", /CPU 50\.0 %, RSS 50\.0 MiB/);
});
