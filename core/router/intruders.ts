// Who sends from where it may not: told once, then now and then, and kept for status. A sender can invent more senders than a log holds.
import type { Ipv4 } from "../base/ipv4.ts";
import { after, type Duration, type Instant, minutes } from "../base/time.ts";

/** A sender whose packets are not routed from the interface where they came in. */
export interface Intruder {
  /** Where its packets came in. */
  readonly name: string;
  readonly source: Ipv4;
  /** The last group that it sent to. */
  readonly group: Ipv4;
  /** From which interface this source is expected; undefined: from none that we have. */
  readonly expected: string | undefined;
  /** How often the kernel told of it, which is not how much it sent. */
  readonly times: number;
}

/** What is to be told: one, or how many more there were on one interface in the ten minutes that are over. */
export type IntruderEffect =
  | { readonly kind: "intruder"; readonly intruder: Intruder }
  | { readonly kind: "more-intruders"; readonly name: string; readonly senders: number };

interface Known extends Intruder {
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
export class Intruders {
  readonly #known = new Map<string, Known>();
  /** By interface, in the order of their ends. */
  readonly #tellings = new Map<string, Telling>();

  /** Notes one packet; tells of its sender when that is due. A sender that is forgotten among 64 others is another when it returns. */
  note(now: Instant, seen: Omit<Intruder, "times">): readonly IntruderEffect[] {
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
  poll(now: Instant): readonly IntruderEffect[] {
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
  all(): readonly Intruder[] {
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
