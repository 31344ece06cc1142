// Deadlines of many things that start, move and end all the time: the next is known at once, and a change costs no walk over the rest.
import type { Instant } from "./time.ts";

/** What a thing must carry to be in a heap, so that it is found there without a look-up. Written by the heap alone. */
export interface Scheduled {
  /** undefined while it is in no heap. */
  due: Instant | undefined;
  /** Its index in the heap; -1 while it is in none. */
  place: number;
}

/** A binary heap (Williams 1964) whose members know their place. A thing is in one heap at a time. */
export class DeadlineHeap<Item extends Scheduled> {
  readonly #items: Item[] = [];

  get size(): number {
    return this.#items.length;
  }

  /** The first deadline; undefined when there is none. */
  next(): Instant | undefined {
    return this.#items[0]?.due;
  }

  /** Puts in, moves, or with undefined takes out; whatever it was before. */
  schedule(item: Item, due: Instant | undefined): void {
    if (item.due === due) return;
    const before = item.due;
    item.due = due;
    if (due === undefined) this.#remove(item, before);
    else if (before === undefined) this.#rise(item, this.#items.length);
    else if (due < before) this.#rise(item, item.place);
    else this.#sink(item, item.place);
  }

  /** Takes out the thing with the first deadline if that is over at `now`. */
  takeDue(now: Instant): Item | undefined {
    const first = this.#items[0];
    if (first?.due === undefined || first.due > now) return undefined;
    this.schedule(first, undefined);
    return first;
  }

  #remove(item: Item, before: Instant | undefined): void {
    const { place } = item;
    item.place = -1;
    const last = this.#items.pop();
    if (last === undefined || last === item) return;
    if (isBefore(last.due, before)) this.#rise(last, place);
    else this.#sink(last, place);
  }

  #rise(item: Item, from: number): void {
    let place = from;
    while (place > 0) {
      const above = this.#items[(place - 1) >> 1];
      if (above === undefined || !isBefore(item.due, above.due)) break;
      const next = above.place;
      this.#put(above, place);
      place = next;
    }
    this.#put(item, place);
  }

  #sink(item: Item, from: number): void {
    let place = from;
    for (;;) {
      const below = this.#soonerBelow(place);
      if (below === undefined || !isBefore(below.due, item.due)) break;
      const next = below.place;
      this.#put(below, place);
      place = next;
    }
    this.#put(item, place);
  }

  #soonerBelow(place: number): Item | undefined {
    const left = this.#items[2 * place + 1];
    const right = this.#items[2 * place + 2];
    return left !== undefined && right !== undefined && isBefore(right.due, left.due) ? right : left;
  }

  #put(item: Item, place: number): void {
    this.#items[place] = item;
    item.place = place;
  }
}

const isBefore = (a: Instant | undefined, b: Instant | undefined): boolean =>
  a !== undefined && b !== undefined && a < b;
