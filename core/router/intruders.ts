// Who sends from where it may not: told once, then now and then, and kept for status.
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

interface Known extends Intruder {
  readonly toldAt: Instant;
}

const LIMIT = 64;
const TELL_EVERY: Duration = minutes(10);

/** The 64 seen last. */
export class Intruders {
  readonly #known = new Map<string, Known>();

  /** Notes one packet; the intruder when it is time to tell of it. */
  note(now: Instant, seen: Omit<Intruder, "times">): Intruder | undefined {
    const key = `${seen.name},${seen.source}`;
    const known = this.#known.get(key);
    const isDue = known === undefined || after(known.toldAt, TELL_EVERY) <= now;
    const intruder = { ...seen, times: (known?.times ?? 0) + 1 };
    this.#known.delete(key);
    this.#known.set(key, { ...intruder, toldAt: isDue ? now : known.toldAt });
    const [oldest] = this.#known.keys();
    if (this.#known.size > LIMIT && oldest !== undefined) this.#known.delete(oldest);
    return isDue ? intruder : undefined;
  }

  /** The one seen last comes last. */
  all(): readonly Intruder[] {
    return [...this.#known.values()].map(({ toldAt: _, ...intruder }) => intruder);
  }
}
