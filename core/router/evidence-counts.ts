// Evidence in numbers: what is left of changes when there is no room for each of them. No change is counted twice, and none is forgotten.
import type { MembershipChange, MembershipCount } from "../control/messages.ts";

/** What two counts must have in common to be one. */
export type Counted = Pick<MembershipCount, "interface" | "port" | "host" | "mac" | "group" | "reason">;

const NOTHING = { joined: 0, left: 0, expired: 0, refused: 0 } as const;

/** One change in numbers. */
export const countOf = ({
  change,
  interface: name,
  port,
  host,
  mac,
  group,
  at,
}: MembershipChange): MembershipCount => ({
  interface: name,
  ...(port === undefined ? {} : { port }),
  host,
  ...(mac === undefined ? {} : { mac }),
  group,
  since: at,
  until: at,
  ...NOTHING,
  [change]: 1,
});

/** One refused join in numbers; `at` in Unix ms. */
export const refusalCount = (who: Counted, at: number): MembershipCount => ({
  ...who,
  since: at,
  until: at,
  ...NOTHING,
  refused: 1,
});

/** The count without its place: one of several. Why joins were refused stays. */
export const withoutPlace = ({ interface: _, port, host, mac, group, ...numbers }: MembershipCount): MembershipCount =>
  numbers;

/** Counts, one for each place and reason that occurs. */
export class CountTable {
  readonly #counts = new Map<string, MembershipCount>();

  constructor(counts: Iterable<MembershipCount> = []) {
    for (const count of counts) this.add(count);
  }

  get size(): number {
    return this.#counts.size;
  }

  has(place: Counted): boolean {
    return this.#counts.has(nameOf(place));
  }

  add(count: MembershipCount): void {
    const name = nameOf(count);
    const known = this.#counts.get(name);
    this.#counts.set(name, known === undefined ? count : sum(known, count));
  }

  /** In the order in which they were first added. */
  all(): readonly MembershipCount[] {
    return [...this.#counts.values()];
  }
}

const sum = (a: MembershipCount, b: MembershipCount): MembershipCount => ({
  ...a,
  since: Math.min(a.since, b.since),
  until: Math.max(a.until, b.until),
  joined: a.joined + b.joined,
  left: a.left + b.left,
  expired: a.expired + b.expired,
  refused: a.refused + b.refused,
});

const nameOf = ({ interface: name, port, host, mac, group, reason }: Counted): string =>
  [name, port, host, mac, group, reason].join("|");

/** What is left of the oldest changes. */
export interface Folded {
  /** In order. */
  readonly changes: readonly MembershipChange[];
  readonly counts: readonly MembershipCount[];
}

/**
 * Visits that began and ended among these changes become counts. A join without its end, and an end without its join, stay as they are:
 * the reception server closes and opens its rows by them.
 */
export function foldVisits(changes: readonly MembershipChange[]): Folded {
  const joins = new Map<string, number>();
  const folded = new Set<number>();
  for (const [index, change] of changes.entries()) {
    const place = nameOf(change);
    const join = joins.get(place);
    joins.delete(place);
    if (change.change === "joined") joins.set(place, index);
    else if (join !== undefined) folded.add(join).add(index);
  }
  return {
    changes: changes.filter((_, index) => !folded.has(index)),
    counts: new CountTable(changes.filter((_, index) => folded.has(index)).map(countOf)).all(),
  };
}
