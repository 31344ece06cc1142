// Things that have a name in common, counted by it: who takes up the most room, and which of them came first and last.

/** Each crowd in the order of coming. An empty one takes no room. */
export class Crowds<Item> {
  readonly #crowds = new Map<string, Set<Item>>();

  add(name: string, item: Item): void {
    const crowd = this.#crowds.get(name) ?? new Set();
    this.#crowds.set(name, crowd.add(item));
  }

  delete(name: string, item: Item): void {
    const crowd = this.#crowds.get(name);
    crowd?.delete(item);
    if (crowd?.size === 0) this.#crowds.delete(name);
  }

  sizeOf(name: string): number {
    return this.#crowds.get(name)?.size ?? 0;
  }

  /** Of one name, the one that came first; undefined when there is none. */
  first(name: string): Item | undefined {
    const [first] = this.#crowds.get(name) ?? [];
    return first;
  }

  /** The one that came last. */
  last(name: string): Item | undefined {
    return [...(this.#crowds.get(name) ?? [])].at(-1);
  }

  /** The name with the most, the first of equals; undefined when there is none. */
  largest(): string | undefined {
    let [largest, most]: [string | undefined, number] = [undefined, 0];
    for (const [name, { size }] of this.#crowds) if (size > most) [largest, most] = [name, size];
    return largest;
  }
}
