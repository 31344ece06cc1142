// A map that keeps its most recently used entries and forgets the rest: every cache of the control plane has this limit.

/** At most `limit` entries; setting one more forgets the one that was used longest ago. */
export class Recent<Key, Value> {
  readonly #entries = new Map<Key, Value>();
  readonly #limit: number;
  #forgotten = 0;

  /** `limit` >= 1 entries; anything else throws RangeError. */
  constructor(limit: number) {
    if (!Number.isInteger(limit) || limit < 1) throw new RangeError(`a cache holds at least one entry: ${limit}`);
    this.#limit = limit;
  }

  get size(): number {
    return this.#entries.size;
  }

  /** Entries pushed out by newer ones since the start. */
  get forgotten(): number {
    return this.#forgotten;
  }

  /** The value, which becomes the most recently used. */
  get(key: Key): Value | undefined {
    const value = this.#entries.get(key);
    if (value === undefined) return undefined;
    this.#entries.delete(key);
    this.#entries.set(key, value);
    return value;
  }

  set(key: Key, value: Value): void {
    this.#entries.delete(key);
    this.#entries.set(key, value);
    if (this.#entries.size <= this.#limit) return;
    const oldest = this.#entries.keys().next();
    if (oldest.done !== true) this.#entries.delete(oldest.value);
    this.#forgotten += 1;
  }

  /** The most recently used at the end. */
  values(): readonly Value[] {
    return [...this.#entries.values()];
  }

  delete(key: Key): boolean {
    return this.#entries.delete(key);
  }
}
