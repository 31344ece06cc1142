// The multicast routes that are installed: what leaves where, and when a route was last of use.
import { DeadlineHeap, type Scheduled } from "../base/deadline-heap.ts";
import type { Ipv4 } from "../base/ipv4.ts";
import { after, type Duration, type Instant, seconds } from "../base/time.ts";
import type { MulticastRoute, RouteUse } from "../ports/forwarding.ts";
import { Crowds } from "./crowds.ts";
import type { Delivery } from "./options.ts";

interface Installed extends Scheduled {
  route: MulticastRoute;
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

/** A stream that pauses for less has not moved to the interface where stray packets of it arrive. */
const PAUSE: Duration = seconds(3);

/** A change of the kernel's forwarding cache, and the deliveries (72, 82) it begins and ends. */
export type RouteEffect =
  | { readonly kind: "route"; readonly route: MulticastRoute }
  | { readonly kind: "unroute"; readonly source: Ipv4; readonly group: Ipv4 }
  | Delivery;

/** Bounded; what is idle goes first. No change of one group's routes looks at those of another. */
export class MulticastRoutes {
  readonly #idle: Duration;
  readonly #limit: number;
  readonly #groups = new Map<Ipv4, Map<Ipv4, Installed>>();
  /** Those that nobody here receives by, by sender and interface; the foreign ones are not among them. */
  readonly #bySender = new Crowds<Installed>();
  /** Foreign ones, by the interface where they were heard. */
  readonly #foreign = new Crowds<Installed>();
  /** The sources of a group behind one interface. */
  readonly #crowds = new Crowds<Installed>();
  /** Those that nobody here receives by, by the time of their last use. */
  readonly #unwanted = new DeadlineHeap<Installed>();
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

  groups(): readonly Ipv4[] {
    return [...this.#groups.keys()];
  }

  all(): readonly MulticastRoute[] {
    return [...this.#groups.values()].flatMap((sources) => Array.from(sources.values(), ({ route }) => route));
  }

  of(group: Ipv4): readonly MulticastRoute[] {
    return Array.from(this.#groups.get(group)?.values() ?? [], ({ route }) => route);
  }

  get(source: Ipv4, group: Ipv4): MulticastRoute | undefined {
    return this.#groups.get(group)?.get(source)?.route;
  }

  /** Whether somebody here is to receive by the route, and nothing has come in on it where it may. */
  isUnproven({ source, group }: Pick<MulticastRoute, "source" | "group">): boolean {
    const one = this.#groups.get(group)?.get(source);
    return one?.foreign !== undefined && one.wanted;
  }

  /** How many routes there are for what a source sends on an interface and nobody here receives. */
  unwantedOf(source: Ipv4, inbound: string): number {
    return this.#bySender.sizeOf(senderOf({ source, inbound }));
  }

  /** How many routes stand on nothing but packets that came in on the interface, where their sources may not send. */
  foreignOn(heard: string): number {
    return this.#foreign.sizeOf(heard);
  }

  /**
   * Installs or replaces; what it switches on and off is told with the patent's numbers. `wanted`: somebody here receives by it.
   * `foreign`: of a new one, where the packet came in that made it, if its source may not send there.
   */
  set(now: Instant, route: MulticastRoute, wanted: boolean, foreign?: string): readonly RouteEffect[] {
    const known = this.#groups.get(route.group)?.get(route.source);
    if (known !== undefined && sameRoute(known.route, route)) return [];
    const one = known ?? fresh(now, route, wanted, foreign);
    if (known === undefined) this.#keep(one);
    else this.#change(one, { route, wanted });
    return [{ kind: "route", route }, ...deliver(one)];
  }

  /** Keeps one that is in the kernel already, so that there is nothing to tell. */
  adopt(now: Instant, route: MulticastRoute, wanted: boolean): void {
    this.#keep({ ...fresh(now, route, wanted, undefined), delivered: route.outbound });
  }

  remove(source: Ipv4, group: Ipv4): readonly RouteEffect[] {
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
  removeIdlest(): readonly RouteEffect[] {
    return this.#removeOne(this.#unwanted.takeDue(Number.POSITIVE_INFINITY as Instant));
  }

  /** Takes out the oldest foreign route, of those heard on an interface, or on the one with the most; nothing when there is none. */
  removeForeign(heard = this.#foreign.largest() ?? ""): readonly RouteEffect[] {
    return this.#removeOne(this.#foreign.first(heard));
  }

  /**
   * Takes out the newest of the group that has the most sources behind one interface, if those are more than this stream would be one
   * of; nothing when there is none.
   */
  removeFromCrowd(stream: Pick<MulticastRoute, "group" | "inbound">): readonly RouteEffect[] {
    const largest = this.#crowds.largest() ?? "";
    if (this.#crowds.sizeOf(largest) <= this.#crowds.sizeOf(crowdOf(stream)) + 1) return [];
    return this.#removeOne(this.#crowds.last(largest));
  }

  /**
   * Takes the counters of the forwarding table; takes out what has been idle too long, and what comes from elsewhere now. Where the true
   * stream has come in on a foreign route, its delivery begins.
   */
  use(now: Instant, uses: readonly RouteUse[]): readonly RouteEffect[] {
    const proven = uses.flatMap((use) => this.#prove(use));
    const gone = uses.filter((use) => this.#hasMoved(now, use));
    const idle = [...this.#groups.values()].flatMap((sources) =>
      [...sources.values()].filter(({ lastUsed }) => after(lastUsed, this.#idle) <= now),
    );
    const removed = [...gone, ...idle.map(({ route }) => route)];
    return [...proven, ...removed.flatMap(({ source, group }) => this.remove(source, group))];
  }

  #removeOne(one: Installed | undefined): readonly RouteEffect[] {
    return one === undefined ? [] : this.remove(one.route.source, one.route.group);
  }

  #keep(one: Installed): void {
    const { route } = one;
    const sources = this.#groups.get(route.group) ?? new Map<Ipv4, Installed>();
    this.#groups.set(route.group, sources);
    sources.set(route.source, one);
    this.#count(one);
    this.#rank(one);
  }

  /** Another route is proven as little as the old one, unless it comes from elsewhere. */
  #change(one: Installed, { route, wanted }: Pick<Installed, "route" | "wanted">): void {
    this.#discount(one);
    if (route.inbound !== one.route.inbound) one.foreign = undefined;
    one.route = route;
    one.wanted = wanted;
    this.#count(one);
    this.#rank(one);
  }

  #prove({ source, group, packets }: RouteUse): readonly RouteEffect[] {
    const one = this.#groups.get(group)?.get(source);
    if (one?.foreign === undefined || packets === 0) return [];
    this.#discount(one);
    one.foreign = undefined;
    this.#count(one);
    return deliver(one);
  }

  #count(one: Installed): void {
    this.#size++;
    this.#crowds.add(crowdOf(one.route), one);
    if (one.foreign !== undefined) this.#foreign.add(one.foreign, one);
    else if (!one.wanted) this.#bySender.add(senderOf(one.route), one);
  }

  #discount(one: Installed): void {
    this.#size--;
    this.#crowds.delete(crowdOf(one.route), one);
    if (one.foreign !== undefined) this.#foreign.delete(one.foreign, one);
    else if (!one.wanted) this.#bySender.delete(senderOf(one.route), one);
  }

  #rank(one: Installed): void {
    this.#unwanted.schedule(one, one.wanted ? undefined : one.lastUsed);
  }

  /** Notes the counters of one route. The kernel does not ask about a source that moved: it drops what comes in elsewhere. */
  #hasMoved(now: Instant, { source, group, packets, wrong }: RouteUse): boolean {
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

const fresh = (now: Instant, route: MulticastRoute, wanted: boolean, foreign: string | undefined): Installed => ({
  packets: 0,
  wrong: 0,
  lastUsed: now,
  route,
  wanted,
  foreign,
  delivered: [],
  due: undefined,
  place: -1,
});

const crowdOf = ({ group, inbound }: Pick<MulticastRoute, "group" | "inbound">): string => `${group},${inbound}`;

const senderOf = ({ source, inbound }: Pick<MulticastRoute, "source" | "inbound">): string => `${source},${inbound}`;

const without = (names: readonly string[], others: readonly string[]): readonly string[] =>
  names.filter((name) => !others.includes(name));

const sameRoute = (a: MulticastRoute, b: MulticastRoute): boolean =>
  a.inbound === b.inbound && without(a.outbound, b.outbound).length + without(b.outbound, a.outbound).length === 0;

/** What begins and ends with the route as it is now. */
function deliver(one: Installed): readonly Delivery[] {
  const { route, foreign, delivered } = one;
  one.delivered = foreign === undefined ? route.outbound : [];
  return [
    ...deliveries(route, without(one.delivered, delivered), 72),
    ...deliveries(route, without(delivered, one.delivered), 82),
  ];
}

const deliveries = ({ source, group }: MulticastRoute, names: readonly string[], number: 72 | 82): Delivery[] =>
  names.map((name) => ({ kind: "delivery", number, name, source, group }));
