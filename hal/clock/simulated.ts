// Simulated time: it moves only when a test moves it, alarms ring in the order of their instants, equals in the order they were set.

import type { Alarm } from "../../core/base/alarm.ts";
import { after, type Duration, type Instant, instant, type UnixTime, unixTime } from "../../core/base/time.ts";
import type { Clock } from "../../core/ports/clock.ts";

interface Pending {
  readonly at: Instant;
  readonly order: number;
  /** undefined once cancelled. */
  ring: (() => void) | undefined;
}

/** Starts at Instant 0; `run` and its like move it. */
export class SimulatedClock implements Clock {
  readonly #heap: Pending[] = [];
  #now: Instant = instant(0);
  #order = 0;
  #epoch: number;

  /** @param epoch what the calendar says at instant 0; the default is 2026-01-01T00:00:00Z. */
  constructor(epoch: UnixTime = unixTime(1_767_225_600_000)) {
    this.#epoch = epoch;
  }

  now(): Instant {
    return this.#now;
  }

  unix(at: Instant): UnixTime {
    return unixTime(this.#epoch + at);
  }

  at(time: UnixTime): Instant {
    return instant(time - this.#epoch);
  }

  /** The calendar jumps by `ms` (either way); the monotonic clock does not. */
  stepCalendar(ms: number): void {
    this.#epoch += ms;
  }

  alarm(at: Instant, ring: () => void): Alarm {
    const pending: Pending = { at: at < this.#now ? this.#now : at, order: this.#order++, ring };
    pushHeap(this.#heap, pending);
    return {
      cancel: () => {
        pending.ring = undefined;
      },
    };
  }

  /** Rings everything due up to `until`, alarms set meanwhile included, and leaves the clock at `until`. */
  runUntil(until: Instant): void {
    for (let next = this.nextAlarm(); next !== undefined && next <= until; next = this.nextAlarm()) this.#ringFirst();
    if (until > this.#now) this.#now = until;
  }

  run(span: Duration): void {
    this.runUntil(after(this.#now, span));
  }

  /** When the next alarm rings; undefined when none is set. */
  nextAlarm(): Instant | undefined {
    for (let first = this.#heap[0]; first !== undefined; first = this.#heap[0]) {
      if (first.ring !== undefined) return first.at;
      popHeap(this.#heap);
    }
    return undefined;
  }

  #ringFirst(): void {
    const first = popHeap(this.#heap);
    if (first === undefined) return;
    this.#now = first.at;
    first.ring?.();
  }
}

const before = (a: Pending, b: Pending): boolean => a.at < b.at || (a.at === b.at && a.order < b.order);

function pushHeap(heap: Pending[], added: Pending): void {
  let at = heap.length;
  heap.push(added);
  while (at > 0) {
    const parent = (at - 1) >> 1;
    const above = heap[parent];
    if (above === undefined || !before(added, above)) break;
    heap[at] = above;
    at = parent;
  }
  heap[at] = added;
}

function popHeap(heap: Pending[]): Pending | undefined {
  const first = heap[0];
  const last = heap.pop();
  if (first === undefined || last === undefined || heap.length === 0) return first;
  sink(heap, last);
  return first;
}

function sink(heap: Pending[], moved: Pending): void {
  let at = 0;
  for (;;) {
    const child = smallerChild(heap, at);
    const below = heap[child];
    if (below === undefined || !before(below, moved)) break;
    heap[at] = below;
    at = child;
  }
  heap[at] = moved;
}

function smallerChild(heap: readonly Pending[], at: number): number {
  const left = 2 * at + 1;
  const [a, b] = [heap[left], heap[left + 1]];
  return a !== undefined && b !== undefined && before(b, a) ? left + 1 : left;
}
