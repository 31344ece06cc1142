// The multicast routes that are installed: what leaves where, and when a route was last of use.
import type { Address } from "../base/address.ts";
import { DeadlineHeap, type Scheduled } from "../base/deadline-heap.ts";
import type { Ipv4 } from "../base/ipv4.ts";
import { after, type Duration, type Instant, seconds } from "../base/time.ts";
import type { MulticastRoute, RouteUse } from "../ports/forwarding.ts";
import { Crowds } from "./crowds.ts";
import type { Delivery } from "./options.ts";

interface Installed<A extends Address = Ipv4> extends Scheduled {
  route: MulticastRoute<A>;
  /** Where it would leave too if any host asked for the group there. */
  ready: readonly string[];
  /** Whether somebody here receives by it. */
  wanted: boolean;
  /** Where the packet came in that made it, if its source may not send there; undefined as soon as one came in where it may. */
  foreign: string | undefined;
  /** Where delivery has begun (72): by a foreign one nothing is delivered. */
  delivered: readonly string[];
  packets: number;
  wrong: number;
  lastUsed: Instant;
}

/** What is known of a route besides itself. */
export interface RouteFacts {
  /** Somebody here receives by it. */
  readonly wanted: boolean;
  /** Where it would leave too if any host asked for the group there. */
  readonly ready: readonly string[];
  /** Of a new one, where the packet came in that made it, if its source may not send there. */
  readonly foreign?: string | undefined;
}

/** A stream that pauses for less has not moved to the interface where stray packets of it arrive. */
const PAUSE: Duration = seconds(3);

/** A change of the kernel's forwarding cache, and the deliveries (72, 82) it begins and ends. */
export type RouteEffect<A extends Address = Ipv4> =
  | { readonly kind: "route"; readonly route: MulticastRoute<A> }
  | { readonly kind: "ready"; readonly route: MulticastRoute<A>; readonly names: readonly string[] }
  | { readonly kind: "unroute"; readonly source: A; readonly group: A }
  | Delivery<A>;

/** Bounded; what is idle goes first. No change of one group's routes looks at those of another. */
export class MulticastRoutes<A extends Address = Ipv4> {
  readonly #idle: Duration;
  readonly #limit: number;
  readonly #groups = new Map<A, Map<A, Installed<A>>>();
  /** Those that nobody here receives by, by sender and interface; the foreign ones are not among them. */
  readonly #bySender = new Crowds<Installed<A>>();
  /** Foreign ones, by the interface where they were heard. */
  readonly #foreign = new Crowds<Installed<A>>();
  /** The sources of a group behind one interface. */
  readonly #crowds = new Crowds<Installed<A>>();
  /** Those that nobody here receives by, by the time of their last use. */
  readonly #unwanted = new DeadlineHeap<Installed<A>>();
  #size = 0;

  constructor(idle: Duration, limit: number) {
    this.#idle = idle;
    this.#limit = limit;
  }

  get full(): boolean {
    return this.#size >= this.#limit;
  }

  get size(): number {
    return this.#size;
  }

  groups(): readonly A[] {
    return [...this.#groups.keys()];
  }

  all(): readonly MulticastRoute<A>[] {
    return [...this.#groups.values()].flatMap((sources) => Array.from(sources.values(), ({ route }) => route));
  }

  of(group: A): readonly MulticastRoute<A>[] {
    return Array.from(this.#groups.get(group)?.values() ?? [], ({ route }) => route);
  }

  get(source: A, group: A): MulticastRoute<A> | undefined {
    return this.#groups.get(group)?.get(source)?.route;
  }

  /** Whether somebody here is to receive by the route, and nothing has come in on it where it may. */
  isUnproven({ source, group }: Pick<MulticastRoute<A>, "source" | "group">): boolean {
    const one = this.#groups.get(group)?.get(source);
    return one?.foreign !== undefined && one.wanted;
  }

  /** How many routes there are for what a source sends on an interface and nobody here receives. */
  unwantedOf(source: A, inbound: string): number {
    return this.#bySender.sizeOf(senderOf({ source, inbound }));
  }

  /** How many routes stand on nothing but packets that came in on the interface, where their sources may not send. */
  foreignOn(heard: string): number {
    return this.#foreign.sizeOf(heard);
  }

  /** Installs or replaces; what it switches on and off is told with the patent's numbers. */
  set(now: Instant, route: MulticastRoute<A>, facts: RouteFacts): readonly RouteEffect<A>[] {
    const known = this.#groups.get(route.group)?.get(route.source);
    if (known !== undefined && sameRoute(known.route, route)) return prepare(known, facts.ready);
    const one = known ?? fresh(now, route, facts);
    if (known === undefined) this.#keep(one);
    else this.#change(one, route, facts);
    return [{ kind: "route", route }, ...prepare(one, facts.ready), ...deliver(one)];
  }

  /** Keeps one that is in the kernel already, so that there is nothing to tell. */
  adopt(now: Instant, route: MulticastRoute<A>, wanted: boolean): void {
    this.#keep({ ...fresh(now, route, { wanted }), delivered: route.outbound });
  }

  remove(source: A, group: A): readonly RouteEffect<A>[] {
    const sources = this.#groups.get(group);
    const known = sources?.get(source);
    if (sources === undefined || known === undefined) return [];
    sources.delete(source);
    if (sources.size === 0) this.#groups.delete(group);
    this.#unwanted.schedule(known, undefined);
    this.#discount(known);
    return [{ kind: "unroute", source, group }, ...deliveries(known.route, known.delivered, 82)];
  }

  /** Takes out the longest idle of the routes by which nobody here receives; nothing when there is none. */
  removeIdlest(): readonly RouteEffect<A>[] {
    return this.#removeOne(this.#unwanted.takeDue(Number.POSITIVE_INFINITY as Instant));
  }

  /** Takes out the oldest foreign route, of those heard on an interface, or on the one with the most; nothing when there is none. */
  removeForeign(heard = this.#foreign.largest() ?? ""): readonly RouteEffect<A>[] {
    return this.#removeOne(this.#foreign.first(heard));
  }

  /**
   * Takes out the newest of the group that has the most sources behind one interface, if those are more than this stream would be one
   * of; nothing when there is none.
   */
  removeFromCrowd(stream: Pick<MulticastRoute<A>, "group" | "inbound">): readonly RouteEffect<A>[] {
    const largest = this.#crowds.largest() ?? "";
    if (this.#crowds.sizeOf(largest) <= this.#crowds.sizeOf(crowdOf(stream)) + 1) return [];
    return this.#removeOne(this.#crowds.last(largest));
  }

  /**
   * Takes the counters of the forwarding table; takes out what has been idle too long, and what comes from elsewhere now. Where the true
   * stream has come in on a foreign route, its delivery begins.
   */
  use(now: Instant, uses: readonly RouteUse<A>[]): readonly RouteEffect<A>[] {
    const proven = uses.flatMap((use) => this.#prove(use));
    const gone = uses.filter((use) => this.#hasMoved(now, use));
    const idle = [...this.#groups.values()].flatMap((sources) =>
      [...sources.values()].filter(({ lastUsed }) => after(lastUsed, this.#idle) <= now),
    );
    const removed = [...gone, ...idle.map(({ route }) => route)];
    return [...proven, ...removed.flatMap(({ source, group }) => this.remove(source, group))];
  }

  #removeOne(one: Installed<A> | undefined): readonly RouteEffect<A>[] {
    return one === undefined ? [] : this.remove(one.route.source, one.route.group);
  }

  #keep(one: Installed<A>): void {
    const { route } = one;
    const sources = this.#groups.get(route.group) ?? new Map<A, Installed<A>>();
    this.#groups.set(route.group, sources);
    sources.set(route.source, one);
    this.#count(one);
    this.#rank(one);
  }

  /** Another route is proven as little as the old one, unless it comes from elsewhere. */
  #change(one: Installed<A>, route: MulticastRoute<A>, { wanted }: Pick<RouteFacts, "wanted">): void {
    this.#discount(one);
    if (route.inbound !== one.route.inbound) one.foreign = undefined;
    one.route = route;
    one.ready = [];
    one.wanted = wanted;
    this.#count(one);
    this.#rank(one);
  }

  #prove({ source, group, packets }: RouteUse<A>): readonly RouteEffect<A>[] {
    const one = this.#groups.get(group)?.get(source);
    if (one?.foreign === undefined || packets === 0) return [];
    this.#discount(one);
    one.foreign = undefined;
    this.#count(one);
    return deliver(one);
  }

  #count(one: Installed<A>): void {
    this.#size++;
    this.#crowds.add(crowdOf(one.route), one);
    if (one.foreign !== undefined) this.#foreign.add(one.foreign, one);
    else if (!one.wanted) this.#bySender.add(senderOf(one.route), one);
  }

  #discount(one: Installed<A>): void {
    this.#size--;
    this.#crowds.delete(crowdOf(one.route), one);
    if (one.foreign !== undefined) this.#foreign.delete(one.foreign, one);
    else if (!one.wanted) this.#bySender.delete(senderOf(one.route), one);
  }

  #rank(one: Installed<A>): void {
    this.#unwanted.schedule(one, one.wanted ? undefined : one.lastUsed);
  }

  /** Notes the counters of one route. The kernel does not ask about a source that moved: it drops what comes in elsewhere. */
  #hasMoved(now: Instant, { source, group, packets, wrong }: RouteUse<A>): boolean {
    const known = this.#groups.get(group)?.get(source);
    if (known === undefined) return false;
    const [isSilent, strays] = [known.packets === packets, wrong > known.wrong];
    known.packets = packets;
    known.wrong = wrong;
    if (!isSilent) {
      known.lastUsed = now;
      this.#rank(known);
    }
    return isSilent && strays && after(known.lastUsed, PAUSE) <= now;
  }
}

const fresh = <A extends Address>(
  now: Instant,
  route: MulticastRoute<A>,
  { wanted, foreign }: Omit<RouteFacts, "ready">,
): Installed<A> => ({
  packets: 0,
  wrong: 0,
  lastUsed: now,
  route,
  ready: [],
  wanted,
  foreign,
  delivered: [],
  due: undefined,
  place: -1,
});

const crowdOf = <A extends Address>({ group, inbound }: Pick<MulticastRoute<A>, "group" | "inbound">): string =>
  `${group},${inbound}`;

const senderOf = <A extends Address>({ source, inbound }: Pick<MulticastRoute<A>, "source" | "inbound">): string =>
  `${source},${inbound}`;

const without = (names: readonly string[], others: readonly string[]): readonly string[] =>
  names.filter((name) => !others.includes(name));

const sameNames = (some: readonly string[], others: readonly string[]): boolean =>
  some.length === others.length && some.every((name) => others.includes(name));

const sameRoute = <A extends Address>(a: MulticastRoute<A>, b: MulticastRoute<A>): boolean =>
  a.inbound === b.inbound && sameNames(a.outbound, b.outbound);

function prepare<A extends Address>(one: Installed<A>, names: readonly string[]): readonly RouteEffect<A>[] {
  if (sameNames(one.ready, names)) return [];
  one.ready = names;
  return [{ kind: "ready", route: one.route, names }];
}

/** What begins and ends with the route as it is now. */
function deliver<A extends Address>(one: Installed<A>): readonly Delivery<A>[] {
  const { route, foreign, delivered } = one;
  one.delivered = foreign === undefined ? route.outbound : [];
  return [
    ...deliveries(route, without(one.delivered, delivered), 72),
    ...deliveries(route, without(delivered, one.delivered), 82),
  ];
}

const deliveries = <A extends Address>(
  { source, group }: MulticastRoute<A>,
  names: readonly string[],
  number: 72 | 82,
): Delivery<A>[] => names.map((name) => ({ kind: "delivery", number, name, source, group }));
