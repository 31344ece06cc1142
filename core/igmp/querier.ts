// Who asks the questions on a link (RFC 3376 6.6.2, RFC 2236 section 3): start-up, general queries, election, other querier present.
import { type Address, ascending, isUnspecified } from "../base/address.ts";
import type { Ipv4 } from "../base/ipv4.ts";
import { after, type Instant } from "../base/time.ts";
import type { TrackedHost } from "./host-shares.ts";
import type { IgmpTimes } from "./times.ts";

/** Each state carries its own deadline, and since when it holds. */
export type QuerierState<A extends Address = Ipv4> =
  /** Nobody is known to ask, and we may not. */
  | { readonly kind: "silent" }
  | { readonly kind: "querier"; readonly since: Instant; readonly startupLeft: number; readonly next: Instant }
  | { readonly kind: "non-querier"; readonly since: Instant; readonly winner: OtherQuerier<A> };

/** A router with a lower address than ours that has asked. */
export interface OtherQuerier<A extends Address = Ipv4> extends TrackedHost<A> {
  /** Its Other Querier Present timer ends. */
  readonly until: Instant;
  /** The timers that its last query told. */
  readonly times: IgmpTimes;
}

/** start: the first after the link came up, or after another querier fell silent. */
export type DueQuery = "start" | "general";

/** Others that are remembered; the lowest addresses, as the lowest of all has won. */
const MOST_OTHERS = 8;

/** Decides only who asks and when; what is asked is its owner's. */
export class Querier<A extends Address = Ipv4> {
  /** Our address on the link; undefined when we only listen. */
  readonly #address: A | undefined;
  readonly #defers: boolean;
  #own: Extract<QuerierState<A>, { kind: "querier" }> | undefined;
  /** By address, the lowest first: while there is one we do not ask. */
  #others: readonly OtherQuerier<A>[] = [];
  #yieldedAt: Instant | undefined;
  /** One that defers asks when nobody has by then. */
  #listenUntil: Instant | undefined;
  #starting = false;

  /** An `address` of 0.0.0.0 cannot win an election, so it makes a listener. @param defers whoever asks beside us wins, and comes first. */
  constructor(address: A | undefined, defers = false) {
    this.#address = address === undefined || isUnspecified(address) ? undefined : address;
    this.#defers = defers;
  }

  get state(): QuerierState<A> {
    const [winner] = this.#others;
    if (winner !== undefined && this.#yieldedAt !== undefined)
      return { kind: "non-querier", since: this.#yieldedAt, winner };
    return this.#own ?? { kind: "silent" };
  }

  get ours(): boolean {
    return this.#own !== undefined;
  }

  /** The link came up, or is asked about anew: we ask until somebody with a lower address does. */
  start(now: Instant, times: IgmpTimes): void {
    if (this.#address === undefined) return;
    if (this.#defers && this.#own === undefined) {
      this.#listenUntil = after(now, times.otherQuerierPresentInterval);
      return;
    }
    this.#begin(now, times);
  }

  #begin(now: Instant, times: IgmpTimes): void {
    this.#own = {
      kind: "querier",
      since: this.#own?.since ?? now,
      startupLeft: times.startupQueryCount,
      next: now,
    };
    this.#starting = true;
  }

  /**
   * Another router's query, which told `times`. `busy` keeps a v2 querier from yielding while its last-member queries run (RFC 2236
   * section 3).
   */
  heard(now: Instant, from: TrackedHost<A>, times: IgmpTimes, busy: boolean): void {
    // A snooping switch without an address asks as 0.0.0.0 and takes no part in the election (RFC 4541 2.1.1).
    if (isUnspecified(from.address) || (this.#own !== undefined && busy)) return;
    // Whoever is lower than we are keeps us silent, not only the lowest: when that one is gone, the next has its place.
    if (this.#address !== undefined && !this.#defers && from.address >= this.#address) return;
    const before = this.#others[0]?.address;
    const other = { ...from, until: after(now, times.otherQuerierPresentInterval), times };
    const others = [...this.#others.filter(({ address }) => address !== from.address), other];
    this.#others = others.sort((a, b) => ascending(a.address, b.address)).slice(0, MOST_OTHERS);
    this.#own = undefined;
    this.#listenUntil = undefined;
    if (this.#others[0]?.address !== before) this.#yieldedAt = now;
  }

  /** A tap tells where the winner is, which its packet did not; answers whether that is news. */
  locate({ address, mac, port }: TrackedHost<A>): boolean {
    const [winner, ...rest] = this.#others;
    if (winner?.address !== address || (winner.mac === mac && winner.port === port)) return false;
    this.#others = [{ ...winner, mac, port }, ...rest];
    return true;
  }

  /** The general query that is due. */
  poll(now: Instant, times: IgmpTimes): DueQuery | undefined {
    this.#forget(now);
    if (this.#listenUntil !== undefined && this.#listenUntil <= now) {
      this.#listenUntil = undefined;
      this.#begin(now, times);
    }
    if (this.#own === undefined || this.#own.next > now) return undefined;
    const startupLeft = Math.max(0, this.#own.startupLeft - 1);
    const wait = startupLeft > 0 ? times.startupQueryInterval : times.queryInterval;
    const due = this.#starting ? "start" : "general";
    this.#starting = false;
    this.#own = { ...this.#own, startupLeft, next: after(now, wait) };
    return due;
  }

  // 6.6.2: when the other querier is gone, ask at once, at the normal interval.
  #forget(now: Instant): void {
    const [winner] = this.#others;
    if (winner === undefined || winner.until > now) return;
    this.#others = this.#others.filter(({ until }) => until > now);
    this.#yieldedAt = now;
    if (this.#others.length > 0 || this.#address === undefined) return;
    this.#own = { kind: "querier", since: now, startupLeft: 0, next: now };
    this.#starting = true;
  }

  nextDeadline(): Instant | undefined {
    return this.#others[0]?.until ?? this.#own?.next ?? this.#listenUntil;
  }
}
