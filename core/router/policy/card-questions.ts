// Which cards control is asked about next: a few at a time, in turns by port and by how well they are known, so that whoever invents cards
// keeps waiting none but its own neighbours, and those for a moment only.

/** Cards of one request, as many as one may name. */
const AT_ONCE = 8;

/** How well a card is known: control has said something of it, it was heard more than once, or neither. */
export type Acquaintance = "answered" | "heard again" | "new";

/** As many wait as are added and not removed. */
export class CardQuestions {
  /** Those that wait, by lane; the lane whose turn it is comes first. No lane is empty. */
  readonly #lanes = new Map<string, Set<string>>();
  readonly #laneOf = new Map<string, string>();
  #underWay: ReadonlySet<string> = new Set();

  /** Whether nothing is to be asked, nor waits for an answer. */
  get isEmpty(): boolean {
    return this.#laneOf.size + this.#underWay.size === 0;
  }

  /** Asks about the card when its turn has come; one that waits already takes its place by what is known now. */
  add(mac: string, port: string, acquaintance: Acquaintance): void {
    if (this.#underWay.has(mac)) return;
    const lane = `${acquaintance} ${port}`;
    if (this.#laneOf.get(mac) !== lane) this.#put(mac, lane);
  }

  /** Whether the card waits for its turn. */
  waits(mac: string): boolean {
    return this.#laneOf.has(mac);
  }

  /** Nothing more is to be asked about the card. */
  remove(mac: string): void {
    const name = this.#laneOf.get(mac);
    if (name === undefined) return;
    this.#laneOf.delete(mac);
    const lane = this.#lanes.get(name);
    lane?.delete(mac);
    if (lane?.size === 0) this.#lanes.delete(name);
  }

  /** The next request; empty while one is under way, and when nothing waits. */
  next(): readonly string[] {
    if (this.#underWay.size > 0) return [];
    const macs: string[] = [];
    while (macs.length < AT_ONCE && this.#lanes.size > 0) macs.push(...this.#turn());
    this.#underWay = new Set(macs);
    return macs;
  }

  /** Control has spoken of these; what it left out of the request is asked once more. */
  answered(macs: readonly string[]): void {
    for (const mac of macs) this.remove(mac);
    if (!macs.some((mac) => this.#underWay.has(mac))) return;
    const rest = [...this.#underWay].filter((mac) => !macs.includes(mac));
    this.#underWay = new Set();
    for (const mac of rest) this.#put(mac, "left out");
  }

  #put(mac: string, name: string): void {
    this.remove(mac);
    const lane = this.#lanes.get(name) ?? new Set();
    this.#lanes.set(name, lane.add(mac));
    this.#laneOf.set(mac, name);
  }

  /** The first of the first lane, which is the last from now on. */
  #turn(): readonly string[] {
    for (const [name, lane] of this.#lanes)
      for (const mac of lane) {
        this.#lanes.delete(name);
        this.#lanes.set(name, lane);
        this.remove(mac);
        return [mac];
      }
    return [];
  }
}
