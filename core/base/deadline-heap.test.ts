import assert from "node:assert/strict";
import { test } from "node:test";
import { DeadlineHeap, type Scheduled } from "./deadline-heap.ts";
import { fuzz } from "./fuzz.testkit.ts";
import { type Instant, instant } from "./time.ts";

interface Named extends Scheduled {
  readonly name: number;
}

const named = (name: number): Named => ({ due: undefined, place: -1, name });

/** The slow obvious model: what is scheduled, in order of deadlines. */
class SortedList {
  readonly #due = new Map<number, Instant>();

  schedule(name: number, due: Instant | undefined): void {
    if (due === undefined) this.#due.delete(name);
    else this.#due.set(name, due);
  }

  #sorted(): [number, Instant][] {
    return [...this.#due].sort(([, a], [, b]) => a - b);
  }

  next(): Instant | undefined {
    return this.#sorted()[0]?.[1];
  }

  takeAllDue(now: Instant): [number, Instant][] {
    const due = this.#sorted().filter(([, at]) => at <= now);
    for (const [name] of due) this.#due.delete(name);
    return due;
  }

  get size(): number {
    return this.#due.size;
  }
}

const byDeadlineAndName = ([a, x]: [number, Instant], [b, y]: [number, Instant]): number => x - y || a - b;

fuzz(
  "the heap agrees with a sorted list while deadlines come, move both ways and go",
  { seed: 1964, rounds: 20_000 },
  ({ below, rounds }) => {
    const heap = new DeadlineHeap<Named>();
    const model = new SortedList();
    const items = Array.from({ length: 60 }, (_, name) => named(name));
    let now = 0;
    for (let round = 0; round < rounds; round++) {
      const item = items[below(items.length)];
      assert.ok(item !== undefined);
      const due = below(5) === 0 ? undefined : instant(now + below(100));
      heap.schedule(item, due);
      model.schedule(item.name, due);
      assert.deepEqual([heap.next(), heap.size], [model.next(), model.size], `round ${round}`);
      if (below(10) > 0) continue;
      now += below(40);
      const taken: [number, Instant][] = [];
      for (let at = heap.next(), one = heap.takeDue(instant(now)); one !== undefined; ) {
        assert.ok(at !== undefined && one.due === undefined, "what was taken is scheduled no more");
        taken.push([one.name, at]);
        at = heap.next();
        one = heap.takeDue(instant(now));
      }
      assert.deepEqual(
        taken.map(([, at]) => at),
        taken.map(([, at]) => at).sort((a, b) => a - b),
        "in order",
      );
      assert.deepEqual(taken.sort(byDeadlineAndName), model.takeAllDue(instant(now)).sort(byDeadlineAndName));
    }
  },
);

test("nothing is taken before its time, and an empty heap has no deadline", () => {
  const heap = new DeadlineHeap<Named>();
  assert.deepEqual([heap.next(), heap.takeDue(instant(1e9)), heap.size], [undefined, undefined, 0]);
  const one = named(1);
  heap.schedule(one, instant(5));
  assert.equal(heap.takeDue(instant(4)), undefined);
  assert.equal(heap.takeDue(instant(5)), one);
  heap.schedule(one, undefined);
  assert.equal(heap.size, 0, "what is out may be taken out again");
});
