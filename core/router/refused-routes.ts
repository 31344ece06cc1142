// Streams for which there is no room among the routes. The kernel keeps ten questions and asks no other until one is answered or ten
// seconds are over: what is refused is answered too, by a route to nowhere that soon goes, so that nobody's spray keeps it from asking.
import type { Address } from "../base/address.ts";
import type { Ipv4 } from "../base/ipv4.ts";
import { after, type Duration, type Instant, seconds } from "../base/time.ts";

/** What came in, and where. */
export interface RefusedStream<A extends Address = Ipv4> {
  readonly source: A;
  readonly group: A;
  readonly inbound: string;
}

/** Then the kernel asks again, and there may be room. */
const LASTING: Duration = seconds(10);
const LIMIT = 256;

/** The 256 that were refused last. */
export class RefusedRoutes<A extends Address = Ipv4> {
  /** When each ends; in order, as all last equally long. */
  readonly #streams = new Map<string, RefusedStream<A> & { readonly until: Instant }>();

  /** Notes one that has a route to nowhere from now on; those that have none any more. */
  add(now: Instant, stream: RefusedStream<A>): readonly RefusedStream<A>[] {
    this.forget(stream);
    this.#streams.set(keyOf(stream), { ...stream, until: after(now, LASTING) });
    const [oldest] = this.#streams.values();
    return this.#streams.size > LIMIT && oldest !== undefined ? this.#end([oldest]) : [];
  }

  forget(stream: Pick<RefusedStream<A>, "source" | "group">): void {
    this.#streams.delete(keyOf(stream));
  }

  /** Those whose time is over. */
  poll(now: Instant): readonly RefusedStream<A>[] {
    const due: RefusedStream<A>[] = [];
    for (const stream of this.#streams.values()) {
      if (stream.until > now) break;
      due.push(stream);
    }
    return this.#end(due);
  }

  nextDeadline(): Instant | undefined {
    const [first] = this.#streams.values();
    return first?.until;
  }

  /** Those of a group. */
  of(group: A): readonly RefusedStream<A>[] {
    return [...this.#streams.values()].filter((stream) => stream.group === group);
  }

  /** Those of a group that somebody wants now: they are to be asked about anew. */
  release(group: A): readonly RefusedStream<A>[] {
    return this.#end(this.of(group));
  }

  #end(streams: readonly RefusedStream<A>[]): readonly RefusedStream<A>[] {
    for (const stream of streams) this.forget(stream);
    return streams;
  }
}

const keyOf = <A extends Address>({ source, group }: Pick<RefusedStream<A>, "source" | "group">): string =>
  `${source},${group}`;
