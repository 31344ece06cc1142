// Who sends from where it may not: told once, then now and then, and kept for status. A sender can invent more senders than a log holds.
import type { Address } from "../base/address.ts";
import type { Ipv4 } from "../base/ipv4.ts";
import { after, type Duration, type Instant, minutes } from "../base/time.ts";

/** A sender whose packets are not routed from the interface where they came in. */
export interface Intruder<A extends Address = Ipv4> {
  /** Where its packets came in. */
  readonly name: string;
  readonly source: A;
  /** The last group that it sent to. */
  readonly group: A;
  /** From which interface this source is expected; undefined: from none that we have. */
  readonly expected: string | undefined;
  /** How often the kernel told of it, which is not how much it sent. */
  readonly times: number;
}

/** What is to be told: one, or how many more there were on one interface in the ten minutes that are over. */
export type IntruderEffect<A extends Address = Ipv4> =
  | { readonly kind: "intruder"; readonly intruder: Intruder<A> }
  | { readonly kind: "more-intruders"; readonly name: string; readonly senders: number };

interface Known<A extends Address = Ipv4> extends Intruder<A> {
  /** When it was told of, or counted among those that were too many. */
  readonly toldAt: Instant;
}

/** What was told of one interface since the first of it. */
interface Telling {
  readonly until: Instant;
  readonly told: number;
  readonly untold: number;
}

const LIMIT = 64;
const TELL_EVERY: Duration = minutes(10);
/** Senders told of by name on one interface in that time. */
const TELL_MOST = 8;

/** The 64 seen last. */
export class Intruders<A extends Address = Ipv4> {
  readonly #known = new Map<string, Known<A>>();
  /** By interface, in the order of their ends. */
  readonly #tellings = new Map<string, Telling>();

  /** Notes one packet; tells of its sender when that is due. A sender that is forgotten among 64 others is another when it returns. */
  note(now: Instant, seen: Omit<Intruder<A>, "times">): readonly IntruderEffect<A>[] {
    const key = `${seen.name},${seen.source}`;
    const known = this.#known.get(key);
    const isDue = known === undefined || after(known.toldAt, TELL_EVERY) <= now;
    const intruder = { ...seen, times: (known?.times ?? 0) + 1 };
    this.#known.delete(key);
    this.#known.set(key, { ...intruder, toldAt: isDue ? now : known.toldAt });
    const [oldest] = this.#known.keys();
    if (this.#known.size > LIMIT && oldest !== undefined) this.#known.delete(oldest);
    return isDue && this.#mayTell(now, seen.name) ? [{ kind: "intruder", intruder }] : [];
  }

  /** How many more there were than were told of, where ten minutes are over. */
  poll(now: Instant): readonly IntruderEffect<A>[] {
    const over = [...this.#tellings].filter(([, { until }]) => until <= now);
    for (const [name] of over) this.#tellings.delete(name);
    return over.flatMap(([name, { untold }]) =>
      untold === 0 ? [] : [{ kind: "more-intruders", name, senders: untold }],
    );
  }

  nextDeadline(): Instant | undefined {
    const [first] = this.#tellings.values();
    return first?.until;
  }

  /** The one seen last comes last. */
  all(): readonly Intruder<A>[] {
    return [...this.#known.values()].map(({ toldAt: _, ...intruder }) => intruder);
  }

  #mayTell(now: Instant, name: string): boolean {
    const { until, told, untold } = this.#tellings.get(name) ?? { until: after(now, TELL_EVERY), told: 0, untold: 0 };
    const mayTell = told < TELL_MOST;
    const next = mayTell ? { until, told: told + 1, untold } : { until, told, untold: untold + 1 };
    this.#tellings.set(name, next);
    return mayTell;
  }
}
