// Named counts: the name of a drop is its metric.

/** Counts by literal name. The names come from our own unions, so the map is bounded by the source text. */
export class Counters<Name extends string> {
  readonly #counts = new Map<Name, number>();

  count(name: Name, by = 1): void {
    this.#counts.set(name, (this.#counts.get(name) ?? 0) + by);
  }

  of(name: Name): number {
    return this.#counts.get(name) ?? 0;
  }

  /** A plain object in name order, for status and reports. */
  snapshot(): Record<string, number> {
    return Object.fromEntries([...this.#counts].sort(([a], [b]) => (a < b ? -1 : 1)));
  }
}
